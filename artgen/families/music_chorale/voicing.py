"""Pieces in four voices as arrays on a grid, where their steps are, and what of them is given. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artgen.errors import UsageError, counted
from artgen.families.music_chorale.config import VOICES
from artgen.music.chorales import REST, from_voices, is_satb, voice_parts, voices_and_holds
from artgen.music.instruments import pitch_name
from artgen.music.piece import NOTE, Part, Piece, sort_notes

N_VOICES = len(VOICES)
MOST_STEPS = 16_384
MOST_PHASES = 64  # steps of a bar that are told apart
NEAR = 64  # steps from the beginning and the end that are told apart
FAR = MOST_PHASES + 2 * NEAR  # how many kinds of place there are in all

Places = NDArray[np.int64]
"""[steps, 3]: steps since the bar began, since the piece began and until it ends, each as far as the network tells them apart."""


@dataclass(frozen=True)
class Voiced:
    """A piece as the network knows it, `T` steps long."""

    pitches: NDArray[np.int64]  # [T, 4]: MIDI pitches, from soprano to bass; -1 is a rest
    attacks: NDArray[np.bool_]  # [T, 4]: a note or a rest begins; elsewhere it goes on from the step before
    places: Places  # [T, 3]


@dataclass(frozen=True)
class Given:
    """What is to be completed."""

    voiced: Voiced
    mask: NDArray[np.bool_]  # [T, 4]: what is to be filled in
    source: Piece  # whose tempos and meters hold, and from which the notes of `kept` are taken
    kept: dict[int, int]  # voice that is given from beginning to end -> part of `source` that it is


def voiced(piece: Piece, steps: int, n_steps: int | None = None) -> Voiced:
    """A piece on a grid of `steps` to a quarter note. n_steps: its length, at least its own; beyond its end are rests.

    Raises UsageError where it is not in at most four voices, or longer than MOST_STEPS.
    """
    check_length(piece, steps)
    pitches, holds = voices_and_holds(piece, steps, N_VOICES)
    beyond = max(0, (n_steps or 0) - len(pitches))
    pitches = np.pad(pitches, ((0, beyond), (0, 0)), constant_values=REST)
    holds = np.pad(holds, ((0, beyond), (0, 0)))
    return Voiced(pitches, _begins(pitches, holds), places(piece, steps, len(pitches)))


def _begins(pitches: NDArray[np.int64], holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[steps, voices]: where notes begin, and rests that follow a note."""
    rests_on = np.zeros(pitches.shape, dtype=bool)
    rests_on[1:] = (pitches[1:] == REST) & (pitches[:-1] == REST)
    begins: NDArray[np.bool_] = ~holds & ~rests_on
    return begins


def check_length(piece: Piece, steps: int) -> None:
    """Raises UsageError for a piece that is too long."""
    if piece.end * steps > MOST_STEPS:
        raise UsageError(
            f"{piece.name or 'the piece'}: lasts {piece.end:,.0f} quarter notes, expected at most {MOST_STEPS // steps:,}"
        )


def places(piece: Piece, steps: int, n_steps: int) -> Places:
    """Where each of `n_steps` steps is, by the piece's meters."""
    begins = np.round(np.array(bar_lines(piece, n_steps / steps)) * steps).astype(np.int64)
    at = np.arange(n_steps)
    since_bar = at - begins[np.searchsorted(begins, at, side="right") - 1]
    near = [since_bar % MOST_PHASES, np.minimum(at, NEAR - 1), np.minimum(n_steps - 1 - at, NEAR - 1)]
    return np.stack(near, axis=1)


def bar_lines(piece: Piece, end: float) -> list[float]:
    """Where bars begin, in quarter notes, from 0 to the first one at or after `end`."""
    last = np.array([(0.0, end, 0, 1, 0)], dtype=NOTE)
    return replace(piece, notes=last).bars()


def end_of_bar(piece: Piece, bars: int) -> float:
    """Where so many bars end, in quarter notes, by the piece's meters and beyond its end."""
    longest = max(beats * 4 / unit for _, beats, unit in piece.meters)
    return bar_lines(piece, bars * longest)[bars]


# ---------------------------------------------------------------- what is given


