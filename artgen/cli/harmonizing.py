"""The work behind `artgen harmonize`. Imports no torch."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from artgen.cli.edit_call import hash_of
from artgen.cli.making import Stream
from artgen.cli.music_request import MusicRequest, check_same
from artgen.config import PositiveInt, RunConfig
from artgen.engine.run import TrainedModel
from artgen.errors import UsageError, counted
from artgen.families.music_chorale.config import VoiceName
from artgen.families.music_chorale.voicing import N_VOICES, Given, given_melody, given_voices
from artgen.music.finishing import describe, finish

if TYPE_CHECKING:
    from artgen.families.base import Sample

FAMILY = "music.chorale"
OFF_GRID = 0.05  # steps from the grid, from which on a note is not on it


class Harmony(MusicRequest):
    """What is given of a piece in four voices."""

    melody: str  # path
    melody_sha256: str | None = None
    voice: VoiceName | None = None  # that the melody is; None: the soprano
    replace: list[VoiceName] = Field([], max_length=N_VOICES)  # of a piece in four voices; none: all, in the span
    span: tuple[PositiveInt, PositiveInt] | None = None  # first and last bar
    transpose: int = Field(0, ge=-48, le=48)

    @property
    def in_four(self) -> bool:
        return bool(self.replace) or self.span is not None

    def given(self, steps: int) -> Given:
        """What is given, on a grid of so many steps to a quarter note. Raises UsageError."""
        from artgen.media.midi import read_midi

        piece = read_midi(self.melody).transposed(self.transpose)
        if self.in_four:
            return given_voices(piece, steps, self.replace, self.span, self.melody)
        return given_melody(piece, self.voice or "soprano", steps, self.melody)

    def settled(self, options: Any) -> MusicRequest:
        return super().settled(options).model_copy(update={"melody_sha256": hash_of(self.melody)})

    def check_work(self, config: RunConfig, options: Any) -> None:
        if config.family != FAMILY:
            raise UsageError(f"artgen harmonize: {config.family} cannot fill in voices, a run of {FAMILY} can")
        if self.voice is not None and self.in_four:
            raise UsageError(
                "--voice is for a melody, --replace and --bars are for a piece in four voices: expected one of them"
            )
        options = _about_sound(options)
        super().check_work(config, options)
        if options.instrument and len(options.instrument) not in (1, N_VOICES):
            raise UsageError(
                f"--instrument: {len(options.instrument)} are named, expected one, or one for each of {N_VOICES} voices"
            )
        self.given(config.data.steps)  # type: ignore[attr-defined]
        check_same(self.melody, self.melody_sha256)

    def make(self, trained: TrainedModel, options: Any, n: int, seed: int, stream: Stream | None = None) -> list[Sample]:
        from artgen.families.base import Sample

        begun = time.perf_counter()
        given = self.given(trained.family.steps)
        made = trained.family.complete(trained.networks, given, options, range(n), seed)
        works = [finish(piece, _about_sound(options), piece.tempos[0][1]) for piece in made]
        seconds = (time.perf_counter() - begun) / n
        return [Sample(work, {"seconds": seconds, **describe(work)}) for work in works]

    def notes(self, config: RunConfig, samples: Sequence[Sample]) -> list[str]:
        given = self.given(config.data.steps)  # type: ignore[attr-defined]
        onset = given.source.notes["onset"] * config.data.steps  # type: ignore[attr-defined]
        off = int((np.abs(onset - np.round(onset)) > OFF_GRID).sum())
        if not off:
            return []
        steps = counted(config.data.steps, "step")  # type: ignore[attr-defined]
        return [
            f"{self.melody}: {off:,} of {counted(len(onset), 'note')} begin off the grid of {steps} to a quarter note, on which the "
            "new ones are"
        ]


REQUESTS = (Harmony,)


def parse_bars(text: str) -> tuple[int, int]:
    """5-8 as (5, 8), 5 as (5, 5). Raises UsageError."""
    found = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise UsageError(f"--bars {text}: expected the first and the last bar, counted from 1, such as 5-8")
    return first, last


def _about_sound(options: Any) -> Any:
    """The options without what would move what is given, or comes from elsewhere."""
    return options.model_copy(update={"key": None, "play_range": None, "primer": None})
