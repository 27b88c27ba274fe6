"""Non-linearities by name, and the feed-forward network that uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.nn.dropout import dropout
from artgen.nn.linear import Linear

LEAK = 0.2  # slope of leaky ReLU below 0 (Radford et al. 2016, section 3)


class FeedForward(nn.Module):
    """The position-wise network of a Transformer block: [..., d_model] -> [..., d_model].

    plain:  W_down a(W_up x)                    (Vaswani et al. 2017, eq. 2, there with a = ReLU)
    gated:  W_down (a(W_gate x) * (W_up x))     (Shazeer 2020, eq. 5 and 6)

    `activation` is a name of ACTIVATIONS (plain) or of GATED. W_gate and W_up are one fused matrix, gate first.
    """

    def __init__(self, d_model: int, d_ff: int, activation: str = "gelu", bias: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.gated = activation in GATED
        self.activation = ACTIVATIONS[GATED.get(activation, activation)]
        self.up = Linear(d_model, 2 * d_ff if self.gated else d_ff, bias=bias)
        self.down = Linear(d_ff, d_model, bias=bias)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.up(x)
        if self.gated:
            gate, hidden = hidden.chunk(2, dim=-1)
            hidden = self.activation(gate) * hidden
        else:
            hidden = self.activation(hidden)
        y = self.down(hidden)
        return dropout(y, self.dropout, self.training)


def relu2(x: Tensor) -> Tensor:
    """max(0, x)² (So et al. 2021: the squared ReLU, which the search for Primer found)."""
    if x.requires_grad and torch.is_grad_enabled():
        return _SquaredReLU.apply(x)
    return F.relu(x).square()


class _SquaredReLU(torch.autograd.Function):
    """The gradient 2 max(0, x) from one saved tensor; autograd's own of relu(x).square() keeps two and is slow on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        positive = F.relu(x)
        ctx.save_for_backward(positive)
        return positive * positive

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        return 2 * positive * grad


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,  # the exact x Φ(x), not its tanh approximation
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu2": relu2,
}
"""Plain non-linearities, applied element by element."""

CONVOLUTIONAL: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: ACTIVATIONS[name] for name in ("relu", "gelu", "silu", "tanh", "sigmoid")},
    "leaky_relu": lambda x: F.leaky_relu(x, LEAK),
    "elu": F.elu,  # x where x > 0, else exp(x) - 1 (Clevert et al. 2016, eq. 15 with α = 1)
}
"""Those of convolutional networks."""

GATED = {"swiglu": "silu", "geglu": "gelu", "reglu": "relu"}
"""Gated ones, and the plain non-linearity of their gate (Shazeer 2020)."""
