"""The contact sheet of `artgen style-transfer`: contents across, styles down. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from artgen.cli.style_plan import Plan
from artgen.errors import UsageError
from artgen.files import check_writable
from artgen.media.image_files import Picture, check_image_name, read_image, to_profile, write_image
from artgen.media.picture import on_background
from artgen.media.places import is_folder
from artgen.media.reading import read_recipe
from artgen.media.sheet import Pixels, Sheet, make_sheet, sheet_size

CELL = 256  # pixels of the longest side of a picture on the sheet


def check_sheet(sheet: str, plan: Plan, out: str, force: bool) -> None:
    """Raises UsageError where the sheet could not be written, or would be too large."""
    check_image_name(sheet)
    if not (is_folder(out) and not Path(out).exists() and Path(sheet).parent == Path(out)):  # the folder that is to be made
        check_writable(Path(sheet), force)
    if any(Path(sheet).resolve() == pair.out.resolve() for pair in plan.pairs):
        raise UsageError(f"--sheet {sheet}: is one of the files that are made, expected another")
    columns, rows = len(plan.columns) + 1, max(1, len(plan.rows)) + 1
    sheet_size(columns * rows, CELL, CELL, Sheet(columns=columns, captions=["x"]))


def write_sheet(sheet: str, plan: Plan, force: bool) -> Path:
    """Writes the sheet of all pictures that are there; cells of the others are empty. It carries the recipes of all."""
    columns = len(plan.columns) + 1
    rows = max(1, len(plan.rows)) + 1
    cells: list[Pixels] = [np.full((CELL, CELL, 3), 255, np.uint8)] * (columns * rows)
    captions = [""] * (columns * rows)
    for column, path in enumerate(plan.columns, 1):
        captions[column] = Path(path).name
        if path not in plan.failed:
            cells[column] = _small(path)
    for row, path in enumerate(plan.rows, 1):
        captions[row * columns] = Path(path).name
        if path not in plan.failed:
            cells[row * columns] = _small(path)
    recipes = []
    for pair in plan.pairs:
        if pair.out.exists():
            cells[(pair.row + 1) * columns + pair.column + 1] = _small(str(pair.out))
            recipes += read_recipe(pair.out).recipes
    pixels = make_sheet(cells, Sheet(columns=columns, background=(255, 255, 255), captions=captions))
    picture = Picture(pixels=pixels.astype(np.float32) / np.float32(255), name=sheet)
    write_image(picture, Path(sheet), recipes, force=force)
    return Path(sheet)


def _small(path: str) -> Pixels:
    """A picture as it is seen on a screen, no larger than a cell; RGBA where it is transparent."""
    picture = read_image(path, size=CELL)
    pixels = np.rint(to_profile(picture, None).pixels * 255).astype(np.uint8)
    if picture.alpha is None:
        return pixels
    alpha = np.rint(picture.alpha * 255).astype(np.uint8)
    return on_background(np.dstack([pixels, alpha]), (255, 255, 255))
