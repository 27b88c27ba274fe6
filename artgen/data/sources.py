"""The documents that a config names: files, folders, globs, standard input, the embedded manual, known sets.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from artgen.data.cache import cache_folder, new_file
from artgen.data.finding import Identity, files_matching, identity, is_same
from artgen.data.reading import CHUNK, Advance, check_binary, json_documents, read_chunks, read_records
from artgen.data.text_config import DOWNLOADS, EMBEDDED, STANDARD_INPUT, TextDataConfig
from artgen.data.transforms import Piece, Tally, split_documents, transform
from artgen.errors import ArtgenError, UsageError

SUFFIXES = (".txt", ".md", ".json", ".jsonl")  # what is read of a folder


@dataclass(frozen=True)
class Source:
    """Something to read: a file, or the embedded manual."""

    name: str  # what messages call it
    path: Path | None  # None: the embedded manual
    identity: Identity
    n_bytes: int = 0
    is_stream: bool = False  # it came from a pipe, so that its name says nothing about its format


def documents(config: TextDataConfig, cache: Path | None = None, tally: Tally | None = None) -> Iterator[Piece]:
    """The documents that the config names, in pieces: (text, whether the document ends with it), read as they are asked for.

    cache: where downloads and standard input are kept; None: `cache_folder()`. tally: counts what was left out.
    Raises UsageError, one line that names the file, for whatever cannot be read.
    """
    return read_documents(find_sources(config, cache), config, tally)


def read_documents(
    sources: list[Source], config: TextDataConfig, tally: Tally | None = None, advance: Advance = lambda n_bytes: None
) -> Iterator[Piece]:
    """`documents`, of sources that were found before. advance: called with the number of bytes of each read."""
    tally = tally if tally is not None else Tally()
    pieces = (piece for source in sources for piece in _read(source, config, tally, advance))
    return transform(pieces, config, tally)


def find_sources(config: TextDataConfig, cache: Path | None = None) -> list[Source]:
    """What `config.path` names: folders and globs as the files in them, sorted; every file once.

    Reads nothing, but a known set is downloaded and standard input copied to the cache.
    Raises UsageError where there is nothing to read.
    """
    cache = cache or cache_folder()
    found: dict[Identity, Source] = {}
    for entry in dict.fromkeys(config.path):
        for source in _find(entry, cache):
            found.setdefault(source.identity, source)
    return list(found.values())


def check_unchanged(sources: list[Source]) -> None:
    """Raises ArtgenError if a file is not the one that was found."""
    for source in sources:
        if source.path and not source.is_stream and not is_same(source.path, source.identity):
            raise ArtgenError(f"{source.name}: was changed while it was read; try again")


# ---------------------------------------------------------------- finding


def _find(entry: str, cache: Path) -> list[Source]:
    if entry == EMBEDDED:
        return [Source(EMBEDDED, None, (EMBEDDED, sys.version))]
    if entry == STANDARD_INPUT:
        return [_spool(_standard_input(), "standard input", cache)]
    if entry in DOWNLOADS:
        from artgen.data.named import fetch

        return [_file_source(fetch(entry, cache), entry)]
    if not entry:
        raise UsageError("data.path: an empty name, expected a file, a folder or a known set")
    path = Path(entry)
    info = _stat(path)
    if info is None:
        files = files_matching(entry, (EMBEDDED, *DOWNLOADS))
        sources = [source for file in files if (source := _file_source(file)).n_bytes]
        if not sources:
            raise UsageError(f"{entry}: matches {len(files)} files, and all are empty")
        return sources
    if stat.S_ISDIR(info.st_mode):
        files = list(_walk(path, [(info.st_dev, info.st_ino)]))
        sources = [source for file in files if (source := _file_source(file)).n_bytes]
        if not sources:
            what = f"its {len(files)} text files are empty" if files else f"there is no {' or '.join(SUFFIXES)} file in it"
            raise UsageError(f"{entry}: a folder without text: {what}")
        return sources
    if stat.S_ISREG(info.st_mode):
        source = _file_source(path)
        if not source.n_bytes:
            raise UsageError(f"{entry}: is empty, expected text")
        return [source]
    with _open(path) as stream:  # a pipe, such as the shell makes of <(command)
        return [_spool(stream, entry, cache)]


def _stat(path: Path) -> os.stat_result | None:
    """What is at `path`, links followed; None if nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UsageError(f"{path}: is a link to {os.readlink(path)}, which does not exist") from None
        return None
    except OSError as error:  # among others: a link to itself
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{str(path)!r}: not a file name") from None


