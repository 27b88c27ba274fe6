"""Where works go: all into one file, or each into a numbered file of a folder."""

from __future__ import annotations

import os
from pathlib import Path

from artgen.errors import UsageError
from artgen.files import check_writable


def is_folder(out: Path | str) -> bool:
    """A folder that exists, or a name that ends in a slash."""
    ends = (os.sep, os.altsep or os.sep)
    return (isinstance(out, str) and out.endswith(ends)) or Path(out).is_dir()


def make_folder(folder: Path) -> None:
    """Makes it if it is not there, but not its parent. Raises UsageError."""
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise UsageError(f"{folder}: {folder.parent}: there is no such folder") from None
    except FileExistsError:
        raise UsageError(f"{folder}: is a file, expected a folder") from None
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror}") from None


def work_files(out: Path | str, n_works: int, suffix: str) -> list[Path]:
    """The one file that gets all works, or in a folder one for each: 0001.png, 0002.png, …."""
    if not is_folder(out):
        return [Path(out)]
    width = max(4, len(str(n_works)))
    return [Path(out) / f"{number:0{width}}{suffix}" for number in range(1, n_works + 1)]


def check_places(out: Path | str, n_works: int, suffix: str, force: bool = False) -> None:
    """Raises UsageError where the files of `work_files` could not be written. Makes nothing."""
    if is_folder(out) and not Path(out).exists():
        check_writable(Path(out))  # a name that is free, in a folder that is there
        return
    if is_folder(out) and not Path(out).is_dir():
        raise UsageError(f"{Path(out)}: is a file, expected a folder")
    for path in work_files(out, n_works, suffix):
        check_writable(path, force)
