"""Whether samples are of the class that they were asked to be, judged by the nearest real picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from artgen.errors import UsageError
from artgen.metrics.distribution import Vectors
from artgen.metrics.estimate import REPLICATES, Estimate, as_vectors, distance_blocks, estimate_mean


@dataclass(frozen=True)
class ClassAccuracy:
    """How often the nearest real picture is of the class asked for."""

    samples: Estimate
    chance: (
        float  # the same where a real picture is drawn blindly: the mean over samples of their class' share of the real ones
    )
    real: float  # share of real pictures whose nearest other one is of their class: what the judge itself gets right


def class_accuracy(
    samples: Vectors, asked: np.ndarray, real: Vectors, labels: np.ndarray, replicates: int = REPLICATES, seed: int = 0
) -> ClassAccuracy:
    """samples [n, d] and real [m, d]: features, or pixels. asked [n] and labels [m]: numbers of classes, int64.

    Raises UsageError for no samples or fewer than 2 real pictures.
    """
    x, y = as_vectors(samples), as_vectors(real)
    if (len(x), len(y)) != (len(asked), len(labels)):
        raise ValueError(f"{len(x)} samples and {len(y)} real pictures, but {len(asked)} and {len(labels)} classes")
    if not len(x) or len(y) < 2:
        raise UsageError(f"{len(x)} samples and {len(y)} real pictures are too few to compare, 1 and 2 are needed")
    found = np.concatenate([labels[distances.argmin(dim=1).numpy()] for _, distances in distance_blocks(x, y)])
    others = np.concatenate([labels[distances.argmin(dim=1).numpy()] for _, distances in distance_blocks(y, y, True)])
    shares = np.bincount(labels, minlength=int(asked.max()) + 1) / len(labels)
    right = torch.from_numpy(found == asked).double()
    return ClassAccuracy(
        estimate_mean(right, len(y), replicates, seed), float(shares[asked].mean()), float((others == labels).mean())
    )
