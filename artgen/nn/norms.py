"""Normalisation layers by name."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5
GROUPS = 8


def build_norm(name: str, width: int, bias: bool = False) -> nn.Module:
    """`layer`, `rms` or `none` over the last dimension; `bias` is for `layer` alone."""
    kinds = {
        "layer": lambda: nn.LayerNorm(width, eps=EPSILON, bias=bias),
        "rms": lambda: nn.RMSNorm(width, eps=EPSILON),
        "none": nn.Identity,
    }
    return kinds[name]()


def build_channel_norm(name: str, channels: int) -> nn.Module:
    """Normalises [n, channels, height, width], then scales and shifts each channel. Mean and variance are taken over

    batch     all pictures of the batch and all pixels, for each channel; when not training, running means of them
              (Ioffe and Szegedy 2015, algorithm 1)
    instance  the pixels, for each picture and channel (Ulyanov et al. 2016, eq. 4)
    group     the pixels of some neighbouring channels, for each picture: 8 groups where they divide (Wu and He 2018, eq. 7)
    layer     all pixels and channels, for each picture (Ba et al. 2016, eq. 3)

    `none` does nothing.
    """
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return nn.BatchNorm2d(channels, eps=EPSILON)
    groups = {"instance": channels, "group": math.gcd(channels, GROUPS), "layer": 1}
    return nn.GroupNorm(groups[name], channels, eps=EPSILON)


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """(x - mean) / sqrt(variance + ε) * weight + bias over the last dimension (Ba et al. 2016, eq. 4)."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, EPSILON)


def rms_norm(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """x / sqrt(mean(x²) + ε) * weight over the last dimension (Zhang and Sennrich 2019, eq. 4)."""
    return F.rms_norm(x, x.shape[-1:], weight, EPSILON)
