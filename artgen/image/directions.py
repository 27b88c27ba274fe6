"""Directions of codes in which pictures change most."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from artgen.errors import UsageError


def principal_directions(weights: Sequence[Tensor], n: int) -> Tensor:
    """The n unit vectors [n, e] that layers with the weights [out, e] enlarge most, largest first.

    They are the eigenvectors of AᵀA with the largest eigenvalues, A the weights of all layers that read the codes, each
    layer's rows scaled to length 1 on average so that none outweighs the others (Shen and Zhou 2021, eq. 6). The sign, which
    the eigenvectors leave open, is such that the largest component is positive.

    Raises UsageError where codes have fewer dimensions.
    """
    width = weights[0].shape[1]
    if n > width:
        raise UsageError(f"{n} directions were asked for, codes of this run have {width} dimensions")
    scaled = [weight.detach().double().cpu() for weight in weights]
    stacked = torch.cat([weight / weight.norm(dim=1).mean().clamp_min(1e-12) for weight in scaled])
    _, vectors = torch.linalg.eigh(stacked.T @ stacked)
    chosen = vectors.flip(1)[:, :n].T
    largest = chosen.gather(1, chosen.abs().argmax(dim=1, keepdim=True))
    return (chosen * largest.sign()).float()
