"""The `sample` section of music families. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from artgen.config import Fraction, IsPath, PositiveInt, Section


class MusicSampleConfig(Section):
    """How new pieces are made. The command line's options are laid over this section."""

    medium: ClassVar[str] = "music"

    bars: PositiveInt | None = Field(
        16, le=1000, description="bars of a piece, the primer's among them; null: as many as one of the pieces learned from"
    )
    temperature: float = Field(
        1.0, ge=0, description="0 takes the likeliest note, 1 samples the model as it is, above is wilder"
    )
    top_k: int = Field(0, ge=0, description="draw from the k likeliest only; 0 turns it off")
    top_p: Fraction = Field(1.0, description="draw from the likeliest that together reach this probability; 1 turns it off")
    tempo: float | None = Field(None, ge=10, le=400, description="quarter notes a minute; null: as the pieces learned from")
    key: str | None = Field(None, description="such as G, F# minor or Bb major; null: whatever comes")
    instrument: list[str] | None = Field(
        None, min_length=1, description="General MIDI names or numbers, one for all parts or one for each; null: as learned"
    )
    play_range: str | None = Field(
        None, description="lowest and highest pitch, such as G3-A7, or an instrument or voice, such as violin or alto"
    )
    primer: Annotated[str, IsPath()] | None = Field(None, description="a MIDI file that the piece goes on from")
