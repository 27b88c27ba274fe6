"""The `model` section of families whose network is a decoder-only Transformer. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from artgen.config import PositiveInt, Section

Activation = Literal["relu", "gelu", "silu", "tanh", "sigmoid", "relu2", "swiglu", "geglu", "reglu"]
GATED = ("swiglu", "geglu", "reglu")


class GPTModelConfig(Section):
    """A decoder-only Transformer."""

    n_layers: PositiveInt = Field(4, description="blocks, each of attention and a feed-forward network")
    n_heads: PositiveInt = Field(4, description="attention heads (queries)")
    n_kv_heads: PositiveInt | None = Field(
        None, description="heads of keys and values, shared by groups of queries; null: n_heads"
    )
    d_model: PositiveInt = Field(256, description="width of the residual stream")
    d_ff: PositiveInt | None = Field(
        None, description="width inside the feed-forward network; null: 4 d_model, or 8/3 if gated"
    )
    context: PositiveInt = Field(256, description="tokens it can look back on, and length of a training window")
    positions: Literal["rotary", "learned", "sinusoidal", "alibi", "none"] = Field(
        "rotary", description="how it knows the order of tokens"
    )
    rotary_base: float = Field(10000.0, gt=1, description="rotary: the longest wavelength is about 6 times this many tokens")
    norm: Literal["layer", "rms"] = Field("layer", description="LayerNorm, or RMSNorm (no mean is subtracted)")
    activation: Activation = Field("gelu", description="feed-forward non-linearity; swiglu, geglu and reglu are gated")
    bias: bool = Field(False, description="biases in linear layers and LayerNorm")
    qk_norm: bool = Field(False, description="normalise queries and keys, with a learned sharpness per head")
    window: PositiveInt | None = Field(None, description="a token sees so many tokens, itself included; null: all before it")
    value_residual: bool = Field(False, description="mix the first layer's values into those of later layers")
    tie_embeddings: bool = Field(True, description="one table for reading and for predicting tokens")
    initialisation: Literal["scaled", "zero"] = Field(
        "scaled", description="scaled: as GPT-2; zero: every block starts as the identity, which suits muon"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of activations dropped in training")
    logit_softcap: float = Field(0.0, ge=0, description="logits are bent to stay below this size; 0 turns it off")

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_heads

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return self.n_kv_heads or self.n_heads

    @property
    def ff_width(self) -> int:
        """Width inside the feed-forward network.

        A gated network has three matrices instead of two: at 2/3 of the width it has as many parameters (Shazeer 2020,
        section 2). That is rounded up to a multiple of 32, which processors like.
        """
        if self.d_ff is not None:
            return self.d_ff
        if self.activation in GATED:
            return -(-8 * self.d_model // (3 * 32)) * 32
        return 4 * self.d_model

    @model_validator(mode="after")
    def _heads_fit(self) -> GPTModelConfig:
        pairs = 2 if self.positions == "rotary" else 1  # rotary positions turn pairs of features of a head
        step = pairs * self.n_heads
        better = max(step, (self.d_model + step // 2) // step * step)  # the multiple of step nearest to d_model
        if self.d_model % self.n_heads:
            heads = [n for n in range(1, self.d_model + 1) if self.d_model % (pairs * n) == 0]
            other = f" or n_heads={_nearest(heads, self.n_heads)}" if heads else ""
            raise ValueError(f"d_model {self.d_model} is not a multiple of n_heads {self.n_heads}: try d_model={better}{other}")
        if self.n_heads % self.kv_heads:
            divisors = [n for n in range(1, self.n_heads + 1) if self.n_heads % n == 0]
            raise ValueError(
                f"n_heads {self.n_heads} is not a multiple of n_kv_heads {self.kv_heads}: "
                f"try n_kv_heads={_nearest(divisors, self.kv_heads)}"
            )
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                f"rotary positions turn pairs of features, but d_model {self.d_model} / n_heads {self.n_heads} gives heads of odd "
                f"width {self.d_head}: try d_model={better} or positions=learned"
            )
        return self


def _nearest(numbers: list[int], to: int) -> int:
    """The one nearest to `to`; the smaller one of two."""
    return min(numbers, key=lambda n: (abs(n - to), n))
