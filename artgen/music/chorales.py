"""Music in a fixed number of voices, as most chorales are in four, and as an array of steps. Imports no torch.

How chorales come as files: artgen.music.chorale_files.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from artgen.errors import UsageError
from artgen.music.piece import Part, Piece, make_notes

REST = -1
SATB = ("Soprano", "Alto", "Tenor", "Bass")
CHOIR = 52  # General MIDI: Choir Aahs
TEMPO = 90.0
VELOCITY = 80
MIDDLE = (70, 65, 59, 52)  # pitches about which soprano, alto, tenor and bass move, where nothing went before
LET_GO = 100  # semitones that it costs to give a note that still sounds to another voice

Voices = NDArray[np.int64]
"""[steps, voices]: MIDI pitches, from the highest voice to the lowest; -1 is a rest."""

Holds = NDArray[np.bool_]
"""[steps, voices]: whether the note of the step before sounds on."""


def voices(piece: Piece, steps: int, n_voices: int = 4) -> Voices:
    """The pitches of a piece at every step, `steps` to a quarter note: [ceil(end * steps), n_voices]. See `voices_and_holds`."""
    return voices_and_holds(piece, steps, n_voices)[0]


def voices_and_holds(piece: Piece, steps: int, n_voices: int = 4) -> tuple[Voices, Holds]:
    """The pitches of a piece at every step, and where a note sounds on from the step before.

    A piece with so many parts (without drums) has a voice for each: in the order of their names if these say soprano, alto,
    tenor and bass, else from the highest mean pitch to the lowest. A note ends where the next one of its part begins; of notes
    that begin at once the highest is kept, in the lowest voice the lowest. Any other piece is taken for chords, whose notes go
    to the voices in the order of their pitches, and so that the voices move as little as they can.

    Raises UsageError if nothing but drums is in it, or more notes sound at once than there are voices.
    """
    grid = piece.quantised(steps)
    notes = grid.notes[~np.array([part.is_drum for part in piece.parts], dtype=bool)[grid.notes["part"]]]
    name = piece.name or "the piece"
    if not len(notes):
        raise UsageError(f"{name}: no notes but of drums, expected {n_voices} voices")
    begin = np.round(notes["onset"] * steps).astype(int)
    end = begin + np.round(notes["duration"] * steps).astype(int)
    pitch = notes["pitch"].astype(int)
    shape = (int(end.max()), n_voices)
    pitches, holds = np.full(shape, REST, dtype=np.int64), np.zeros(shape, dtype=bool)

    used = voice_parts([int(part) for part in np.unique(notes["part"])], piece, n_voices)
    if len(used) == n_voices:
        for voice, part in enumerate(used):
            mine = np.flatnonzero(notes["part"] == part)
            upward = pitch if voice < n_voices - 1 else -pitch
            mine = mine[np.lexsort((upward[mine], begin[mine]))]
            mine = mine[np.append(begin[mine][1:] != begin[mine][:-1], True)]  # the last of those that begin at once
            ends = np.minimum(end[mine], np.append(begin[mine][1:], shape[0]))
            for a, b, p in zip(begin[mine], ends, pitch[mine], strict=True):
                pitches[a:b, voice], holds[a + 1 : b, voice] = p, True
        return pitches, holds

    chords: list[list[tuple[int, bool]]] = [[] for _ in range(shape[0])]  # (pitch, whether it sounds on)
    for i in np.argsort(-pitch, kind="stable"):
        for step in range(begin[i], end[i]):
            chord = chords[step]
            if chord and chord[-1][0] == pitch[i]:  # two parts in unison
                chord[-1] = (chord[-1][0], chord[-1][1] and step > begin[i])
            else:
                chord.append((int(pitch[i]), bool(step > begin[i])))
    most = max(range(shape[0]), key=lambda step: len(chords[step]))
    if len(chords[most]) > n_voices:
        raise UsageError(
            f"{name}: {len(chords[most])} notes sound at once at quarter note {most / steps:g}, expected at most {n_voices}"
        )
    assign_voices(chords, pitches, holds)
    return pitches, holds


def from_voices(
    pitches: Voices,
    steps: int,
    tempo: float = TEMPO,
    holds: Holds | None = None,
    program: int = CHOIR,
    name: str = "",
) -> Piece:
    """The piece of the pitches [steps, voices] (-1 is a rest): a part for each voice.

    Equal pitches at steps that follow each other are one note, or, where `holds` [steps, voices] is given, only as far as it is
    true. The other way round, `voices_and_holds(piece, steps, n_voices)` gives both, without the rest at the end.
    """
    pitches = np.asarray(pitches)
    if pitches.ndim != 2 or (holds is not None and np.asarray(holds).shape != pitches.shape):
        raise ValueError(f"pitches {list(pitches.shape)}, holds {list(np.asarray(holds).shape)}, expected [steps, voices]")
    if pitches.size and not (pitches.min() >= REST and pitches.max() <= 127):
        raise ValueError("pitches outside -1 to 127")
    n_steps, n_voices = pitches.shape
    continues = np.zeros(pitches.shape, dtype=bool)
    continues[1:] = pitches[1:] == pitches[:-1]
    if holds is not None:
        continues &= holds
    rows = []
    for voice in range(n_voices):
        begins = np.flatnonzero(~continues[:, voice])
        for begin, end in zip(begins, [*begins[1:], n_steps], strict=True):
            if pitches[begin, voice] != REST:
                rows.append((float(begin / steps), float((end - begin) / steps), int(pitches[begin, voice]), VELOCITY, voice))
    names = SATB if n_voices == len(SATB) else [f"Voice {voice + 1}" for voice in range(n_voices)]
    return Piece(make_notes(rows), tuple(Part(name, program) for name in names), tempos=((0.0, float(tempo)),), name=name)


def assign_voices(chords: list[list[tuple[int, bool]]], pitches: Voices, holds: Holds) -> None:
    """Gives the notes of chords to voices, keeping their order, and so that the voices move as little as they can.

    chords: for each step, at most so many (pitch, whether it sounds on from the step before) as there are voices; pitches and
    holds: [steps, voices], which are filled.
    """
    n_voices = pitches.shape[1]
    last = np.interp(np.linspace(0, 1, n_voices), np.linspace(0, 1, len(MIDDLE)), MIDDLE).tolist()
    sounding: list[int] = [REST] * n_voices
    for step, chord in enumerate(chords):
        best: tuple[int, ...] = ()
        least = np.inf
        for taken in combinations(range(n_voices), len(chord)):
            cost = 0.0
            for voice, (pitch, sounds_on) in zip(taken, chord, strict=True):
                cost += abs(pitch - last[voice]) + LET_GO * (sounds_on and sounding[voice] != pitch)
            if cost < least:
                best, least = taken, cost
        before, sounding = sounding, [REST] * n_voices
        for voice, (pitch, sounds_on) in zip(best, chord, strict=True):
            pitches[step, voice], holds[step, voice] = pitch, sounds_on and before[voice] == pitch
            last[voice] = sounding[voice] = pitch


def is_satb(names: list[str]) -> list[int] | None:
    """Which of the parts with these names are soprano, alto, tenor and bass; None if it is not one each."""
    found = [[i for i, name in enumerate(names) if name.lower().startswith(voice.lower())] for voice in SATB]
    return [mine[0] for mine in found] if all(len(mine) == 1 for mine in found) else None


def voice_parts(used: list[int], piece: Piece, n_voices: int) -> list[int]:
    """These parts of a piece in the order of the voices: soprano to bass by their names, else from the highest to the lowest."""
    named = is_satb([piece.parts[part].name for part in used]) if n_voices == len(SATB) == len(used) else None
    if named:
        return [used[i] for i in named]
    return sorted(used, key=lambda part: -float(piece.notes["pitch"][piece.notes["part"] == part].mean()))
