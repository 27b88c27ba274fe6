"""Style transfer without weights: the distributions of a painting's patches and strokes, put onto the layout of a picture.

From coarse to fine, the picture is changed until its patches are distributed as the painting's (sliced Wasserstein distance over
patches: Elnekave & Weiss 2022, "Generating natural images with direct patch distribution matching", algorithm 1), and so are the answers
of filters that were learned from the painting itself (`artgen.style.strokes`); while the edges of the content stay where they are.
Transport keeps order along each direction, so that what is light, or upright, or rough in the content becomes what is so in the painting.

Large pictures are worked on in tiles. The maps of transport are the same for all tiles, and each patch counts in one tile alone: the
gradient, and with it the picture, is the same whatever the tiles are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.errors import UsageError
from artgen.style.color import transfer_colors
from artgen.style.edges import Edges
from artgen.style.job import StyleImage, StyleJob, Watch, unwatched
from artgen.style.options import PatchOptions
from artgen.style.resizing import made_periodic, resize
from artgen.style.sliced import SAMPLES, Transport, directions, mixed, patches_of, quantiles, transport
from artgen.style.strokes import REACH, StrokeFilters, learn_strokes

PATCHES = 20_000  # of a style that are kept at each level
NEIGHBOURHOOD = 3  # answers of filters are compared in patches of 3 x 3
EDGE_LEVELS = 3  # of the pyramid whose edges are kept: of 2, 4 and 8 pixels
STROKE_LEVELS = 2  # of the pyramid have filters
STRIDE = 2  # of patches at scales of FINE pixels and more
FINE = 128
MARGIN = 3  # pixels around the picture, so that those at its border lie in more than one patch
LAST = 0.1  # of the learning rate at the end of a scale
WINDOW, WINDOWS = 512, 16  # pixels of a side, and how many: what of a large style the filters look at
TICKS = 1000  # of work that a watcher is told of
SAMPLES_ACROSS, SAMPLE_SIDE = 7, 48  # windows of large pictures from which the tables of transport are made, and their side


def patch(job: StyleJob, options: PatchOptions, watch: Watch = unwatched) -> Tensor:
    """The picture, [3, height, width], 0 to 1, on the CPU.

    Raises UsageError where a style is too small to have patches.
    """
    return _Work(job, options, watch).run()


@dataclass(frozen=True)
class _Group:
    """Styles that are wanted at the same place, and what they weigh, with 1 as their sum. The content itself may be one of them."""

    styles: list[int]
    weights: list[float]
    region: Tensor | None


class _Work:
    """One picture being made."""

    def __init__(self, job: StyleJob, options: PatchOptions, watch: Watch) -> None:
        self.job, self.options, self.watch, self.device = job, options, watch, job.device
        self.generator = torch.Generator().manual_seed(job.seed)
        self.content = made_periodic(job.content) if job.seamless else job.content
        self.groups = _grouped(job)
        self.side = max(self.content.shape[1:])
        for style in job.styles:
            if min(style.pixels.shape[1:]) <= options.patch:
                height, width = style.pixels.shape[1:]
                raise UsageError(
                    f"a style of {width} x {height} pixels is not larger than a patch ({options.patch} x {options.patch}): "
                    "give a larger picture, or --style-scale"
                )
        self.content_weight = options.content_weight * 16 ** (2 * job.content_strength - 1)
        # Adam takes full steps however little is asked: with less strength it must not wander from the content meanwhile.
        self.learning_rate = options.learning_rate * min(1.0, 2 * job.strength)
        self.detail = 1 - job.strength * (1 - min(1.0, options.detail * 2 * job.content_strength))

    def run(self) -> Tensor:
        if self.job.strength == 0:
            return self.content.cpu().clone()
        sizes = _sizes(self.content.shape[1:], self.options)
        steps = [self._steps(size) for size in sizes]
        cost = [count * height * width for count, (height, width) in zip(steps, sizes, strict=True)]
        picture, before = None, None
        done = 0.0
        for size, count, work in zip(sizes, steps, cost, strict=True):
            scale = _Scale(self, size)
            if picture is None or before is None:
                start = scale.coloured if self.job.init is None else resize(self.job.init, size, self.job.seamless)
                picture = start.clone()
            else:
                finer = scale.coloured - resize(before, size, self.job.seamless)
                picture = resize(picture, size, self.job.seamless).add_(finer.mul_(self.detail))
            before = scale.coloured
            picture = scale.grain(picture)
            picture = self._descend(scale, picture, count, done / sum(cost), work / sum(cost))
            done += work
        assert picture is not None
        return picture.cpu()

    def _steps(self, size: tuple[int, int]) -> int:
        steps = self.job.steps or self.options.steps
        return max(3, round(steps * min(1.0, 1024 / max(size))))  # what is coarser has done most of it

    def _descend(self, scale: _Scale, picture: Tensor, steps: int, before: float, part: float) -> Tensor:
        """Adam, with a learning rate that falls along a line. before, part: which share of all work is done, and is done here."""
        picture = picture.clamp(0, 1).to(self.device).requires_grad_()
        adam = torch.optim.Adam([picture], lr=self.learning_rate, betas=(0.9, 0.99))
        for step in range(steps):
            adam.param_groups[0]["lr"] = self.learning_rate * (1 - (1 - LAST) * step / steps)
            picture.grad = scale.gradient(picture.detach())
            adam.step()
            with torch.no_grad():
                picture.clamp_(0, 1)
            self._tell(before + part * (step + 1) / steps, picture.detach())
        return picture.detach()

    def _tell(self, share: float, picture: Tensor) -> None:
        def shown() -> Tensor:
            return resize(picture.cpu(), self.content.shape[1:], self.job.seamless).clamp_(0, 1)

        self.watch(round(TICKS * share), TICKS, shown)


class _Scale:
    """The content, the styles and what is asked of the picture at one size."""

    def __init__(self, work: _Work, size: tuple[int, int]) -> None:
        self.work, self.size, job, options = work, size, work.job, work.options
        self.seamless = job.seamless
        ratio = max(size) / work.side
        content = resize(work.content, size, self.seamless)
        styles = [_smaller(style.pixels, ratio, options.patch + 1) for style in job.styles]
        regions = [None if s.region is None else resize(s.region[None], size, self.seamless)[0].clamp(0, 1) for s in job.styles]
        toned = [
            StyleImage(pixels, style.weight, region) for pixels, style, region in zip(styles, job.styles, regions, strict=True)
        ]
        coloured = transfer_colors(content, toned)
        self.coloured = torch.lerp(content, coloured, job.strength).to(work.device)
        self.contrast = float(torch.stack([style.std() for style in styles]).mean()) * job.strength
        sets = [*styles, content]
        groups = [
            _Group(
                group.styles,
                group.weights,
                None if group.region is None else resize(group.region[None], size, self.seamless)[0],
            )
            for group in work.groups
        ]
        self.levels = []
        for number in range(options.levels):
            if number:
                sets = [F.avg_pool2d(pixels[None], 2)[0] if min(pixels.shape[1:]) > 1 else pixels for pixels in sets]
            if min(size) >> number < options.patch + STRIDE + 1:
                break
            self.levels.append(_Level(work, number, sets, groups, STRIDE if number == 0 and max(size) >= FINE else 1))
        self.edges = []
        level = self.coloured
        for number in range(EDGE_LEVELS):
            if number:
                level = F.avg_pool2d(level[None], 2)[0]
            self.edges.append(Edges(level, job.seamless, work.content_weight / EDGE_LEVELS))
            if min(level.shape[1:]) < 4:
                break

    def grain(self, picture: Tensor) -> Tensor:
        """A little noise, from which strokes can grow where the content has nothing to begin with."""
        noise = torch.randn(picture.shape, generator=self.work.generator).to(picture)
        return picture.add_(noise.mul_(self.work.options.noise * self.contrast))

    def gradient(self, picture: Tensor) -> Tensor:
        """Of all that is asked of the picture [3, h, w]."""
        with torch.enable_grad():
            source = picture.requires_grad_(True)
            levels = [source[None]]
            while len(levels) < max(len(self.levels), len(self.edges)):
                levels.append(F.avg_pool2d(levels[-1], 2))
            padded = [_pad(level, self.seamless) for level in levels[: len(self.levels)]]
        outputs = levels[: len(self.edges)] + padded
        gradients = [edges.gradient(level.detach()[0])[None] for edges, level in zip(self.edges, levels, strict=False)]
        gradients += [level.gradient(pixels.detach()) for level, pixels in zip(self.levels, padded, strict=True)]
        total = torch.autograd.grad(outputs, source, gradients)[0]
        picture.requires_grad_(False)
        return total


class _Level:
    """One level of the pyramid of a scale: the patches and strokes of each group of styles there."""

    def __init__(self, work: _Work, number: int, sets: Sequence[Tensor], groups: Sequence[_Group], stride: int) -> None:
        options, generator = work.options, work.generator
        self.options, self.generator, self.tile = options, generator, options.tile // REACH * REACH  # all begin on one grid
        self.stride, self.device = stride, work.device
        self.groups = groups
        self.regions = [
            None if g.region is None else _shrunk(g.region, number, work.job.seamless).to(work.device) for g in groups
        ]
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

    def gradient(self, padded: Tensor) -> Tensor:
        """Of the style's terms, with respect to the padded level [1, 3, h, w]."""
        total = torch.zeros_like(padded)
        origin = [int(torch.randint(REACH, (1,), generator=self.generator)) for _ in range(2)]
        terms = []
        if len(self.patches) == len({index for group in self.groups for index in group.styles}):
            terms.append(_Term(self, self.patches, 3, self.options.patch, self.stride, None, self.options.patch_weight))
        if self.filters is not None:
            channels = self.options.strokes
            terms.append(_Term(self, self.strokes, channels, NEIGHBOURHOOD, REACH, self.filters, self.options.stroke_weight))
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


