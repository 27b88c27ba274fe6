"""The config of `music.polyphony`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from artgen.config import PositiveInt, RunConfig, Section
from artgen.lm.gpt_config import Activation, GPTModelConfig
from artgen.music.config import MusicSampleConfig
from artgen.music.frame_config import FrameDataConfig


class PolyphonyModelConfig(Section):
    """A Transformer over the pitches of all frames, from the lowest of the first to the highest of the last."""

    n_layers: PositiveInt = Field(4, description="blocks, each of attention and a feed-forward network")
    n_heads: PositiveInt = Field(4, description="attention heads")
    d_model: PositiveInt = Field(192, description="width of the residual stream")
    d_ff: PositiveInt | None = Field(
        None, description="width inside the feed-forward network; null: 4 d_model, or 8/3 if gated"
    )
    activation: Activation = Field("swiglu", description="feed-forward non-linearity; swiglu, geglu and reglu are gated")
    norm: Literal["layer", "rms"] = Field("rms", description="LayerNorm, or RMSNorm (no mean is subtracted)")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of activations dropped in training")
    context: PositiveInt = Field(128, description="frames that it can look back on, and of a training excerpt")

    @property
    def blocks(self) -> GPTModelConfig:
        """The same in the words of the blocks."""
        return GPTModelConfig(
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            d_model=self.d_model,
            d_ff=self.d_ff,
            activation=self.activation,
            norm=self.norm,
            dropout=self.dropout,
            qk_norm=True,
            value_residual=True,
            initialisation="zero",
        )

    @model_validator(mode="after")
    def _heads_fit(self) -> PolyphonyModelConfig:
        _ = self.blocks  # which says what does not fit
        return self


class MusicPolyphonyConfig(RunConfig):
    """Piano rolls, every pitch given the past and the pitches below it: chords that belong together"""

    family: Literal["music.polyphony"] = "music.polyphony"
    data: FrameDataConfig = FrameDataConfig()
    model: PolyphonyModelConfig = PolyphonyModelConfig()
    sample: MusicSampleConfig = MusicSampleConfig()


CONFIG = MusicPolyphonyConfig
