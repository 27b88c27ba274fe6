"""Pieces of music, split into what is trained on and what is held out. Imports no torch.

Files are read once and kept in the cache, under a name made of the files' names, sizes and times; grid and split are made anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artgen.data.cache import cache_folder
from artgen.data.finding import printable
from artgen.data.music_config import MusicDataConfig
from artgen.data.music_files import Found, find_music
from artgen.data.music_store import Stored, StoredPiece, stored_bach, stored_files
from artgen.data.pictures import split
from artgen.errors import UsageError, counted
from artgen.music.piece import Piece

FEWEST = 2  # one to train on and one held out
FEW = 20  # under which a user is told what to expect
NAMED = 8  # broken files that get a line each
TICKS = 960  # to a quarter note: pieces that are the same in these are copies
OFF_GRID = 0.1  # steps from the grid, from which on an onset is not on it
MANY_OFF_GRID = 0.05  # share of onsets not on the grid, from which on a user is told


@dataclass(frozen=True)
class MusicSet:
    """Pieces, on the grid that was asked for. Pieces that are the same but for the key are in the same part.

    Unless a file says which piece is in which part: then that holds.
    """

    train: tuple[Piece, ...]
    validation: tuple[Piece, ...]
    test: tuple[Piece, ...]  # only where a file says so
    train_sources: tuple[str, ...]  # the file that each is from
    validation_sources: tuple[str, ...]
    test_sources: tuple[str, ...]
    steps: int | None  # of the grid to a quarter note; None: expressive timing
    fingerprint: str  # SHA-256 of all that is played, and of the split; the same wherever the files lie
    left_out: str  # what was not used, in words
    warnings: tuple[str, ...]  # one line each, for the user

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Those to train on, those held out, those to test with."""
        return self.train + self.validation + self.test

    def describe(self) -> str:
        """One line, such as: 410 pieces with 93,000 notes on a grid of 4 steps to a quarter note."""
        n_notes = sum(len(piece.notes) for piece in self.pieces)
        grid = f"on a grid of {counted(self.steps, 'step')} to a quarter note" if self.steps else "with expressive timing"
        left_out = f" (left out: {self.left_out})" if self.left_out else ""
        return f"{counted(len(self.pieces), 'piece')} with {counted(n_notes, 'note')} {grid}{left_out}"


def load_music(config: MusicDataConfig, cache: Path | None = None) -> MusicSet:
    """The pieces that `config` names, read from the cache if they are there.

    cache: None is `cache_folder()`. Several processes may read the same files at the same time.
    Raises UsageError where there are too few pieces (broken files are left out, unless `config.strict`), ArtgenError where the
    cache cannot be written.
    """
    cache = cache or cache_folder()
    found = find_music(config)
    scores = stored_bach(cache) if found.has_bach else Stored([], [])
    files = stored_files(found.files, config.json_steps, cache) if found.files else Stored([], [])
    if config.strict and files.broken:
        raise UsageError(f"{files.broken[0]} (data.strict refuses broken files)")
    pieces = _without_copies([*scores.pieces, *files.pieces])
    n_copies = len(scores.pieces) + len(files.pieces) - len(pieces)
    left_out = _in_words(
        (n_copies, "copy", "copies"),
        (len(scores.broken), "score not in four voices", "scores not in four voices"),
        (len(files.broken), "broken file", "broken files"),
    )
    if len(pieces) < FEWEST:
        raise UsageError(_too_few(config, len(pieces), left_out, files.broken))
    parts = _parts(pieces, config.validation)
    if not parts["train"] or not parts["validation"]:
        raise UsageError(
            f"data.path: {counted(len(parts['train']), 'piece')} to train on and {len(parts['validation'])} held out, "
            "expected at least one of each"
        )
    grid = {name: tuple(_on_grid(each.piece, config.steps) for each in mine) for name, mine in parts.items()}
    sources = {name: tuple(each.source for each in mine) for name, mine in parts.items()}
    return MusicSet(
        grid["train"],
        grid["validation"],
        grid["test"],
        sources["train"],
        sources["validation"],
        sources["test"],
        steps=config.steps,
        fingerprint=_fingerprint(grid, config.steps),
        left_out=left_out,
        warnings=tuple(_warnings(config, found, pieces, files.broken)),
    )