class _Term:
    """Patches of side `size` of what `maps` makes of a level (None: its pixels) against those of the styles, in one step."""

    def __init__(
        self,
        level: _Level,
        vectors: dict[int, Tensor],
        channels: int,
        size: int,
        stride: int,
        maps: StrokeFilters | None,
        weight: float,
    ) -> None:
        self.level, self.vectors, self.size, self.stride, self.maps, self.weight = level, vectors, size, stride, maps, weight
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
        rows = (torch.arange(values.shape[1]) * self.stride + corner[0] + reach).clamp(max=region.shape[0] - 1)
        columns = (torch.arange(values.shape[2]) * self.stride + corner[1] + reach).clamp(max=region.shape[1] - 1)
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


def _grouped(job: StyleJob) -> list[_Group]:
    """Styles without a region are mixed everywhere; each of the others has its own. What `strength` lacks is the content's share."""
    content, groups = len(job.styles), []
    everywhere = [index for index, style in enumerate(job.styles) if style.region is None]
    for members in ([everywhere] if everywhere else []) + [
        [i] for i, style in enumerate(job.styles) if style.region is not None
    ]:
        total = sum(job.styles[index].weight for index in members)
        weights = [job.strength * job.styles[index].weight / total for index in members]
        more = ([content], [1 - job.strength]) if job.strength < 1 else ([], [])
        groups.append(_Group(members + more[0], weights + more[1], job.styles[members[0]].region))
    return groups


