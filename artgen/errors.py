"""Errors that a user sees: one line that names the thing, what is wrong and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArtgenError(Exception):
    """The work failed (exit status 1). The message is shown without a traceback."""

    status = 1


class UsageError(ArtgenError):
    """The call, the config or the given data is wrong (exit status 2)."""

    status = 2


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """1 thread, 2 threads."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A clause that helps after a mistyped name: the nearest valid one, or all of them if few."""
    options = sorted(valid)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if not options:
        return "there is none"
    shown = ", ".join(options[:12])
    return f"one of: {shown}" + (", …" if len(options) > 12 else "")
