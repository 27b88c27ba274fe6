"""Instruments: names of General MIDI and their programs, and what each can play. Imports no torch."""

from __future__ import annotations

import re
from functools import cache

from artgen.errors import UsageError, did_you_mean

Range = tuple[int, int]  # lowest and highest MIDI pitch, as it sounds

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHARPS = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")

SHORT = {  # what a musician says, where several names of General MIDI hold the word
    "piano": 0,
    "electric piano": 4,
    "organ": 19,
    "guitar": 24,
    "acoustic guitar": 24,
    "electric guitar": 27,
    "bass guitar": 33,
    "electric bass": 33,
    "double bass": 43,
    "strings": 48,
    "string ensemble": 48,
    "string orchestra": 48,
    "harp": 46,
    "choir": 52,
    "voice": 53,
    "brass": 61,
    "horn": 60,
    "cor anglais": 69,
    "sax": 65,
    "saxophone": 65,
    "alto saxophone": 65,
    "soprano saxophone": 64,
    "tenor saxophone": 66,
    "baritone saxophone": 67,
    "synth": 80,
    "bells": 14,
    "violoncello": 42,
}

VOICES: dict[str, Range] = {"soprano": (60, 81), "alto": (55, 76), "tenor": (48, 69), "bass": (40, 64)}  # of a choir
STRINGS, CHOIR, PIANO, GUITAR, BASS, TRUMPET = (28, 103), (40, 84), (21, 108), (40, 86), (28, 67), (52, 84)
RANGES: dict[int, Range] = {
    **dict.fromkeys(range(0, 4), PIANO),
    **dict.fromkeys((4, 5), (28, 100)),  # electric pianos of 73 keys
    6: (29, 89),  # harpsichord
    7: (29, 88),  # clavinet
    8: (60, 108),  # celesta
    9: (79, 108),  # glockenspiel
    11: (53, 89),  # vibraphone
    12: (36, 96),  # marimba
    13: (65, 108),  # xylophone
    14: (60, 77),  # tubular bells
    **dict.fromkeys(range(16, 20), (36, 96)),  # organs
    20: (29, 89),  # reed organ
    21: (53, 93),  # accordion, right hand
    22: (60, 96),  # harmonica
    **dict.fromkeys(range(24, 32), GUITAR),
    **dict.fromkeys(range(32, 40), BASS),
    40: (55, 105),  # violin
    41: (48, 88),  # viola
    42: (36, 84),  # cello
    43: (28, 67),  # contrabass
    **dict.fromkeys((44, 45), STRINGS),
    46: (23, 104),  # harp
    47: (38, 60),  # timpani
    **dict.fromkeys(range(48, 52), STRINGS),
    **dict.fromkeys(range(52, 55), CHOIR),
    56: TRUMPET,
    57: (40, 74),  # trombone
    58: (26, 65),  # tuba
    59: TRUMPET,  # muted
    60: (35, 77),  # horn
    61: (26, 84),  # brass section
    64: (56, 88),  # soprano saxophone
    65: (49, 81),  # alto saxophone
    66: (44, 76),  # tenor saxophone
    67: (36, 69),  # baritone saxophone
    68: (58, 91),  # oboe
    69: (52, 82),  # English horn
    70: (34, 76),  # bassoon
    71: (50, 94),  # clarinet
    72: (74, 108),  # piccolo
    73: (60, 96),  # flute
    74: (65, 98),  # recorders, treble and descant
    105: (48, 81),  # banjo
    109: (67, 81),  # bagpipe
    110: (55, 105),  # fiddle
}


def parse_instrument(name: str) -> int:
    """The program, 0 to 127, of a name of General MIDI, of a part of one, or of a number from 0 to 127.

    "violin", "Acoustic Grand Piano", "acoustic grand", "sax", "40". Raises UsageError, with the nearest names.
    """
    text = name.strip()
    if re.fullmatch(r"[+-]?\d+", text):
        if not 0 <= int(text) <= 127:
            raise UsageError(f"instrument {text}: expected a General MIDI program from 0 to 127, or a name")
        return int(text)
    wanted = _plain(text)
    programs = _programs()
    if wanted in programs:
        return programs[wanted]
    if wanted in SHORT:
        return SHORT[wanted]
    holding = [known for known in programs if wanted and set(wanted.split()) <= set(known.split())]
    if len(holding) == 1:
        return programs[holding[0]]
    if holding:
        raise UsageError(f"instrument {name!r}: which one? {', '.join(holding)}")
    raise UsageError(f"instrument {name!r}: unknown; {did_you_mean(wanted, {**programs, **SHORT})}")


def instrument_name(program: int) -> str:
    """The name of a program in General MIDI: 40 is Violin."""
    return _names()[program]


def playing_range(program: int) -> Range | None:
    """What an instrument can play, as it sounds, in good hands; None where that is not limited or not known."""
    return RANGES.get(program)


def parse_range(text: str) -> Range:
    """The lowest and highest pitch of "G3-A7", "55-103", an instrument ("violin") or a voice of a choir ("alto").

    Raises UsageError.
    """
    voice = VOICES.get(text.strip().lower())
    if voice:
        return voice
    between = re.fullmatch(r"\s*([A-Ga-g][#♯b♭]?-?\d+|\d+)\s*(?:-|–|\.\.|:)\s*([A-Ga-g][#♯b♭]?-?\d+|\d+)\s*", text)
    if between:
        low, high = parse_pitch(between[1]), parse_pitch(between[2])
        if low > high:
            raise UsageError(f"range {text!r}: begins above its end")
        return low, high
    try:
        program = parse_instrument(text)
    except UsageError as error:
        raise UsageError(f"range {text!r}: expected pitches (G3-A7 or 55-103), a voice or an instrument; {error}") from None
    found = playing_range(program)
    if found is None:
        raise UsageError(f"range {text!r}: not known of {instrument_name(program)}; name its pitches, as G3-A7")
    return found


def parse_pitch(text: str) -> int:
    """The MIDI pitch of "C4" (60), "F#3", "Bb2", or of its number. Raises UsageError."""
    named = re.fullmatch(r"([A-Ga-g])([#♯b♭]?)(-?\d+)", text.strip())
    if named:
        pitch = NATURALS[named[1].upper()] + {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[named[2]] + 12 * (int(named[3]) + 1)
    elif text.strip().isdecimal():
        pitch = int(text)
    else:
        raise UsageError(f"pitch {text!r}: expected a name as C4 or F#3, or a number from 0 to 127")
    if not 0 <= pitch <= 127:
        raise UsageError(f"pitch {text!r}: outside MIDI's range, 0 (C-1) to 127 (G9)")
    return pitch


def pitch_name(pitch: int) -> str:
    """C4 is 60; black keys are named as sharps."""
    return f"{SHARPS[pitch % 12]}{pitch // 12 - 1}"


@cache
def _names() -> tuple[str, ...]:
    from pretty_midi.constants import INSTRUMENT_MAP

    return tuple(INSTRUMENT_MAP)


@cache
def _programs() -> dict[str, int]:
    return {_plain(name): program for program, name in enumerate(_names())}


def _plain(name: str) -> str:
    """Small letters and digits, single spaces."""
    return " ".join(re.findall(r"[^\W_]+", name.lower()))
