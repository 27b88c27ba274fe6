"""Keys by name. Imports no torch."""

from __future__ import annotations

import re

from artgen.errors import UsageError
from artgen.music.instruments import NATURALS

ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}


MAJORS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINORS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


def key_name(tonic: int, minor: bool) -> str:
    """As musicians spell it: Bb major, G# minor."""
    return f"{(MINORS if minor else MAJORS)[tonic]} {'minor' if minor else 'major'}"


def parse_key(text: str) -> tuple[int, bool | None]:
    """(tonic as a pitch class, whether minor) of "F# minor", "Bb", "a", "Am", "C major"; None where it says a tonic alone.

    A small letter alone is minor, as musicians write it. Raises UsageError.
    """
    said = re.fullmatch(r"\s*([A-Ga-g])([#♯b♭]?)\s*[- ]?\s*(major|maj|dur|minor|min|moll|m|)\s*", text)
    if said is None:
        raise UsageError(f"key {text!r}: expected a tonic, and major or minor if that matters, such as G, F# minor or Bb major")
    tonic = (NATURALS[said[1].upper()] + ACCIDENTALS[said[2]]) % 12
    if said[3]:
        return tonic, said[3] in ("minor", "min", "moll", "m")
    return tonic, True if said[1].islower() else None
