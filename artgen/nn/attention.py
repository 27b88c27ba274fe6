"""Attention: the formula, the module that a Transformer uses, and the cache that makes generation fast."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.nn.dropout import dropout as drop
from artgen.nn.linear import Linear
from artgen.nn.norms import layer_norm
from artgen.nn.positions import alibi_slopes, rotate

SHORT = 128  # tokens up to which the formula is faster than the fused kernel in training on a CPU, also in float32


def attention(
    q: Tensor, k: Tensor, v: Tensor, causal: bool = False, mask: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """softmax(Q Kᵀ / sqrt(d) + mask) V (Vaswani et al. 2017, eq. 1), as it stands there.

    q [..., time, d_head]; k and v [..., keys, d_head]. causal: query i sees the keys 0 … i + keys - time, so that the last
    query sees them all. mask: [..., time, keys], added to the scores; -inf where a query may not look.
    """
    if causal:
        mask = causal_mask(q.shape[-2], k.shape[-2], device=q.device, dtype=q.dtype)
    scores = (q / math.sqrt(q.shape[-1])) @ k.mT
    if mask is not None:
        scores = scores + mask
    return drop(scores.softmax(dim=-1), dropout) @ v


def causal_mask(
    time: int,
    keys: int,
    window: int | None = None,
    slopes: Tensor | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """What is added to the scores of the last `time` of `keys` positions: 0 where a query may look, -inf elsewhere.

    A query may look at itself and at what came before, within `window` tokens. slopes [heads]: instead of 0, minus slope times
    distance (`alibi_slopes`). Returns [time, keys], or [heads, time, keys] with slopes.
    """
    distance = torch.arange(keys - time, keys, device=device)[:, None] - torch.arange(keys, device=device)
    hidden = distance < 0 if window is None else (distance < 0) | (distance >= window)
    if slopes is None:
        return torch.zeros(time, keys, device=device, dtype=dtype).masked_fill_(hidden, float("-inf"))
    return (-slopes[:, None, None] * distance).masked_fill_(hidden, float("-inf")).to(dtype)


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention that never looks ahead: [batch, time, d_model] -> [batch, time, d_model].

    n_kv_heads: so many heads of keys and values, each shared by a group of query heads (Ainslie et al. 2023).
    window: a token sees itself and the window - 1 tokens before it (Beltagy et al. 2020).
    qk_norm: queries and keys are normalised (Dehghani et al. 2023), so that no score can explode; a learned
        factor per head gives back the freedom to be sharp (Henry et al. 2020).
    alibi: no positions but a penalty on distance, steeper in some heads than in others (Press et al. 2022).
    value_residual: values are mixed with those of the first layer by a learned weight (Zhou et al. 2024).
    layer: which layer of a KVCache is this one's.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        n_kv_heads: int | None = None,
        *,
        layer: int = 0,
        window: int | None = None,
        alibi: bool = False,
        qk_norm: bool = False,
        value_residual: bool = False,
        bias: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.n_kv_heads = n_kv_heads or n_heads
        self.d_head = d_model // n_heads
        self.layer = layer
        self.window = window
        self.dropout = dropout
        self.qkv = Linear(d_model, (n_heads + 2 * self.n_kv_heads) * self.d_head, bias=bias)
        self.out = Linear(d_model, d_model, bias=bias)
        self.slopes: Tensor | None
        self.register_buffer("slopes", alibi_slopes(n_heads) if alibi else None, persistent=False)
        self.sharpness = nn.Parameter(torch.ones(n_heads)) if qk_norm else None
        self.first_share = nn.Parameter(torch.tensor(0.5)) if value_residual and layer > 0 else None

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None = None,
        cache: KVCache | None = None,
        first_values: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The output, and this layer's values [batch, kv_heads, time, d_head] for the value residual of later layers.

        rotation: the cosines and sines of RotaryPositions for these tokens. cache: what was read before; these tokens are
        added to it, and its owner advances it when all layers are done. first_values: what the first layer returned.
        """
        batch, time, _ = x.shape
        heads = self.qkv(x).view(batch, time, -1, self.d_head).transpose(1, 2)  # [batch, heads, time, d_head]
        # Queries and keys are treated alike, so they stay one tensor as long as they can: half as many small operations.
        qk, v = heads.split_with_sizes((self.n_heads + self.n_kv_heads, self.n_kv_heads), 1)
        if self.sharpness is not None:
            qk = layer_norm(qk).to(v.dtype)  # in mixed precision a norm's output is float32 on some devices
        if rotation is not None:
            qk = rotate(qk, *rotation)
        q, k = qk.split_with_sizes((self.n_heads, self.n_kv_heads), 1)
        if self.sharpness is not None:
            q = q * self.sharpness.to(q.dtype)[:, None, None]
        if self.first_share is not None and first_values is not None:
            v = torch.lerp(v, first_values, self.first_share.to(v.dtype))
        values = v
        if cache is not None:
            k, v = cache.append(self.layer, k, v)
        y = self._attend(q, k, v).transpose(1, 2).reshape(batch, time, -1)
        y = self.out(y)
        return drop(y, self.dropout, self.training), values

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[batch, heads, time, d_head]; the queries are the last of the keys' positions."""
        time, keys = q.shape[2], k.shape[2]
        if time == 1 and self.window is not None and keys > self.window:
            k, v, keys = k.narrow(2, keys - self.window, self.window), v.narrow(2, keys - self.window, self.window), self.window
        causal, mask, grouped = False, None, self.n_kv_heads < self.n_heads
        if time == 1:  # a step of generation may look everywhere
            if self.slopes is not None:
                mask = (self.slopes[:, None, None] * torch.arange(1 - keys, 1, device=q.device)).to(q.dtype)
        elif keys > time or self.slopes is not None or (self.window is not None and keys > self.window):
            mask = causal_mask(time, keys, self.window, self.slopes, q.device, q.dtype)
        else:
            causal = True  # which the kernel knows without a mask
        dropout = self.dropout if self.training else 0.0
        if q.requires_grad and q.device.type == "cpu" and (q.dtype == torch.bfloat16 or dropout or keys <= SHORT):
            # Here the fused kernel's gradient takes up to four times as long as that of the formula, or it has no dropout.
            if grouped:
                groups = self.n_heads // self.n_kv_heads
                k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
            return attention(q, k, v, causal, mask, dropout)
        return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal, enable_gqa=grouped)


