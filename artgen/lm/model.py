"""What generation asks of a language model's network, whether it attends or recurs."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class State(Protocol):
    """What a network remembers of the tokens it has read: a key-value cache, or hidden vectors."""

    def room(self) -> int | None:
        """How many more tokens it can take; None: any number."""


class LanguageModel(Protocol):
    """Next-token logits for a batch of sequences. Both families' networks are nn.Modules of this shape."""

    n_vocab: int

    def __call__(self, tokens: Tensor, state: State | None = None, last_only: bool = False) -> tuple[Tensor, State | None]:
        """tokens [batch, time] of int64 -> (logits [batch, time, n_vocab], the state after these tokens).

        state: what was read before; it may be changed in place. None: nothing, and a network that attends then returns
        None, which is the form used in training. last_only: logits of the last position alone, [batch, 1, n_vocab].
        """

    def start(self, batch_size: int, capacity: int, device: torch.device, dtype: torch.dtype = torch.float32) -> State:
        """An empty state with room for `capacity` tokens (cut to what the network can attend to)."""


def weights_dtype(network: LanguageModel) -> torch.dtype:
    """The dtype of a network's weights, which is the one that its state is kept in."""
    if isinstance(network, nn.Module):
        for parameter in network.parameters():
            if parameter.is_floating_point():
                return parameter.dtype
    return torch.float32
