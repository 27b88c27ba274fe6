"""How near samples are to the style of real pieces: how far the histograms of the two overlap.

Three figures for each histogram of `music_histograms`, all 0 to 1, 1 the nearest. They answer different questions.

pooled: all pieces of a set as one. Σ_b min(p_b, q_b) over the bins of the two normalised histograms (histogram
intersection, Swain and Ballard 1991, "Color indexing"; 1 - total variation distance). Is the mixture right?
distances: Yang and Lerch 2020, "On the evaluation of generative models in music", section 3.3. Each piece has its own
normalised histogram; the Euclidean distances between all pairs of real pieces (intra-set), and those from every sample to
every real piece (inter-set), each become a density by Gaussian kernels of Scott's width; the figure is the area under both,
∫ min(f, g). Is a sample as far from real pieces as they are from each other? The authors' program integrates between the
smallest and largest distance only and so gives two equal sets less than 1; here the tails count.
variety: the same area for the pairs of samples (their intra-set) and the pairs of real pieces. Are samples as different
from each other as real pieces are? The two others do not ask that: of the Nottingham tunes, five real ones taken ten times
each reach 0.93 and 0.96 of what fifty different ones do.

The figures grow with the number of notes: compare what a sample set reaches with what as many real pieces reach (`style_share`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.estimate import REPLICATES, Estimate, counts, estimate, resamplings
from artgen.metrics.music_histograms import tables
from artgen.music.piece import Piece

BINS = 512  # of the densities of distances


@dataclass(frozen=True)
class StyleOverlap:
    """Overlap by the name of the histogram, and the mean over the histograms."""

    pooled: dict[str, Estimate]
    pooled_mean: Estimate
    distances: dict[str, Estimate]
    distances_mean: Estimate
    variety: dict[str, Estimate]  # not a number of one sample
    variety_mean: Estimate

    def figures(self) -> dict[str, Estimate]:
        """All in one: pooled_mean, distances_mean, variety_mean, pooled_interval, distances_interval, …"""
        kinds = {"pooled": self.pooled, "distances": self.distances, "variety": self.variety}
        means = {"pooled_mean": self.pooled_mean, "distances_mean": self.distances_mean, "variety_mean": self.variety_mean}
        return means | {f"{kind}_{name}": value for kind, of in kinds.items() for name, value in of.items()}


def style_overlap(
    samples: Sequence[Piece], reference: Sequence[Piece], replicates: int = REPLICATES, seed: int = 0
) -> StyleOverlap:
    """How far samples and real pieces overlap, with intervals of resampled pieces.

    Resampling itself makes the overlap smaller, so the interval is its spread moved onto the figure.
    Raises UsageError for no sample, fewer than 2 real pieces, or a set without a note.
    """
    ours, theirs = _tables(samples, "samples"), _tables(reference, "real pieces")
    if len(reference) < 2:
        raise UsageError(f"{len(reference)} real pieces are too few to compare, 2 are needed")
    return _overlap(ours, theirs, replicates, seed)


def style_share(
    samples: Sequence[Piece],
    training: Sequence[Piece],
    held_out: Sequence[Piece],
    draws: int = 20,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> StyleOverlap:
    """overlap(samples, held_out) / overlap(as many training pieces, held_out): 1 where samples are as near to real pieces
    that the model never saw as other real pieces are.

    draws: training pieces are drawn so often, without replacement, and their overlap averaged, since more pieces overlap
        more; where there are no more training pieces than samples, all are taken.
    The intervals resample samples, held-out pieces and training pieces. Raises UsageError as `style_overlap` does.
    """
    ours, real, trained = (
        _tables(samples, "samples"),
        _tables(held_out, "held-out pieces"),
        _tables(training, "training pieces"),
    )
    if len(held_out) < 2:
        raise UsageError(f"{len(held_out)} held-out pieces are too few to compare, 2 are needed")
    generator = torch.Generator().manual_seed(seed)
    n = min(len(samples), len(training))
    weights = counts(resamplings(len(samples), replicates, generator))
    weights_real = counts(resamplings(len(held_out), replicates, generator))
    drawn = torch.stack([torch.randperm(len(training), generator=generator)[:n] for _ in range(draws)])
    again = torch.randint(len(training), (replicates, n), generator=generator)
    weights_trained = torch.cat([_how_often(drawn, len(training)), _how_often(again, len(training))])
    beside_trained = torch.cat([weights_real[:1].expand(draws, -1), weights_real[1:]])
    found: dict[str, dict[str, Tensor]] = {}
    for kind, of in KINDS.items():
        found[kind] = {}
        for name in real:
            mine = of(ours[name], weights, real[name], weights_real)
            normal = of(trained[name], weights_trained, real[name], beside_trained)
            found[kind][name] = torch.stack([mine, torch.cat([normal[:draws].mean()[None], normal[draws:]])])
    return _estimates(found, len(samples), len(held_out), share=True)


def _tables(pieces: Sequence[Piece], what: str) -> dict[str, NDArray[np.float64]]:
    if not pieces:
        raise UsageError(f"there are no {what} to compare")
    found = tables(pieces)
    if not found["pitch_class"].any():
        raise UsageError(f"the {what} have no notes but drums', and style is compared by pitched notes")
    return found


def _overlap(
    ours: dict[str, NDArray[np.float64]], theirs: dict[str, NDArray[np.float64]], replicates: int, seed: int
) -> StyleOverlap:
    generator = torch.Generator().manual_seed(seed)
    n, n_real = len(ours["pitch_class"]), len(theirs["pitch_class"])
    weights = counts(resamplings(n, replicates, generator))
    weights_real = counts(resamplings(n_real, replicates, generator))
    found = {kind: {name: of(ours[name], weights, theirs[name], weights_real) for name in ours} for kind, of in KINDS.items()}
    return _estimates(found, n, n_real)


def _estimates(found: dict[str, dict[str, Tensor]], n: int, n_real: int, share: bool = False) -> StyleOverlap:
    """found: by kind and name, overlaps [rows]; for shares [2, rows], the mean of which is the quotient of the means."""

    def one(values: Tensor) -> Estimate:
        return estimate(values[0] / values[1] if share else values, n, n_real, centred=True)

    named = {kind: {name: one(values) for name, values in of.items()} for kind, of in found.items()}
    means = {kind: one(torch.stack(list(of.values())).mean(dim=0)) for kind, of in found.items()}
    return StyleOverlap(**named, **{f"{kind}_mean": value for kind, value in means.items()})  # type: ignore[arg-type]


# ---------------------------------------------------------------- the three figures


def _pooled(x: NDArray[np.float64], weights_x: Tensor, y: NDArray[np.float64], weights_y: Tensor) -> Tensor:
    """Histogram intersection for every row of weights: x [n, bins], weights_x [rows, n], y [m, bins], weights_y [rows, m]."""
    used = x.any(axis=0) | y.any(axis=0)
    p, q = weights_x @ torch.from_numpy(x[:, used]), weights_y @ torch.from_numpy(y[:, used])
    overlap = torch.minimum(_normalised(p), _normalised(q)).sum(dim=1)
    return torch.where((p.sum(dim=1) == 0) & (q.sum(dim=1) == 0), 1.0, overlap)  # nothing beside nothing is no difference


def _distances(x: NDArray[np.float64], weights_x: Tensor, y: NDArray[np.float64], weights_y: Tensor) -> Tensor:
    """Overlapping area of real intra-set and inter-set distances for every row of weights, as `_pooled` takes them."""
    every = torch.cartesian_prod(torch.arange(len(x)), torch.arange(len(y))).T
    return _area((y, weights_y, y, weights_y, _pairs(len(y))), (x, weights_x, y, weights_y, every))


def _variety(x: NDArray[np.float64], weights_x: Tensor, y: NDArray[np.float64], weights_y: Tensor) -> Tensor:
    """Overlapping area of the two sets' intra-set distances for every row of weights; NaN where x is one piece."""
    if len(x) < 2:
        return torch.full((len(weights_x),), torch.nan, dtype=torch.float64)
    return _area((y, weights_y, y, weights_y, _pairs(len(y))), (x, weights_x, x, weights_x, _pairs(len(x))))


