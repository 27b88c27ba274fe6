"""Known public sets, by name: downloaded once, checked against their SHA-256, kept in the cache. Imports no torch."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from artgen.data.cache import cache_folder, new_file
from artgen.errors import ArtgenError, UsageError, did_you_mean
from artgen.files import sha256_of

TIMEOUT = 20.0  # seconds without an answer
MIRROR = "ARTGEN_MIRROR"  # replaces scheme and host of every address


@dataclass(frozen=True)
class NamedSet:
    """Where a set is, and how to know it again."""

    name: str
    url: str
    file: str
    n_bytes: int
    sha256: str
    licence: str


SETS = {
    "tinyshakespeare": NamedSet(
        "tinyshakespeare",
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "tinyshakespeare.txt",
        1_115_394,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        "public domain",
    ),
}


def fetch(name: str, cache: Path | None = None) -> Path:
    """The file of a known set, downloaded if it is not in the cache.

    A file that is there is checked each time, as it may have been put there by hand: these sets are a few MB.
    Raises UsageError for an unknown name, ArtgenError, one line that says what to do by hand, where it cannot be had.
    """
    if name not in SETS:
        raise UsageError(f"{name}: no such data set, {did_you_mean(name, SETS)}")
    known = SETS[name]
    target = (cache or cache_folder()) / "sets" / known.file
    if _is_right(target, known):
        return target
    url = _address(known)
    by_hand = f"put the file at {target} yourself, or give your own with --data FILE"
    data = _download(url, known, by_hand)
    if len(data) != known.n_bytes:
        # The download stops one byte after the expected size.
        size = f"{len(data):,} bytes" if len(data) < known.n_bytes else "more bytes"
        raise ArtgenError(f"{name}: {url} gave {size}, expected {known.n_bytes:,}; try again, or {by_hand}")
    if hashlib.sha256(data).hexdigest() != known.sha256:
        raise ArtgenError(f"{name}: what {url} gave has another SHA-256 than expected, so it is not used; {by_hand}")
    with new_file(target.parent) as partial:
        partial.write_bytes(data)
        partial.replace(target)
    return target


def _is_right(path: Path, known: NamedSet) -> bool:
    try:
        return path.stat().st_size == known.n_bytes and sha256_of(path) == known.sha256
    except OSError:
        return False


def _address(known: NamedSet) -> str:
    mirror = os.environ.get(MIRROR)
    return mirror.rstrip("/") + urlsplit(known.url).path if mirror else known.url


def _download(url: str, known: NamedSet, by_hand: str) -> bytes:
    from tqdm import tqdm

    try:
        request = urllib.request.Request(url, headers={"User-Agent": "artgen"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            blocks, got = [], 0
            bar = tqdm(total=known.n_bytes, unit="B", unit_scale=True, desc=known.name, disable=not sys.stderr.isatty())
            with bar:
                # One byte more than expected is enough to know that it is not the file.
                while got <= known.n_bytes and (block := answer.read(min(1 << 16, known.n_bytes + 1 - got))):
                    blocks.append(block)
                    got += len(block)
                    bar.update(len(block))
        return b"".join(blocks)
    except urllib.error.HTTPError as error:
        raise ArtgenError(f"{known.name}: {url} answered {error.code} {error.reason}; {by_hand}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise ArtgenError(f"{known.name}: {url} cannot be reached ({reason}); {by_hand}") from None
