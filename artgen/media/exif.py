"""What a camera says in a file (EXIF), as far as it holds for a picture that was made from that file. Imports no torch.

CIPA DC-008: https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from PIL import ExifTags, Image

ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)  # values of the orientation that exchange width and height
MAKER_NOTE, WIDTH, HEIGHT = 0x927C, 0xA002, 0xA003  # in the Exif directory
# Of the first directory: how the pixels of the old file are stored. In a TIFF file they stand among what the camera said.
STORAGE = {
    *range(0x00FE, 0x010D),  # sizes, bits, compression, kind of colour
    *(0x0111, ORIENTATION, *range(0x0115, 0x011A), 0x011C),
    *range(0x011D, 0x0126),
    *(0x012D, 0x013D, 0x013E, 0x013F, 0x0140, *range(0x0141, 0x014B)),
    *range(0x014C, 0x0160),
    *range(0x0200, 0x0215),
    *(0x02BC, 0x83BB, 0x8649, 0x8773, 0x935C, 0xC4A5),  # XMP, IPTC, Photoshop, ICC, layers, printing
}


def kept_exif(image: Image.Image) -> bytes | None:
    """What is worth keeping of a decoded file that is still open, as Pillow's writers take it; None if there is nothing, or it is damaged.

    No orientation, since pixels are upright; nothing about how pixels are stored; not the small picture, which would be the old one.
    """
    try:
        exif = image.getexif()
        for tag in STORAGE & set(exif):
            del exif[tag]
        return _packed(exif) if len(exif) else None
    except Exception:  # whatever a damaged block makes its reader stumble over; the picture is none the worse
        return None


def hold_exif(image: Image.Image) -> None:
    """To be called before a file is decoded: a TIFF file is closed then, and Pillow has not read all of its directories."""
    if image.format != "TIFF":
        return
    with suppress(Exception):  # a damaged block, of which `kept_exif` keeps nothing
        exif = image.getexif()
        if ExifTags.IFD.Interop in exif.get_ifd(ExifTags.IFD.Exif):
            exif.get_ifd(ExifTags.IFD.Interop)


def sized_exif(exif: bytes, width: int, height: int, most: int | None = None) -> bytes | None:
    """It with another size of the picture, where it says one. most: of bytes; what the camera's maker keeps for himself goes first.

    None if it is longer still.
    """
    tags = opened_exif(exif)
    details = tags.get_ifd(ExifTags.IFD.Exif)
    for tag, value in ((WIDTH, width), (HEIGHT, height)):
        if tag in details:
            details[tag] = value
    out = _packed(tags)
    if most is not None and len(out) > most and details.pop(MAKER_NOTE, None) is not None:
        out = _packed(tags)
    return out if most is None or len(out) <= most else None


def opened_exif(exif: bytes) -> Image.Exif:
    """For reading, or for Pillow to write."""
    tags = Image.Exif()
    tags.load(exif)
    _keep_letters(tags)
    return tags


def orientation(image: Image.Image) -> int:
    """1 to 8; 1, upright, also where a file does not say it or says it in a damaged block."""
    try:
        found: Any = image.getexif().get(ORIENTATION)
    except Exception:  # whatever a damaged block makes its reader stumble over; the picture is none the worse
        return 1
    return int(found) if found in range(1, 9) else 1


# ---------------------------------------------------------------- letters


class _Text(str):
    """Text that Pillow has read byte by byte, and is to write so: it would write a question mark for all that is not ASCII."""

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return super().encode("latin-1", "replace")


def _packed(exif: Image.Exif) -> bytes:
    _keep_letters(exif)
    return exif.tobytes()


def _keep_letters(exif: Image.Exif) -> None:
    details = exif.get_ifd(ExifTags.IFD.Exif)
    directories: list[Any] = [exif, details, exif.get_ifd(ExifTags.IFD.GPSInfo)]
    if ExifTags.IFD.Interop in details:
        details[ExifTags.IFD.Interop] = exif.get_ifd(ExifTags.IFD.Interop)  # itself, not where it stood in the old file
        directories.append(details[ExifTags.IFD.Interop])
    for directory in directories:
        for tag, value in list(directory.items()):
            if isinstance(value, str):
                directory[tag] = _Text(value)