def _pairs(n: int) -> Tensor:
    """All pairs of different pieces, [2, pairs]: one that was drawn twice makes no pair with itself."""
    return torch.triu_indices(n, n, 1)


def _area(*sets: tuple[NDArray[np.float64], Tensor, NDArray[np.float64], Tensor, Tensor]) -> Tensor:
    """∫ min(f, g) for every row of weights, of the densities of the distances of two sets of pairs.

    Each set: pieces [n, bins] and [m, bins] with their weights [rows, n] and [rows, m], and the pairs [2, pairs] of them.
    NaN where a row has no pair of a set. The kernels' widths are those of the unweighted distances.
    """
    distances = []
    for a, _, b, _, (i, j) in sets:
        one, other = (_normalised(torch.from_numpy(of)) for of in (a, b))
        distances.append(torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")[i, j])
    widths = [_scott(each) for each in distances]
    together, reach = torch.cat(distances), 4 * max(widths)
    low, high = float(together.min()) - reach, float(together.max()) + reach
    n_rows = len(sets[0][1])
    if high - low < 1e-9:
        return torch.ones(n_rows, dtype=torch.float64)  # all pieces are alike
    edges = torch.linspace(low, high, BINS + 1, dtype=torch.float64)
    densities, known = [], torch.ones(n_rows, dtype=torch.bool)
    for each, width, (_, weights_a, _, weights_b, (i, j)) in zip(distances, widths, sets, strict=True):
        at = ((each - low) / (high - low) * BINS).long().clamp_(0, BINS - 1)
        mass = torch.empty(n_rows, BINS, dtype=torch.float64)
        for row, (own, other) in enumerate(zip(weights_a, weights_b, strict=True)):
            mass[row] = torch.bincount(at, weights=own[i] * other[j], minlength=BINS)
        known &= mass.sum(dim=1) > 0
        densities.append(_normalised(mass) @ _kernel(edges, width))
    return torch.where(known, torch.minimum(*densities).sum(dim=1), torch.nan)


def _scott(distances: Tensor) -> float:
    """Scott's width of a kernel in one dimension: the deviation times n^(-1/5)."""
    return float(distances.std()) * len(distances) ** -0.2 if len(distances) > 1 else 0.0


def _kernel(edges: Tensor, width: float) -> Tensor:
    """How much of a Gaussian in the middle of each bin falls into every bin: [bins, bins], rows sum to nearly 1."""
    middles = (edges[1:] + edges[:-1]) / 2
    if width < 1e-9:
        return torch.eye(len(middles), dtype=torch.float64)
    return torch.special.ndtr((edges[None] - middles[:, None]) / width).diff(dim=1)


def _how_often(chosen: Tensor, n: int) -> Tensor:
    """How often each of n pieces stands in each row of numbers: float64 [rows, n]."""
    zeros = torch.zeros(len(chosen), n, dtype=torch.float64)
    return zeros.scatter_add_(1, chosen, torch.ones(chosen.shape, dtype=torch.float64))


def _normalised(x: Tensor) -> Tensor:
    return x / x.sum(dim=1, keepdim=True).clamp(min=1e-12)


KINDS = {"pooled": _pooled, "distances": _distances, "variety": _variety}
