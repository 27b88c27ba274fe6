"""The pictures that a config names: files, folders, globs and demo sets, each with its class. Imports no torch.

Only finds them; a file that turns out to be no picture is the decoder's business (artgen.data.picture_decoding).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from artgen.data.finding import Identity, files_matching, identity, is_same, printable
from artgen.data.picture_config import DEMO_SETS, PictureDataConfig
from artgen.errors import ArtgenError, UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm", ".tga")
FOREIGN = (".heic", ".heif", ".svg", ".psd", ".xcf", ".dng", ".cr2", ".nef", ".arw")  # pictures that Pillow cannot read


@dataclass(frozen=True)
class PictureFile:
    """One picture to read, or to draw if it is of a demo set."""

    name: str  # what messages and lists call it; printable, on one line
    path: Path | None  # None: number `index` of the demo set `class_name`
    class_name: str  # the first folder below the one that was named, or that one itself
    identity: Identity
    index: int = 0
    problem: str = ""  # why it cannot be read, if that is known already


@dataclass
class Found:
    """What there is to read, in order, and what a user should know about the rest."""

    files: list[PictureFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_pictures(config: PictureDataConfig) -> Found:
    """What `config.path` names: folders and globs as the pictures in them, sorted; every file once. Reads none of them.

    Raises UsageError where there is nothing to read.
    """
    found = Found()
    known: dict[Identity, PictureFile] = {}
    for entry in dict.fromkeys(config.path):
        for file in _find(entry, config, found):
            known.setdefault(file.identity, file)
    found.files = list(known.values())
    return found


def check_unchanged(files: list[PictureFile]) -> None:
    """Raises ArtgenError if a file is not the one that was found."""
    for file in files:
        if file.path and not file.problem and not is_same(file.path, file.identity):
            raise ArtgenError(f"{file.name}: was changed while it was read; try again")


# ---------------------------------------------------------------- finding


def _find(entry: str, config: PictureDataConfig, found: Found) -> list[PictureFile]:
    if entry in DEMO_SETS:
        count, seed = config.demo.count, config.demo.seed
        return [PictureFile(f"{entry} {seed}:{index}", None, entry, (entry, seed, index), index) for index in range(count)]
    if not entry:
        raise UsageError("data.path: an empty name, expected a file, a folder or a demo set")
    path, name = Path(entry), printable(entry)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        matching = [path] if path.is_symlink() else files_matching(entry, DEMO_SETS, lead="no pictures: ")
        return [_file(file, file.parent) for file in matching]
    except ValueError:
        raise UsageError(f"{name}: not a file name") from None
    except OSError as error:  # among others: a link to itself
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        files = [_file(file, path) for file in _walk(path, set(), found)]
        if not files:
            there = f" ({found.notes[-1]})" if found.notes else ""
            raise UsageError(f"{name}: no pictures: there is no {', '.join(SUFFIXES[:5])} or the like in this folder{there}")
        return files
    return [_file(path, path.parent)]


def _file(path: Path, folder: Path) -> PictureFile:
    """A file as found under `folder`. Whatever is wrong with it makes it a broken file, not an error: one of many may be."""
    below = path.relative_to(folder).parts
    class_name = below[0] if len(below) > 1 else Path(os.path.abspath(folder)).name
    name = printable(path)
    try:
        info = path.stat()
    except FileNotFoundError:
        problem = f"is a link to {printable(os.readlink(path))}, which does not exist" if path.is_symlink() else "is gone"
        return PictureFile(name, path, printable(class_name), (str(path), 0, 0), problem=problem)
    except OSError as error:
        return PictureFile(name, path, printable(class_name), (str(path), 0, 0), problem=error.strerror or str(error))
    problem = "" if stat.S_ISREG(info.st_mode) else "is not a file"
    problem = (
        problem or ("" if info.st_size else "is empty") or ("" if os.access(path, os.R_OK) else "no permission to read it")
    )
    return PictureFile(name, path, printable(class_name), identity(path, info), problem=problem)


def _walk(folder: Path, seen: set[tuple[int, int]], found: Found) -> Iterator[Path]:
    """The pictures in a folder and those in it, sorted. Links are followed, but no folder is entered twice, so that it ends."""
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
        found.notes.append(f"{printable(foreign[0])}{more}: a format that is not read, save it as PNG or JPEG; skipped")
