"""Music as a piano roll: frames at equal distances, each the set of the 88 keys that sound.

A roll does not say whether a key that sounds in two frames was struck again; it is taken for one note.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artgen.metrics.music_likelihood import LOWEST, N_PITCHES, Frames
from artgen.music.piece import Meters, Part, Piece, make_notes

PHASES = 64  # places in a bar that are told apart, in frames
VELOCITY = 80


@dataclass(frozen=True)
class Roll:
    """A piece as frames."""

    keys: Frames  # bool [time, 88]: which sound when the frame begins
    phase: NDArray[np.int64]  # [time]: the how manieth frame of its bar it is, less than PHASES

    def __len__(self) -> int:
        return len(self.keys)


def as_roll(piece: Piece, per_quarter: int) -> Roll:
    """The keys that sound at every 1/per_quarter quarter note; drums and what no piano has are left out."""
    n = max(1, int(np.ceil(piece.end * per_quarter - 1e-6)))
    keys = np.zeros((n, N_PITCHES), dtype=bool)
    drums = np.array([part.is_drum for part in piece.parts], dtype=bool)
    notes = piece.notes
    notes = notes[~drums[notes["part"]] & (notes["pitch"] >= LOWEST) & (notes["pitch"] < LOWEST + N_PITCHES)]
    first = np.ceil(notes["onset"] * per_quarter - 1e-6).astype(int)
    last = np.ceil((notes["onset"] + notes["duration"]) * per_quarter - 1e-6).astype(int)
    for begin, end, pitch in zip(first, last, notes["pitch"], strict=True):
        keys[begin:end, pitch - LOWEST] = True
    return Roll(keys, phases(piece.meters, n, per_quarter))


def phases(meters: Meters, n: int, per_quarter: int) -> NDArray[np.int64]:
    """[n]: the how manieth frame of its bar each frame is. Of bars with more than PHASES frames it begins anew after these."""
    at = np.arange(n) / per_quarter
    bars = np.array(Piece(make_notes([(0.0, n / per_quarter, 60, 1, 0)]), meters=meters).bars())
    begin = bars[np.searchsorted(bars, at + 1e-9, side="right") - 1]
    return np.rint((at - begin) * per_quarter).astype(np.int64) % PHASES


def from_roll(keys: Frames, per_quarter: int, part: Part, meters: Meters) -> Piece:
    """The piece of a roll [time, 88]: a key that sounds in frames that follow each other is one note."""
    padded = np.zeros((len(keys) + 2, N_PITCHES), dtype=np.int8)
    padded[1:-1] = keys
    change = np.diff(padded, axis=0)
    rows = []
    for pitch in range(N_PITCHES):
        begins, ends = np.flatnonzero(change[:, pitch] == 1), np.flatnonzero(change[:, pitch] == -1)
        for begin, end in zip(begins, ends, strict=True):
            at, length = float(begin / per_quarter), float((end - begin) / per_quarter)
            rows.append((at, length, pitch + LOWEST, VELOCITY, 0))
    return Piece(make_notes(rows), (part,), meters=meters)
