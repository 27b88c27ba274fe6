"""The config of `music.rnn`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from artgen.config import RunConfig
from artgen.lm.rnn_config import RNNModelConfig
from artgen.music.config import MusicSampleConfig
from artgen.music.event_config import EventDataConfig
from artgen.music.frame_config import FrameDataConfig


class MusicRNNDataConfig(EventDataConfig, FrameDataConfig):
    """Which pieces of music, as events or as frames."""


class MusicRNNModelConfig(RNNModelConfig):
    """A stack of recurrent layers."""

    reads: Literal["events", "frames"] = Field(
        "events", description="notes with their lengths, one after the other; or all keys at once, frame by frame"
    )
    voice_leading: bool = Field(
        True, description="frames: every key also sees the keys about it in the frame before, alike for all keys"
    )

    @model_validator(mode="after")
    def _frames_have_no_table(self) -> MusicRNNModelConfig:
        if self.reads == "frames" and self.tie_embeddings:
            raise ValueError("tie_embeddings has no meaning for frames, which are no tokens: leave it out, or set reads=events")
        return self


class MusicRNNConfig(RunConfig):
    """Recurrent network (Elman, GRU, LSTM) over notes or piano rolls: melodies, songs, chords"""

    family: Literal["music.rnn"] = "music.rnn"
    data: MusicRNNDataConfig = MusicRNNDataConfig()
    model: MusicRNNModelConfig = MusicRNNModelConfig()
    sample: MusicSampleConfig = MusicSampleConfig()


CONFIG = MusicRNNConfig
