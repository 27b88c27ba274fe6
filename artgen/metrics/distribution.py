"""How near a set of samples is to a set of real pictures, by their feature vectors: KID, FID, precision and recall.

Samples and real pictures are vectors, float [n, d], of one feature network (artgen.metrics.features). All sums are in
float64. Figures of different networks, or of weights with another checksum, cannot be compared.
"""

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
    mean_over_pairs,
    resamplings,
)

Vectors = np.ndarray | Tensor


def kid(samples: Vectors, real: Vectors, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Kernel inception distance: the unbiased squared maximum mean discrepancy under the kernel (xᵀy / d + 1)³.

    Bińkowski et al. 2018, "Demystifying MMD GANs", section 4; the estimator is eq. 3 of Gretton et al. 2012:
        1/(m(m-1)) Σ_{i≠j} k(x_i, x_j) + 1/(n(n-1)) Σ_{i≠j} k(y_i, y_j) - 2/(mn) Σ_{i,j} k(x_i, y_j)
    0 on average for two sets from one source, whatever their sizes, so that it may be a little negative. It is taken over
    all pictures. The mean over random subsets, as most programs report it, is the same on average but varies more.
    Often shown times 1,000.

    Raises UsageError for fewer than 2 pictures in a set.
    """
    x, y = _two_sets(samples, real, 2)
    generator = torch.Generator().manual_seed(seed)
    weights_x = counts(resamplings(len(x), replicates, generator))
    weights_y = counts(resamplings(len(y), replicates, generator))
    within_x = mean_over_own_pairs(x, weights_x, cubic_kernel)
    within_y = mean_over_own_pairs(y, weights_y, cubic_kernel)
    across = mean_over_pairs(x, weights_x, y, weights_y, cubic_kernel)
    return estimate(within_x + within_y - 2 * across, len(x), len(y))


def cubic_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x_iᵀ y_j / d + 1)³: x [n, d], y [m, d] -> [n, m]."""
    products = (x @ y.T).div_(x.shape[1]).add_(1)
    return products.square().mul_(products)


def fid(samples: Vectors, real: Vectors, replicates: int = 50, seed: int = 0) -> Estimate:
    """Fréchet distance of the normal distributions with the mean and covariance of each set.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", eq. 6:
        ‖μ_x - μ_y‖² + tr(Σ_x + Σ_y - 2 (Σ_x Σ_y)^½)
    Too large for few pictures (Chong and Forsyth 2020): compare only figures of the same numbers of pictures, and prefer
    KID below some thousands. Resampled pictures are fewer different ones, which makes it larger still, so the interval is
    the spread of the resamplings moved onto the figure.

    Raises UsageError for fewer than 2 pictures in a set.
    """
    x, y = _two_sets(samples, real, 2)
    generator = torch.Generator().manual_seed(seed)
    chosen_x = resamplings(len(x), replicates, generator)
    chosen_y = resamplings(len(y), replicates, generator)
    values = [frechet_distance(x[i], y[j]) for i, j in zip(chosen_x, chosen_y, strict=True)]
    return estimate(torch.tensor(values, dtype=torch.float64), len(x), len(y), centred=True)


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """The formula of `fid`, for float64 x [n, d] and y [m, d].

    No matrix root is taken. With Σ_x = AᵀA and Σ_y = BᵀB, the trace of (Σ_x Σ_y)^½ is the sum of the singular values of
    ABᵀ, which holds whatever the rank: fewer pictures than features are no special case.
    """
    a, b = _factor(x), _factor(y)
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    root = torch.linalg.svdvals(a @ b.T).sum()
    return max(0.0, float(means + a.square().sum() + b.square().sum() - 2 * root))


def _factor(x: Tensor) -> Tensor:
    """A [min(n, d), d] with AᵀA the covariance of x [n, d], over n - 1."""
    centred = (x - x.mean(dim=0)) / (len(x) - 1) ** 0.5
    return centred if len(x) <= x.shape[1] else torch.linalg.qr(centred, mode="r").R


@dataclass(frozen=True)
class Manifold:
    """How far samples and real pictures lie where the others are, each 0 to 1 but for density, which may exceed 1."""

    precision: Estimate  # share of samples that lie among real pictures: quality
    recall: Estimate  # share of real pictures that lie among samples: variety
    density: Estimate  # among how many real pictures samples lie, 1 for real ones: precision that outliers do not raise
    coverage: Estimate  # share of real pictures with a sample near by: recall that outliers do not raise


def manifold(
    samples: Vectors, real: Vectors, k: int = 3, k_coverage: int = 5, replicates: int = REPLICATES, seed: int = 0
) -> Manifold:
    """Improved precision and recall, density and coverage: a set is taken to fill balls around its pictures, each as large
    as the distance to its k-th nearest neighbour in the set.

    Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models", eq. 1 and 2, with k.
    Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", eq. 3 and 4, with k_coverage.
    All depend on the numbers of pictures. Intervals: the judged pictures are resampled, the balls are kept, as a picture
    that is drawn twice would shrink them to nothing.

    Raises UsageError where a set has no k-th neighbour.
    """
    largest = max(k, k_coverage)
    x, y = _two_sets(samples, real, largest + 1)
    radii_x, radii_y = _squared_radii(x, largest), _squared_radii(y, largest)
    in_real = torch.zeros(len(x))
    density = torch.zeros(len(x), dtype=torch.float64)
    in_samples, covered = torch.zeros(len(y)), torch.zeros(len(y))
    for block, distances in distance_blocks(x, y):
        in_real[block] = (distances <= radii_y[:, k - 1]).any(dim=1).float()
        density[block] = (distances <= radii_y[:, k_coverage - 1]).double().sum(dim=1) / k_coverage
        in_samples = in_samples.maximum((distances <= radii_x[block, None, k - 1]).any(dim=0).float())
        covered = covered.maximum((distances <= radii_y[:, k_coverage - 1]).any(dim=0).float())
    return Manifold(
        precision=estimate_mean(in_real, len(y), replicates, seed),
        recall=_turned(estimate_mean(in_samples, len(x), replicates, seed)),
        density=estimate_mean(density, len(y), replicates, seed),
        coverage=_turned(estimate_mean(covered, len(x), replicates, seed)),
    )


def _squared_radii(x: Tensor, k: int) -> Tensor:
    """Squared distances to the 1st to k-th nearest neighbour of each vector among the others: x [n, d] -> [n, k]."""
    blocks = distance_blocks(x, x, leave_one_out=True)
    return torch.cat([distances.topk(k, largest=False).values for _, distances in blocks])


def _turned(figure: Estimate) -> Estimate:
    """A figure whose judged pictures were the real ones, with n and n_real in their places."""
    return Estimate(figure.value, figure.low, figure.high, figure.n_real, figure.n)


def _two_sets(samples: Vectors, real: Vectors, least: int) -> tuple[Tensor, Tensor]:
    x, y = as_vectors(samples), as_vectors(real)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"vectors have {x.shape[1]} and {y.shape[1]} numbers, expected those of one feature network")
    for name, group in (("samples", x), ("real pictures", y)):
        if len(group) < least:
            raise UsageError(f"{len(group)} {name} are too few to compare, {least} or more are needed")
    return x, y
