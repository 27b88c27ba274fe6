"""The `data` section of families that read music as frames. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from artgen.data.music_config import MusicDataConfig


class FrameDataConfig(MusicDataConfig):
    """Which pieces of music, as frames."""

    frames: int = Field(1, ge=1, le=24, description="frames to a quarter note: 1 is the literature's, 4 are sixteenths")
