from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artgen.media.midi import read_midi
from artgen.music.piece import Part, Piece, make_notes
from artgen.music.roundtrip import RoundTrip, round_trip

SHARED = Path(__file__).parents[3] / "shared/data"


def piece(seed: int) -> Piece:
    rng = np.random.default_rng(seed)
    rows = [(i / 3 + rng.normal(0, 0.02), 0.3, int(rng.integers(30, 90)), 64, int(rng.integers(3))) for i in range(1, 200)]
    return Piece(make_notes(rows), (Part("a"), Part("b", 40), Part("c", is_drum=True)), name=f"piece {seed}")


@pytest.mark.parametrize("steps", [1, 3, 4, 7, 12, 24])
def test_every_note_comes_back(steps: int) -> None:
    found = round_trip([piece(0), piece(1)], steps)
    assert (found.n_pieces, found.n_notes + found.n_joined) == (2, 398)
    assert (found.n_lost, found.n_new, found.changed, found.share_kept) == (0, 0, (), 1)


def test_what_is_lost_is_found_out() -> None:
    def lose(given: Piece) -> Piece:
        notes = given.notes.copy()
        notes["pitch"][5] += 1
        return replace(given, notes=notes[:-1])

    found = round_trip([piece(0)], 12, lose)
    assert (found.n_lost, found.n_new, found.changed) == (2, 1, ("piece 0",))
    assert found.share_kept == pytest.approx(1 - 2 / found.n_notes)


def test_notes_that_the_grid_joins() -> None:
    trill = Piece(make_notes([(i / 8, 1 / 8, 60, 64, 0) for i in range(8)]))
    assert round_trip([trill], 1) == RoundTrip(1, 2, 6, 0, 0, ())


def test_drums_are_not_taken_for_pitches() -> None:
    found = round_trip([piece(0)], 12, lambda given: replace(given, parts=(Part(), Part(), Part())))
    assert found.n_lost == found.n_new > 0


def test_some_of_nottingham() -> None:
    files = sorted((SHARED / "midi-nottingham").glob("*.mid"))[::20]
    if not files:
        pytest.skip("needs ../shared/data/midi-nottingham")
    found = round_trip([read_midi(path) for path in files], 12)
    assert found.n_pieces == len(files)
    assert (found.n_lost, found.n_new) == (0, 0)
