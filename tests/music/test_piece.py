"""Pieces: time, bars, transposition, the grid."""

from __future__ import annotations

import numpy as np
import pytest

from artgen.music.piece import Part, Piece, make_notes


def piece(**changes: object) -> Piece:
    rows = [(1.0, 0.5, 64, 80, 0), (0.0, 1.0, 60, 80, 0), (0.0, 2.0, 36, 90, 1)]
    facts = {"notes": make_notes(rows), "parts": (Part("flute", 73), Part("kit", 0, True))} | changes
    return Piece(**facts)  # type: ignore[arg-type]


def test_notes_are_sorted_and_the_end_is_the_last_notes() -> None:
    assert piece().notes["pitch"].tolist() == [60, 36, 64]
    assert piece().end == 2.0
    assert Piece(make_notes([])).end == 0.0


def test_seconds_follow_every_tempo() -> None:
    slow = piece(tempos=((0.0, 60.0), (1.0, 120.0), (1.5, 30.0)))
    assert [slow.seconds(at) for at in (0.5, 1.0, 1.5, 2.0)] == pytest.approx([0.5, 1.0, 1.25, 2.25])


def test_bars_follow_every_meter() -> None:
    long = piece(notes=make_notes([(0.0, 8.0, 60, 80, 0)]), meters=((0.0, 3, 4), (6.0, 6, 8), (8.0, 4, 4)))
    assert long.bars() == [0.0, 3.0, 6.0, 8.0]


def test_transposition_leaves_drums_and_stays_in_range() -> None:
    moved = piece(keys=((0.0, 11, False),)).transposed(2)
    assert dict(zip(moved.notes["part"].tolist(), moved.notes["pitch"].tolist(), strict=True)) == {0: 66, 1: 36}
    assert moved.keys == ((0.0, 1, False),)
    edges = Piece(make_notes([(0.0, 1.0, 1, 80, 0), (0.0, 1.0, 126, 80, 0)]))
    assert edges.transposed(-3).notes["pitch"].tolist() == [10, 123]
    assert sorted(edges.transposed(5).notes["pitch"].tolist()) == [6, 119]


def test_the_grid_takes_the_nearest_step_and_keeps_every_note() -> None:
    rough = Piece(make_notes([(0.13, 0.02, 60, 80, 0), (0.49, 0.55, 62, 80, 0)])).quantised(4)
    assert rough.notes["onset"].tolist() == [0.25, 0.5]
    assert rough.notes["duration"].tolist() == [0.25, 0.5]
    assert np.array_equal(rough.quantised(4).notes, rough.notes)