def transpositions(piece: Piece, semitones: tuple[int, int]) -> range:
    """By how much a piece can be transposed, in semitones: from the lowest to the highest, without leaving MIDI's pitches.

    Drums do not count. `Piece.transposed` does it.
    """
    pitch = piece.notes["pitch"][~np.array([part.is_drum for part in piece.parts], dtype=bool)[piece.notes["part"]]]
    if not len(pitch):
        return range(1)
    return range(max(semitones[0], -int(pitch.min())), min(semitones[1], 127 - int(pitch.max())) + 1)


# ---------------------------------------------------------------- copies and the split


def _content(piece: Piece, any_key: bool) -> str:
    """Hash of what is played, whatever the tempo, velocities and instruments; in any key: from the first pitch on."""
    drums = np.array([part.is_drum for part in piece.parts], dtype=bool)[piece.notes["part"]]
    begin, length = np.round(piece.notes["onset"] * TICKS), np.round(piece.notes["duration"] * TICKS)
    pitch = piece.notes["pitch"].astype(np.int64)
    rows = np.stack([begin.astype(np.int64), length.astype(np.int64), pitch, drums.astype(np.int64)], axis=1)
    if any_key and not drums.all():
        first = rows[~drums & (begin == begin[~drums].min()), 2].min()
        rows[~drums, 2] -= first
    rows = rows[np.lexsort(rows.T[::-1])]
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()


def _without_copies(pieces: list[StoredPiece]) -> list[StoredPiece]:
    """The first of the pieces that are the same. What a file puts into a part stays there, copies too."""
    kept, seen = [], set()
    for each in pieces:
        content = _content(each.piece, any_key=False)
        if each.split or content not in seen:
            kept.append(each)
        seen.add(content)
    return kept


def _parts(pieces: list[StoredPiece], share: float) -> dict[str, list[StoredPiece]]:
    """train, validation, test."""
    parts: dict[str, list[StoredPiece]] = {
        name: [each for each in pieces if each.split == name] for name in ("train", "validation", "test")
    }
    free = [each for each in pieces if not each.split]
    if not free and not parts["validation"]:
        free, parts["train"] = parts["train"], []
    if free:
        contents = [_content(each.piece, any_key=True) for each in free]
        if len(set(contents)) > 1:
            held_out = split(contents, [0] * len(free), contents, share)
        else:
            held_out = np.zeros(len(free), dtype=np.bool_)
        parts["train"] += [each for each, held in zip(free, held_out, strict=True) if not held]
        parts["validation"] += [each for each, held in zip(free, held_out, strict=True) if held]
    return parts


def _on_grid(piece: Piece, steps: int | None) -> Piece:
    return piece.quantised(steps) if steps else piece


def _fingerprint(parts: dict[str, tuple[Piece, ...]], steps: int | None) -> str:
    digest = hashlib.sha256(json.dumps(steps).encode())
    for name, pieces in parts.items():
        for piece in pieces:
            instruments = [[part.program, part.is_drum] for part in piece.parts]
            said = [name, len(piece.notes), instruments, piece.tempos, piece.meters, piece.keys]
            digest.update(json.dumps(said).encode())
            digest.update(piece.notes.tobytes())
    return digest.hexdigest()


# ---------------------------------------------------------------- what a user should know


def _warnings(config: MusicDataConfig, found: Found, pieces: list[StoredPiece], broken: list[str]) -> list[str]:
    lines = [*found.notes, *[f"{problem}; skipped" for problem in broken[:NAMED]]]
    if len(broken) > NAMED:
        lines.append(f"{len(broken) - NAMED:,} more broken files were skipped, {len(broken):,} in all")
    if config.steps:
        onsets = np.concatenate([each.piece.notes["onset"] for each in pieces]) * config.steps
        off = float((np.abs(onsets - np.round(onsets)) > OFF_GRID).mean())
        if off >= MANY_OFF_GRID:
            lines.append(
                f"{off:.0%} of the notes begin off the grid of {counted(config.steps, 'step')} to a quarter note and were moved; "
                "a finer data.steps or null, for no grid, moves fewer"
            )
    if len(pieces) < FEW:
        lines.append(
            f"{counted(len(pieces), 'piece')} are very few: expect variations on them; 50 are a beginning, 200 give variety"
        )
    return lines


def _too_few(config: MusicDataConfig, n_pieces: int, left_out: str, broken: list[str]) -> str:
    where = printable(", ".join(config.path))
    count = "one piece" if n_pieces else "no music"
    why = f" (left out: {left_out}" + (f"; {broken[0]})" if broken else ")") if left_out else ""
    return f"{where}: {count}{why}, expected at least {FEWEST} pieces: one to train on and one held out; 50 are a beginning"


def _in_words(*counts: tuple[int, str, str]) -> str:
    return ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count)
