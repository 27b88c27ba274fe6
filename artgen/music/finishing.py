"""What is done to a piece that a model made: its key, tempo, instruments and range. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from artgen.errors import UsageError, counted
from artgen.metrics.music_keys import Key, estimate_key, pitch_class_weights
from artgen.music.config import MusicSampleConfig
from artgen.music.instruments import Range, instrument_name, parse_instrument, parse_range
from artgen.music.keys import parse_key
from artgen.music.piece import Part, Piece, sort_notes


def check_finish(options: MusicSampleConfig) -> None:
    """Raises UsageError for a key, an instrument or a range that there is not."""
    if options.key is not None:
        parse_key(options.key)
    for name in options.instrument or ():
        parse_instrument(name)
    if options.play_range is not None:
        low, high = parse_range(options.play_range)
        if high - low < 11:
            raise UsageError(f"play_range {options.play_range!r}: less than an octave, notes are moved into it by octaves")


def key_of(piece: Piece) -> Key | None:
    """The key that the piece as a whole is in; None where it has none."""
    return estimate_key(pitch_class_weights(piece))


def fits_key(piece: Piece, key: str | None) -> bool:
    """Whether transposing can bring a piece into the key: it is major where major was asked for, and minor where minor."""
    minor = parse_key(key)[1] if key else None
    found = key_of(piece) if minor is not None else None
    return found is None or found.minor == minor


def finish(piece: Piece, options: MusicSampleConfig, tempo: float) -> Piece:
    """The piece as asked for. tempo: quarter notes a minute where none was asked for and the piece has one tempo only."""
    piece = into_key(piece, options.key) if options.key else piece
    if options.play_range:
        piece = into_range(piece, parse_range(options.play_range), keep_key=options.key is not None)
    if options.instrument:
        piece = played_by(piece, options.instrument)
    wanted = options.tempo or tempo
    if options.tempo or len(piece.tempos) == 1:
        piece = replace(piece, tempos=((0.0, float(wanted)),))
    return replace(piece, keys=_keys(piece))


def into_key(piece: Piece, key: str) -> Piece:
    """Transposed by at most a tritone, so that its tonic is the key's. A piece without a key stays as it is."""
    found = key_of(piece)
    if found is None:
        return piece
    return piece.transposed((parse_key(key)[0] - found.tonic + 6) % 12 - 6)


def into_range(piece: Piece, bounds: Range, keep_key: bool = False) -> Piece:
    """The piece moved as a whole to where most of its notes are within bounds, and those still outside by octaves.

    keep_key: it is moved by octaves only. Drums stay. Voices may meet where notes were moved by octaves.
    """
    low, high = bounds
    sounding = ~np.array([part.is_drum for part in piece.parts], dtype=bool)[piece.notes["part"]]
    pitch = piece.notes["pitch"].astype(int)
    if not sounding.any():
        return piece
    step = 12 if keep_key else 1
    shifts = [shift for shift in range(-60, 61) if shift % step == 0]

    def cost(shift: int) -> tuple[int, int]:
        moved = pitch[sounding] + shift
        return int(np.maximum(0, np.maximum(low - moved, moved - high)).sum()), abs(shift)

    moved = pitch + min(shifts, key=cost)
    below, above = np.maximum(0, -((moved - low) // 12)), np.maximum(0, -((high - moved) // 12))
    notes = piece.notes.copy()
    notes["pitch"] = np.where(sounding, moved + 12 * below - 12 * above, pitch)
    return replace(piece, notes=sort_notes(notes))


def played_by(piece: Piece, names: list[str]) -> Piece:
    """With these instruments: one for all parts but drums, or one for each of them. Raises UsageError where the numbers differ."""
    pitched = [i for i, part in enumerate(piece.parts) if not part.is_drum]
    if len(names) not in (1, len(pitched)):
        raise UsageError(
            f"instrument: {len(names)} are named for {counted(len(pitched), 'part')}, expected one for all of them or one for each"
        )
    programs = [parse_instrument(name) for name in names] * (len(pitched) if len(names) == 1 else 1)
    parts = list(piece.parts)
    for i, program in zip(pitched, programs, strict=True):
        parts[i] = Part(parts[i].name or instrument_name(program), program)
    return replace(piece, parts=tuple(parts))


def describe(piece: Piece) -> dict[str, Any]:
    """What a report says of a piece."""
    key = key_of(piece)
    return {"notes": len(piece.notes), "bars": len(piece.bars()) - 1, "key": str(key) if key else None}


def _keys(piece: Piece) -> tuple[tuple[float, int, bool], ...]:
    found = key_of(piece)
    return ((0.0, found.tonic, found.minor),) if found else ()
