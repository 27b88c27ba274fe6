"""A piece as a score of music21: measures, voices, ties, keys, meters and tempos. Imports music21, and so is imported late."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from music21 import chord, clef, duration, instrument, key, metadata, meter, note, stream, tempo, tie
from music21.pitch import Pitch

from artgen.music.instruments import instrument_name
from artgen.music.keys import key_name
from artgen.music.piece import Notes, Piece

GRIDS = (1, 2, 4, 3, 6, 8, 12, 24)  # steps to a quarter note: the first on which all notes lie, …
ROUNDED = 4  # … or else this one: what was played freely is written in sixteenths
FIFTHS = "FCGDAEB"
DRUM_PLACES = {35: "E4", 36: "F4", 37: "C5", 38: "C5", 40: "C5", 42: "G5", 44: "D4", 46: "G5", 49: "A5", 51: "F5", 57: "A5"}


@dataclass(frozen=True)
class _Event:
    """Notes that are struck and let go together, or a part of them in one bar."""

    begin: Fraction
    end: Fraction
    pitches: tuple[int, ...]
    tied: str | None = None  # start, continue or stop


def to_score(piece: Piece) -> Any:
    """A music21 Score: a staff for each part, each with as many voices as sound at a time.

    Notes are put on the coarsest of GRIDS that holds them, or on sixteenths; they are tied over bars. Where the piece names no
    key, the one that music21 finds (Krumhansl and Schmuckler) is written, because it decides how pitches are spelled. Pitches
    are written as they sound. Velocities are not kept.
    """
    piece = piece.quantised(_grid(piece))
    bars = [Fraction(bar).limit_denominator(96) for bar in piece.bars()]
    keys = _keys(piece)
    score = stream.Score()
    score.metadata = metadata.Metadata()
    score.metadata.title = " ".join(piece.name.split()) or "Untitled"
    for number, part in enumerate(piece.parts):
        notes = piece.notes[piece.notes["part"] == number]
        if not len(notes):
            continue
        staff = stream.Part(id=f"P{number + 1}")
        staff.partName = part.name or ("Drums" if part.is_drum else instrument_name(part.program))
        staff.insert(0, _instrument(number, part.program, part.is_drum, staff.partName))
        voices = [list(_in_bars(voice, bars)) for voice in _voices(notes)]
        for i, (begin, end) in enumerate(zip(bars, bars[1:], strict=False)):
            measure = stream.Measure(number=i + 1)
            if i == 0:
                measure.insert(0, _clef(notes, part.is_drum))
            _write_signs(measure, piece, keys, begin, bars[i - 1] if i else None, first_staff=not len(score.parts))
            _write_voices(measure, voices, begin, end, part.is_drum, _at(keys, begin)[1])
            staff.append(measure)
        score.insert(0, staff)
    return score


def _grid(piece: Piece) -> int:
    times = np.concatenate([piece.notes["onset"], piece.notes["onset"] + piece.notes["duration"]])
    return next((grid for grid in GRIDS if (np.abs(times * grid - np.round(times * grid)) < 1e-3 * grid).all()), ROUNDED)


# ---------------------------------------------------------------- voices and bars


def _voices(notes: Notes) -> list[list[_Event]]:
    """Notes as chords, in as few voices as it takes for none to overlap; the higher one goes first."""
    together: dict[tuple[Fraction, Fraction], set[int]] = {}
    for one in notes:
        begin = Fraction(float(one["onset"])).limit_denominator(96)
        end = begin + Fraction(float(one["duration"])).limit_denominator(96)
        together.setdefault((begin, end), set()).add(int(one["pitch"]))
    voices: list[list[_Event]] = []
    for (begin, end), pitches in sorted(together.items(), key=lambda item: (item[0][0], -max(item[1]))):
        voice = next((voice for voice in voices if voice[-1].end <= begin), None)
        if voice is None:
            voices.append(voice := [])
        voice.append(_Event(begin, end, tuple(sorted(pitches))))
    return voices


def _in_bars(voice: list[_Event], bars: list[Fraction]) -> Iterator[_Event]:
    """The same, cut at the bars and tied over them."""
    for event in voice:
        cuts = [event.begin, *bars[bisect_right(bars, event.begin) :], event.end]
        cuts = [cut for cut in cuts if cut < event.end] + [event.end]
        for i, (begin, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
            first, last = i == 0, i == len(cuts) - 2
            tied = None if first and last else "start" if first else "stop" if last else "continue"
            yield _Event(begin, end, event.pitches, tied)


def _write_voices(
    measure: Any, voices: list[list[_Event]], begin: Fraction, end: Fraction, drums: bool, signature: int
) -> None:
    playing = [[event for event in voice if begin <= event.begin < end] for voice in voices]
    playing = [voice for voice in playing if voice] or [[]]
    for number, voice in enumerate(playing):
        into = measure if len(playing) == 1 else stream.Voice(id=str(number + 1))
        now = begin
        for event in voice:
            if event.begin > now:
                into.insert(now - begin, note.Rest(quarterLength=event.begin - now))
            written = _written(event, drums, signature)
            into.insert(event.begin - begin, written)
            now = event.end
        if now < end:
            into.insert(now - begin, note.Rest(quarterLength=end - now))
        if into is not measure:
            measure.insert(0, into)


def _written(event: _Event, drums: bool, signature: int) -> Any:
    length = duration.Duration(quarterLength=event.end - event.begin)
    if drums:
        ones = [note.Unpitched(displayName=place) for place in dict.fromkeys(DRUM_PLACES.get(p, "C5") for p in event.pitches)]
        written: Any = ones[0] if len(ones) == 1 else _percussion_chord(ones)
    elif len(event.pitches) == 1:
        written = note.Note(_spelled(event.pitches[0], signature))
    else:
        written = chord.Chord([_spelled(pitch, signature) for pitch in event.pitches])
    written.duration = length
    if event.tied:
        written.tie = tie.Tie(event.tied)
    return written


def _percussion_chord(ones: list[Any]) -> Any:
    from music21 import percussion

    return percussion.PercussionChord(ones)


# ---------------------------------------------------------------- signs


def _write_signs(
    measure: Any, piece: Piece, keys: list[tuple[float, int, Any]], begin: Fraction, before: Fraction | None, first_staff: bool
) -> None:
    """Keys, meters and tempos that are new in a bar; tempos stand above the first staff."""
    now, then = float(begin), float(before) if before is not None else None
    end = now + 1e-6
    meters = [m for m in piece.meters if m[0] < end]
    if meters and (then is None or meters[-1][0] > now - 1e-6):
        measure.insert(0, meter.TimeSignature(f"{meters[-1][1]}/{meters[-1][2]}"))
    where, _, named = _at(keys, begin)
    if named is not None and (then is None or where > then + 1e-6):
        measure.insert(0, key.Key(named.tonic.name, named.mode))
    if first_staff:
        tempos = [t for t in piece.tempos if (then is None or t[0] > then + 1e-6) and t[0] < end]
        if tempos:  # a change within a bar is written at the next one
            measure.insert(0, tempo.MetronomeMark(number=round(tempos[-1][1], 2), referent="quarter"))


def _keys(piece: Piece) -> list[tuple[float, int, Any]]:
    """(quarter, sharps less flats, music21 Key) of the piece, or of the one key that is found in it."""
    named = [
        (quarter, key.Key(*key_name(tonic, minor).replace("b", "-").split()))  # music21 writes a flat as "-"
        for quarter, tonic, minor in piece.keys
    ]
    if not named:
        drums = np.array([part.is_drum for part in piece.parts], dtype=bool)[piece.notes["part"]]
        line: Any = stream.Stream()
        for one in piece.notes[~drums]:
            line.insert(float(one["onset"]), note.Note(int(one["pitch"]), quarterLength=float(one["duration"])))
        named = [(0.0, line.analyze("key"))] if len(line) else []
    return [(quarter, found.sharps, found) for quarter, found in named] or [(0.0, 0, None)]


def _at(keys: list[tuple[float, int, Any]], quarter: Fraction) -> tuple[float, int, Any]:
    return keys[max(bisect_right([one[0] for one in keys], float(quarter) + 1e-6) - 1, 0)]


def _spelled(pitch: int, sharps: int) -> Pitch:
    """A pitch with its name in a key of so many sharps (less than 0: flats).

    On the line of fifths the tonic of the major key is at `sharps`; of the twelve names from three fifths below to eight above it
    every pitch class has one, and the altered degrees of major and minor are among them (the leading note of minor is the eighth).
    """
    for fifth in range(sharps - 3, sharps + 9):
        if fifth * 7 % 12 == pitch % 12:
            letter = FIFTHS[(fifth + 1) % 7]
            alteration = (fifth + 1) // 7
            natural = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[letter]
            octave = (pitch - natural - alteration) // 12 - 1
            spelled = Pitch(letter + "#" * alteration + "-" * -alteration)
            spelled.octave = octave  # not in the name, where one below 0 would be read as a flat
            return spelled
    raise AssertionError("twelve fifths name every pitch class")


def _clef(notes: Notes, drums: bool) -> Any:
    if drums:
        return clef.PercussionClef()
    middle = float(np.average(notes["pitch"], weights=notes["duration"]))
    if middle >= 61:
        return clef.TrebleClef()
    return clef.Treble8vbClef() if middle >= 55 and notes["pitch"].min() >= 45 else clef.BassClef()


def _instrument(number: int, program: int, drums: bool, name: str) -> Any:
    """Named by us: music21's own would transpose, and get random names in the file."""
    made = instrument.Instrument(name)
    made.partId, made.instrumentId = f"P{number + 1}", f"P{number + 1}-I1"
    made.midiProgram = program
    made.midiChannel = 9 if drums else [channel for channel in range(16) if channel != 9][number % 15]
    return made
