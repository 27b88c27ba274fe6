"""Fetching a public file once: checked, and kept in the cache. Imports no torch."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from artgen.data.cache import new_file
from artgen.errors import ArtgenError
from artgen.files import sha256_of

TIMEOUT = 20.0  # seconds without an answer
MIRROR = "ARTGEN_MIRROR"  # replaces scheme and host of every address


def fetch_file(name: str, url: str, target: Path, n_bytes: int, sha256: str, by_hand: str) -> Path:
    """`target`, downloaded if it is not there.

    A file that is there is checked each time, as it may have been put there by hand. sha256: all of its digits, or the first ones where no
    more are known. name, by_hand: for messages, what it is and what to do without it.
    Raises ArtgenError, one line, where it cannot be had, or is another file than expected; then nothing is kept.
    """
    if _is_whole(target, n_bytes, sha256):
        return target
    mirror = os.environ.get(MIRROR)
    url = mirror.rstrip("/") + urlsplit(url).path if mirror else url
    with new_file(target.parent) as partial:
        got, digest = _download(name, url, partial, n_bytes, by_hand)
        if got != n_bytes:
            # The download stops one byte after the expected size.
            size = f"{got:,} bytes" if got < n_bytes else "more bytes"
            raise ArtgenError(f"{name}: {url} gave {size}, expected {n_bytes:,}; try again, or {by_hand}")
        if not digest.startswith(sha256):
            raise ArtgenError(f"{name}: what {url} gave has another SHA-256 than expected, so it is not used; {by_hand}")
        partial.replace(target)
    return target


def _is_whole(path: Path, n_bytes: int, sha256: str) -> bool:
    """Whether a file is there and is the expected one."""
    try:
        return path.is_file() and path.stat().st_size == n_bytes and sha256_of(path).startswith(sha256)
    except OSError:
        return False


def _download(name: str, url: str, partial: Path, n_bytes: int, by_hand: str) -> tuple[int, str]:
    """(bytes, SHA-256) of what was written."""
    from tqdm import tqdm

    got, digest = 0, hashlib.sha256()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "artgen"})
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT) as answer,
            tqdm(total=n_bytes, unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty()) as bar,
            partial.open("wb") as file,
        ):
            # One byte more than expected is enough to know that it is not the file.
            while got <= n_bytes and (block := answer.read(min(1 << 16, n_bytes + 1 - got))):
                file.write(block)
                digest.update(block)
                got += len(block)
                bar.update(len(block))
    except urllib.error.HTTPError as error:
        raise ArtgenError(f"{name}: {url} answered {error.code} {error.reason}; {by_hand}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise ArtgenError(f"{name}: {url} cannot be reached ({reason}); {by_hand}") from None
    return got, digest.hexdigest()
