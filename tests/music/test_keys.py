"""Keys by name."""

from __future__ import annotations

import pytest

from artgen.errors import UsageError
from artgen.metrics.music_keys import Key
from artgen.music.keys import parse_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("G", (7, None)),
        ("g", (7, True)),
        ("C major", (0, False)),
        ("c major", (0, False)),
        ("F# minor", (6, True)),
        ("F♯ minor", (6, True)),
        ("Bb", (10, None)),
        ("B♭ major", (10, False)),
        ("Am", (9, True)),
        ("b", (11, True)),
        ("bb", (10, True)),
        ("Cb", (11, None)),
        ("B# major", (0, False)),
        ("b-moll", (11, True)),
        ("Eb-dur", (3, False)),
        ("  E   min ", (4, True)),
    ],
)
def test_a_key_is_a_tonic_and_maybe_a_mode(text: str, expected: tuple[int, bool | None]) -> None:
    assert parse_key(text) == expected


def test_the_name_that_is_printed_is_read_again() -> None:
    for tonic in range(12):
        for minor in (False, True):
            assert parse_key(str(Key(tonic, minor, 1.0, 0.1))) == (tonic, minor)


@pytest.mark.parametrize("text", ["", "H", "C##", "C mixolydian", "major", "C major minor", "12", "C\nmajor major"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a tonic, and major or minor if that matters, such as G, F# minor"):
        parse_key(text)
