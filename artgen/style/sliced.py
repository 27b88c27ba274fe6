"""Sliced optimal transport between what stands in a picture and what should: distributions of vectors, one direction at a time.

On a line the best way to move one distribution onto another keeps the order: the value at quantile u of the first goes to
that at quantile u of the second, T(y) = Q_style(F_picture(y)). Along random directions w, that is

    SW² = E_w ∫ (Q_picture(u; w) - Q_style(u; w))² du        (Bonneel et al. 2015, eq. 6; Rabin et al. 2011)

and its gradient at one vector v is the mean of 2 w (w·v - T(w·v)). Sorting is what it costs; here the maps T are tables, made
of samples of both sides, so that any number of vectors is moved by looking up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.metrics.wasserstein import cut_patches

N_QUANTILES = 256
BINS = 512
SAMPLES = 2048  # vectors of each side that a table is made of


def directions(n: int, dimensions: int, generator: torch.Generator) -> Tensor:
    """[n, dimensions], evenly spread unit vectors."""
    found = torch.randn(n, dimensions, generator=generator)
    return found / found.norm(dim=1, keepdim=True)


def quantiles(values: Tensor, n: int = N_QUANTILES) -> Tensor:
    """[k, m] values to [k, n]: at the ranks (i + 1/2) / n, linear in between."""
    ordered = values.sort(dim=1).values
    m = values.shape[1]
    if m == 1:
        return ordered.expand(-1, n)
    place = ((torch.arange(n, device=values.device, dtype=values.dtype) + 0.5) / n * m - 0.5).clamp(0, m - 1)
    below = place.floor().long().clamp(max=m - 2)
    return torch.lerp(ordered[:, below], ordered[:, below + 1], place - below)


def mixed(sets: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Quantiles [k, n] of the barycentre of distributions with these quantiles: on a line, their weighted mean (Rabin et al. 2011)."""
    return torch.stack([weight * values for values, weight in zip(sets, weights, strict=True)]).sum(dim=0)


@dataclass(frozen=True)
class Transport:
    """T(y) - y along k directions, as tables over the range of the samples. Beyond it the last entry holds."""

    shift: Tensor  # [k, BINS]
    low: Tensor  # [k, 1]
    per_unit: Tensor  # [k, 1]: entries of the table for 1

    def __call__(self, values: Tensor) -> Tensor:
        """[k, m] values y to T(y) - y."""
        index = ((values - self.low) * self.per_unit).round_().clamp_(0, self.shift.shape[1] - 1)
        return self.shift.gather(1, index.long())


def transport(source: Tensor, target: Tensor, bins: int = BINS) -> Transport:
    """The map from quantiles [k, n] to quantiles [k, n]."""
    low, high = source[:, :1], source[:, -1:]
    grid = low + (high - low) * torch.linspace(0, 1, bins, device=source.device, dtype=source.dtype)
    above = torch.searchsorted(source.contiguous(), grid.contiguous()).clamp(1, source.shape[1] - 1)
    left, right = source.gather(1, above - 1), source.gather(1, above)
    share = ((grid - left) / (right - left).clamp_min(1e-12)).clamp(0, 1)
    there = torch.lerp(target.gather(1, above - 1), target.gather(1, above), share)
    return Transport(there - grid, low, (bins - 1) / (high - low).clamp_min(1e-12))


def patches_of(maps: Tensor, size: int, most: int, generator: torch.Generator) -> Tensor:
    """Patches of size x size of [channels, h, w], drawn without order: [at most so many, channels * size * size], channels first.

    Only those that are drawn are cut out: all patches of a large picture would not fit into memory.
    """
    height, width = maps.shape[1:]
    rows, columns = height - size + 1, width - size + 1
    if rows * columns <= most:
        return F.unfold(maps[None], size)[0].T
    chosen = torch.randint(rows * columns, (most,), generator=generator).to(maps.device)
    return cut_patches(maps[None], torch.zeros_like(chosen), chosen // columns, chosen % columns, size).flatten(1)
