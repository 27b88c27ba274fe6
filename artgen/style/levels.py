"""One level of a pyramid, and how its patches and strokes are pulled towards those of the styles, tile by tile.

Large pictures do not fit into memory with all their maps. The maps of transport of a step are the same for all tiles, and each patch
counts in one tile alone: the gradient is the same whatever the tiles are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.style.options import PatchOptions
from artgen.style.pyramid import pad, pyramid
from artgen.style.sliced import SAMPLES, Transport, directions, mixed, patches_of, quantiles, transport
from artgen.style.strokes import NEIGHBOURHOOD, REACH, STROKE_LEVELS, StrokeFilters, learn_strokes

PATCHES = 20_000  # of a style that are kept at each level
WINDOW, WINDOWS = 512, 16  # pixels of a side, and how many: what of a large style the filters look at
SAMPLES_ACROSS, SAMPLE_SIDE = 7, 48  # windows of large pictures from which the tables of transport are made, and their side


class Setting(Protocol):
    """What all levels of a picture have in common."""

    options: PatchOptions
    generator: torch.Generator
    device: torch.device
    seamless: bool


@dataclass(frozen=True)
class Group:
    """Styles that are wanted at the same place, and what they weigh, with 1 as their sum. The content itself may be one of them."""

    styles: list[int]
    weights: list[float]
    region: Tensor | None


class Level:
    """One level of the pyramid of a scale: the patches and strokes of each group of styles there."""

    def __init__(self, work: Setting, number: int, sets: Sequence[Tensor], groups: Sequence[Group], stride: int) -> None:
        options, generator = work.options, work.generator
        self.options, self.generator, self.tile = options, generator, options.tile // REACH * REACH  # all begin on one grid
        self.stride, self.device = stride, work.device
        self.groups = groups
        self.regions = [None if g.region is None else _shrunk(g.region, number, work.seamless).to(work.device) for g in groups]
        used = sorted({index for group in groups for index in group.styles})
        self.patches = {
            index: patches_of(sets[index], options.patch, PATCHES, generator).to(work.device)
            for index in used
            if min(sets[index].shape[1:]) >= options.patch
        }
        self.filters: StrokeFilters | None = None
        self.strokes: dict[int, Tensor] = {}
        needed = options.stroke_size + REACH * (NEIGHBOURHOOD + 3)
        learned = [sets[index] for index in used if index < len(sets) - 1]
        if number < STROKE_LEVELS and options.stroke_weight and min(min(s.shape[1:]) for s in [*learned, sets[-1]]) >= needed:
            self.filters = learn_strokes(learned, options.strokes, options.stroke_size, generator)
            for index in used:
                self.strokes[index] = _answers(self.filters, sets[index], generator).to(work.device)
            self.filters = self.filters.to(work.device)

    def gradient(self, padded: Tensor, phase: Sequence[int] = (0, 0)) -> Tensor:
        """Of the style's terms, with respect to the padded level [1, 3, h, w], which lies so many pixels further down and right
        than the regions do."""
        total = torch.zeros_like(padded)
        origin = [int(torch.randint(REACH, (1,), generator=self.generator)) for _ in range(2)]
        terms = []
        if len(self.patches) == len({index for group in self.groups for index in group.styles}):
            terms.append(Term(self, self.patches, 3, self.options.patch, self.stride, None, self.options.patch_weight, phase))
        if self.filters is not None:
            channels = self.options.strokes
            terms.append(
                Term(self, self.strokes, channels, NEIGHBOURHOOD, REACH, self.filters, self.options.stroke_weight, phase)
            )
        windows = list(self._windows(padded, origin))
        for term in terms:
            term.make_tables(padded, windows)
        for top, left, bottom, right in windows:
            with torch.enable_grad():
                tile = padded[:, :, top:bottom, left:right].detach().requires_grad_(True)
                losses = [term.loss(tile, (top, left)) for term in terms]
                if losses:
                    (found,) = torch.autograd.grad(torch.stack(losses).sum(), tile)
                    total[:, :, top:bottom, left:right] += found
        return total

    def _windows(self, padded: Tensor, origin: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
        """Tiles and the pixels after them that their last patches need."""
        height, width = padded.shape[2:]
        for top in range(origin[0], height, self.tile):
            for left in range(origin[1], width, self.tile):
                yield top, left, min(top + self.tile + self.halo, height), min(left + self.tile + self.halo, width)

    @property
    def halo(self) -> int:
        strokes = self.options.stroke_size + REACH // 2 + REACH * (NEIGHBOURHOOD - 1)
        return max(self.options.patch, strokes)


class Term:
    """Patches of side `size` of what `maps` makes of a level (None: its pixels) against those of the styles, in one step."""

    def __init__(
        self,
        level: Level,
        vectors: dict[int, Tensor],
        channels: int,
        size: int,
        stride: int,
        maps: StrokeFilters | None,
        weight: float,
        phase: Sequence[int] = (0, 0),
    ) -> None:
        self.level, self.vectors, self.size, self.stride, self.maps, self.weight = level, vectors, size, stride, maps, weight
        self.phase = phase
        self.along = directions(level.options.projections, channels * size * size, level.generator).to(level.device)
        self.kernels = self.along.view(-1, channels, size, size)
        self.tables: list[Transport | None] = []
        self.count = 1

    def values(self, tile: Tensor) -> Tensor | None:
        """[projections, rows, columns] of the patches that begin in a tile. None: there is no room for any."""
        side = self.level.tile // self.stride
        seen = tile
        if self.maps is not None:
            if min(tile.shape[2:]) < self.level.options.stroke_size + 2 + REACH * (self.size - 1):
                return None
            seen = self.maps(tile)
        if min(seen.shape[2:]) < self.size:
            return None
        found = F.conv2d(seen, self.kernels, stride=1 if self.maps is not None else self.stride)[0]
        return found[:, :side, :side]

    def make_tables(self, padded: Tensor, windows: Sequence[tuple[int, int, int, int]]) -> None:
        """The map of transport of each group, from samples of the whole picture and of the styles."""
        generator = self.level.generator
        if len(windows) > 1:
            windows = self._samples(padded)
        with torch.no_grad():
            found = [(self.values(padded[:, :, t:b, le:r]), (t, le)) for t, le, b, r in windows]
            for group, region in zip(self.level.groups, self.level.regions, strict=True):
                parts = []
                for values, corner in found:
                    if values is None:
                        continue
                    flat = values.flatten(1)
                    parts.append(flat if region is None else flat[:, self._inside(region, corner, values).flatten() > 0.5])
                here = torch.cat(parts, dim=1) if parts else torch.zeros(len(self.along), 0)
                if here.shape[1] < 2:
                    self.tables.append(None)
                    continue
                chosen = torch.randint(here.shape[1], (min(SAMPLES, here.shape[1]),), generator=generator).to(here.device)
                targets = []
                for index in group.styles:
                    vectors = self.vectors[index]
                    drawn = torch.randint(len(vectors), (min(SAMPLES, len(vectors)),), generator=generator).to(here.device)
                    targets.append(quantiles(self.along @ vectors[drawn].T))
                self.tables.append(transport(quantiles(here[:, chosen]), mixed(targets, group.weights)))
        height, width = padded.shape[2:]
        self.count = max(1, (height // self.stride) * (width // self.stride) * len(self.along))

    def loss(self, tile: Tensor, corner: tuple[int, int]) -> Tensor:
        """The mean over the whole picture of (y - T(y))², of it the part that begins in a tile."""
        values = self.values(tile)
        if values is None:
            return tile.sum() * 0
        flat = values.flatten(1)
        total = flat[:, :1].sum() * 0  # where no style is wanted nothing is asked
        for table, region in zip(self.tables, self.level.regions, strict=True):
            if table is None:
                continue
            with torch.no_grad():
                aim = flat + table(flat)
            error = (flat - aim).square()
            if region is not None:
                error = error * self._inside(region, corner, values).flatten()
            total = total + error.sum()
        return total * (self.weight / self.count)

    def _inside(self, region: Tensor, corner: tuple[int, int], values: Tensor) -> Tensor:
        """How much the middle of each patch lies in a region, itself padded: [rows, columns]."""
        reach = self.size * (1 if self.maps is None else REACH) // 2
        rows, columns = (
            (torch.arange(count) * self.stride + first + reach - moved).clamp(0, side - 1)
            for count, first, moved, side in zip(values.shape[1:], corner, self.phase, region.shape, strict=True)
        )
        return region[rows[:, None], columns]

    def _samples(self, padded: Tensor) -> list[tuple[int, int, int, int]]:
        """Windows spread evenly and at random, for a picture that is too large to be looked at whole."""
        height, width = padded.shape[2:]
        found = []
        for row, column in itertools.product(range(SAMPLES_ACROSS), repeat=2):
            top, left = (
                int(
                    (place + float(torch.rand((), generator=self.level.generator)))
                    / SAMPLES_ACROSS
                    * max(0, side - SAMPLE_SIDE)
                )
                for place, side in ((row, height), (column, width))
            )
            found.append((top, left, min(height, top + SAMPLE_SIDE), min(width, left + SAMPLE_SIDE)))
        return found


def _answers(filters: StrokeFilters, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Neighbourhoods of the filters' maps of a style, of a large one in windows: [at most PATCHES, filters * NEIGHBOURHOOD²]."""
    sides = picture.shape[1:]
    if max(sides) <= 2 * WINDOW:
        return patches_of(filters(picture[None])[0], NEIGHBOURHOOD, PATCHES, generator)
    found = []
    for _ in range(WINDOWS):
        top, left = (int(torch.randint(max(1, side - WINDOW + 1), (1,), generator=generator)) for side in sides)
        maps = filters(picture[None, :, top : top + WINDOW, left : left + WINDOW])[0]
        found.append(patches_of(maps, NEIGHBOURHOOD, PATCHES // WINDOWS, generator))
    return torch.cat(found)


def _shrunk(region: Tensor, number: int, seamless: bool) -> Tensor:
    """A region [h, w] at a level of the pyramid, padded as the level is."""
    return pad(pyramid(region[None, None], number + 1)[number], seamless)[0, 0]
