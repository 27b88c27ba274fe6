"""What a piece goes on from: a MIDI file of the user's. Imports no torch."""

from __future__ import annotations

from artgen.errors import UsageError, counted
from artgen.music.piece import Piece

LONGEST_PRIMER = 100_000  # notes
MOST_BARS = 1000  # of a piece, as `sample.bars` allows


def read_primer(path: str, bars: int | None = None) -> Piece:
    """A MIDI file to go on from. bars: those of the piece to be made, the primer's among them; None: as many as it gets.

    Raises UsageError where there is no such file, it is no MIDI, too much of it, or as long as the piece itself or longer.
    """
    from artgen.media.midi import read_midi

    primer = read_midi(path)
    if len(primer.notes) > LONGEST_PRIMER:
        raise UsageError(f"{path}: {len(primer.notes):,} notes are too many to go on from, at most {LONGEST_PRIMER:,}")
    own = len(primer.bars()) - 1
    if bars is not None and own >= bars:
        more = f"--bars {own + 1} or more, or " if own < MOST_BARS else ""
        raise UsageError(
            f"{path}: has {counted(own, 'bar')}, and the piece that goes on from it is to have {bars:,}, those among them: "
            f"expected {more}a shorter file"
        )
    if own > MOST_BARS:
        raise UsageError(f"{path}: has {own:,} bars, too many to go on from, at most {MOST_BARS:,}")
    return primer
