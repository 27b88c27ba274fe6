"""Pictures that come from files and go into files of any of the usual formats, with what such files say beside the pixels."""

from __future__ import annotations

from artgen.media.image_reading import Picture, image_size, read_image, to_profile
from artgen.media.image_writing import IMAGE_SUFFIXES, check_image_name, encode_image, losses, write_image

__all__ = [
    "IMAGE_SUFFIXES",
    "Picture",
    "check_image_name",
    "encode_image",
    "image_size",
    "losses",
    "read_image",
    "to_profile",
    "write_image",
]
