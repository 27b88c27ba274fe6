"""Where everything of a piano roll stands: how large its notes are, its rows, its systems."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from artgen.music.piece import Piece

WIDTH = 2000  # pixels, at most, of a picture …
HEIGHT = 12_000  # … and its height, at most: then notes become smaller, and at last the end is left out
QUARTERS = (56, 40, 28, 18, 12)  # pixels of a quarter note, the first that fits
ROWS = (13, 10, 8, 6, 5)  # pixels of a semitone, with the quarter note of the same place
MARGIN, LABELS, BAR_NUMBERS, GAP, DRUM_LABELS = 28, 62, 22, 26, 132
FEWEST_KEYS = 17  # of the keyboard


@dataclass(frozen=True)
class Row:
    """A line of the roll: a key, or a drum."""

    pitch: int
    drum: bool
    top: int  # pixels below the top of the system's roll


@dataclass(frozen=True)
class Layout:
    quarter: int  # pixels
    height: int  # of a row, pixels
    rows: list[Row]
    systems: list[list[float]]  # where the bars of each begin, in quarter notes, and where the last one ends
    left: int  # what stands before the roll, pixels
    n_bars: int  # shown
    n_bars_left_out: int

    @property
    def roll(self) -> int:
        """Height of the rows, pixels."""
        return self.rows[-1].top + self.height

    @property
    def width(self) -> int:
        return max(math.ceil((bars[-1] - bars[0]) * self.quarter) for bars in self.systems)


def lay_out(piece: Piece) -> Layout:
    """The largest of QUARTERS and ROWS with which all systems fit; the smallest, without the end, where none does."""
    bars = piece.bars()
    left = DRUM_LABELS if any(part.is_drum for part in piece.parts) else LABELS
    for quarter, height in zip(QUARTERS, ROWS, strict=True):
        rows = _rows(piece, height)
        systems = _systems(bars, (WIDTH - left - 2 * MARGIN) / quarter)
        room = max(1, (HEIGHT - 150) // (rows[-1].top + height + BAR_NUMBERS + GAP))
        if len(systems) <= room:
            break
    shown = systems[:room]
    n_shown = sum(len(system) - 1 for system in shown)
    return Layout(quarter, height, rows, shown, left, n_shown, len(bars) - 1 - n_shown)


def _rows(piece: Piece, height: int) -> list[Row]:
    drums = np.array([part.is_drum for part in piece.parts], dtype=bool)[piece.notes["part"]]
    pitches = piece.notes["pitch"]
    rows: list[Row] = []
    if (~drums).any():
        low, high = int(pitches[~drums].min()) - 1, int(pitches[~drums].max()) + 1
        more = max(0, FEWEST_KEYS - (high - low + 1))
        low, high = max(0, low - more // 2), min(127, high + more - more // 2)
        rows = [Row(pitch, False, (high - pitch) * height) for pitch in range(high, low - 1, -1)]
    below = rows[-1].top + height + 10 if rows else 0
    used = sorted({int(pitch) for pitch in pitches[drums]}, reverse=True)
    return rows + [Row(pitch, True, below + i * height) for i, pitch in enumerate(used)]


def _systems(bars: list[float], most: float) -> list[list[float]]:
    """Bars in systems of at most so many quarter notes, of 4, 8, 12, … bars if more than 4 fit; a bar that is too long is cut."""
    whole: list[float] = [bars[0]]
    for begin, end in pairwise(bars):
        pieces = math.ceil((end - begin) / most)
        whole += [begin + (end - begin) * i / pieces for i in range(1, pieces + 1)]
    systems, at = [], 0
    while at < len(whole) - 1:
        until = bisect_right(whole, whole[at] + most + 1e-9) - 1
        if until - at > 4 and until < len(whole) - 1:
            until -= (until - at) % 4
        systems.append(whole[at : until + 1])
        at = until
    return systems


def depths_of(piece: Piece) -> list[int]:
    """Within how many other parts' notes each note lies: longer ones (or as long ones, of parts before it) on its key."""
    notes = piece.notes
    ends = notes["onset"] + notes["duration"] - 1e-9
    around: list[set[int]] = [set() for _ in notes]
    drums = np.array([part.is_drum for part in piece.parts], dtype=bool)[notes["part"]]
    rows = notes["pitch"] + 128 * drums
    sounding: list[int] = []
    for at in np.lexsort((notes["onset"], rows)).tolist():
        note = notes[at]
        sounding = [one for one in sounding if rows[one] == rows[at] and ends[one] > note["onset"]]
        for other in sounding:
            if notes["part"][other] != note["part"]:
                inner, outer = sorted(
                    (at, other), key=lambda i: (round(float(notes["duration"][i]), 6), -int(notes["part"][i]))
                )
                around[inner].add(int(notes["part"][outer]))
        sounding.append(at)
    return [len(parts) for parts in around]
