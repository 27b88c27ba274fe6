"""What the readers of text and of pictures share when they look for files. Imports no torch."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterable
from pathlib import Path

from artgen.errors import UsageError

Identity = tuple[str | int, ...]
"""Changes with the content of a file; found without reading it."""


def identity(path: Path, info: os.stat_result) -> Identity:
    """The identity of the file at `path`, whose `stat` is `info`."""
    return (os.path.realpath(path), info.st_size, info.st_mtime_ns)


def is_same(path: Path, known: Identity) -> bool:
    """Whether the file at `path` is still the one that was found."""
    try:
        return identity(path, path.stat()) == known
    except OSError:
        return False


def files_matching(pattern: str, known: Iterable[str], lead: str = "") -> list[Path]:
    """The files that a glob names, sorted, no folders.

    Raises UsageError where there are none, with what was meant if that is among the names beside it or the `known` ones. lead:
    words that the message begins with, after the pattern.
    """
    name = printable(pattern)
    if not glob.has_magic(pattern):
        raise UsageError(f"{name}: no such file or folder{_meant(Path(pattern), known)}")
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    files = [path for path in matches if not path.is_dir()]
    if not files:
        what = "folders only, a glob takes files: end it in /*" if matches else "no file"
        raise UsageError(f"{name}: {lead}matches {what}")
    return files


def printable(name: Path | str) -> str:
    """A file name as messages show it. Names may hold line ends and bytes that are no UTF-8; these are written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))


def _meant(path: Path, known: Iterable[str]) -> str:
    """What a mistyped name may have meant."""
    try:
        beside = [name for name in os.listdir(path.parent) if not name.startswith(".")]
    except OSError:
        beside = []
    close = difflib.get_close_matches(path.name, [*beside, *known], n=1, cutoff=0.75)
    return f", did you mean {printable(close[0])!r}?" if close else ""
