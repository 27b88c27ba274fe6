"""One picture of any format, depth and size as numbers, with all that a file of it should keep. Imports no torch."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from artgen.data.picture_decoding import DRAFT, FILTER, BrokenPicture, deep_values, formats, reason, size_limit
from artgen.data.picture_files import FOREIGN
from artgen.errors import UsageError
from artgen.media.deep_images import SIGNATURE, TOP, Samples, deep_samples, is_deep
from artgen.media.exif import TURNED, hold_exif, kept_exif, orientation
from artgen.media.image_colours import Pixels, grey_to_srgb, image_to_srgb, space, to_space

T = TypeVar("T")
Array = NDArray[np.uint8] | Samples

MAX_PIXELS = 150_000_000  # of a file as it is decoded, and of a picture after it was enlarged
WIDE_MODES = ("I", "F")  # four bytes a pixel, and eight while their range is found
GREY_MODES = ("1", "L", "LA", "La")
VISIBLE = 1 / 512  # alpha below it shows nothing in 8 bits


@dataclass(frozen=True)
class Picture:
    """A picture and what its file says about it.

    pixels: [height, width, 3], float32, 0 to 1, upright, in the colour space of `profile`.
    alpha: [height, width], float32, 0 to 1; None: the file has no transparency.
    profile: an ICC profile for RGB; None: sRGB.
    bits: 8 or 16 of a channel, of the file.
    grey: the file was grey. It is written grey again if its pixels still are.
    exif: what the camera said, as Pillow takes it, without orientation (the pixels are upright).
    name: the path that it was read from.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    profile: bytes | None = None
    bits: int = 8
    grey: bool = False
    exif: bytes | None = None
    name: str = ""


def read_image(path: Path | str, size: int | None = None) -> Picture:
    """The first frame of a picture file. size: its longest side, smaller or larger than in the file; None: as in the file.

    Colours of CMYK, Lab and of greys with a profile become sRGB. Raises UsageError that names the file if there is none, or it
    is no picture that can be read, or has too many pixels; a large JPEG file can be read if `size` is small enough.
    """
    if size is not None and size < 1:
        raise ValueError(f"size {size}, expected 1 or more")
    return _opened(path, lambda image: _picture(image, Path(path), size))


def image_size(path: Path | str) -> tuple[int, int]:
    """The (width, height) of a picture that is held upright, read from its header. Raises UsageError as `read_image`."""
    return _opened(path, lambda image: _upright_size(image, Path(path)))


def to_profile(picture: Picture, profile: bytes | None) -> Picture:
    """The picture in another colour space, with 8 bits of precision; as it is, if that is its own one."""
    pixels = to_space(picture.pixels, picture.profile, profile)
    return replace(picture, pixels=pixels, profile=profile)


# ---------------------------------------------------------------- the file


def _opened(path: Path | str, use: Callable[[Image.Image], T]) -> T:
    """What `use` makes of an opened file. Whatever is wrong with it becomes a UsageError of one line."""
    _check_file(Path(path), path)
    try:
        with (
            size_limit(1 << 40),
            Image.open(path, formats=formats()) as image,
        ):  # how large it may be depends on how it is decoded
            return use(image)
    except BrokenPicture as broken:
        raise UsageError(f"{path}: {broken}") from None
    except UnidentifiedImageError:
        raise UsageError(f"{path}: {_unidentified(Path(path))}") from None
    except MemoryError:
        raise UsageError(f"{path}: is too large for this machine's memory") from None
    except Exception as error:  # a decoder raises whatever a broken file makes it stumble over
        raise UsageError(f"{path}: {reason(error, MAX_PIXELS)}") from None


def _check_file(file: Path, path: Path | str) -> None:
    try:
        if file.is_dir():
            raise UsageError(f"{path}: is a folder, expected a picture")
        if not file.exists():
            raise UsageError(f"{path}: no such file, expected a picture")
        if not file.is_file():
            raise UsageError(f"{path}: is a device, expected a picture")
        if not file.stat().st_size:
            raise UsageError(f"{path}: is empty, expected a picture")
    except (OSError, ValueError) as error:  # a name too long, a null character in it, a folder that may not be entered
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if file.suffix.lower() in FOREIGN:
        raise UsageError(f"{path}: a format that is not read, save it as PNG or JPEG")


