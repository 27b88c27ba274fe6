"""Names of instruments and pitches, and what can be played."""

from __future__ import annotations

import pytest

from artgen.errors import UsageError
from artgen.music.instruments import (
    RANGES,
    SHORT,
    instrument_name,
    parse_instrument,
    parse_pitch,
    parse_range,
    pitch_name,
    playing_range,
)


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("violin", 40),
        ("40", 40),
        (" 0 ", 0),
        ("Acoustic Grand Piano", 0),
        ("acoustic grand", 0),
        ("HONKY-TONK piano", 3),
        ("honky_tonk", 3),
        ("piano", 0),
        ("Acoustic Guitar (steel)", 25),
        ("nylon", 24),
        ("flute", 73),
        ("Sax", 65),
        ("pan flute", 75),
        ("church organ", 19),
    ],
)
def test_instruments_are_found_by_name_part_and_number(name: str, program: int) -> None:
    assert parse_instrument(name) == program


def test_every_program_is_found_by_its_name() -> None:
    assert [parse_instrument(instrument_name(program)) for program in range(128)] == list(range(128))


def test_short_names_hide_no_name_of_general_midi() -> None:
    assert not {instrument_name(program).lower() for program in range(128)} & set(SHORT)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vilin", "did you mean 'violin'"),
        ("acoustik grand piano", "did you mean 'acoustic grand piano'"),
        ("128", "from 0 to 127"),
        ("-1", "from 0 to 127"),
        ("synth brass", "which one\\? synth brass 1, synth brass 2"),
        ("", "unknown"),
    ],
)
def test_a_wrong_instrument_is_one_clear_line(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_instrument(name)
    assert "\n" not in str(caught.value)


def test_ranges_are_those_of_the_instruments() -> None:
    assert playing_range(parse_instrument("violin")) == (parse_pitch("G3"), parse_pitch("A7"))
    assert playing_range(parse_instrument("bassoon")) == (parse_pitch("Bb1"), parse_pitch("E5"))
    assert playing_range(parse_instrument("helicopter")) is None
    assert all(0 <= low < high <= 127 for low, high in RANGES.values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("G3-A7", (55, 105)),
        ("55-103", (55, 103)),
        ("c4 .. c5", (60, 72)),
        ("Cello", (36, 84)),
        ("alto", (55, 76)),
        ("C-1-g9", (0, 127)),
    ],
)
def test_a_range_is_pitches_an_instrument_or_a_voice(text: str, found: tuple[int, int]) -> None:
    assert parse_range(text) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C5-C4", "above its end"),
        ("gunshot", "not known of Gunshot"),
        ("vilin", "did you mean 'violin'"),
        ("C4-200", "outside MIDI"),
    ],
)
def test_a_wrong_range_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_range(text)


def test_pitches_have_names() -> None:
    assert [pitch_name(pitch) for pitch in (0, 21, 60, 61, 127)] == ["C-1", "A0", "C4", "C♯4", "G9"]
    assert all(parse_pitch(pitch_name(pitch)) == pitch for pitch in range(128))
    assert (parse_pitch("Bb3"), parse_pitch("F#3"), parse_pitch("60"), parse_pitch("Cb4")) == (58, 54, 60, 59)


@pytest.mark.parametrize("text", ["H4", "C", "", "C12", "-3"])
def test_a_wrong_pitch_is_one_clear_line(text: str) -> None:
    with pytest.raises(UsageError, match="pitch"):
        parse_pitch(text)
