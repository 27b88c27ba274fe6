"""Known public sets, by name: downloaded once, checked against their SHA-256, kept in the cache. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from artgen.data.cache import cache_folder
from artgen.data.download import fetch_file
from artgen.errors import UsageError, did_you_mean


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
    by_hand = f"put the file at {target} yourself, or give your own with --data FILE"
    return fetch_file(name, known.url, target, known.n_bytes, known.sha256, by_hand)
