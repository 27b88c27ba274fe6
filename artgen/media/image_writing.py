"""One picture as a PNG, JPEG, WebP or TIFF file, with its recipe, colour profile and EXIF inside. Imports no torch.

The same picture and recipes are the same bytes, with the same versions of Pillow and zlib.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from artgen.errors import UsageError
from artgen.files import atomic_write, check_writable
from artgen.media.deep_images import encode_png, encode_tiff, profile_chunk, text_chunk
from artgen.media.exif import opened_exif, sized_exif
from artgen.media.image_colours import Pixels, space
from artgen.media.image_reading import Picture
from artgen.media.picture_recipes import (
    KEY,
    XMP_TAG,
    deep_digest,
    pixels_digest,
    recipe_text,
    text_with_digest,
    xmp_packet,
)
from artgen.media.recipe import Recipe

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
JPEG, WEBP, TIFF = (".jpg", ".jpeg"), (".webp",), (".tif", ".tiff")
LONGEST = {**dict.fromkeys(JPEG, 65_500), ".webp": 16_383}  # sides that the formats allow
MOST_XMP, MOST_EXIF = 65_504, 65_533  # bytes in a JPEG file
QUALITY = 95  # of JPEG, with the colours of every pixel
PROFILE_TAG, UNDEFINED, BYTE = 34675, 7, 1  # of TIFF
ROWS = 256  # that are rounded at once, so that copies are small


def write_image(picture: Picture, out: Path, recipes: Sequence[Recipe], force: bool = False) -> Path:
    """Writes a picture in the format that the name's end says; returns the file. Raises as `artgen.files.atomic_write`."""
    check_image_name(out)
    check_writable(Path(out), force)
    atomic_write(Path(out), encode_image(picture, out, recipes), force)
    return Path(out)


def encode_image(picture: Picture, out: Path | str, recipes: Sequence[Recipe]) -> bytes:
    """The content of the file `out`. PNG, TIFF and WebP are exact for the bits that they can hold.

    Raises UsageError if the format does not allow such a size, or JPEG has no room for the recipes.
    """
    check_image_name(out)
    height, width, _ = picture.pixels.shape
    check_image_side(out, max(width, height))
    suffix = _suffix(out)
    if suffix in JPEG:
        return _jpeg(picture, out, recipes)
    samples = _samples(picture, deep=picture.bits > 8 and suffix not in WEBP)
    if suffix in TIFF:
        return _tiff(picture, samples, recipes)
    if samples.dtype == np.uint16:
        return _deep_png(picture, samples, recipes)
    image = _image(samples)
    text = text_with_digest(pixels_digest(image), recipes)
    if suffix in WEBP:
        image = image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB")
        return _saved(image, picture, "WEBP", lossless=True, exact=True, quality=50, method=4, xmp=xmp_packet(text))
    info = PngInfo()
    info.add_itxt(KEY, text)
    return _saved(image, picture, "PNG", pnginfo=info)


def losses(picture: Picture, out: Path | str) -> list[str]:
    """What the format of `out` cannot keep of a picture, a line each."""
    notes, suffix = [], _suffix(out)
    if suffix in JPEG and picture.alpha is not None and (picture.alpha < 1).any():
        notes.append(f"{out}: JPEG has no transparency; the picture is laid on white")
    if suffix in (*JPEG, *WEBP) and picture.bits > 8:
        notes.append(f"{out}: {picture.bits} bits a channel are rounded to 8; PNG and TIFF keep them")
    return notes


def check_image_name(out: Path | str) -> None:
    """Raises UsageError if no picture format is known by such a name."""
    if _suffix(out) not in IMAGE_SUFFIXES:
        raise UsageError(f"{out}: expected a name that ends in {', '.join(IMAGE_SUFFIXES[:-1])} or {IMAGE_SUFFIXES[-1]}")


def check_image_side(out: Path | str, longest: int) -> None:
    """Raises UsageError if the format does not allow a side of so many pixels."""
    most = LONGEST.get(_suffix(out))
    if most and longest > most:
        raise UsageError(f"{out}: {longest:,} pixels on a side, of which this format allows {most:,}; PNG and TIFF allow more")