def given_nothing(meters: tuple[tuple[float, int, int], ...], steps: int, bars: int) -> Given:
    """Everything is to be composed."""
    empty = Piece(np.empty(0, dtype=NOTE), (), meters=meters)
    n_steps = _steps(end_of_bar(empty, bars), steps)
    return Given(_blank(empty, steps, n_steps), np.ones((n_steps, N_VOICES), dtype=bool), empty, {})


def given_beginning(primer: Piece, steps: int, bars: int) -> Given:
    """The primer, and then what is to be composed, `bars` bars together. Raises UsageError where it leaves nothing to compose."""
    begin = voiced(primer, steps)
    n_begin, n_steps = len(begin.pitches), _steps(end_of_bar(primer, bars), steps)
    if n_begin >= n_steps:
        raise UsageError(
            f"{primer.name or 'primer'}: has {counted(len(primer.bars()) - 1, 'bar')}, and the piece {counted(bars, 'bar')} with "
            "them, which leaves nothing to compose: more bars, or a shorter primer"
        )
    mask = np.arange(n_steps)[:, None].repeat(N_VOICES, axis=1) >= n_begin
    return Given(voiced(primer, steps, n_steps), mask, primer, {})


def given_melody(melody: Piece, voice: str, steps: int, name: str = "") -> Given:
    """A melody that is one voice of what is to be filled in. Raises UsageError where it is not one line."""
    name = name or melody.name or "the melody"
    check_length(melody, steps)
    drums = np.array([part.is_drum for part in melody.parts], dtype=bool)
    notes = melody.notes[~drums[melody.notes["part"]]]
    if not len(notes):
        raise UsageError(f"{name}: no notes but of drums, expected a melody")
    line = Piece(notes, melody.parts, melody.tempos, melody.meters, melody.keys, melody.name)
    grid = line.quantised(steps).notes
    at_once = np.flatnonzero(grid["onset"][1:] < np.maximum.accumulate(grid["onset"] + grid["duration"])[:-1] - 1e-9)
    if len(at_once):
        raise UsageError(
            f"{name}: more than one note at once at quarter note {grid['onset'][at_once[0] + 1]:g}, expected a melody "
            "(of a piece in four voices, say which are to be new: --replace alto or --bars 5-8)"
        )
    notes = notes.copy()
    notes["part"] = 0
    line = Piece(sort_notes(notes), (Part(VOICES[0]),), melody.tempos, melody.meters, melody.keys, name)
    pitches, holds = voices_and_holds(line, steps, 1)
    mine = VOICES.index(voice)
    blank = _blank(line, steps, len(pitches))
    blank.pitches[:, mine], blank.attacks[:, mine] = pitches[:, 0], _begins(pitches, holds)[:, 0]
    mask = np.ones(blank.pitches.shape, dtype=bool)
    mask[:, mine] = False
    return Given(blank, mask, line, {mine: 0})


def given_voices(
    piece: Piece, steps: int, new: Sequence[str] = (), bars: tuple[int, int] | None = None, name: str = ""
) -> Given:
    """A piece in four voices of which some are to be new: those named, else all; in bars first to last, else in all.

    Raises UsageError where it is not in four voices, or has not so many bars.
    """
    name = name or piece.name or "the piece"
    parts = _voice_parts(piece)
    pitched = [i for i in np.unique(piece.notes["part"]).tolist() if not piece.parts[i].is_drum]
    whole = voiced(replace(piece, name=name), steps)
    silent = [voice for i, voice in enumerate(VOICES) if (whole.pitches[:, i] == REST).all() and voice not in new]
    if len(pitched) > N_VOICES or silent:
        there = f"{len(pitched)} parts" if len(pitched) > N_VOICES else f"none for {' and '.join(silent)}"
        raise UsageError(f"{name}: expected four voices, found {there} (of a melody, --voice says which voice it is)")
    mask = np.zeros(whole.pitches.shape, dtype=bool)
    mask[:, [VOICES.index(voice) for voice in new] or slice(None)] = True
    if bars is not None:
        lines = piece.bars()
        if not 1 <= bars[0] <= bars[1] < len(lines):
            raise UsageError(
                f"{name}: there are no bars {bars[0]} to {bars[1]}, it has {counted(len(lines) - 1, 'bar')} (a pickup is bar 1)"
            )
        begin, end = _steps(lines[bars[0] - 1], steps), _steps(lines[bars[1]], steps)
        mask[:begin] = mask[end:] = False
    kept = {voice: parts[voice] for voice in range(N_VOICES) if parts and not mask[:, voice].any()}
    return Given(whole, mask, replace(piece, name=name), kept)


