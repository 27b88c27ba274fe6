"""The config of `music.transformer`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from artgen.config import RunConfig
from artgen.lm.gpt_config import GPTModelConfig
from artgen.music.config import MusicSampleConfig
from artgen.music.event_config import EventDataConfig


class MusicTransformerConfig(RunConfig):
    """Transformer over the events of pieces (bars, places, notes): learns any folder of MIDI, several parts and drums"""

    family: Literal["music.transformer"] = "music.transformer"
    data: EventDataConfig = EventDataConfig()
    model: GPTModelConfig = GPTModelConfig(context=512)
    sample: MusicSampleConfig = MusicSampleConfig()


CONFIG = MusicTransformerConfig
