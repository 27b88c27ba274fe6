"""The files of music that a config names: files, folders, globs. Imports no torch.

Only finds them; a file that turns out to be no music is the reader's business.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from artgen.data.finding import Identity, files_matching, identity, is_same, printable
from artgen.data.music_config import BACH, MusicDataConfig
from artgen.errors import ArtgenError, UsageError

SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".json")
FOREIGN = (".mxl", ".musicxml", ".abc", ".krn", ".mscz", ".mscx", ".sib", ".gp5", ".mp3", ".wav", ".flac", ".ogg", ".m4a")


@dataclass(frozen=True)
class MusicFile:
    """One file to read."""

    name: str  # what messages and lists call it; printable, on one line
    path: Path
    identity: Identity
    problem: str = ""  # why it cannot be read, if that is known already

    @property
    def is_json(self) -> bool:
        return self.path.suffix.lower() == ".json"


@dataclass
class Found:
    """What there is to read, in order, and what a user should know about the rest."""

    has_bach: bool = False
    files: list[MusicFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_music(config: MusicDataConfig) -> Found:
    """What `config.path` names: folders and globs as the music in them, sorted; every file once. Reads none of them.

    Raises UsageError where there is nothing to read.
    """
    found = Found()
    known: dict[Identity, MusicFile] = {}
    for entry in dict.fromkeys(config.path):
        if entry == BACH:
            found.has_bach = True
            continue
        for file in _find(entry, found):
            known.setdefault(file.identity, file)
    found.files = list(known.values())
    return found


def check_unchanged(files: list[MusicFile]) -> None:
    """Raises ArtgenError if a file is not the one that was found."""
    for file in files:
        if not file.problem and not is_same(file.path, file.identity):
            raise ArtgenError(f"{file.name}: was changed while it was read; try again")


def _find(entry: str, found: Found) -> list[MusicFile]:
    if not entry:
        raise UsageError(f"data.path: an empty name, expected a file, a folder or {BACH}")
    path, name = Path(entry), printable(entry)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return [_file(file) for file in ([path] if path.is_symlink() else files_matching(entry, (BACH,), lead="no music: "))]
    except ValueError:
        raise UsageError(f"{name}: not a file name") from None
    except OSError as error:  # among others: a link to itself
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from None
    if not stat.S_ISDIR(mode):
        return [_file(path)]
    files = [_file(file) for file in _walk(path, set(), found)]
    if not files:
        there = f" ({found.notes[-1]})" if found.notes else ""
        raise UsageError(f"{name}: no music: there is no {', '.join(SUFFIXES[:2])} or {SUFFIXES[-1]} in this folder{there}")
    return files


def _file(path: Path) -> MusicFile:
    """A file as found. Whatever is wrong with it makes it a broken file, not an error: one of many may be."""
    name = printable(path)
    try:
        info = path.stat()
    except FileNotFoundError:
        problem = f"is a link to {printable(os.readlink(path))}, which does not exist" if path.is_symlink() else "is gone"
        return MusicFile(name, path, (str(path), 0, 0), problem)
    except OSError as error:
        return MusicFile(name, path, (str(path), 0, 0), error.strerror or str(error))
    problem = ""
    if not stat.S_ISREG(info.st_mode):
        problem = "is not a file"
    elif not info.st_size:
        problem = "is empty"
    elif not os.access(path, os.R_OK):
        problem = "no permission to read it"
    return MusicFile(name, path, identity(path, info), problem)


def _walk(folder: Path, seen: set[tuple[int, int]], found: Found) -> Iterator[Path]:
    """The music in a folder and those in it, sorted. Links are followed, but no folder is entered twice, so that it ends."""
    try:
        info = folder.stat()
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"{printable(folder)}: cannot be read: {error.strerror}") from None
    seen.add((info.st_dev, info.st_ino))
    foreign = []
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        if path.is_dir():
            info = path.stat()
            if (info.st_dev, info.st_ino) in seen:
                found.notes.append(f"{printable(path)}: is a link to a folder that was read already; skipped")
            else:
                yield from _walk(path, seen, found)
        elif name.lower().endswith(SUFFIXES):
            yield path
        elif name.lower().endswith(FOREIGN):
            foreign.append(path)
    if foreign:
        more = f" and {len(foreign) - 1:,} more like it" if len(foreign) > 1 else ""
        found.notes.append(f"{printable(foreign[0])}{more}: a format that is not read, save it as MIDI; skipped")
