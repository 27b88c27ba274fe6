"""The `data` section of families that read music as events. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from artgen.data.music_config import MusicDataConfig

FINE = (
    48  # steps to a quarter note where none are asked for: sixteenths, triplets and thirty-second notes, and a player's delays
)


class EventDataConfig(MusicDataConfig):
    """Which pieces of music, as a sequence of events; data.steps null is expressive timing, on a fine grid of 48 steps."""

    velocities: int = Field(
        1, ge=1, le=32, description="levels of loudness that are learned; 1: none, each part is as loud as it is on average"
    )

    @property
    def grid(self) -> int:
        """Steps to a quarter note that events are on."""
        return self.steps or FINE
