"""A piece of music as all of artgen knows it: notes on a line of quarter notes, and what they are played by. Imports no torch."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

NOTE = np.dtype([("onset", "f8"), ("duration", "f8"), ("pitch", "i2"), ("velocity", "i2"), ("part", "i2")])
"""A note: onset and duration in quarter notes, MIDI pitch (60 is middle C) and velocity (1 to 127), number of its part."""

Notes = NDArray[np.void]
"""An array [n] of NOTE, sorted by onset, then part, then pitch."""


Meters = tuple[tuple[float, int, int], ...]
"""(quarter note from which it holds, beats in a bar, what a beat is: 4 a quarter, 8 an eighth), in order."""


@dataclass(frozen=True)
class Part:
    """Who plays some of the notes."""

    name: str = ""
    program: int = 0  # General MIDI, 0 to 127
    is_drum: bool = False


@dataclass(frozen=True)
class Piece:
    """Notes, and the changes of tempo, meter and key over them, each with the quarter note from which it holds.

    tempos: (quarter, quarter notes a minute); meters: (quarter, beats in a bar, what a beat is: 4 a quarter, 8 an eighth); keys:
    (quarter, tonic as a pitch class, whether minor). The first tempo and meter hold from 0; where none is known they are 120 and
    4/4.
    """

    notes: Notes
    parts: tuple[Part, ...] = (Part(),)
    tempos: tuple[tuple[float, float], ...] = ((0.0, 120.0),)
    meters: Meters = ((0.0, 4, 4),)
    keys: tuple[tuple[float, int, bool], ...] = ()
    name: str = field(default="", compare=False)

    @property
    def end(self) -> float:
        """When the last note ends, in quarter notes."""
        return float((self.notes["onset"] + self.notes["duration"]).max()) if len(self.notes) else 0.0

    def seconds(self, quarter: float) -> float:
        """When a place is reached, following the tempos."""
        passed = 0.0
        for (begin, tempo), (end, _) in zip(self.tempos, (*self.tempos[1:], (np.inf, 0.0)), strict=True):
            passed += max(0.0, min(quarter, end) - begin) * 60 / tempo
        return passed

    def bars(self) -> list[float]:
        """Where bars begin, in quarter notes, from 0 to the first one at or after the end."""
        begins = [0.0]
        changes = [meter[0] for meter in self.meters]
        while begins[-1] < self.end - 1e-9:
            now = begins[-1]
            at = bisect_right(changes, now + 1e-9) - 1
            _, beats, unit = self.meters[max(at, 0)]
            later = now + beats * 4 / unit
            if at + 1 < len(changes):  # a new meter begins a new bar
                later = min(later, changes[at + 1])
            begins.append(later)
        return begins

    def transposed(self, semitones: int) -> Piece:
        """All but drums moved; notes that leave 0 to 127 are moved back by octaves."""
        notes = self.notes.copy()
        drums = np.array([part.is_drum for part in self.parts], dtype=bool)
        moving = ~drums[notes["part"]]
        pitch = notes["pitch"].astype(int) + semitones * moving
        pitch = np.where(pitch < 0, pitch % 12, np.where(pitch > 127, 127 - (127 - pitch) % 12, pitch))
        notes["pitch"] = pitch
        keys = tuple((quarter, (tonic + semitones) % 12, minor) for quarter, tonic, minor in self.keys)
        return replace(self, notes=sort_notes(notes), keys=keys)

    def quantised(self, steps: int) -> Piece:
        """Onsets and ends on a grid of so many steps to a quarter note; every note keeps one step at least."""
        notes = self.notes.copy()
        onset = np.floor(notes["onset"] * steps + 0.5)
        end = np.floor((notes["onset"] + notes["duration"]) * steps + 0.5)
        notes["onset"], notes["duration"] = onset / steps, np.maximum(end - onset, 1) / steps
        return replace(self, notes=sort_notes(notes))


def make_notes(rows: list[tuple[float, float, int, int, int]]) -> Notes:
    """Notes of (onset, duration, pitch, velocity, part)."""
    return sort_notes(np.array(rows, dtype=NOTE))


def sort_notes(notes: Notes) -> Notes:
    """By onset, then part, then pitch."""
    return notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))]
