"""Colour spaces of pictures: ICC profiles, and colours converted between them. Imports no torch."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.float32]

SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}  # of a profile's header, as Pillow's mode
FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
ROWS = 256  # that are converted at once, so that copies are small


def space(profile: bytes | None) -> str:
    """The mode of the pictures that a profile is for: RGB (also for None, which is sRGB), L or CMYK; '' if it is damaged."""
    if profile is None:
        return "RGB"
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return ""
    return SPACES.get(profile[16:20], "")


def is_srgb(profile: bytes | None) -> bool:
    """Whether a profile says of itself that it is sRGB; None is."""
    if profile is None:
        return True
    return "srgb" in ImageCms.getProfileDescription(_opened(profile)).lower()


def to_space(pixels: Pixels, source: bytes | None, target: bytes | None) -> Pixels:
    """Colours, [height, width, 3], 0 to 1, of one RGB profile in another one; None: sRGB. With 8 bits, which is what Pillow converts."""
    if source == target or (is_srgb(source) and is_srgb(target)):
        return pixels
    transform = ImageCms.buildTransform(_opened(source), _opened(target), "RGB", "RGB", INTENT, FLAGS)
    out = np.empty_like(pixels)
    for top in range(0, len(pixels), ROWS):
        part = Image.fromarray(np.rint(pixels[top : top + ROWS] * 255).clip(0, 255).astype(np.uint8))
        converted = ImageCms.applyTransform(part, transform)
        assert converted is not None
        out[top : top + ROWS] = np.asarray(converted, dtype=np.float32) / 255
    return out


def image_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A CMYK or Lab picture as RGB. profile: for CMYK; None: printing inks are guessed roughly."""
    if image.mode == "LAB":
        lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _opened(None), "LAB", "RGB", INTENT)
        converted = ImageCms.applyTransform(image, lab)
    elif space(profile) == image.mode:
        converted = ImageCms.profileToProfile(image, _opened(profile), _opened(None), INTENT, outputMode="RGB", flags=FLAGS)
    else:
        return image.convert("RGB")
    assert converted is not None
    return converted


def grey_to_srgb(profile: bytes) -> Pixels:
    """What the greys from 0 to 255 of a grey profile are in sRGB, [256], 0 to 1."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    exact = FLAGS | ImageCms.Flags.NOOPTIMIZE  # else dark greys would be interpolated between too few points
    converted = ImageCms.profileToProfile(ramp, _opened(profile), _opened(None), INTENT, outputMode="RGB", flags=exact)
    return np.asarray(converted, dtype=np.float32)[0].mean(axis=1) / 255


def _opened(profile: bytes | None) -> ImageCms.ImageCmsProfile:
    if profile is None:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))
