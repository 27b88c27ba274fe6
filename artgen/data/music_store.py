"""Pieces of music that were read once, kept in the cache. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from artgen.data.cache import cached
from artgen.data.finding import printable
from artgen.data.music_files import MusicFile, check_unchanged
from artgen.errors import ArtgenError
from artgen.media.midi import read_midi
from artgen.music.chorale_files import bach_version, read_bach, read_chorale_json
from artgen.music.piece import NOTE, Part, Piece

FORMAT = 1  # a change of it, or of what is read out of a file, reads all anew
NOTES, FACTS = "notes.npz", "pieces.json"


@dataclass(frozen=True)
class StoredPiece:
    """A piece and where it is from."""

    piece: Piece  # as it was read, on no grid
    source: str  # the file, with the place in it if it holds several
    split: str = ""  # train, validation, test, if the file says so


@dataclass(frozen=True)
class Stored:
    """What was read."""

    pieces: list[StoredPiece]
    broken: list[str]  # files, and what is wrong with each


def stored_bach(cache: Path) -> Stored:
    """The chorales of music21's corpus; `broken` are scores that are not in four voices. Reading them takes a minute, once.

    Raises UsageError if music21 is not installed.
    """
    key = _key([FORMAT, bach_version()])
    return cached(cache / "music" / f"bach-{key}", _open, _build_bach)


def stored_files(files: list[MusicFile], json_steps: int, cache: Path) -> Stored:
    """The music in files. Raises ArtgenError if one changes meanwhile, or the cache cannot be written."""
    key = _key([FORMAT, json_steps, [[file.name, file.identity, file.problem] for file in files]])
    return cached(cache / "music" / key, _open, lambda folder: _build_files(files, json_steps, folder))


def _key(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


# ---------------------------------------------------------------- reading


def _build_bach(folder: Path) -> None:
    with tqdm(desc="chorales", disable=not sys.stderr.isatty(), leave=False, delay=1) as bar:

        def advance(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        pieces, left_out = read_bach(advance)
    if not pieces:
        name, problem = next(iter(left_out.items()))
        raise ArtgenError(f"bach: no chorale of music21 can be read; {name}: {problem}")
    broken = [f"{name}: {problem}" for name, problem in left_out.items()]
    _write(Stored([StoredPiece(piece, piece.name) for piece in pieces], broken), folder)


def _build_files(files: list[MusicFile], json_steps: int, folder: Path) -> None:
    stored = Stored([], [])
    for file in tqdm(files, desc="pieces", disable=not sys.stderr.isatty(), leave=False, delay=1):
        if file.problem:
            stored.broken.append(f"{file.name}: {file.problem}")
            continue
        try:
            stored.pieces.extend(_read(file, json_steps))
        except ArtgenError as error:  # it begins with the name
            stored.broken.append(printable(str(error)))
    check_unchanged(files)
    _write(stored, folder)


def _read(file: MusicFile, json_steps: int) -> list[StoredPiece]:
    if not file.is_json:
        return [StoredPiece(read_midi(file.path), file.name)]
    return [
        StoredPiece(piece, f"{file.name}{piece.name.removeprefix(file.path.stem).replace(' ', ':')}", split)
        for split, pieces in read_chorale_json(file.path, json_steps).items()
        for piece in pieces
    ]


# ---------------------------------------------------------------- the cache


class _Facts(BaseModel):
    """What is beside the notes of a piece."""

    model_config = ConfigDict(extra="forbid")

    name: str
    source: str
    split: str
    n_notes: int
    parts: list[tuple[str, int, bool]]
    tempos: list[tuple[float, float]]
    meters: list[tuple[float, int, int]]
    keys: list[tuple[float, int, bool]]


class _AllFacts(BaseModel):
    """pieces.json."""

    model_config = ConfigDict(extra="forbid")

    pieces: list[_Facts]
    broken: list[str]


def _write(stored: Stored, folder: Path) -> None:
    facts = [
        _Facts(
            name=printable(piece.name),
            source=printable(each.source),
            split=each.split,
            n_notes=len(piece.notes),
            parts=[(part.name, part.program, part.is_drum) for part in piece.parts],
            tempos=list(piece.tempos),
            meters=list(piece.meters),
            keys=list(piece.keys),
        )
        for each in stored.pieces
        for piece in [each.piece]
    ]
    notes = np.concatenate([np.empty(0, dtype=NOTE), *[each.piece.notes for each in stored.pieces]])
    np.savez_compressed(folder / NOTES, **{name: notes[name] for name in NOTE.names or ()})  # type: ignore[arg-type]
    (folder / FACTS).write_text(_AllFacts(pieces=facts, broken=stored.broken).model_dump_json() + "\n", encoding="utf-8")


def _open(folder: Path) -> Stored | None:
    """The pieces in a folder; None if there are none, or it is not whole."""
    try:
        facts = _AllFacts.model_validate_json((folder / FACTS).read_bytes())
        with np.load(folder / NOTES, allow_pickle=False) as arrays:
            n_notes = sum(each.n_notes for each in facts.pieces)
            notes = np.empty(n_notes, dtype=NOTE)
            for name in NOTE.names or ():
                notes[name] = arrays[name]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    pieces, begin = [], 0
    for each in facts.pieces:
        mine, begin = notes[begin : begin + each.n_notes], begin + each.n_notes
        parts = tuple(Part(*part) for part in each.parts)
        piece = Piece(mine, parts, tuple(each.tempos), tuple(each.meters), tuple(each.keys), each.name)
        pieces.append(StoredPiece(piece, each.source, each.split))
    return Stored(pieces, facts.broken)