def _unidentified(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(4)
    if begin in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "a kind of TIFF that is not read, save it with 8 or 16 bits a channel, as RGB or grey"
    return "is not a picture"


# ---------------------------------------------------------------- decoding


def _picture(image: Image.Image, path: Path, size: int | None) -> Picture:
    wanted = _wanted(image.size, size)  # of a file as it is stored, which may lie on its side
    _prepare(image, path, wanted)
    hold_exif(image)
    samples, alpha, profile, grey = _decoded(image, path)
    turn = orientation(image)  # a TIFF file's pixels Pillow has turned already
    pixels, opacity = _scaled(samples, alpha, wanted)
    if grey:
        if profile is not None:
            pixels = np.interp(pixels * 255, np.arange(256), grey_to_srgb(profile)).astype(np.float32)
            profile = None
        pixels = np.repeat(pixels, 3, axis=2)
    return Picture(
        pixels=np.ascontiguousarray(_upright(pixels, turn)),
        alpha=None if opacity is None else np.ascontiguousarray(_upright(opacity, turn)),
        profile=profile,
        bits=8 * samples.itemsize,
        grey=grey,
        exif=kept_exif(image),
        name=str(path),
    )


def _wanted(own: tuple[int, int], size: int | None) -> tuple[int, int]:
    """(width, height) with `size` as the longer side."""
    if size is None:
        return own
    scale = size / max(own)
    wanted = (max(1, round(own[0] * scale)), max(1, round(own[1] * scale)))
    if wanted[0] * wanted[1] > MAX_PIXELS:
        raise BrokenPicture(f"would have {wanted[0]:,} x {wanted[1]:,} pixels, more than {MAX_PIXELS:,}; give a smaller size")
    return wanted


def _prepare(image: Image.Image, path: Path, wanted: tuple[int, int]) -> None:
    """Has a JPEG file decoded at a fraction of its size, if that is enough. Raises BrokenPicture where too much would be decoded."""
    width, height = image.size
    most = MAX_PIXELS // 2 if image.mode in WIDE_MODES else MAX_PIXELS
    times = next((times for times in range(DRAFT, 1, -1) if _drafted(image.size, wanted, times) <= most), 1)
    image.draft(image.mode, (wanted[0] * times, wanted[1] * times))
    progressive = bool(image.info.get("progressive") or image.info.get("progression"))  # all of it is held, whatever is wanted
    if image.width * image.height > most or (progressive and width * height > most):
        raise BrokenPicture(f"has {width:,} x {height:,} pixels, more than the {most:,} that are read; save it smaller")
    tags = getattr(image, "tag_v2", {})  # libtiff would say something of its own about a TIFF file that is cut off
    for offsets, counts in ((273, 279), (324, 325)):
        ends = [at + count for at, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)]
        if ends and max(ends) > path.stat().st_size:
            raise BrokenPicture("is damaged: its end is missing")


