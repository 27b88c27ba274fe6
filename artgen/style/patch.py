"""Style transfer without weights: the distributions of a painting's patches and strokes, put onto the layout of a picture.

From coarse to fine, the picture is changed until its patches are distributed as the painting's (sliced Wasserstein distance over
patches: Elnekave & Weiss 2022, "Generating natural images with direct patch distribution matching", algorithm 1), and so are the answers
of filters that were learned from the painting itself (`artgen.style.strokes`); while the edges of the content stay where they are.
Transport keeps order along each direction, so that what is light, or upright, or rough in the content becomes what is so in the painting.

Large pictures are worked on in tiles. The maps of transport are the same for all tiles, and each patch counts in one tile alone: the
gradient, and with it the picture, is the same whatever the tiles are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from artgen.engine.device import return_freed_memory
from artgen.errors import UsageError
from artgen.style.color import transfer_colors
from artgen.style.edges import LUMINANCE, Edges, luminance
from artgen.style.job import StyleImage, StyleJob, Watch, unwatched
from artgen.style.levels import Group, Level
from artgen.style.nearest import SIDE, Atlas, relaid
from artgen.style.options import PatchOptions
from artgen.style.pyramid import collapsed, halved, moved, pad, pyramid, unmoved, unpadded
from artgen.style.resizing import made_periodic, resize

EDGE_LEVELS = 3  # of the pyramid whose edges are kept: of 2, 4 and 8 pixels
STRIDE = 2  # of patches at scales of FINE pixels and more
FINE = 128
LAST = 0.1  # of the learning rate at the end of a descent
FIRST = 0.25  # of the steps of a scale are done before patches are laid
RELAID = 0.33  # of the learning rate after that, for strokes are to be kept; all of it where each edge is to stay where it is
LARGE = 2 << 20  # pixels from which on memory counts more than the time of allocating it
TICKS = 1000  # of work that a watcher is told of


def patch(job: StyleJob, options: PatchOptions, watch: Watch = unwatched) -> Tensor:
    """The picture, [3, height, width], 0 to 1, on the CPU.

    Raises UsageError where a style is too small to have patches.
    """
    if job.device.type == "cpu" and math.prod(job.content.shape[1:]) > LARGE:
        return_freed_memory()
    return _Work(job, options, watch).run()


class _Work:
    """One picture being made."""

    def __init__(self, job: StyleJob, options: PatchOptions, watch: Watch) -> None:
        self.job, self.options, self.watch, self.device = job, options, watch, job.device
        self.generator = torch.Generator().manual_seed(job.seed)
        self.seamless = job.seamless
        self.content = made_periodic(job.content) if job.seamless else job.content
        self.groups = _grouped(job)
        # So far, and the content in the styles' colours at that size. Nothing else keeps them: large ones are freed at once.
        self.picture: Tensor = torch.empty(0)
        self.before: Tensor | None = None
        self.side = max(self.content.shape[1:])
        for style in job.styles:
            if min(style.pixels.shape[1:]) <= options.patch:
                height, width = style.pixels.shape[1:]
                raise UsageError(
                    f"a style of {width} x {height} pixels is not larger than a patch ({options.patch} x {options.patch}): "
                    "give a larger picture, or --style-scale"
                )
        self.content_weight = options.content_weight * 16 ** (2 * job.content_strength - 1)
        self.guide = options.guide * 4 ** (2 * job.content_strength - 1)
        # Adam takes full steps however little is asked: with less strength it must not wander from the content meanwhile.
        self.learning_rate = options.learning_rate * min(1.0, 2 * job.strength)
        self.relaid_rate = 1.0 if not options.lay else RELAID ** min(1.0, 2 - 2 * job.content_strength)
        self.detail = 1 - job.strength * (1 - min(1.0, options.detail * 2 * job.content_strength))

    def run(self) -> Tensor:
        if self.job.strength == 0:
            return self.content.cpu().clone()
        sizes = _sizes(self.content.shape[1:], self.options)
        total = sum(math.prod(size) * sum(self._steps(size)) for size in sizes)
        done = 0.0
        for size in sizes:
            work = math.prod(size) / total
            self._at(size, done, work)
            done += work * sum(self._steps(size))
        return self.picture.cpu()

    def _at(self, size: tuple[int, int], done: float, work: float) -> None:
        """The picture at one size, from that at the size before. work: of each step."""
        scale = _Scale(self, size)
        if self.before is None:
            init = self.job.init
            picture = (scale.coloured if init is None else resize(init, size, self.job.seamless)).clone().to(self.device)
        else:
            finer = scale.coloured - resize(self.before, size, self.job.seamless)
            picture = resize(self.picture, size, self.job.seamless).add_(finer.mul_(self.detail))
            del finer
        self.picture, self.before = scale.grain(picture), scale.coloured
        del picture
        for part, count in enumerate(self._steps(size)):
            if part and self.options.lay:
                self.picture = scale.relaid(self.picture)
            rate = self.learning_rate * (self.relaid_rate if part else 1)
            self._descend(scale, count, rate, done, work * count)
            done += work * count

    def _steps(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Before patches are laid, and after it. Of large pictures what is coarser has done most of it."""
        steps = (self.job.steps or self.options.steps) * min(1.0, 1024 / max(size))
        return (max(2, round(FIRST * steps)), max(2, round((1 - FIRST) * steps)))

    def _descend(self, scale: _Scale, steps: int, rate: float, before: float, part: float) -> None:
        """Adam, with a learning rate that falls along a line. before, part: which share of all work is done, and is done here."""
        picture = self.picture.clamp_(0, 1)
        parameter = picture.view_as(picture).requires_grad_()
        adam = torch.optim.Adam([parameter], lr=rate, betas=(0.9, 0.99))
        for step in range(steps):
            adam.param_groups[0]["lr"] = rate * (1 - (1 - LAST) * step / steps)
            parameter.grad = None  # before the next one is made
            parameter.grad = scale.gradient(picture)
            adam.step()
            picture.clamp_(0, 1)
            self._tell(before + part * (step + 1) / steps, picture)

    def _tell(self, share: float, picture: Tensor) -> None:
        def shown() -> Tensor:
            return resize(picture.cpu(), self.content.shape[1:], self.job.seamless).clamp_(0, 1)

        self.watch(round(TICKS * share), TICKS, shown)


