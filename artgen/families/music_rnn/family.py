"""`music.rnn`: over frames, or over events, as its config says."""

from __future__ import annotations

from pathlib import Path

from artgen.families.music_rnn.config import MusicRNNConfig
from artgen.families.music_rnn.events import RNNOverEvents
from artgen.families.music_rnn.frames import RNNOverFrames
from artgen.music.family import MusicFamily

READERS: dict[str, type[MusicFamily]] = {"events": RNNOverEvents, "frames": RNNOverFrames}


class MusicRNN(MusicFamily[MusicRNNConfig]):
    """Opens the one that the config names."""

    @classmethod
    def prepare(cls, config: MusicRNNConfig, folder: Path) -> MusicFamily[MusicRNNConfig]:
        return READERS[config.model.reads].prepare(config, folder)

    @classmethod
    def open(cls, config: MusicRNNConfig, folder: Path) -> MusicFamily[MusicRNNConfig]:
        return READERS[config.model.reads].open(config, folder)


FAMILY = MusicRNN
