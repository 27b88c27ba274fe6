"""Pictures and masks that a user gives to `artgen edit`, made into the run's squares. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from artgen.data.picture_config import PictureDataConfig
from artgen.data.picture_decoding import BrokenPicture, Pixels, decode, size_limit, to_square
from artgen.errors import UsageError
from artgen.files import check_file, sha256_of
from artgen.media.exif import ORIENTATION, TURNED

OPAQUE = 255


def read_picture(path: str, data: PictureDataConfig) -> tuple[Pixels, tuple[int, int]]:
    """A picture as [size, size, channels], as the run's data were made, and its own (width, height), upright.

    Raises UsageError that names the file if there is none, or it cannot be read as a picture.
    """
    check_file(path, "picture")
    try:
        with size_limit(data.max_pixels):
            pixels, (width, height) = decode(Path(path), data)
            with Image.open(path) as image:
                turned = image.getexif().get(ORIENTATION) in TURNED
    except BrokenPicture as broken:
        raise UsageError(f"{path}: {broken}") from None
    return pixels, (height, width) if turned else (width, height)


def read_mask(path: str, data: PictureDataConfig, picture: str, picture_size: tuple[int, int]) -> NDArray[np.bool_]:
    """What is to be painted, [size, size]: where the mask is white; in a mask with transparency, where it is transparent.

    A mask of the picture's size is cut or padded as the picture is. Raises UsageError where the mask has another size than
    the run or the picture, or names nothing.
    """
    _, size = read_picture(path, data)
    if size not in ((data.size, data.size), picture_size):
        expected = f"{data.size} x {data.size} (the run's size)"
        if picture_size != (data.size, data.size):
            expected += f" or {picture_size[0]} x {picture_size[1]} ({picture}'s)"
        raise UsageError(f"{path}: the mask has {size[0]} x {size[1]} pixels, expected {expected}")
    with size_limit(data.max_pixels), Image.open(path) as opened:
        image: Image.Image = ImageOps.exif_transpose(opened)
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        if (np.asarray(alpha) < OPAQUE).any():
            image = ImageOps.invert(alpha)
    grey = to_square(image, data.model_copy(update={"channels": "grey", "background": "black"}))
    mask = grey[..., 0] >= 128
    if not mask.any():
        raise UsageError(f"{path}: names nothing to paint: white (or transparent) is painted, and there is none")
    return np.asarray(mask)


def check_hash(path: str, expected: str) -> None:
    """Raises UsageError where a file that can be read is not the one that it was."""
    if sha256_of(Path(path)) != expected:
        raise UsageError(f"{path}: is not the picture that the work was made from, it was changed since")