class _Scale:
    """The content, the styles and what is asked of the picture at one size."""

    def __init__(self, work: _Work, size: tuple[int, int]) -> None:
        self.work, job, options = work, work.job, work.options
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
        groups = [replace(group, region=regions[group.styles[0]]) for group in work.groups]
        self.styles, self.groups = styles, groups
        self.levels = []
        for number in range(options.levels):
            if number:
                sets = [halved(pixels[None])[0] if min(pixels.shape[1:]) > 1 else pixels for pixels in sets]
            if min(size) >> number < options.patch + STRIDE + 1:
                break
            self.levels.append(Level(work, number, sets, groups, STRIDE if number == 0 and max(size) >= FINE else 1))
        kept = next((number for number in range(EDGE_LEVELS) if min(size) >> number < 4), EDGE_LEVELS - 1) + 1
        weight = work.content_weight / EDGE_LEVELS
        self.edges = [Edges(level[0], job.seamless, weight) for level in pyramid(self.coloured[None], kept)]

    def grain(self, picture: Tensor) -> Tensor:
        """A little noise, from which strokes can grow where the content has nothing to begin with."""
        noise = torch.randn(picture.shape, generator=self.work.generator).to(picture)
        return picture.add_(noise.mul_(self.work.options.noise * self.contrast))

    def relaid(self, picture: Tensor) -> Tensor:
        """Made of patches of the styles, each group's where it is wanted."""
        work = self.work
        total, inside = torch.zeros_like(picture), torch.zeros_like(picture[0])
        for group in self.groups:
            members = [
                StyleImage(self.styles[i], w) for i, w in zip(group.styles, group.weights, strict=True) if i < len(self.styles)
            ]
            paintings = [member.pixels for member in members]
            if len(members) > 1:  # a style between them, not pieces of one beside pieces of the other: all in the same colours
                paintings = [transfer_colors(painting, members) for painting in paintings]
            paintings = [painting.to(work.device) for painting in paintings]
            if min(picture.shape[1:]) < SIDE or min(min(each.shape[1:]) for each in paintings) < SIDE:
                return picture
            region = None if group.region is None else group.region.to(work.device)
            atlas = Atlas(paintings, [member.weight for member in members], work.guide, work.generator)
            found = relaid(picture, self.coloured, atlas, self.seamless, region)
            share = torch.ones_like(inside) if region is None else region
            total += found * share
            inside += share
        mixed = torch.where(inside > 1, total / inside.clamp_min(1), total + (1 - inside) * picture)
        return torch.lerp(picture, mixed, work.job.strength)

    def gradient(self, picture: Tensor) -> Tensor:
        """Of all that is asked of the picture [3, h, w].

        The pyramid of the style's terms begins somewhere else in each step: else their squares of pixels would be seen.
        """
        phase = [int(torch.randint(1 << max(0, len(self.levels) - 1), (1,), generator=self.work.generator)) for _ in range(2)]
        total = self._of_style(picture[None], phase)[0]
        pull = self._of_edges(luminance(picture))
        for channel, weight in zip(total, LUMINANCE, strict=True):
            channel.add_(pull, alpha=weight)
        return total

    def _of_style(self, picture: Tensor, phase: Sequence[int]) -> Tensor:
        """With respect to the picture [1, 3, h, w]."""

        def gradient(number: int, pixels: Tensor) -> Tensor:
            size, padded = pixels.shape[2:], pad(pixels, self.seamless)
            del pixels
            found = self.levels[number].gradient(padded, [place >> number for place in phase])
            return unpadded(found, size, self.seamless)

        total = collapsed(pyramid(moved(picture, phase, self.seamless), len(self.levels)), gradient)
        return torch.zeros_like(picture) if total is None else unmoved(total, picture.shape[2:], phase, self.seamless)

    def _of_edges(self, y: Tensor) -> Tensor:
        """With respect to the luminance [h, w]."""
        levels = pyramid(y[None, None], len(self.edges))
        total = collapsed(levels, lambda number, level: self.edges[number].gradient(level[0, 0])[None, None])
        assert total is not None
        return total[0, 0]


def _grouped(job: StyleJob) -> list[Group]:
    """Styles without a region are mixed everywhere; each of the others has its own. What `strength` lacks is the content's share."""
    content, groups = len(job.styles), []
    everywhere = [index for index, style in enumerate(job.styles) if style.region is None]
    for members in ([everywhere] if everywhere else []) + [
        [i] for i, style in enumerate(job.styles) if style.region is not None
    ]:
        total = sum(job.styles[index].weight for index in members)
        weights = [job.strength * job.styles[index].weight / total for index in members]
        more = ([content], [1 - job.strength]) if job.strength < 1 else ([], [])
        groups.append(Group(members + more[0], weights + more[1], job.styles[members[0]].region))
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
