"""Dropout whose random numbers do not cost more than the network: eight decisions from each number drawn."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 256  # a decision is one byte, so a probability is a multiple of 1/256


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """x with elements set to 0 at random with probability p, the others divided by 1 - p (Srivastava et al. 2014, section 10).

    On a CPU torch draws a random number for every element, one after the other, which took half of a training step
    (docs/experiments.md). Here p is rounded to a multiple of 1/256, and 1 - p with it, so that the mean stays exact.
    """
    if not training or p == 0:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, p)
    threshold = round(p * LEVELS)
    draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)  # all 64 bits
    kept = (draws.view(torch.uint8)[: x.numel()] >= threshold).view(x.shape)
    return x * kept.to(x.dtype).mul_(LEVELS / max(1, LEVELS - threshold))
