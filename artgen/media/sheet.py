"""Many pictures as one: a grid with padding, and a line of text under each if wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from artgen.errors import UsageError

Pixels = NDArray[np.uint8]  # [height, width], or [height, width, 1 | 3 | 4]: grey, RGB, RGBA

CAPTION = 11  # size of the letters, in pixels
CAPTION_LINE = 16  # what a caption takes
LARGEST = 100_000_000  # pixels; more is refused by many programs


@dataclass(frozen=True)
class Sheet:
    """How pictures are laid out."""

    columns: int | None = None  # None: as many as rows, or one more
    padding: int = 2  # pixels around each picture
    background: tuple[int, int, int] | None = None  # None: white, or nothing where the pictures are transparent
    captions: Sequence[str] = ()  # one for each picture, or none at all; cut where they are too wide


def make_sheet(works: Sequence[Pixels], sheet: Sheet | None = None) -> Pixels:
    """The pictures from left to right and from top to bottom, each in the middle of a cell of the largest one's size.

    The sheet is grey, RGB or RGBA: the least that shows all. Raises UsageError where it would be too large.
    """
    sheet = sheet or Sheet()
    if not works:
        raise ValueError("no pictures for a sheet")
    if sheet.captions and len(sheet.captions) != len(works):
        raise ValueError(f"{len(works)} pictures and {len(sheet.captions)} captions")
    images = [to_image(work) for work in works]
    largest = max(image.width for image in images), max(image.height for image in images)
    columns, cell_width, cell_height, width, height = sheet_size(len(images), *largest, sheet)

    mode = max((image.mode for image in images), key=("L", "RGB", "RGBA").index)
    if mode == "L" and sheet.background is not None and len(set(sheet.background)) > 1:
        mode = "RGB"
    ground = (*(sheet.background or (255, 255, 255)), 255 if sheet.background or mode != "RGBA" else 0)
    whole = Image.new("RGBA", (width, height), ground)
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(CAPTION)
    dark = ground[3] and sum(ground[:3]) < 384
    letters = (235, 235, 235, 255) if dark else (128, 128, 128, 255) if not ground[3] else (40, 40, 40, 255)
    for i, image in enumerate(images):
        left = sheet.padding + i % columns * cell_width
        top = sheet.padding + i // columns * cell_height
        inner_height = cell_height - sheet.padding - (CAPTION_LINE if sheet.captions else 0)
        place = (left + (cell_width - sheet.padding - image.width) // 2, top + (inner_height - image.height) // 2)
        if sheet.background is not None and image.mode == "RGBA":
            whole.alpha_composite(image, place)
        else:
            whole.paste(image, place)
        if sheet.captions:
            text = _cut(sheet.captions[i], font, cell_width - sheet.padding)
            pen.text((left, top + inner_height + 2), text, letters, font)
    return np.asarray(whole.convert(mode))


def sheet_size(n: int, width: int, height: int, sheet: Sheet) -> tuple[int, int, int, int, int]:
    """(columns, width and height of a cell, width and height of the sheet) of n pictures, the largest of that size.

    Raises UsageError where the sheet would be too large.
    """
    columns = min(sheet.columns or math.ceil(math.sqrt(n)), n)
    cell_width = width + sheet.padding
    cell_height = height + sheet.padding + (CAPTION_LINE if sheet.captions else 0)
    whole = columns * cell_width + sheet.padding, math.ceil(n / columns) * cell_height + sheet.padding
    if whole[0] * whole[1] > LARGEST:
        raise UsageError(
            f"a sheet of {n:,} pictures would have {whole[0]:,} x {whole[1]:,} pixels; "
            "ask for fewer, or for a file each: -o FOLDER/"
        )
    return columns, cell_width, cell_height, *whole


def to_image(work: Pixels) -> Image.Image:
    """An array as a Pillow image of mode L, RGB or RGBA. Raises ValueError if it is none of them."""
    pixels = work[..., 0] if work.ndim == 3 and work.shape[2] == 1 else work
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(f"not a picture: {work.dtype} {list(work.shape)}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text in one line, without its end if it is too wide."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…" if text else ""
