"""How a Transformer knows the order of its tokens: vectors added to theirs (sinusoidal, learned), queries and keys that are
turned (rotary), or scores that fall with distance (alibi).

Every module is called with (offset, time): the number of tokens read before, and the number read now. So a step that
goes on from a cache gets the same positions as a pass over the whole text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SinusoidalPositions(nn.Module):
    """Fixed vectors that are added to token vectors: (offset, time) -> [time, d_model]."""

    def __init__(self, context: int, d_model: int) -> None:
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", sinusoidal_table(context, d_model), persistent=False)

    def forward(self, offset: int, time: int) -> Tensor:
        return self.table[offset : offset + time]


class LearnedPositions(nn.Module):
    """Learned vectors that are added to token vectors: (offset, time) -> [time, d_model]."""

    def __init__(self, context: int, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(context, d_model) * 0.02)

    def forward(self, offset: int, time: int) -> Tensor:
        return self.weight[offset : offset + time]


class RotaryPositions(nn.Module):
    """Cosines and sines for `rotate`: (offset, time) -> two tensors [time, d_head].

    Pair i of a head's features turns by position * base^(-2i / d_head) (Su et al. 2021, eq. 15).
    """

    def __init__(self, context: int, d_head: int, base: float = 10000.0) -> None:
        super().__init__()
        angles = _angles(context, d_head, base)
        self.cos: Tensor
        self.sin: Tensor
        # Features i and i + d_head/2 make a pair. The minus of the rotation is kept in the table of sines.
        self.register_buffer("cos", torch.cat((angles.cos(), angles.cos()), dim=-1).float(), persistent=False)
        self.register_buffer("sin", torch.cat((-angles.sin(), angles.sin()), dim=-1).float(), persistent=False)

    def forward(self, offset: int, time: int) -> tuple[Tensor, Tensor]:
        return self.cos[offset : offset + time], self.sin[offset : offset + time]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns every pair of features of x [batch, heads, time, d_head] (Su et al. 2021, eq. 34).

    Equation 34 pairs features 2i and 2i + 1; here i and i + d_head/2 are paired, which is the same with the features in
    another order, and that order is up to the learned projections. A pair (a, b) becomes
    (a cos - b sin, b cos + a sin). The product of a query and a key then depends only on the distance between them.
    """
    return torch.addcmul(x * cos.to(x.dtype), x.roll(x.shape[-1] // 2, dims=-1), sin.to(x.dtype))


def sinusoidal_table(n: int, d_model: int) -> Tensor:
    """[n, d_model]: sin(p / 10000^(2i/d_model)) at feature 2i, cos of the same at 2i + 1 (Vaswani et al. 2017, section 3.5)."""
    angles = _angles(n, d_model, 10000.0)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :d_model].float()


def alibi_slopes(n_heads: int) -> Tensor:
    """[heads]: by how much a head's scores fall per token of distance, 2^(-8 h / n_heads) for h = 1 … n_heads.

    Press et al. 2022, section 3: the first heads look nearby, the last ones see everything almost alike.
    """
    return 2.0 ** (-8.0 * torch.arange(1, n_heads + 1) / n_heads)


def _angles(n: int, width: int, base: float) -> Tensor:
    """[n, width / 2, rounded up] of float64: position * base^(-2i / width). In float32 far positions would lose digits."""
    frequencies = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.outer(torch.arange(n, dtype=torch.float64), frequencies)
