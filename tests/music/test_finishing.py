"""Key, tempo, instruments and range of a finished piece, against what each asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.music.config import MusicSampleConfig
from artgen.music.finishing import check_finish, describe, finish, fits_key, into_key, into_range, key_of, played_by
from artgen.music.keys import parse_key
from artgen.music.piece import Part, Piece, make_notes

C_MAJOR = (60, 64, 67, 65, 62, 59, 60, 67, 64, 60)
A_MINOR = (69, 72, 76, 74, 71, 68, 69, 76, 72, 69)


def piece(*parts: Sequence[int], drums: Sequence[int] = (), **facts: object) -> Piece:
    """Each part in quarter notes, one after another; drums on the last part."""
    voices = [*parts, drums] if drums else list(parts)
    rows = [(float(i), 1.0, pitch, 80, part) for part, pitches in enumerate(voices) for i, pitch in enumerate(pitches)]
    played = [Part("", 0) for _ in parts] + [Part("", 0, True)] * bool(drums)
    return Piece(make_notes(rows), tuple(played), **facts)  # type: ignore[arg-type]


def pitches(of: Piece, part: int = 0) -> list[int]:
    return [int(pitch) for pitch in of.notes["pitch"][of.notes["part"] == part]]


@pytest.mark.parametrize("key", ["C", "D", "Eb", "F#", "G", "Bb major", "Cb major"])
def test_a_piece_is_moved_by_at_most_a_tritone_and_drums_are_not(key: str) -> None:
    moved = into_key(piece(C_MAJOR, drums=(36,) * 10), key)
    found = key_of(moved)
    assert found is not None and (found.tonic, found.minor) == (parse_key(key)[0], False)
    shifts = {after - before for after, before in zip(pitches(moved), C_MAJOR, strict=True)}
    assert len(shifts) == 1 and abs(shifts.pop()) <= 6
    assert pitches(moved, 1) == [36] * 10


def test_a_mode_is_not_changed_but_told_apart() -> None:
    major, minor = piece(C_MAJOR), piece(A_MINOR)
    assert [fits_key(each, "E major") for each in (major, minor)] == [True, False]
    assert [fits_key(each, "E minor") for each in (major, minor)] == [False, True]
    assert [fits_key(each, "E") for each in (major, minor)] == [True, True]
    assert [fits_key(each, None) for each in (major, minor)] == [True, True]
    found = key_of(into_key(minor, "E"))
    assert found is not None and (found.tonic, found.minor) == (4, True)


def test_a_piece_without_a_key_stays_as_it_is() -> None:
    atonal = piece(tuple(range(60, 72)))
    assert key_of(atonal) is None
    assert pitches(into_key(atonal, "G")) == list(range(60, 72))
    assert fits_key(atonal, "G minor")


def test_into_a_range_the_whole_piece_moves_first() -> None:
    moved = into_range(piece((40, 47, 52), drums=(36, 38, 42)), (55, 79))
    assert pitches(moved) == [55, 62, 67]  # by 15: no note is then outside, and less would not do
    assert pitches(moved, 1) == [36, 38, 42]
    assert pitches(into_range(piece((40, 47, 52)), (55, 79), keep_key=True)) == [64, 71, 76]
    assert pitches(into_range(piece((60, 70)), (55, 79))) == [60, 70]


def test_what_does_not_fit_into_a_range_is_moved_by_octaves() -> None:
    noise = np.random.default_rng(0)
    for _ in range(50):
        before = noise.integers(0, 128, 12).tolist()
        low = int(noise.integers(0, 110))
        high = int(noise.integers(low + 11, 128))
        for keep_key in (False, True):
            after = pitches(into_range(piece(before), (low, high), keep_key))
            assert all(low <= pitch <= high for pitch in after)
            shift = {(b - a) % 12 for a, b in zip(before, after, strict=True)}
            assert len(shift) == 1 and (not keep_key or shift == {0})


def test_instruments_are_for_all_parts_or_for_each_and_drums_stay() -> None:
    two = piece((60, 62), (48, 50), drums=(36, 38))
    assert [(part.program, part.is_drum) for part in played_by(two, ["violin"]).parts] == [(40, False), (40, False), (0, True)]
    both = played_by(two, ["violin", "42"])
    assert [(part.program, part.name) for part in both.parts[:2]] == [(40, "Violin"), (42, "Cello")]
    with pytest.raises(UsageError, match="3 are named for 2 parts, expected one for all of them or one for each"):
        played_by(two, ["violin", "viola", "cello"])


def test_tempo_is_that_asked_for_or_the_run_s_or_the_piece_s_own_changes() -> None:
    one, changing = piece(C_MAJOR), piece(C_MAJOR, tempos=((0.0, 60.0), (4.0, 90.0)))
    assert finish(one, MusicSampleConfig(), 77.0).tempos == ((0.0, 77.0),)
    assert finish(one, MusicSampleConfig(tempo=140), 77.0).tempos == ((0.0, 140.0),)
    assert finish(changing, MusicSampleConfig(), 77.0).tempos == changing.tempos
    assert finish(changing, MusicSampleConfig(tempo=140), 77.0).tempos == ((0.0, 140.0),)


def test_key_and_range_together() -> None:
    options = MusicSampleConfig(key="D", play_range="violin", instrument=["violin"])
    done = finish(piece(C_MAJOR, tuple(pitch - 24 for pitch in C_MAJOR)), options, 100.0)
    assert done.keys == ((0.0, 2, False),)
    assert 55 <= done.notes["pitch"].min() and done.notes["pitch"].max() <= 105
    assert describe(done) == {"notes": 20, "bars": 3, "key": "D major"}


def test_silence_can_be_finished_and_described() -> None:
    silent = Piece(make_notes([]))
    done = finish(silent, MusicSampleConfig(key="D minor", play_range="violin", instrument=["violin"], tempo=60), 100.0)
    assert describe(done) == {"notes": 0, "bars": 0, "key": None}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"key": "X"}, "key 'X': expected a tonic"),
        ({"instrument": ["violin", "kazzoo"]}, "instrument 'kazzoo': unknown"),
        ({"play_range": "C4-B4"}, ""),
        ({"play_range": "C4-A4"}, "play_range 'C4-A4': less than an octave"),
        ({"play_range": "G9-C1"}, "begins above its end"),
    ],
)
def test_what_cannot_be_is_known_before_a_piece_is_made(asked: dict[str, object], message: str) -> None:
    options = MusicSampleConfig.model_validate(asked)
    if not message:
        check_finish(options)
        return
    with pytest.raises(UsageError, match=message):
        check_finish(options)
