"""Whether music survives: put on a grid, through a model's tokens if there are any, into a MIDI file and out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from artgen.media.midi import midi_bytes, parse_midi
from artgen.music.piece import Piece

Key = tuple[int, int, bool]
"""Step of the grid at which a note begins, its pitch, whether it is a drum."""


@dataclass(frozen=True)
class RoundTrip:
    """What came back of many pieces."""

    n_pieces: int
    n_notes: int  # notes that begin at different places: a pitch that two parts begin at once is one in each
    n_joined: int  # notes that the grid put on the same place, pitch and part as another, which leaves one of them
    n_lost: int  # that did not come back
    n_new: int  # that came back, and were not there
    changed: tuple[str, ...]  # names of the pieces with lost or new notes

    @property
    def share_kept(self) -> float:
        return 1 - self.n_lost / max(1, self.n_notes)


def round_trip(pieces: Iterable[Piece], steps: int, through: Callable[[Piece], Piece] = lambda piece: piece) -> RoundTrip:
    """Puts pieces on a grid of so many steps to a quarter note, writes and reads them; compares pitches and onsets on the grid.

    through: what is done between grid and file, such as tokens and back; it may put the notes into other parts, so that parts are
    not compared, but how often each (step, pitch, whether drum) comes is.
    """
    n_pieces = n_notes = n_joined = n_lost = n_new = 0
    changed = []
    for piece in pieces:
        before, joined = _keys(piece, steps)
        after, _ = _keys(parse_midi(midi_bytes(through(piece.quantised(steps))), piece.name or "the piece"), steps)
        lost = sum(max(0, count - after.get(key, 0)) for key, count in before.items())
        new = sum(max(0, count - before.get(key, 0)) for key, count in after.items())
        n_pieces, n_notes, n_joined = n_pieces + 1, n_notes + sum(before.values()), n_joined + joined
        n_lost, n_new = n_lost + lost, n_new + new
        if lost or new:
            changed.append(piece.name)
    return RoundTrip(n_pieces, n_notes, n_joined, n_lost, n_new, tuple(changed))


def _keys(piece: Piece, steps: int) -> tuple[dict[Key, int], int]:
    """In how many parts a note begins there, and how many notes were not counted because their part has one there already."""
    step = np.floor(piece.notes["onset"] * steps + 0.5).astype(np.int64)
    rows = np.stack([step, piece.notes["pitch"].astype(np.int64), piece.notes["part"].astype(np.int64)], axis=1)
    different = np.unique(rows, axis=0)
    counts: dict[Key, int] = {}
    for at, pitch, part in different.tolist():
        key = (at, pitch, piece.parts[part].is_drum)
        counts[key] = counts.get(key, 0) + 1
    return counts, len(rows) - len(different)
