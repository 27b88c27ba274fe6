"""The melodies of a piece, one line of single notes for each part: what intervals and copied spans are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artgen.music.piece import Notes, Piece

SLIP = 1 / 16  # quarter notes; a note that sounds no longer than this into the next one is over: players overlap notes


@dataclass(frozen=True)
class Line:
    """Single notes, one after another."""

    onset: NDArray[np.float64]  # [n], quarter notes, rising
    pitch: NDArray[np.int64]  # [n], MIDI
    bar: NDArray[np.int64]  # [n], the number of the bar that each note begins in, from 1
    name: str = ""

    def __len__(self) -> int:
        return len(self.pitch)

    @property
    def intervals(self) -> NDArray[np.int64]:
        """Semitones up from each note to the next: [n - 1]."""
        return np.diff(self.pitch)


def melody_lines(piece: Piece) -> list[Line]:
    """The skyline of every part that is no drum and has a note: at each onset the highest note, unless a higher one of the
    part still sounds. Of a part with one note at a time that is all of it.

    After Uitdenbogerd and Zobel 1998, "Manipulation of music for melody matching", who take the highest note of each onset
    whatever still sounds; under a held soprano that would take the bass for the melody.
    """
    begins = np.array(piece.bars())
    lines = []
    for number, part in enumerate(piece.parts):
        notes = piece.notes[piece.notes["part"] == number]
        if part.is_drum or not len(notes):
            continue
        notes = notes[_skyline(notes)]
        bar = np.searchsorted(begins, notes["onset"] + 1e-9, side="right")
        lines.append(Line(notes["onset"].copy(), notes["pitch"].astype(np.int64), np.maximum(bar, 1), part.name))
    return lines


def voice_lines(voices: NDArray[np.integer], steps: int = 4, names: Sequence[str] = "SATB", beats: int = 4) -> list[Line]:
    """The lines of voices [time, n_voices], MIDI pitches and -1 for silence, on a grid of `steps` to a quarter note.

    Such a grid does not say where a note is struck again: a pitch that lasts is one note. beats: quarter notes in a bar.
    """
    lines = []
    for voice, name in zip(np.asarray(voices).T, names, strict=True):
        begins = np.flatnonzero((np.diff(voice, prepend=-1) != 0) & (voice >= 0))
        lines.append(Line(begins / steps, voice[begins].astype(np.int64), begins // (steps * beats) + 1, name))
    return [line for line in lines if len(line)]


def _skyline(notes: Notes) -> list[int]:
    """Which of the notes of a part, sorted by onset and then pitch, are its skyline."""
    onset, end, pitch = notes["onset"].tolist(), (notes["onset"] + notes["duration"]).tolist(), notes["pitch"].tolist()
    sounding: dict[int, float] = {}  # pitch -> when its last note ends
    kept = []
    begin = 0
    while begin < len(onset):
        stop = begin + 1
        while stop < len(onset) and onset[stop] == onset[begin]:
            stop += 1
        sounding = {held: until for held, until in sounding.items() if until > onset[begin] + SLIP}
        if not sounding or pitch[stop - 1] >= max(sounding):
            kept.append(stop - 1)
        for number in range(begin, stop):
            sounding[pitch[number]] = max(end[number], sounding.get(pitch[number], 0.0))
        begin = stop
    return kept
