"""Chorales as they come: the corpus of music21 and the JSON layouts of the JSB Chorales benchmark. Imports no torch.

JSON: Boulanger-Lewandowski et al. 2012 gave the chorales as the pitches that sound at each step, and the split into train, valid
and test that everyone compares on. Neither layout says whether a pitch that stays is held or struck again: it is read as held.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from artgen.errors import UsageError, counted
from artgen.music.chorales import CHOIR, REST, SATB, TEMPO, VELOCITY, assign_voices, from_voices, is_satb
from artgen.music.piece import Part, Piece, make_notes

MOST_JSON_BYTES = 200_000_000
SPLITS = {"train": "train", "valid": "validation", "validation": "validation", "test": "test"}
SUFFIXES = (".mxl", ".xml", ".musicxml", ".krn")  # of scores in the corpus; .rntxt is an analysis


# ---------------------------------------------------------------- JSON


def read_chorale_json(path: Path | str, steps: int = 4) -> dict[str, list[Piece]]:
    """The pieces of a JSON file, by the name of their part of the split: train, validation, test, or "" if it names none.

    A file is {"train": pieces, "valid": pieces, "test": pieces} or a list of pieces; a piece is a list of steps, `steps` to a
    quarter note; a step is a list of MIDI pitches, from the highest voice to the lowest or the other way round, -1 for a voice
    that rests. Pieces of at most four pitches a step, mostly three or four, become four parts, all others one.

    Raises UsageError, one line that begins with the name, for whatever else there is.
    """
    path = Path(path)
    document = _parse(path)
    if isinstance(document, list):
        document = {"": document}
    unknown = sorted(set(document) - {*SPLITS, ""}) if isinstance(document, dict) else []
    if not isinstance(document, dict) or not document or unknown:
        there = f"; it has {', '.join(repr(key[:20]) for key in unknown[:3])}" if unknown else ""
        raise UsageError(f"{path}: not music: expected a list of pieces, or one each for train, valid and test{there}")
    found: dict[str, list[Piece]] = {}
    for key, pieces in document.items():
        if not isinstance(pieces, list):
            raise UsageError(f"{path}: {key}: not music: expected a list of pieces")
        into = found.setdefault(SPLITS.get(key, ""), [])
        for number, rows in enumerate(pieces):
            name = f"{path.stem} {key}[{number}]".replace(" [", "[")
            into.append(_piece(rows, steps, f"{path}: {key}[{number}]", name))
    if not any(found.values()):
        raise UsageError(f"{path}: no pieces in it")
    return found


def _parse(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_JSON_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MOST_JSON_BYTES:
        raise UsageError(f"{path}: too large: more than {MOST_JSON_BYTES // 1_000_000} MB")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # ValueError is also what undecodable bytes raise
        raise UsageError(f"{path}: not music: no valid JSON") from None


def _piece(rows: Any, steps: int, where: str, name: str) -> Piece:
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{where}: not music: expected a list of steps, each a list of pitches")
    for at, row in enumerate(rows):
        if not isinstance(row, list) or not all(_is_pitch(pitch) for pitch in row):
            shown = json.dumps(row)
            shown = shown if len(shown) <= 40 else shown[:40] + "…"
            raise UsageError(f"{where}: step {at}: expected a list of pitches from 0 to 127, or -1, found {shown}")
    chords = [[int(pitch) for pitch in row if pitch != REST] for row in rows]
    if not any(chords):
        raise UsageError(f"{where}: no notes in it")
    if all(len(row) == len(SATB) for row in rows):
        return from_voices(_high_to_low(np.array(rows, dtype=np.int64)), steps, name=name)
    sizes = [len(chord) for chord in chords if chord]
    if max(sizes) <= len(SATB) and np.median(sizes) >= 3:
        pitches = np.full((len(rows), len(SATB)), REST, dtype=np.int64)
        if _rise(chords) > 0:
            chords = [chord[::-1] for chord in chords]
        # The pitches of a chord are those of the step before, as far as they can be.
        assign_voices([[(pitch, False) for pitch in chord] for chord in chords], pitches, np.zeros_like(pitches, dtype=bool))
        return from_voices(pitches, steps, name=name)
    return _roll(chords, steps, name)


def _is_pitch(value: Any) -> bool:
    """Also 73.0, as the benchmark's files have it."""
    return type(value) in (int, float) and REST <= value <= 127 and value == int(value)


def _high_to_low(pitches: np.ndarray) -> np.ndarray:
    """Voices in the order of score, if they came the other way round."""
    return pitches[:, ::-1] if _rise([[pitch for pitch in row if pitch != REST] for row in pitches.tolist()]) > 0 else pitches


def _rise(chords: list[list[int]]) -> int:
    """More than 0 if chords mostly go up."""
    return sum(int(chord[-1] > chord[0]) - int(chord[-1] < chord[0]) for chord in chords if chord)


def _roll(chords: list[list[int]], steps: int, name: str) -> Piece:
    """One part, with a note for each pitch as long as it stays."""
    rows = []
    sounding: dict[int, int] = {}  # pitch -> step at which it began
    for step, chord in enumerate([*chords, []]):
        for pitch in [pitch for pitch in sounding if pitch not in chord]:
            begin = sounding.pop(pitch)
            rows.append((begin / steps, (step - begin) / steps, pitch, VELOCITY, 0))
        for pitch in chord:
            sounding.setdefault(pitch, step)
    return Piece(make_notes(rows), tempos=((0.0, TEMPO),), name=name)


