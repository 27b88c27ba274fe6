"""Averaged weights: an exponential moving average of what training passes through."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class EMA:
    """Copies of networks whose parameters follow the trained ones: average <- decay average + (1 - decay) weight.

    Early on the decay is lowered to (1 + step) / (10 + step), so that the random start is soon forgotten. Buffers are copied.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.networks = {name: copy.deepcopy(net).requires_grad_(False).eval() for name, net in networks.items()}

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """Moves the averages towards the weights after `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, average in self.networks.items():
            parameters: list[Tensor] = list(average.parameters())
            if parameters:
                torch._foreach_lerp_(parameters, [p.detach() for p in networks[name].parameters()], 1 - decay)
            for kept, current in zip(average.buffers(), networks[name].buffers(), strict=True):
                kept.copy_(current)
