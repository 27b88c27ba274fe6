"""Where what can be made again is kept between runs: tokens, downloads, what came from standard input. Imports no torch.

Everything in it can be deleted at any time. Whatever is put there is made under a temporary name and renamed when it is
whole, so that several processes may use one cache.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from artgen.errors import ArtgenError

T = TypeVar("T")

VARIABLE = "ARTGEN_CACHE"
STALE_SECONDS = 24 * 3600  # what a killed process left behind is removed after this time


def cache_folder() -> Path:
    """The folder of tokens and downloads: $ARTGEN_CACHE, or the user's cache folder as the system has it."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return Path(user_cache_path("artgen", appauthor=False))


def cached(folder: Path, open_: Callable[[Path], T | None], build: Callable[[Path], None]) -> T:
    """What `open_` makes of a folder in the cache, which `build` fills first if it gives None: nothing is there, or damaged.

    Several processes may build the same at the same time. Raises what `build` raises, and ArtgenError where the cache cannot be
    written.
    """
    for _ in range(3):  # another process may take what it holds for damaged and replace it just now
        found = open_(folder)
        if found is not None:
            return found
        with new_folder(folder, is_whole=lambda there: open_(there) is not None) as partial:
            build(partial)
    raise ArtgenError(f"{folder}: cannot be opened after it was written; is something else changing the cache?")


@contextmanager
def new_file(folder: Path) -> Iterator[Path]:
    """A temporary name in `folder` (made if need be), for a file that is to be renamed. Removed if it is still there.

    Raises ArtgenError where the cache cannot be written. OSErrors of the body are taken for that, too.
    """
    partial = folder / _partial_name("file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        yield partial
    except OSError as error:
        raise _cannot_write(folder, error) from None
    finally:
        _remove(partial)


@contextmanager
def new_folder(target: Path, is_whole: Callable[[Path], bool]) -> Iterator[Path]:
    """An empty folder that becomes `target` when the body is done, and is removed if the body fails.

    is_whole: whether a folder holds what it should. If another process has put a whole one at `target` meanwhile, that one
    stays and this one is dropped; a damaged one is replaced.

    Raises ArtgenError where the cache cannot be written. OSErrors of the body are taken for that, too.
    """
    partial = target.with_name(_partial_name(target.name))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target.parent)
        partial.mkdir()
        yield partial
        _put(partial, target, is_whole)
    except OSError as error:
        raise _cannot_write(target.parent, error) from None
    finally:
        _remove(partial)


def _put(partial: Path, target: Path, is_whole: Callable[[Path], bool], attempts: int = 5) -> None:
    for attempt in range(attempts):
        try:
            os.rename(partial, target)
            return
        except OSError:
            if attempt + 1 == attempts or not os.path.lexists(target):
                raise
            if is_whole(target):
                return
        damaged = target.with_name(_partial_name(target.name))
        try:
            os.rename(target, damaged)
        except FileNotFoundError:
            continue  # another process was faster
        _remove(damaged)


def _partial_name(name: str) -> str:
    return f".{name}.{os.getpid()}-{secrets.token_hex(4)}.partial"


def _remove(path: Path) -> None:
    """Removes a file or folder if it can be: what stays behind is no reason to fail."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _remove_stale(folder: Path) -> None:
    for partial in folder.glob(".*.partial"):
        with suppress(OSError):  # another process removed it, or it is another user's
            if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                _remove(partial)


def _cannot_write(folder: Path, error: OSError) -> ArtgenError:
    reason = error.strerror or str(error)
    return ArtgenError(f"{folder}: the cache cannot be written: {reason}; {VARIABLE}=FOLDER puts it somewhere else")
