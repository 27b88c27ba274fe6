"""The line of single notes that stands for each part."""

from __future__ import annotations

import numpy as np

from artgen.metrics.music_melody import melody_lines, voice_lines
from artgen.music.piece import Part, Piece, make_notes


def heard(rows: list[tuple[float, float, int]]) -> list[tuple[float, int]]:
    (line,) = melody_lines(Piece(make_notes([(onset, long, pitch, 80, 0) for onset, long, pitch in rows])))
    return list(zip(line.onset.tolist(), line.pitch.tolist(), strict=True))


def test_the_highest_note_of_each_onset_is_heard() -> None:
    assert heard([(0, 1, 60), (0, 1, 67), (1, 1, 55), (2, 1, 72), (2, 1, 48)]) == [(0, 67), (1, 55), (2, 72)]


def test_what_moves_below_a_note_that_still_sounds_is_not() -> None:
    assert heard([(0, 2, 72), (1, 1, 60), (2, 1, 64)]) == [(0, 72), (2, 64)]
    assert heard([(0, 3, 72), (0.5, 2.75, 60), (1, 1, 74), (3, 1, 50), (3.25, 1, 52)]) == [(0, 72), (1, 74), (3.25, 52)]


def test_overlaps_of_a_player_do_not_hide_the_next_note() -> None:
    assert heard([(0, 1.05, 72), (1, 1, 60)]) == [(0, 72), (1, 60)]
    assert heard([(0, 1.2, 72), (1, 1, 60)]) == [(0, 72)]


def test_a_note_struck_again_is_heard_again() -> None:
    assert heard([(0, 2, 60), (1, 1, 60)]) == [(0, 60), (1, 60)]


def test_every_part_has_a_line_but_drums_and_silent_ones() -> None:
    notes = make_notes([(0, 1, 60, 80, 0), (4, 1, 62, 80, 0), (0, 1, 36, 80, 1), (7.5, 1, 50, 80, 3)])
    piece = Piece(notes, (Part("flute"), Part("kit", is_drum=True), Part("rest"), Part("bass")), meters=((0.0, 3, 4),))
    lines = melody_lines(piece)
    assert [line.name for line in lines] == ["flute", "bass"]
    assert [line.bar.tolist() for line in lines] == [[1, 2], [3]]
    assert lines[0].intervals.tolist() == [2]


def test_voices_become_lines_of_notes_that_last() -> None:
    voices = np.array([[60, 50, -1, 40], [60, 52, -1, -1], [62, 52, -1, 40]])
    lines = voice_lines(voices, steps=1, beats=2)
    assert [line.name for line in lines] == ["S", "A", "B"]
    assert [(line.onset.tolist(), line.pitch.tolist(), line.bar.tolist()) for line in lines] == [
        ([0, 2], [60, 62], [1, 2]),
        ([0, 1], [50, 52], [1, 1]),
        ([0, 2], [40, 40], [1, 2]),
    ]
