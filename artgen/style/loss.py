"""How far pictures of a batch are from their style and from their layout: what a network that paints is trained by.

Without a network: patches and strokes as in `artgen.style.patch`, but the optimal transport of each step is made by sorting, since
pictures are small and none is seen twice alike. With one: the statistics of its maps, as in `artgen.style.gatys`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.style.edges import edge_distance
from artgen.style.gatys import content_distance, total_variation
from artgen.style.networks import StyleNetwork
from artgen.style.pyramid import MARGIN, pyramid
from artgen.style.sliced import SAMPLES, directions, patches_of, quantiles
from artgen.style.statistics import Statistic
from artgen.style.strokes import NEIGHBOURHOOD, STROKE_LEVELS, StrokeFilters, learn_strokes

KEPT = 8192  # vectors of a painting


class StyleLoss(Protocol):
    """What a network is trained by."""

    def __call__(
        self, pictures: Tensor, styles: Sequence[int], layout: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Pictures [n, 3, h, w], 0 to 1, float32, each with the number of its style, and layout [n, 3, h, w] -> distances to the style
        and to the layout, [n] each. What is drawn at random is drawn from the generator."""


# ---------------------------------------------------------------- without a network


@dataclass(frozen=True)
class PatchLossOptions:
    """As those of `artgen.style.options.PatchOptions`."""

    patch: int = 5
    levels: int = 3
    projections: int = 32
    strokes: int = 48
    stroke_size: int = 7
    stroke_weight: float = 0.01

    @property
    def smallest(self) -> int:
        """Pixels that each side of a painting must have at least: some patches at the coarsest level."""
        return 2 * self.patch << (self.levels - 1)


class PatchLoss:
    """Sliced Wasserstein distances of patches and of stroke filters' answers, at the levels of a pyramid; and edges."""

    def __init__(self, paintings: Sequence[Tensor], options: PatchLossOptions, seed: int = 0) -> None:
        """paintings: [3, h, w], 0 to 1, each side at least `options.smallest`."""
        generator = torch.Generator().manual_seed(seed)
        self.options = options
        self.paintings = [_Painting(painting, options, generator) for painting in paintings]

    def __call__(
        self, pictures: Tensor, styles: Sequence[int], layout: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        found = pictures.new_zeros(len(pictures))
        for style in sorted(set(styles)):
            mine = torch.tensor([i for i, of in enumerate(styles) if of == style], device=pictures.device)
            found = found.index_add(0, mine, self._distances(pictures[mine], self.paintings[style], generator))
        return found, edge_distance(pictures, layout)

    def _distances(self, pictures: Tensor, painting: _Painting, generator: torch.Generator) -> Tensor:
        options, total = self.options, pictures.new_zeros(len(pictures))
        for level, known in zip(pyramid(pictures, len(painting.levels)), painting.levels, strict=True):
            if min(level.shape[2:]) < options.patch:
                break
            padded = F.pad(level, (MARGIN,) * 4, "reflect")
            total = total + sliced_distance(padded, known.patches, options.patch, options.projections, generator)
            if known.filters is not None and min(padded.shape[2:]) >= _needed(options):
                answers = known.filters(padded)
                strokes = sliced_distance(answers, known.answers, NEIGHBOURHOOD, options.projections, generator)
                total = total + options.stroke_weight * strokes
        return total


def sliced_distance(maps: Tensor, vectors: Tensor, size: int, projections: int, generator: torch.Generator) -> Tensor:
    """[n]: squared sliced Wasserstein distances of the size x size patches of maps [n, channels, h, w] to vectors [m, channels size²].

    The mean over random directions and over patches of the squared distance to where optimal transport brings each (Bonneel et al. 2015,
    eq. 6). Of large maps it sees the patches on a grid that begins at a random place.
    """
    along = directions(projections, vectors.shape[1], generator).to(maps)
    drawn = torch.randint(len(vectors), (min(SAMPLES, len(vectors)),), generator=generator).to(maps.device)
    rows, columns = maps.shape[2] - size + 1, maps.shape[3] - size + 1
    stride = 1
    while (rows // stride) * (columns // stride) > SAMPLES:
        stride += 1
    top, left = torch.randint(stride, (2,), generator=generator).tolist()
    kernels = along.view(projections, maps.shape[1], size, size)
    values = F.conv2d(maps[:, :, top:, left:], kernels, stride=stride).flatten(2).contiguous()
    target = quantiles(along @ vectors[drawn].T, values.shape[2])
    with torch.no_grad():
        order = values.argsort(dim=2)
        aim = torch.empty_like(values).scatter_(2, order, target.expand_as(values))
    return (values - aim).square().mean(dim=(1, 2))


@dataclass(frozen=True)
class _Level:
    """What is known of a painting at one level of the pyramid."""

    patches: Tensor  # [at most KEPT, 3 patch²]
    filters: StrokeFilters | None
    answers: Tensor  # [at most KEPT, strokes NEIGHBOURHOOD²]; empty without filters


class _Painting:
    def __init__(self, painting: Tensor, options: PatchLossOptions, generator: torch.Generator) -> None:
        self.levels = []
        for number, level in enumerate(pyramid(painting[None], options.levels)):
            patches = patches_of(level[0], options.patch, KEPT, generator)
            filters, answers = None, torch.empty(0)
            if number < STROKE_LEVELS and options.stroke_weight and min(level.shape[2:]) >= _needed(options):
                filters = learn_strokes([level[0]], options.strokes, options.stroke_size, generator)
                answers = patches_of(filters(level)[0], NEIGHBOURHOOD, KEPT, generator)
            self.levels.append(_Level(patches, filters, answers))


def _needed(options: PatchLossOptions) -> int:
    """Pixels of a side in which there are some patches of answers."""
    return options.stroke_size + 6 * NEIGHBOURHOOD


# ---------------------------------------------------------------- with a network


class NetworkLoss:
    """Statistics of what a network sees, with total variation, and its maps of the layout."""

    def __init__(
        self,
        paintings: Sequence[Tensor],
        network: StyleNetwork,
        statistic: Callable[[torch.Generator], Statistic],
        tv_weight: float,
    ) -> None:
        """paintings: [3, h, w], 0 to 1, on the network's device."""
        self.network, self.statistic, self.tv_weight = network, statistic, tv_weight
        see = statistic(torch.Generator())
        with torch.no_grad():
            self.targets = [
                {layer: see(maps) for layer, maps in network.maps(painting[None], network.style_layers).items()}
                for painting in paintings
            ]

    def __call__(
        self, pictures: Tensor, styles: Sequence[int], layout: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        statistic, network = self.statistic(generator), self.network
        maps = network.maps(pictures, {*network.style_layers, *network.content_layers})
        with torch.no_grad():
            wanted = network.maps(layout, network.content_layers)
        style, content = [], []
        for i, number in enumerate(styles):
            one = slice(i, i + 1)
            distance = self.tv_weight * total_variation(pictures[one])
            for layer, weight in network.style_layers.items():
                distance = distance + weight * statistic.distance(maps[layer][one], self.targets[number][layer])
            style.append(distance)
            kept = [w * content_distance(maps[layer][one], wanted[layer][one]) for layer, w in network.content_layers.items()]
            content.append(torch.stack(kept).sum())
        return torch.stack(style), torch.stack(content)