def _drafted(own: tuple[int, int], wanted: tuple[int, int], times: int) -> int:
    """How many pixels a JPEG file is decoded to where so many times the size is asked for: a half, quarter or eighth of its sides."""
    ratio = min(own[0] // (wanted[0] * times), own[1] // (wanted[1] * times))
    scale = max(scale for scale in (1, 2, 4, 8) if scale <= max(ratio, 1))
    return -(-own[0] // scale) * -(-own[1] // scale)


def _decoded(image: Image.Image, path: Path) -> tuple[Array, Array | None, bytes | None, bool]:
    """Samples, [height, width, 1 or 3], of 8 or 16 bits; alpha, [height, width]; the profile of these samples; whether grey."""
    profile: bytes | None = image.info.get("icc_profile") or None
    transparent = image.info.get("transparency")
    if is_deep(image):
        deep = deep_samples(image, path)
        n_colours = 1 if deep.shape[2] < 3 else 3
        colours, alpha = deep[..., :n_colours], deep[..., n_colours] if deep.shape[2] > n_colours else None
        if alpha is None and transparent is not None:  # one colour that is meant to be seen through
            alpha = np.where((colours == np.array(transparent)).all(axis=2), 0, TOP).astype(np.uint16)
        return colours, alpha, _fitting(profile, "L" if n_colours == 1 else "RGB"), n_colours == 1
    image.load()
    if image.mode in WIDE_MODES:
        grey = np.rint(deep_values(image, TOP)).astype(np.uint16)[..., None]
        return grey, None, _fitting(profile, "L"), True
    if image.mode in ("CMYK", "LAB"):
        return np.asarray(image_to_srgb(image, profile)), None, None, False
    if image.mode in GREY_MODES:
        pair = np.asarray(image.convert("LA"))
        has_alpha = image.has_transparency_data
        return pair[..., :1], pair[..., 1] if has_alpha else None, _fitting(profile, "L"), True
    if image.has_transparency_data:
        four = np.asarray(image.convert("RGBA"))
        return four[..., :3], four[..., 3], _fitting(profile, "RGB"), False
    return np.asarray(image.convert("RGB")), None, _fitting(profile, "RGB"), False


def _fitting(profile: bytes | None, mode: str) -> bytes | None:
    """The profile if it is whole and for such a picture."""
    return profile if profile is not None and space(profile) == mode else None


# ---------------------------------------------------------------- sizes and orientation


def _scaled(samples: Array, alpha: Array | None, size: tuple[int, int]) -> tuple[Pixels, Pixels | None]:
    """Colours and alpha from 0 to 1, at another size.

    Antialiased, and without rounding to bytes. Colours are weighted by alpha: else the colour of pixels that cannot be seen would
    show at the edges.
    """
    top = np.float32(np.iinfo(samples.dtype).max)
    opacity = None if alpha is None else _unit(alpha, top)
    width, height = size
    if samples.shape[:2] == (height, width):
        return _unit(samples, top), opacity
    small = None if opacity is None else resized(opacity, size)
    out = np.empty((height, width, samples.shape[2]), dtype=np.float32)
    for channel in range(samples.shape[2]):  # one at a time, which spares memory
        values = _unit(samples[..., channel], top)
        if opacity is None or small is None:
            out[..., channel] = resized(values, size)
            continue
        weighted = resized(values * opacity, size, 0, None)
        plain = resized(values, size) if (small < VISIBLE).any() else weighted
        out[..., channel] = np.where(small < VISIBLE, plain, weighted / np.maximum(small, VISIBLE)).clip(0, 1)
    return out, small


def _unit(samples: Array, top: np.float32) -> Pixels:
    values = samples.astype(np.float32)
    values /= top
    return values


def resized(values: Pixels, size: tuple[int, int], low: float = 0, high: float | None = 1) -> Pixels:
    """[height, width] at another size. The filter overshoots at edges; that is cut off."""
    return np.asarray(Image.fromarray(values).resize(size, FILTER)).clip(low, high)


def _upright(array: NDArray[T], turn: int) -> NDArray[T]:  # type: ignore[type-var]
    """[height, width, ...] turned and mirrored as EXIF's orientation, 1 to 8, asks for."""
    if turn in TURNED:
        array = array.swapaxes(0, 1)
    if turn in (2, 3, 6, 7):
        array = array[:, ::-1]
    if turn in (3, 4, 7, 8):
        array = array[::-1]
    return array


def _upright_size(image: Image.Image, path: Path) -> tuple[int, int]:
    width, height = image.size
    if image.format == "TIFF":  # Pillow tells the size of the upright picture
        return width, height
    if image.format == "PNG" and "exif" not in image.info:
        image.info["exif"] = _late_exif(path)  # Pillow would decode the picture to find it
    return (height, width) if orientation(image) in TURNED else (width, height)


def _late_exif(path: Path) -> bytes:
    """The eXIf chunk of a PNG file, which may stand behind the pixels."""
    with path.open("rb") as file:
        if file.read(8) != SIGNATURE:
            return b""
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name == b"eXIf":
                return file.read(length)
            file.seek(length + 4, 1)
    return b""