def _sizes(size: Sequence[int], options: PatchOptions) -> list[tuple[int, int]]:
    """(height, width) from coarse to fine, the last the picture's own."""
    longest = max(size)
    count = max(0, math.floor(math.log(longest / options.smallest, options.factor))) if longest > options.smallest else 0
    return [
        (max(1, round(size[0] / options.factor**k)), max(1, round(size[1] / options.factor**k))) for k in range(count, -1, -1)
    ]


def _smaller(pixels: Tensor, ratio: float, least: int) -> Tensor:
    """A style at a scale, but never too small to have patches."""
    height, width = pixels.shape[1:]
    ratio = max(ratio, least / min(height, width))
    if ratio == 1:
        return pixels
    return resize(pixels, (max(least, round(height * ratio)), max(least, round(width * ratio))))


def _pad(level: Tensor, seamless: bool) -> Tensor:
    """[1, channels, h, w] with a margin: what is beyond the border is its mirror image, or the other side."""
    height, width = level.shape[2:]
    if seamless:
        rows = torch.arange(-MARGIN, height + MARGIN, device=level.device) % height
        columns = torch.arange(-MARGIN, width + MARGIN, device=level.device) % width
        return level[:, :, rows][:, :, :, columns]
    vertical, horizontal = min(MARGIN, height - 1), min(MARGIN, width - 1)
    return F.pad(level, (horizontal, horizontal, vertical, vertical), mode="reflect")


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
    level = region[None, None]
    for _ in range(number):
        level = F.avg_pool2d(level, 2)
    return _pad(level, seamless)[0, 0]
