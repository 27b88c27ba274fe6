"""What a call of `artgen edit` asks for, read from its options. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from artgen.errors import UsageError
from artgen.files import sha256_of

KINDS = "--project, --directions, --direction, --mask, --outpaint or --strength"


def choose_action(
    project: bool,
    directions: bool,
    moves: Mapping[int, float],
    mask: str | None,
    outpaint: float | None,
    strength: float | None,
    picture: str | None,
    n: int,
    compare: bool,
) -> str:
    """The one thing that is asked for. Raises UsageError where it is nothing, or several, or does not fit together."""
    asked = {
        "directions": ("--directions", directions),
        "move": ("--direction", bool(moves)),
        "paint": ("--mask", mask is not None),
        "outpaint": ("--outpaint", outpaint is not None),
        "vary": ("--strength", strength is not None),
    }
    found = {action: flag for action, (flag, given) in asked.items() if given}
    if project and not set(found) & {"directions", "move"}:  # with a picture these project it by themselves
        found["project"] = "--project"
    if not found:
        raise UsageError(f"artgen edit: what is to be done? Expected {KINDS}")
    if len(found) > 1:
        raise UsageError(f"artgen edit: {' and '.join(found.values())}: expected one of them")
    action, flag = next(iter(found.items()))
    if project and picture is None:
        raise UsageError("artgen edit: --project needs a picture: artgen edit RUN PICTURE …")
    if compare and action != "project":
        raise UsageError(f"--compare: goes with --project alone, not with {flag}")
    if n > 1 and (action in ("project", "directions") or (action == "move" and picture is not None)):
        raise UsageError(f"-n {n}: {flag} makes one picture")
    return action


def parse_moves(given: Sequence[str]) -> dict[int, float]:
    """`2=1.5` as {2: 1.5}. Raises UsageError."""
    moves: dict[int, float] = {}
    for text in given:
        number, _, amount = text.partition("=")
        try:
            key, value = int(number), float(amount)
        except ValueError:
            key, value = 0, 0.0
        if key < 1 or not math.isfinite(value) or (value == 0 and not amount.strip()):
            raise UsageError(
                f"--direction {text}: expected NUMBER=AMOUNT, such as 2=1.5 (numbers as on the --directions sheet)"
            )
        if key in moves:
            raise UsageError(f"--direction {text}: direction {key} is given twice")
        moves[key] = value
    return moves


def hash_of(path: str | None) -> str | None:
    """The SHA-256 of a file; None where there is none that can be read, which is told when it is opened."""
    try:
        return sha256_of(Path(path)) if path is not None and Path(path).is_file() else None
    except (OSError, ValueError):
        return None
