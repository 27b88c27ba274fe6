"""A picture file of any size, mode and orientation as a small square of bytes. Imports no torch."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from artgen.data.picture_config import PictureDataConfig

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA")  # not EPS: it runs programs
FILTER = Image.Resampling.LANCZOS
DRAFT = 3  # a JPEG is decoded at no less than so many times the size that is needed, which is much faster for photographs
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
LARGE = 1 << 24  # pixels
_one_large = threading.Lock()  # pictures with more pixels than LARGE are decoded one at a time, to spare memory


class BrokenPicture(Exception):
    """A file that is no picture, or not one that should be decoded. The message says why, without the name."""


@contextmanager
def size_limit(max_pixels: int) -> Iterator[None]:
    """Lets Pillow refuse larger pictures by their header, before it decodes them. Around all threads that decode."""
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what matters is whether they can be read
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def decode(path: Path, config: PictureDataConfig) -> tuple[Pixels, tuple[int, int]]:
    """The first frame of a picture as [size, size, channels], and its own (width, height).

    Raises BrokenPicture. To be called inside `size_limit`.
    """
    try:
        with Image.open(path, formats=formats()) as image:
            _check_size(image.width * image.height, config.max_pixels)
            size = image.size
            image.draft(image.mode, (config.size * DRAFT, config.size * DRAFT))
            with _one_large if image.width * image.height > LARGE else nullcontext():
                image.load()
                upright = _eight_bit(ImageOps.exif_transpose(image))
    except BrokenPicture:
        raise
    except Exception as error:  # a decoder raises whatever a broken file makes it stumble over
        raise BrokenPicture(reason(error, config.max_pixels)) from None
    return _square(upright, config), size


def to_square(image: Image.Image, config: PictureDataConfig) -> Pixels:
    """A picture of any size and mode as [size, size, channels], as `config` has it.

    With channels: rgba the colour of pixels that cannot be seen is the background, so that they are all alike.
    """
    return _square(_eight_bit(image), config)


def _square(image: Image.Image, config: PictureDataConfig) -> Pixels:
    image = _fit(image, config)
    background = Image.new("RGBA", image.size, config.background_rgb)
    if config.channels == "rgba":
        pixels = np.array(image.convert("RGBA"))
        pixels[pixels[..., 3] == 0, :3] = config.background_rgb
        return pixels
    if image.mode == "RGBA":
        image = Image.alpha_composite(background, image).convert("RGB")
    if config.channels == "grey":
        return np.array(image.convert("L"))[..., None]
    return np.array(image)


# ---------------------------------------------------------------- modes


def _eight_bit(image: Image.Image) -> Image.Image:
    """The picture as RGB, or RGBA if any of it can be transparent, 8 bits a channel, in sRGB."""
    if image.mode in DEEP_MODES:
        return _from_deep(image).convert("RGB")
    if image.has_transparency_data:
        return _in_srgb(image.convert("RGBA"), image)
    if image.mode == "CMYK":
        return _in_srgb(image, image).convert("RGB")
    return _in_srgb(image.convert("RGB"), image)


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits as 8 bits. Pillow would cut off whatever is above 255."""
    return Image.fromarray(np.rint(deep_values(image, 255)).astype(np.uint8))


def deep_values(image: Image.Image, top: int) -> NDArray[np.float64]:
    """Grey of 16 or 32 bits, whole numbers or not, [height, width], as numbers from 0 to `top`.

    What is stored in 16 bits reaches from 0 to 65,535. The range of the rest is known only from the numbers: 1 at most, or 255, or
    65,535, or else their own smallest and largest.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, next(usual for usual in (1.0, 255.0, 65535.0) if high <= usual)
    scaled: NDArray[np.float64] = (values - low) * (top / (high - low or 1.0))
    return scaled


def _in_srgb(image: Image.Image, original: Image.Image) -> Image.Image:
    """The picture with its colour profile applied, if it carries one that means something else than sRGB."""
    profile = original.info.get("icc_profile")
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        colours = image.convert("RGB") if alpha else image
        converted = ImageCms.profileToProfile(colours, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a damaged profile, or one for another kind of picture
        return image
    assert converted is not None
    if alpha:
        converted.putalpha(alpha)
    return converted


# ---------------------------------------------------------------- sizes


def _fit(image: Image.Image, config: PictureDataConfig) -> Image.Image:
    """[size, size], cut, padded or distorted. Padding is of the background colour, and transparent where that is kept."""
    size = config.size
    width, height = image.size
    if config.fit == "stretch":
        return _resize(image, (size, size), (0, 0, width, height))
    if config.fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return _resize(image, (size, size), (left, top, left + side, top + side))
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = _resize(image, inner, (0, 0, width, height))
    if config.channels == "rgba":
        resized = resized.convert("RGBA")
    square = Image.new(resized.mode, (size, size), (*config.background_rgb, 0)[: len(resized.getbands())])
    square.paste(resized, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return square


def _resize(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    """Antialiased. Colours are weighted by alpha: else the colour of pixels that cannot be seen would show at the edges."""
    if image.mode != "RGBA":
        return image.resize(size, FILTER, box, reducing_gap=3.0)
    return image.convert("RGBa").resize(size, FILTER, box, reducing_gap=3.0).convert("RGBA")


# ---------------------------------------------------------------- what is wrong


def formats(names: Sequence[str] = FORMATS) -> list[str]:
    """Those that this Pillow was built with."""
    Image.init()
    return [name for name in names if name in Image.OPEN]


def _check_size(n_pixels: int, max_pixels: int) -> None:
    if n_pixels > max_pixels:
        raise BrokenPicture(f"has {n_pixels:,} pixels, more than data.max_pixels ({max_pixels:,})")


def reason(error: Exception, max_pixels: int) -> str:
    """In one line and without the name, which is said already."""
    if isinstance(error, UnidentifiedImageError):
        return "is not a picture"
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        size = re.search(r"\((\d+) pixels\)", str(error))
        return f"has {int(size[1]):,} pixels, more than data.max_pixels ({max_pixels:,})" if size else "is too large"
    if isinstance(error, OSError) and error.errno:
        return f"cannot be read: {error.strerror}"
    text = str(error) or type(error).__name__
    return f"is damaged: {text.splitlines()[0]}"