def check_pitches(given: Given, ranges: Sequence[tuple[int, int]], name: str) -> None:
    """Raises UsageError where a given voice leaves what the run's voices sing: `ranges` are the lowest and highest pitch of each."""
    for voice, (low, high) in enumerate(ranges):
        pitches = given.voiced.pitches[~given.mask[:, voice], voice]
        pitches = pitches[pitches != REST]
        outside = pitches[(pitches < low) | (pitches > high)]
        if not len(outside):
            continue
        lowest, highest = int(pitches.min()), int(pitches.max())
        fitting = [shift for shift in range(-60, 61) if lowest + shift >= low and highest + shift <= high]
        fitting.sort(key=lambda shift: (shift % 12 != 0, abs(shift)))
        advice = f"--transpose {fitting[0]} brings it there" if fitting else "it is too wide for any of its voices"
        raise UsageError(
            f"{name}: the {VOICES[voice]} goes from {pitch_name(lowest)} to {pitch_name(highest)}, this run's from "
            f"{pitch_name(low)} to {pitch_name(high)}: {advice}"
        )


# ---------------------------------------------------------------- and back


def to_piece(pitches: NDArray[np.int64], attacks: NDArray[np.bool_], given: Given, steps: int, parts: Sequence[Part]) -> Piece:
    """The piece of filled voices [T, 4], with the notes of the given voices as they were, and the source's tempos and meters.

    parts: who sings, from soprano to bass; where the source has four voices, those who sang there.
    """
    made = from_voices(pitches, steps, holds=~attacks)
    notes = [made.notes[~np.isin(made.notes["part"], list(given.kept))]]
    for voice, part in given.kept.items():
        mine = given.source.notes[given.source.notes["part"] == part].copy()
        mine["part"] = voice
        notes.append(mine)
    source = given.source
    own = _voice_parts(source)
    parts = tuple(source.parts[part] for part in own) if own else tuple(parts)
    tempos = source.tempos if len(source.notes) else made.tempos
    return Piece(sort_notes(np.concatenate(notes)), parts, tempos, source.meters, source.keys)


def choir(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Four parts from soprano to bass: those of the run if they are these, else four with the program of its first one."""
    order = is_satb([part.name for part in parts]) if len(parts) == N_VOICES else None
    if order:
        return tuple(parts[i] for i in order)
    program = next((part.program for part in parts if not part.is_drum), 0)
    return tuple(Part(voice.capitalize(), program) for voice in VOICES)


def _steps(quarters: float, steps: int) -> int:
    return round(quarters * steps)


def _blank(piece: Piece, steps: int, n_steps: int) -> Voiced:
    if n_steps > MOST_STEPS:
        raise UsageError(f"{n_steps / steps:,.0f} quarter notes are too many, expected at most {MOST_STEPS // steps:,}")
    shape = (n_steps, N_VOICES)
    return Voiced(np.full(shape, REST, dtype=np.int64), np.zeros(shape, dtype=bool), places(piece, steps, n_steps))


def _voice_parts(piece: Piece) -> list[int] | None:
    """The part of each voice, from soprano to bass, as `voices_and_holds` orders them; None where there are not four parts."""
    used = [int(i) for i in np.unique(piece.notes["part"]) if not piece.parts[i].is_drum]
    return voice_parts(used, piece, N_VOICES) if len(used) == N_VOICES else None


def within(piece: Piece, ranges: Sequence[tuple[int, int]], shifts: Sequence[int] = range(-12, 13)) -> Piece:
    """A piece in four voices, moved by as little as possible to where each voice is within its range. shifts: by how many semitones
    it may be moved.

    A network that learned from transposed pieces knows no keys, and may begin too low for a choir.
    """
    pitch, voice = piece.notes["pitch"].astype(int), piece.notes["part"]
    low, high = (np.array([bounds[end] for bounds in ranges])[voice] for end in (0, 1))

    def cost(shift: int) -> tuple[int, int]:
        moved = pitch + shift
        return int(np.maximum(0, np.maximum(low - moved, moved - high)).sum()), abs(shift)

    return piece.transposed(min(shifts, key=cost))
