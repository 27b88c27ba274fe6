"""Figures with the interval that their works, pictures or pieces, allow: the bootstrap, in the forms that the metrics share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

CONFIDENCE = 0.95
REPLICATES = 500
BLOCK = 1024  # rows of a matrix of pairs that are held at a time


@dataclass(frozen=True)
class Estimate:
    """A figure, the 95 % bootstrap interval around it and the number of works behind it: pictures, or pieces of music.

    The interval says how far the figure would go with other works from the same source (Efron 1979). Of fewer than some
    twenty it is too narrow.
    """

    value: float
    low: float
    high: float
    n: int  # works that were judged
    n_real: int = 0  # real ones that they were compared with; 0 where none were needed

    def __str__(self) -> str:
        against = f" against {self.n_real:,}" if self.n_real else ""
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g}, of {self.n:,}{against})"

    def as_dict(self) -> dict[str, float | int]:
        """For JSON."""
        return asdict(self)


def estimate(values: Tensor, n: int, n_real: int = 0, centred: bool = False) -> Estimate:
    """values [1 + replicates]: the figure, then what it is on resampled works; NaN where a resampling has none.

    centred: moves the replicates' mean onto the figure, for figures that resampling itself makes larger.
    """
    value, replicates = values[0].double(), values[1:].double()
    edges = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=torch.float64)
    low, high = torch.nanquantile(replicates, edges)
    if centred:
        low, high = low + value - replicates.nanmean(), high + value - replicates.nanmean()
    return Estimate(float(value), float(low), float(high), n, n_real)


def estimate_mean(values: Tensor, n_real: int = 0, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """The mean of one value a picture: values [n]."""
    chosen = resamplings(len(values), replicates, torch.Generator().manual_seed(seed))
    return estimate(values.double()[chosen].mean(dim=1), len(values), n_real)


def estimate_ratio(
    numerators: Tensor, denominators: Tensor, n_real: int = 0, replicates: int = REPLICATES, seed: int = 0
) -> Estimate:
    """Σ a_i / Σ b_i of one pair of numbers a piece: both [n], denominators 0 or more. NaN where they are 0 in sum."""
    chosen = resamplings(len(numerators), replicates, torch.Generator().manual_seed(seed))
    sums = numerators.double()[chosen].sum(dim=1) / denominators.double()[chosen].sum(dim=1)
    return estimate(sums, len(numerators), n_real)


def resamplings(n: int, replicates: int, generator: torch.Generator) -> Tensor:
    """Numbers of pictures, int64 [1 + replicates, n]: all as they are, then n drawn with replacement in every row."""
    return torch.cat([torch.arange(n)[None], torch.randint(n, (replicates, n), generator=generator)])


def counts(chosen: Tensor) -> Tensor:
    """How often each picture stands in each row of `resamplings`: float64 of the same shape."""
    return torch.zeros(chosen.shape, dtype=torch.float64).scatter_add_(1, chosen, torch.ones(chosen.shape, dtype=torch.float64))


# ---------------------------------------------------------------- means over pairs


def mean_over_pairs(
    x: Tensor, weights_x: Tensor, y: Tensor, weights_y: Tensor, pair: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Σ w_i v_j f(x_i, y_j) / Σ w_i v_j for every row of weights: [rows].

    x [n, d], weights_x [rows, n], y [m, d], weights_y [rows, m]; pair: f for all pairs, ([a, d], [b, d]) -> [a, b].
    """
    total = torch.zeros(len(weights_x), dtype=torch.float64)
    for begin in range(0, len(x), BLOCK):
        block = slice(begin, begin + BLOCK)
        total += ((weights_x[:, block] @ pair(x[block], y)) * weights_y).sum(dim=1)
    return total / (weights_x.sum(dim=1) * weights_y.sum(dim=1))


def mean_over_own_pairs(x: Tensor, weights: Tensor, pair: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The same over the pairs within x, of two different pictures: [rows]. NaN where a row of weights has one picture only.

    A picture that was drawn twice makes no pair with itself. Such a pair would be closer than any two real pictures, and
    every resampling would look less varied than the pictures are.
    """
    total = torch.zeros(len(weights), dtype=torch.float64)
    for begin in range(0, len(x), BLOCK):
        block = slice(begin, begin + BLOCK)
        pairs = pair(x[block], x)
        pairs[torch.arange(len(pairs)), begin + torch.arange(len(pairs))] = 0
        total += ((weights[:, block] @ pairs) * weights).sum(dim=1)
    return total / (weights.sum(dim=1).square() - weights.square().sum(dim=1))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """‖x_i - y_j‖²: x [n, d], y [m, d] -> [n, m], never negative."""
    middle = y.mean(dim=0)  # near numbers cancel less exactly the larger they are
    x, y = x - middle, y - middle
    return (x.square().sum(dim=1)[:, None] + y.square().sum(dim=1) - 2 * (x @ y.T)).clamp_(min=0)


def distance_blocks(x: Tensor, y: Tensor, leave_one_out: bool = False) -> Iterator[tuple[slice, Tensor]]:
    """`squared_distances` of x [n, d] to y [m, d], some rows at a time: (which rows, [rows, m]).

    leave_one_out: y is x, and every vector is infinitely far from itself.
    """
    for begin in range(0, len(x), BLOCK):
        distances = squared_distances(x[begin : begin + BLOCK], y)
        rows = torch.arange(len(distances))
        if leave_one_out:
            distances[rows, begin + rows] = torch.inf
        yield slice(begin, begin + len(distances)), distances


def as_vectors(x: np.ndarray | Tensor) -> Tensor:
    """Vectors of pictures as float64 [n, d] in memory. Raises ValueError where they are no such table or not finite."""
    vectors = x.detach().cpu().double() if isinstance(x, Tensor) else torch.from_numpy(np.array(x, dtype=np.float64))
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise ValueError(f"vectors are {list(vectors.shape)}, expected [n, d]")
    if not vectors.isfinite().all():
        raise ValueError("vectors hold numbers that are not finite")
    return vectors