def _file_source(path: Path, name: str = "") -> Source:
    info = _stat(path)
    if info is None or not stat.S_ISREG(info.st_mode):
        raise UsageError(f"{path}: {'is not a file' if info else 'no such file'}, expected text")
    return Source(name or str(path), path, identity(path, info), info.st_size)


def _walk(folder: Path, above: list[tuple[int, int]]) -> Iterator[Path]:
    """The text files in a folder and those in it, sorted. above: (device, inode) of this folder and all that it is in."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {error.strerror}") from None
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        is_text = name.lower().endswith(SUFFIXES)
        if not is_text and not path.is_dir():
            continue  # whatever it is, even a broken link: it is not asked for
        info = _stat(path)
        if info is not None and stat.S_ISDIR(info.st_mode):
            here = (info.st_dev, info.st_ino)
            if here in above:
                raise UsageError(f"{path}: is a link to a folder that it is in, so that there is no end to it")
            yield from _walk(path, [*above, here])
        elif info is not None and stat.S_ISREG(info.st_mode):
            yield path


# ---------------------------------------------------------------- streams


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise UsageError("standard input: is closed, expected text")
    if sys.stdin.isatty():  # as where a run that learned from a pipe is continued without one
        print("the text is read from this terminal; Ctrl-D ends it", file=sys.stderr, flush=True)
    return sys.stdin.buffer


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _spool(stream: BinaryIO, name: str, cache: Path) -> Source:
    """Copies a stream, which can be read only once, into the cache, under a name made of its content."""
    digest = hashlib.sha256()
    size = 0
    with new_file(cache / "streams") as partial:
        with partial.open("xb") as copy:
            while data := _read_stream(stream, name):
                check_binary(data, size, name)  # or /dev/zero would fill the disk
                digest.update(data)
                copy.write(data)
                size += len(data)
        if not size:
            raise UsageError(f"{name}: is empty, expected text")
        kept = partial.parent / f"{digest.hexdigest()}.txt"
        partial.replace(kept)
    return Source(name, kept, (digest.hexdigest(), size), size, is_stream=True)


def _read_stream(stream: BinaryIO, name: str) -> bytes:
    try:
        return stream.read(CHUNK)
    except OSError as error:  # such as: is a folder
        raise UsageError(f"{name}: cannot be read: {error.strerror or error}") from None


# ---------------------------------------------------------------- reading


def _read(source: Source, config: TextDataConfig, tally: Tally, advance: Advance) -> Iterator[Piece]:
    """The documents of a source as they stand there."""
    if source.path is None:
        for topic in _manual():
            yield Piece(topic, True)
        return
    suffix = source.path.suffix.lower()
    if source.is_stream and config.field is not None:
        values: Iterator[Any] = read_records(source.path, source.name, advance)
    elif suffix in (".json", ".jsonl"):
        values = read_records(source.path, source.name, advance, lines=suffix == ".jsonl")
    else:
        pieces = _plain(source.path, source.name, advance)
        yield from split_documents(pieces, config.separator) if config.separator else pieces
        return
    for text in json_documents(values, source.name, config.field, tally):
        yield Piece(text, True)


def _plain(path: Path, name: str, advance: Advance) -> Iterator[Piece]:
    """A file as one document."""
    for text in read_chunks(path, name, advance):
        yield Piece(text, False)
    yield Piece("", True)


def _manual() -> list[str]:
    """The topics of the Python manual that ships with Python, in the order of their names."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]
