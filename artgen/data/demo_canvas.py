"""What the demo sets are drawn with: a canvas with smooth edges, and colours that go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from artgen.data.picture_config import rgb

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Generator = np.random.Generator
Point = tuple[float, float]
Rgb = tuple[int, int, int]


class Canvas:
    """A square to draw on in coordinates from 0 to 1, x to the right and y down."""

    def __init__(self, size: int, colour: Rgb) -> None:
        self.size = size
        self.scale = max(4, 512 // size)
        self.side = size * self.scale
        self.image = Image.new("RGB", (self.side, self.side), colour)
        self._pen = ImageDraw.Draw(self.image)

    def blank(self) -> Canvas:
        """A black canvas like this one."""
        return Canvas(self.size, (0, 0, 0))

    def polygon(self, points: Sequence[Point] | Floats, colour: Rgb) -> None:
        self._pen.polygon([(x * self.side, y * self.side) for x, y in points], colour)

    def disc(self, x: float, y: float, radius: float, colour: Rgb) -> None:
        self._pen.ellipse(self._box(x, y, radius), colour)

    def sector(self, x: float, y: float, radius: float, start: float, end: float, colour: Rgb) -> None:
        """A part of a disc; degrees, clockwise from the right."""
        self._pen.pieslice(self._box(x, y, radius), start, end, colour)

    def glass_disc(self, x: float, y: float, radius: float, colour: Rgb) -> None:
        """A disc that what is under it shines through."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).ellipse(self._box(x, y, radius), 200)
        self.paste(colour, mask)

    def paste(self, colour: Rgb, mask: Image.Image) -> None:
        self.image.paste(colour, (0, 0, self.side, self.side), mask)

    def pixels(self) -> Pixels:
        """[size, size, 3]."""
        return np.array(self.image.reduce(self.scale))

    def _box(self, x: float, y: float, radius: float) -> list[float]:
        return [(x - radius) * self.side, (y - radius) * self.side, (x + radius) * self.side, (y + radius) * self.side]


@dataclass(frozen=True)
class Palette:
    """A ground, the colour of lines and weights on it, and three to five colours that stand out from it and between them."""

    paper: Rgb
    ink: Rgb
    colours: tuple[Rgb, ...]


def lightness(colour: Rgb) -> float:
    """From 0 to 1, as the eye weighs red, green and blue."""
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255


def choose_palette(rng: np.random.Generator) -> Palette:
    """One of PALETTES, its colours in random order, so that each has its turn as the main one."""
    palette = PALETTES[int(rng.random() * len(PALETTES))]
    order = np.argsort(rng.random(len(palette.colours)))
    return Palette(palette.paper, palette.ink, tuple(palette.colours[i] for i in order))


def _palette(paper: str, ink: str, *colours: str) -> Palette:
    return Palette(rgb(paper), rgb(ink), tuple(rgb(colour) for colour in colours))


PALETTES = (
    _palette("#f2e8d5", "#1b1b1e", "#d7352a", "#1f4e8c", "#f2b632"),  # Bauhaus
    _palette("#ece6da", "#141414", "#c3271b", "#e0a526", "#2d5d86", "#5b7f55"),  # suprematist
    _palette("#f6efe2", "#2e282a", "#e4572e", "#17a9a8", "#ffc233", "#7a9e3a"),  # mid-century
    _palette("#f3e9dc", "#2f4858", "#c06a3e", "#dd9f63", "#86bbb0", "#8c4a38"),  # terracotta
    _palette("#e9f0ef", "#13293d", "#1b6ca8", "#6fb7d6", "#ff6b35", "#f4c95d"),  # harbour
    _palette("#f4f1de", "#3d405b", "#e07a5f", "#81b29a", "#f2cc8f", "#5f7ea6"),  # garden
    _palette("#fbefe8", "#4a2c40", "#d1495b", "#edae49", "#00798c", "#9a6c8e"),  # plum
    _palette("#14213d", "#f1ead9", "#fca311", "#e5405e", "#2ec4b6", "#7f9cf5"),  # night
    _palette("#17181c", "#f3ede0", "#ef5b3c", "#f6c453", "#4aa3a2", "#c9d6df"),  # coal
    _palette("#1f2a30", "#f5ecd7", "#e9c46a", "#f4a261", "#e76f51", "#2a9d8f"),  # dusk
    _palette("#2b1b2e", "#fbe8d3", "#ff7b54", "#ffb26b", "#939fdb", "#d65a8f"),  # aubergine
)
