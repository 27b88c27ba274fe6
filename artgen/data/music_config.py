"""The `data` section of music families. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from artgen.config import ONE_OR_MORE, IsPath, Section

BACH = "bach"  # the chorales in the corpus of music21
WIDEST = 24  # semitones


def _as_range(value: Any) -> Any:
    """[lowest, highest] semitones, with the original key between them."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(number) is int for number in value):
        lowest, highest = value
        if -WIDEST <= lowest <= 0 <= highest <= WIDEST:
            return (lowest, highest)
    raise ValueError(
        f"expected [lowest, highest] semitones with 0 between them, such as [-5, 6], within {WIDEST} (got {value!r})"
    )


MusicPaths = Annotated[list[str], ONE_OR_MORE, IsPath(BACH)]
Range = Annotated[tuple[int, int], BeforeValidator(_as_range, json_schema_input_type=list[int])]


class MusicDataConfig(Section):
    """Which pieces of music."""

    path: MusicPaths = Field(
        [BACH], min_length=1, description=f"MIDI or JSON files, folders, globs, or {BACH}: the chorales that come with music21"
    )
    steps: int | None = Field(
        4, ge=1, le=96, description="steps of the grid to a quarter note: 4 are sixteenths, 12 take triplets too; null: no grid"
    )
    json_steps: int = Field(4, ge=1, le=96, description="steps to a quarter note in JSON files")
    transpose: Range = Field((0, 0), description="lowest and highest number of semitones to transpose by while training")
    strict: bool = Field(False, description="refuse broken files instead of leaving them out")
    validation: float = Field(0.1, gt=0, lt=0.9, description="share of the pieces held out, where no JSON file says which")
