"""How varied samples are, against real pictures; and which samples are the same picture again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.estimate import (
    REPLICATES,
    Estimate,
    as_vectors,
    counts,
    distance_blocks,
    estimate,
    estimate_mean,
    mean_over_own_pairs,
    resamplings,
    squared_distances,
)
from artgen.metrics.pictures import Pictures, pixel_vectors

SIZE = 32  # pixels to which pictures are shrunk before they are compared
TWIN = 0.02  # root mean square difference of the shrunk pixels, 0 to 1: five grey levels, which an eye hardly sees


@dataclass(frozen=True)
class Diversity:
    """Mean distance of two different pictures of a set, in the unit of the vectors."""

    samples: Estimate
    real: Estimate
    ratio: Estimate  # samples over real: 1 is as varied, 0 the same picture always


def diversity(
    samples: np.ndarray | Tensor, real: np.ndarray | Tensor, replicates: int = REPLICATES, seed: int = 0
) -> Diversity:
    """Mean pairwise Euclidean distance of the samples and of the real pictures, and their ratio.

    samples [n, d] and real [m, d]: feature vectors (artgen.metrics.features), or pixels as `pixel_diversity` takes them. Noise
    is varied, too: read it beside a figure of quality. The numbers of pictures need not be the same.

    Raises UsageError for fewer than 2 pictures in a set, or where all real ones are alike.
    """
    x, y = as_vectors(samples), as_vectors(real)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"vectors have {x.shape[1]} and {y.shape[1]} numbers, expected those of one kind")
    if min(len(x), len(y)) < 2:
        raise UsageError(f"{len(x)} samples and {len(y)} real pictures are too few for pairs, 2 of each are needed")
    generator = torch.Generator().manual_seed(seed)
    means_x = mean_over_own_pairs(x, counts(resamplings(len(x), replicates, generator)), _distances)
    means_y = mean_over_own_pairs(y, counts(resamplings(len(y), replicates, generator)), _distances)
    if means_y[0] == 0:
        raise UsageError("all real pictures are alike, so there is no variety to compare with")
    return Diversity(estimate(means_x, len(x)), estimate(means_y, len(y)), estimate(_ratio(means_x, means_y), len(x), len(y)))


def pixel_diversity(samples: Pictures, real: Pictures, replicates: int = REPLICATES, seed: int = 0) -> Diversity:
    """`diversity` by root mean square difference, 0 to 1, of the pixels of pictures shrunk to 32 x 32: no network is needed.

    samples and real: uint8 [n, height, width, channels], of any sizes.
    """
    return diversity(pixel_vectors(samples, SIZE), pixel_vectors(real, SIZE), replicates, seed)


@dataclass(frozen=True)
class Duplicates:
    """Pictures that are the same to the eye."""

    share: Estimate  # of pictures that have a twin in the set, 0 to 1
    pairs: list[tuple[int, int, float]]  # (number, number of its nearest twin, difference), nearest first, each pair once


def duplicates(pictures: Pictures, tolerance: float = TWIN, replicates: int = REPLICATES, seed: int = 0) -> Duplicates:
    """Pictures whose nearest other one differs by no more than `tolerance`, as root mean square of the pixels at 32 x 32.

    pictures: uint8 [n, height, width, channels]. The more there are, the more twins will be among them: compare sets of one
    size. The interval resamples the pictures' answers.

    Raises UsageError for fewer than 2 pictures.
    """
    if len(pictures) < 2:
        raise UsageError(f"{len(pictures)} pictures are too few to have twins, 2 are needed")
    x = as_vectors(pixel_vectors(pictures, SIZE))
    nearest, twin = torch.empty(len(x), dtype=torch.float64), torch.empty(len(x), dtype=torch.int64)
    for block, distances in distance_blocks(x, x, leave_one_out=True):
        nearest[block], twin[block] = distances.min(dim=1)
    nearest.sqrt_()
    twins = {}
    for i in torch.nonzero(nearest <= tolerance)[:, 0].tolist():
        twins[min(i, int(twin[i])), max(i, int(twin[i]))] = float(nearest[i])
    pairs = sorted(((i, j, distance) for (i, j), distance in twins.items()), key=lambda pair: pair[2])
    return Duplicates(estimate_mean((nearest <= tolerance).double(), 0, replicates, seed), pairs)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below, torch.nan)  # a resampling of few pictures may have but one of them


def _distances(x: Tensor, y: Tensor) -> Tensor:
    return squared_distances(x, y).sqrt_()