class KVCache:
    """Keys and values of the tokens that were read, so that each is computed once: an `artgen.lm.model.State`.

    keys, values: [layers, batch, kv_heads, capacity, d_head], allocated once and filled in place up to `length`.
    """

    def __init__(
        self,
        n_layers: int,
        batch_size: int,
        n_kv_heads: int,
        capacity: int,
        d_head: int,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = (n_layers, batch_size, n_kv_heads, capacity, d_head)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.capacity = capacity
        self.length = 0
        # Views made once: indexing them anew would cost as much as writing a token.
        self._layers = [(self.keys[i], self.values[i]) for i in range(n_layers)]

    def room(self) -> int:
        """How many more tokens it can take."""
        return self.capacity - self.length

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Writes [batch, kv_heads, time, d_head] behind what a layer has; views of all its keys and values, these included.

        `length` stays as it is until `advance`, for the other layers write at the same place.
        """
        time = keys.shape[2]
        self.check_room(time)
        all_keys, all_values = self._layers[layer]
        all_keys.narrow(2, self.length, time).copy_(keys)
        all_values.narrow(2, self.length, time).copy_(values)
        end = self.length + time
        return all_keys.narrow(2, 0, end), all_values.narrow(2, 0, end)

    def advance(self, time: int) -> None:
        """Counts `time` tokens as read, once every layer has appended them."""
        self.length += time

    def check_room(self, time: int) -> None:
        """Raises ValueError if `time` more tokens do not fit."""
        if time > self.capacity - self.length:
            raise ValueError(
                f"the key-value cache has room for {self.room()} more tokens (capacity {self.capacity}), not for {time}: "
                "start a new one with the last tokens of the text"
            )
