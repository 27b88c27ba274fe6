"""Music as MIDI files, with the recipe inside. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from artgen.errors import ArtgenError, UsageError
from artgen.files import atomic_write, check_writable
from artgen.media.midi_events import META, MOST_BYTES, Event, MidiEvents, read_events, write_events
from artgen.media.midi_notes import DRUMS, KEY, METER, NAME, PORT, TEMPO, to_piece
from artgen.media.recipe import FORMAT, FileRecipes, Recipe, carried_recipes, to_json
from artgen.music.piece import Notes, Piece

SUFFIXES = (".mid", ".midi")
TEXT, PROGRAM, NOTE_ON, NOTE_OFF = 0x01, 0xC0, 0x90, 0x80
TEXT_BYTES = 60_000  # a longer recipe is in several texts: some readers refuse long ones
DIVISIONS = (480, 384, 1024, 220, 1000, 10_080)  # ticks to a quarter note: the first that all notes are on is taken, …
FINEST = 30_240  # … or else this one, 2^5 3^3 5 7
CHANNELS = [channel for channel in range(16) if channel != DRUMS]


def read_midi(path: Path | str) -> Piece:
    """The piece in a MIDI file, at the places that its ticks say. Its name is that of the file, without the ending.

    Raises UsageError, one line that begins with the name, if there is no such file, or it is no MIDI file, or no music (see
    `artgen.media.midi_notes.to_piece`).
    """
    path = Path(path)
    return parse_midi(_read(path), str(path), path.stem)


def parse_midi(data: bytes, where: str, name: str = "") -> Piece:
    """`read_midi`, of bytes. where: what messages begin with."""
    return to_piece(read_events(data, where), where, name)


def write_midi(piece: Piece, out: Path | str, recipes: Sequence[Recipe] = (), force: bool = False) -> Path:
    """Writes a piece as a MIDI file; returns it. The same piece and recipes make the same bytes.

    Raises UsageError as `check_midi`, and as `artgen.files.atomic_write`.
    """
    check_midi(out, force)
    atomic_write(Path(out), midi_bytes(piece, recipes), force)
    return Path(out)


def check_midi(out: Path | str, force: bool = False) -> None:
    """Raises what `write_midi` would about the place."""
    if Path(out).suffix.lower() not in SUFFIXES:
        raise UsageError(f"{out}: expected a name that ends in {' or '.join(SUFFIXES)}")
    check_writable(Path(out), force)


def midi_bytes(piece: Piece, recipes: Sequence[Recipe] = ()) -> bytes:
    """A piece as the bytes of a MIDI file: a track of tempos, meters, keys and the recipes, then one for each part.

    The 16th part that is no drums, and those after it, are on another MIDI port, as there are 15 channels for them. A note that
    begins while the same pitch sounds in its part ends the one before.
    """
    if not recipes:
        return write_events(_events(piece, ""))
    digest = _digest(parse_midi(write_events(_events(piece, "")), "the piece"))
    return write_events(_events(piece, to_json(recipes, notes_sha256=digest)))


def read_recipe(path: Path) -> FileRecipes:
    """The recipes of a MIDI file. Whether it is unchanged is known by what it plays: a program may pack it in another way.

    Raises UsageError if there is no such file, or it is no MIDI file, or carries no recipe.
    """
    midi = read_events(_read(path), str(path))
    texts = [data[1:] for events in midi.tracks for _, status, data in events if status == META and data[0] == TEXT]
    first = next((i for i, text in enumerate(texts) if FORMAT.encode() in text[:100]), None)
    carried = None
    if first is not None:
        carried = b"".join(texts[first:]).decode("utf-8", "replace")
        with suppress(ValueError, RecursionError):  # which from_json will say
            carried = carried[: json.JSONDecoder().raw_decode(carried)[1]]  # other texts may follow
    recipes, digest = carried_recipes(carried, path, "notes_sha256")
    return FileRecipes(recipes, unchanged=digest == _digest(to_piece(midi, str(path))))


def _read(path: Path) -> bytes:
    """The bytes of a file, not more than can be MIDI."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, expected a MIDI file") from None
    except (OSError, ValueError) as error:
        raise ArtgenError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _digest(piece: Piece) -> str:
    """SHA-256 of all that is played."""
    parts = [[part.name, part.program, part.is_drum] for part in piece.parts]
    said = [piece.notes.tolist(), parts, piece.tempos, piece.meters, piece.keys]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


# ---------------------------------------------------------------- encoding


