"""Writing files so that each is either whole or not there, and knowing them again. Imports no torch."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from artgen.errors import ArtgenError, UsageError


def atomic_write(path: Path, content: bytes | str, force: bool = False) -> None:
    """Writes one file under a temporary name beside its place, and renames it. Text is written as UTF-8.

    Raises UsageError if the file exists and not `force`, or its folder does not exist or cannot be written; ArtgenError if
    writing fails (a full disk). Then nothing is left behind and an existing file is unchanged.
    """
    atomic_write_all({path: content}, force)


def atomic_write_all(contents: Mapping[Path, bytes | str], force: bool = False) -> None:
    """`atomic_write` for files that belong together: all are written in full before the first one gets its name."""
    targets = {path: check_writable(path, force) for path in contents}
    written: dict[Path, Path] = {}  # target -> temporary name
    try:
        for path, content in contents.items():
            temporary = targets[path].parent / f".artgen-{secrets.token_hex(8)}.tmp"
            written[path] = temporary
            _write(temporary, content.encode("utf-8", "replace") if isinstance(content, str) else content, path)
        for path, temporary in written.items():
            try:
                os.replace(temporary, targets[path])
            except OSError as error:
                raise ArtgenError(f"{path}: cannot be written: {_reason(error)}") from None
    finally:  # also after Ctrl-C
        for temporary in written.values():
            temporary.unlink(missing_ok=True)


def check_writable(path: Path, force: bool = False) -> Path:
    """The place that writing `path` will fill, links followed. Raises UsageError if it must not or cannot be filled.

    For work that takes long and would else find out at its end.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise UsageError(f"{path}: is a folder, expected a file name")
        if target.exists():
            if not target.is_file():
                raise UsageError(f"{path}: is a device, not a file that can be replaced")
            if not force:
                raise UsageError(f"{path}: exists (--force overwrites it)")
        if not target.parent.is_dir():
            what = "is not a folder" if target.parent.exists() else "there is no such folder"
            raise UsageError(f"{path}: {path.parent}: {what}")
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise UsageError(f"{path}: no permission to write into the folder {path.parent}")
    except (OSError, ValueError) as error:  # a name too long, a null character in it, a folder that may not be entered
        raise UsageError(f"{path}: cannot be written: {_reason(error)}") from None
    return target


def check_file(path: Path | str, what: str) -> None:
    """Raises UsageError where there is no such file. what: what is expected there, such as `picture`."""
    if not Path(path).is_file():
        raise UsageError(f"{path}: {'is a folder or a device, expected a' if Path(path).exists() else 'no such'} {what}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write(temporary: Path, content: bytes, path: Path) -> None:
    """Writes through to the disk. Errors name `path`, what the user asked for."""
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ArtgenError(f"{path}: cannot be written: {_reason(error)}") from None


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
