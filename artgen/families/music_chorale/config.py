"""The config of `music.chorale`. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from artgen.config import PositiveInt, RunConfig, Section
from artgen.data.music_config import MusicDataConfig
from artgen.music.config import MusicSampleConfig

VoiceName = Annotated[Literal["soprano", "alto", "tenor", "bass"], BeforeValidator(lambda name: _lower(name))]
VOICES: tuple[VoiceName, ...] = ("soprano", "alto", "tenor", "bass")


def _lower(name: Any) -> Any:
    return name.lower() if isinstance(name, str) else name


class ChoraleModelConfig(Section):
    """A Transformer over time that sees forward and back: a vector holds all voices of a few steps."""

    d_model: PositiveInt = Field(192, description="width of the residual stream")
    n_layers: PositiveInt = Field(6, description="blocks, each of attention and a feed-forward network")
    n_heads: PositiveInt = Field(6, description="attention heads, of d_model / n_heads features each")
    context: PositiveInt = Field(256, le=4096, description="steps of the grid that are seen at once, and length of an excerpt")
    patch: PositiveInt = Field(2, le=8, description="steps that one vector holds; more spare work")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of activations dropped in training")

    @model_validator(mode="after")
    def _fits(self) -> ChoraleModelConfig:
        if self.d_model % (2 * self.n_heads):
            better = max(1, round(self.d_model / (2 * self.n_heads))) * 2 * self.n_heads
            raise ValueError(
                f"d_model {self.d_model}: rotary positions turn pairs of features of a head, so it must be a multiple of twice "
                f"n_heads, {2 * self.n_heads}: try d_model={better}"
            )
        if self.context % (2 * self.patch):
            raise ValueError(f"context {self.context} is not a multiple of twice patch, {2 * self.patch}")
        return self


class ChoraleSampleConfig(MusicSampleConfig):
    """How what is masked is filled in. The command line's options are laid over this section."""

    order: Literal["auto", "forward", "gibbs", "confident", "likeliest"] = Field(
        "auto",
        description="forward: step by step; likeliest: all at once, each place by itself; gibbs: all is drawn anew again and again, "
        "ever less at a time; confident: the surest places first; auto: forward, but the first of several with a given voice likeliest",
    )
    avoid_parallels: bool = Field(
        True,
        description="forward: no voice moves in parallel fifths or octaves with another, as the teachers of harmony forbid",
    )
    sweeps: int = Field(96, ge=1, le=10_000, description="gibbs, confident: steps of filling in; more are slower")
    cooling: float = Field(0.5, ge=0, le=1, description="gibbs: temperature of the last step as a share of the first one's")


class MusicChoraleConfig(RunConfig):
    """Four voices: completes whatever is masked, so it harmonises melodies, rewrites bars and replaces voices"""

    family: Literal["music.chorale"] = "music.chorale"
    data: MusicDataConfig = MusicDataConfig(transpose=(-5, 6))
    model: ChoraleModelConfig = ChoraleModelConfig()
    sample: ChoraleSampleConfig = ChoraleSampleConfig()

    @model_validator(mode="after")
    def _has_grid(self) -> MusicChoraleConfig:
        if self.data.steps is None:
            raise ValueError("data.steps: music.chorale needs a grid, such as data.steps=4")
        return self


CONFIG = MusicChoraleConfig