def _events(piece: Piece, recipe: str) -> MidiEvents:
    if not len(piece.notes):
        raise ValueError("a piece without notes")
    division = _division(piece)
    midi = MidiEvents(division, [_conductor(piece, recipe, division)])
    notes = _on_ticks(piece.notes, division)
    n_pitched = 0
    for number, part in enumerate(piece.parts):
        port, channel = (0, DRUMS) if part.is_drum else (n_pitched // len(CHANNELS), CHANNELS[n_pitched % len(CHANNELS)])
        n_pitched += not part.is_drum
        track = [_meta(0, NAME, part.name.encode("utf-8", "replace"))] if part.name else []
        track += [_meta(0, PORT, bytes([port]))] if port else []
        track.append((0, PROGRAM | channel, bytes([part.program])))
        begins_and_ends = []  # an end comes before a beginning at the same tick
        for onset, end, pitch, velocity, _ in notes[notes[:, 4] == number].tolist():
            begins_and_ends.append((onset, 1, pitch, velocity))
            begins_and_ends.append((end, 0, pitch, 0))
        for tick, is_on, pitch, velocity in sorted(begins_and_ends):
            track.append((tick, (NOTE_ON if is_on else NOTE_OFF) | channel, bytes([pitch, velocity])))
        midi.tracks.append(track)
    return midi


def _conductor(piece: Piece, recipe: str, division: int) -> list[Event]:
    """The first track."""
    track = [_meta(0, NAME, piece.name.encode("utf-8", "replace"))] if piece.name else []
    text = recipe.encode("utf-8", "replace")
    track += [_meta(0, TEXT, text[begin : begin + TEXT_BYTES]) for begin in range(0, len(text), TEXT_BYTES)]
    changes = []
    for quarter, beats, unit in piece.meters:
        clocks = min(255, 96 // unit)
        changes.append(_meta(round(quarter * division), METER, bytes([beats, unit.bit_length() - 1, clocks, 8])))
    for quarter, tonic, minor in piece.keys:
        sharps = (7 * (tonic - 9 * minor) + 5) % 12 - 5  # -5 to 6
        changes.append(_meta(round(quarter * division), KEY, bytes([sharps % 256, minor])))
    for quarter, tempo in piece.tempos:
        microseconds = round(6e7 / tempo) if tempo > 0 else 0
        if not 0 < microseconds < 1 << 24:
            raise UsageError(f"tempo: {tempo:g} quarter notes a minute cannot be written as MIDI, expected at least 3.6")
        changes.append(_meta(round(quarter * division), TEMPO, microseconds.to_bytes(3, "big")))
    return track + sorted(changes, key=lambda event: event[0])


def _meta(tick: int, kind: int, data: bytes) -> Event:
    return tick, META, bytes([kind]) + data


def _division(piece: Piece) -> int:
    """The fewest ticks to a quarter note, of some that are usual, with which every note is in its place."""
    onset = piece.notes["onset"]
    changes = [change[0] for change in (*piece.tempos, *piece.meters, *piece.keys)]
    places = np.unique(np.concatenate([onset, onset + piece.notes["duration"], changes]))
    for division in DIVISIONS:
        ticks = places * division
        if np.abs(ticks - np.round(ticks)).max() < 1e-4:
            return division
    return FINEST


def _on_ticks(notes: Notes, division: int) -> np.ndarray:
    """[n, 5]: onset and end in ticks, pitch, velocity, part; no pitch sounds twice at once in a part."""
    ticks = np.empty((len(notes), 5), dtype=np.int64)
    ticks[:, 0] = np.round(notes["onset"] * division)
    ticks[:, 1] = np.maximum(np.round((notes["onset"] + notes["duration"]) * division), ticks[:, 0] + 1)
    ticks[:, 2], ticks[:, 3], ticks[:, 4] = notes["pitch"], np.clip(notes["velocity"], 1, 127), notes["part"]
    ticks = ticks[
        np.lexsort((-ticks[:, 1], ticks[:, 0], ticks[:, 2], ticks[:, 4]))
    ]  # the longest of those that begin at once first
    same_key = (ticks[1:, [2, 4]] == ticks[:-1, [2, 4]]).all(axis=1)
    again = np.append(False, same_key & (ticks[1:, 0] == ticks[:-1, 0]))
    ticks = ticks[~again]
    same_key = (ticks[1:, [2, 4]] == ticks[:-1, [2, 4]]).all(axis=1)
    ticks[:-1, 1] = np.where(same_key, np.minimum(ticks[:-1, 1], ticks[1:, 0]), ticks[:-1, 1])
    return ticks
