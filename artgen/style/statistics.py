"""What of a layer's maps makes a style: three statistics with one interface, and how far two are apart.

A statistic makes a target of maps once; `distance` compares other maps with it. Maps are [1, channels, h, w], and positions can be
weighted by a region, [h, w], 0 or above, with a sum above 0. Every distance is relative: 0 for equal statistics, near 1 for maps
that are all 0, whatever the size of the picture and the scale of the network, so that layers and networks compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

TINY = 1e-12  # keeps a layer that a flat style leaves at 0 from dividing by it


class Statistic(Protocol):
    """What of maps makes a style."""

    def __call__(self, maps: Tensor, region: Tensor | None = None) -> Any:
        """A target."""

    def mix(self, targets: Sequence[Any], weights: Sequence[float]) -> Any:
        """The target of several styles, weights with 1 as their sum."""

    def distance(self, maps: Tensor, target: Any, region: Tensor | None = None) -> Tensor:
        """A scalar with a gradient for the maps."""


def resize_region(region: Tensor, maps: Tensor) -> Tensor:
    """A region [height, width] of a picture at the positions of its maps: [h, w], each the mean of what it sees."""
    return F.interpolate(region[None, None], maps.shape[-2:], mode="area")[0, 0]


def statistic_named(name: str, generator: torch.Generator) -> Statistic:
    """gram, moments or sliced, as the options of methods and trainings name them. generator: what sliced draws from."""
    if name == "sliced":
        return Sliced(generator)
    return Gram() if name == "gram" else Moments()


# ---------------------------------------------------------------- Gram


class Gram:
    """Products of channels, averaged over positions: G = FᵀF / N (Gatys et al. 2016, equations 3 to 5).

    The distance is ||G - T||² / ||T||². The paper divides by N instead, and so depends on the picture's size.
    """

    def __call__(self, maps: Tensor, region: Tensor | None = None) -> Tensor:
        """[channels, channels], float32 (float64 for maps in float64)."""
        return gram(maps, region)

    def mix(self, targets: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        return _weighted(targets, weights)

    def distance(self, maps: Tensor, target: Tensor, region: Tensor | None = None) -> Tensor:
        return (gram(maps, region) - target).square().sum() / target.square().sum().clamp(min=TINY)


def gram(maps: Tensor, region: Tensor | None = None) -> Tensor:
    """maps [1, channels, h, w], F as [N, channels]; region [h, w], r with 1 as its sum -> Σ r F Fᵀ, [channels, channels]."""
    found: Tensor = _Gram.apply(maps, None if region is None else region / region.sum())
    return found


class _Gram(torch.autograd.Function):
    """G = Fᵀ R F, ∂F = R F (∂G + ∂Gᵀ): one product each way, and nothing is brought into another order."""

    PIECES = 16

    @staticmethod
    def forward(ctx: Any, maps: Tensor, region: Tensor | None) -> Tensor:
        ctx.save_for_backward(maps, region)
        rows = _rows(maps)
        other = rows if region is None else rows * region.reshape(-1, 1).to(rows.dtype)
        # Sums of bfloat16 products are rounded to bfloat16: many short ones, added in float32, keep most of the digits.
        length = max(1, len(rows) // _Gram.PIECES)
        whole = len(rows) // length * length
        exact = torch.promote_types(maps.dtype, torch.float32)
        shape = (whole // length, length, rows.shape[1])
        found = torch.bmm(rows[:whole].view(shape).transpose(1, 2), other[:whole].view(shape)).to(exact).sum(0)
        if whole < len(rows):
            found += (rows[whole:].T @ other[whole:]).to(exact)
        return found / len(rows) if region is None else found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        maps, region = ctx.saved_tensors
        rows = _rows(maps)
        both = gradients[0] + gradients[0].T
        back = rows @ (both if region is not None else both / len(rows)).to(rows.dtype)
        if region is not None:
            back *= region.reshape(-1, 1).to(rows.dtype)
        return back.view(*maps.shape[2:], -1).permute(2, 0, 1)[None], None


# ---------------------------------------------------------------- moments


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each channel (Li et al. 2017, "Demystifying", equation 13).

    The distance is (|μ - μ'|² + |σ - σ'|²) / (|μ'|² + |σ'|²).
    """

    def __call__(self, maps: Tensor, region: Tensor | None = None) -> Tensor:
        """[2, channels]: means, standard deviations."""
        return moments(maps, region)

    def mix(self, targets: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Of the positions of all styles together: their means spread, too."""
        mean = _weighted([target[0] for target in targets], weights)
        second = _weighted([target.square().sum(0) for target in targets], weights)
        return torch.stack([mean, (second - mean.square()).clamp(min=0).sqrt()])

    def distance(self, maps: Tensor, target: Tensor, region: Tensor | None = None) -> Tensor:
        return (moments(maps, region) - target).square().sum() / target.square().sum().clamp(min=TINY)


def moments(maps: Tensor, region: Tensor | None = None) -> Tensor:
    """maps [1, channels, h, w] -> means and standard deviations, [2, channels]."""
    rows = _rows(maps).to(torch.promote_types(maps.dtype, torch.float32))
    share = rows.new_full((len(rows),), 1 / len(rows)) if region is None else (region / region.sum()).reshape(-1).to(rows)
    mean = share @ rows
    variance = share @ (rows - mean).square()
    return torch.stack([mean, (variance + TINY).sqrt()])  # the root of 0 has no gradient


# ---------------------------------------------------------------- sliced Wasserstein


@dataclass(frozen=True)
class Positions:
    """Maps as a set of positions: rows [N, channels], and how much each counts, [N], with 1 as their sum."""

    rows: Tensor
    share: Tensor


class Sliced:
    """The sliced Wasserstein distance of maps as sets of positions (Heitz et al. 2021, equations 2 to 5).

    Both sets are projected on random directions, anew in each call; on each, sorted positions are compared one by one. The paper
    takes as many directions as there are channels, and all positions. Here they are at most `directions`, and of a large map
    `positions` are drawn: a call is cheap, and over many calls errs on no side.
    The distance is the mean of the squared differences, divided by that of the squared projections of the target.
    """

    def __init__(self, generator: torch.Generator, positions: int = 2048, directions: int = 64) -> None:
        self.generator, self.positions, self.directions = generator, positions, directions

    def __call__(self, maps: Tensor, region: Tensor | None = None) -> Positions:
        rows = _rows(maps).detach()
        exact = torch.promote_types(maps.dtype, torch.float32)
        if region is None:
            return Positions(rows, rows.new_full((len(rows),), 1 / len(rows), dtype=exact))
        share = region.reshape(-1).to(exact)
        return Positions(rows, share / share.sum())

    def mix(self, targets: Sequence[Positions], weights: Sequence[float]) -> Positions:
        """All positions of all styles, each counting as its style does."""
        share = torch.cat([target.share * weight for target, weight in zip(targets, weights, strict=True)])
        return Positions(torch.cat([target.rows for target in targets]), share)

    def distance(self, maps: Tensor, target: Positions, region: Tensor | None = None) -> Tensor:
        rows = _rows(maps)
        exact = torch.promote_types(maps.dtype, torch.float32)
        n = min(self.positions, max(len(rows), len(target.rows)))
        share = None if region is None else region.reshape(-1)
        wanted = target.rows[self._draw(target.share, len(target.rows), n)]
        directions = self._directions(rows.shape[1]).to(rows)
        ours = (rows[self._draw(share, len(rows), n)] @ directions).to(exact).T.contiguous().sort().values
        theirs = (wanted @ directions).to(exact).T.contiguous().sort().values
        return (ours - theirs).square().mean() / theirs.square().mean().clamp(min=TINY)

    def _draw(self, share: Tensor | None, n_rows: int, n: int) -> Tensor:
        """n of the positions, evenly among their shares: every one about as often as it counts."""
        even = (torch.arange(n, dtype=torch.float64) + torch.rand(1, generator=self.generator, dtype=torch.float64)) / n
        if share is None or bool((share == share[0]).all()):
            order = torch.randperm(n_rows, generator=self.generator)
            return order[(even * n_rows).long().clamp(max=n_rows - 1)]
        sums = share.double().cpu().cumsum(0)
        return torch.searchsorted(sums, even * sums[-1]).clamp(max=n_rows - 1)

    def _directions(self, width: int) -> Tensor:
        """[channels, directions]: unit vectors, at right angles to each other, so that no two look alike."""
        drawn = torch.randn(width, min(width, self.directions), generator=self.generator)
        return torch.linalg.qr(drawn).Q


# ---------------------------------------------------------------- helpers


def _rows(maps: Tensor) -> Tensor:
    """[1, channels, h, w] -> [positions, channels], of the same memory where channels are last in it."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _weighted(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    found = torch.zeros_like(tensors[0])
    for tensor, weight in zip(tensors, weights, strict=True):
        found = found + weight * tensor
    return found
