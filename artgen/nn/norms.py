"""Normalisation layers by name."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5


def build_norm(name: str, width: int, bias: bool = False) -> nn.Module:
    """`layer`, `rms` or `none` over the last dimension; `bias` is for `layer` alone."""
    kinds = {
        "layer": lambda: nn.LayerNorm(width, eps=EPSILON, bias=bias),
        "rms": lambda: nn.RMSNorm(width, eps=EPSILON),
        "none": nn.Identity,
    }
    return kinds[name]()


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """(x - mean) / sqrt(variance + ε) * weight + bias over the last dimension (Ba et al. 2016, eq. 4)."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, EPSILON)


def rms_norm(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """x / sqrt(mean(x²) + ε) * weight over the last dimension (Zhang and Sennrich 2019, eq. 4)."""
    return F.rms_norm(x, x.shape[-1:], weight, EPSILON)
