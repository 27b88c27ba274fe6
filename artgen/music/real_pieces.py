"""The real pieces that samples are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from artgen.data.finding import printable
from artgen.data.music import MusicSet, load_music
from artgen.data.music_config import MusicDataConfig
from artgen.errors import ArtgenError, UsageError, counted
from artgen.music.piece import Piece

T = TypeVar("T")


@dataclass(frozen=True)
class Real:
    """Real pieces to compare samples with, and those that the run learned from, where they were found."""

    pieces: tuple[Piece, ...]  # that the run did not learn from, as far as is known
    what: str  # they are, in words
    own: MusicSet | None  # what the run learned from, and what it held out
    missing: str  # why it was not found

    @property
    def own_held_out(self) -> tuple[Piece, ...]:
        """What the run held out: to test with, or else what it was validated on."""
        return () if self.own is None else self.own.test or self.own.validation


def find_real(data: MusicDataConfig, fingerprint: str, paths: list[str] | None) -> Real:
    """The pieces of `paths`, or those that the run held out. fingerprint: of the pieces that it learned from.

    Where `paths` name what the run learned from, wherever that lies now, they are the held-out ones among them.
    Raises UsageError where there are none, or `paths` cannot be read.
    """
    given = load_music(data.model_copy(update={"path": paths})) if paths else None
    own, missing = (given, "") if given and given.fingerprint == fingerprint else _own(data, fingerprint)
    if given is not None and given is not own:
        named = printable(", ".join(paths or []))
        return Real(given.pieces, f"{counted(len(given.pieces), 'piece')} of {named}", own, missing)
    if own is None:
        raise UsageError(f"no real pieces to compare with: {missing}; --data names some")
    found = Real((), "", own, missing)
    held_out = found.own_held_out
    return Real(held_out, counted(len(held_out), "held-out piece"), own, missing)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """So many of them, at most, from all over."""
    n = len(items)
    return list(items) if n <= most else [items[i * n // most] for i in range(most)]


def _own(data: MusicDataConfig, fingerprint: str) -> tuple[MusicSet | None, str]:
    """What the run learned from; None, and why, where it is not where the run's config says."""
    try:
        found = load_music(data)
    except ArtgenError as error:
        return None, f"what the run learned from is not there ({error})"
    if found.fingerprint != fingerprint:
        return None, f"what is now in {printable(', '.join(data.path))} is not what the run learned from"
    return found, ""