# ---------------------------------------------------------------- samples


def _samples(picture: Picture, deep: bool) -> NDArray[Any]:
    """[height, width, 1 to 4], uint8 or uint16, rounded: grey or RGB, with alpha where there is any."""
    top, kind = (65535, np.uint16) if deep else (255, np.uint8)
    height, width, _ = picture.pixels.shape
    grey = picture.grey and picture.profile is None and _is_grey(picture.pixels)
    n_colours = 1 if grey else 3
    out = np.empty((height, width, n_colours + (picture.alpha is not None)), dtype=kind)
    for start in range(0, height, ROWS):
        rows = slice(start, start + ROWS)
        out[rows, :, :n_colours] = np.rint(picture.pixels[rows, :, :n_colours].clip(0, 1) * top)
        if picture.alpha is not None:
            out[rows, :, n_colours] = np.rint(picture.alpha[rows].clip(0, 1) * top)
    return out


def _is_grey(pixels: Pixels) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _image(samples: NDArray[Any]) -> Image.Image:
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


# ---------------------------------------------------------------- formats


def _jpeg(picture: Picture, out: Path | str, recipes: Sequence[Recipe]) -> bytes:
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = pixels * picture.alpha[..., None] + (1 - picture.alpha[..., None])
    flat = Picture(pixels, None, picture.profile, 8, picture.grey, picture.exif, picture.name)
    image = _image(_samples(flat, deep=False))

    def save(**more: Any) -> bytes:
        return _saved(image, picture, "JPEG", most_exif=MOST_EXIF, quality=QUALITY, subsampling=0, **more)

    xmp = xmp_packet(recipe_text(save(), recipes))
    if len(xmp) > MOST_XMP:
        raise UsageError(
            f"{out}: the {len(recipes):,} recipes are too long for a JPEG file; PNG, WebP and TIFF have room for them"
        )
    return save(xmp=xmp)


def _deep_png(picture: Picture, samples: NDArray[Any], recipes: Sequence[Recipe]) -> bytes:
    chunks = {}
    if profile := _profile(picture):
        chunks[b"iCCP"] = profile_chunk(profile)
    chunks[b"iTXt"] = text_chunk(KEY, text_with_digest(deep_digest(samples), recipes))
    if exif := _exif(picture):
        chunks[b"eXIf"] = exif.removeprefix(b"Exif\0\0")
    return encode_png(samples, chunks)


def _tiff(picture: Picture, samples: NDArray[Any], recipes: Sequence[Recipe]) -> bytes:
    if samples.dtype == np.uint16 and samples.shape[2] == 2:  # 16 bits of grey and alpha are what few programs read
        samples = samples[..., [0, 0, 0, 1]]
    digest = deep_digest(samples) if samples.dtype == np.uint16 else pixels_digest(_image(samples))
    tags: dict[int, Any] = {}
    if exif := _exif(picture):
        opened = opened_exif(exif)
        tags = {tag: opened.get_ifd(tag) if tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) else opened[tag] for tag in opened}
    if profile := _profile(picture):
        tags[PROFILE_TAG] = profile
    tags[XMP_TAG] = xmp_packet(text_with_digest(digest, recipes))
    return encode_tiff(samples, tags, {PROFILE_TAG: UNDEFINED, XMP_TAG: BYTE})


def _saved(image: Image.Image, picture: Picture, kind: str, most_exif: int | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    kept = {"icc_profile": _profile(picture), "exif": _exif(picture, most_exif)}
    image.save(out, kind, **options, **{key: value for key, value in kept.items() if value})
    return out.getvalue()


def _profile(picture: Picture) -> bytes | None:
    return picture.profile if space(picture.profile) == "RGB" else None


def _exif(picture: Picture, most: int | None = None) -> bytes | None:
    height, width, _ = picture.pixels.shape
    return sized_exif(picture.exif, width, height, most) if picture.exif else None


def _suffix(out: Path | str) -> str:
    return Path(out).suffix.lower()