# ---------------------------------------------------------------- the corpus of music21


def bach_version() -> str:
    """The version of music21. Raises UsageError if it is not installed."""
    if importlib.util.find_spec("music21") is None:
        raise UsageError("bach: the chorales come with music21, which is not installed: pip install 'artgen[bach]'")
    from importlib.metadata import version

    return version("music21")


def read_bach(advance: Callable[[int, int], object] | None = None) -> tuple[list[Piece], dict[str, str]]:
    """The four-part chorales of music21's corpus, and why the other scores there were left out, by name.

    Of scores with instruments, the four voices. Fermatas do not count, repeats are played once; a pickup is a bar of its own
    length, and a bar that a repeat cuts is one bar. The tempo is artgen's: the scores have none.

    advance: called with how many scores were read, and of how many. Raises UsageError without music21 or its corpus.
    """
    bach_version()
    from music21 import converter, corpus

    paths = [Path(path) for path in corpus.corpora.CoreCorpus().getComposer("bach") if Path(path).suffix in SUFFIXES]
    if not paths:
        raise UsageError("bach: music21 is installed without its corpus; install it anew: pip install 'artgen[bach]'")
    pieces: list[Piece] = []
    left_out: dict[str, str] = {}
    for number, path in enumerate(sorted(paths, key=lambda path: path.name)):
        try:
            # Its cache would be pickles, which are never loaded.
            pieces.append(_from_score(converter.parse(path, forceSource=True, storePickle=False), path.stem))
        except _NoChorale as reason:
            left_out[path.stem] = str(reason)
        except Exception as error:  # a parser raises whatever it stumbles over
            left_out[path.stem] = f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0]}"
        if advance:
            advance(number + 1, len(paths))
    return pieces, left_out


class _NoChorale(Exception):
    """Why a score is not used."""


def _from_score(score: Any, name: str) -> Piece:
    parts = list(score.parts)
    named = is_satb([str(part.partName or "") for part in parts])
    if named is not None:
        parts = [parts[i] for i in named]
    elif len(parts) != len(SATB) or any(part.partName for part in parts):
        raise _NoChorale(f"{counted(len(parts), 'part')}, not one each for soprano, alto, tenor and bass")
    voices = [_notes(part) for part in parts]
    if not all(voices):
        raise _NoChorale("a voice without notes")
    if named is None:
        highest_first = sorted(range(len(SATB)), key=lambda i: -float(np.mean([pitch for _, _, pitch in voices[i]])))
        voices = [voices[i] for i in highest_first]
    rows = [(onset, length, pitch, VELOCITY, voice) for voice, notes in enumerate(voices) for onset, length, pitch in notes]
    return Piece(
        make_notes(rows),
        tuple(Part(voice, CHOIR) for voice in SATB),
        ((0.0, TEMPO),),
        _meters(parts[0]),
        _key(parts[0], max(voices[-1])[2] % 12),
        name,
    )


def _notes(part: Any) -> list[tuple[float, float, int]]:
    """Onset, duration, pitch; tied notes are one, grace notes are left out."""
    return [
        (float(note.offset), float(note.quarterLength), int(pitch.midi))
        for note in part.stripTies().flatten().notes
        for pitch in note.pitches
        if note.quarterLength > 0
    ]


def _meters(part: Any) -> tuple[tuple[float, int, int], ...]:
    """Meters such that bars begin where the score has them; see `read_bach`."""
    measures = list(part.getElementsByClass("Measure"))
    begins = [float(measure.offset) for measure in measures]
    meters: list[tuple[float, int, int]] = []
    signature = (4, 4)
    at = 0
    while at < len(measures):
        sign = measures[at].timeSignature
        signature = (sign.numerator, sign.denominator) if sign is not None else signature
        whole = signature[0] * 4 / signature[1]
        after = at + 1
        if at:  # not a pickup: the rest of a bar may follow a repeat
            while after + 1 < len(begins) and begins[after + 1] - begins[at] <= whole and measures[after].timeSignature is None:
                after += 1
        length = begins[after] - begins[at] if after < len(begins) else whole
        beats = length * signature[1] / 4
        now = signature if length == whole or not 0 < beats < 256 or beats != int(beats) else (int(beats), signature[1])
        if not meters or meters[-1][1:] != now:
            meters.append((begins[at], *now))
        at = after
    return tuple(meters) or ((0.0, 4, 4),)


def _key(part: Any, last_bass: int) -> tuple[tuple[float, int, bool], ...]:
    """The key of the signature whose tonic the bass ends on; else the mode that the score says, or major."""
    signs = list(part.flatten().getElementsByClass("KeySignature"))
    if not signs:
        return ()
    tonic = 7 * signs[0].sharps % 12
    minor = last_bass == (tonic + 9) % 12 or (last_bass != tonic and getattr(signs[0], "mode", None) == "minor")
    return ((0.0, (tonic + 9 * minor) % 12, bool(minor)),)
