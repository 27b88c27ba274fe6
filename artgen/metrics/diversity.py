"""How varied samples are: the share of n-grams that are distinct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

Unit = Literal["char", "word"]

_WORD = re.compile(r"\w+(?:['’\-]\w+)*")


def distinct(texts: Sequence[str], unit: Unit, sizes: Sequence[int] = (1, 2, 3, 4)) -> dict[int, float | None]:
    """distinct-n for every n of `sizes`: different n-grams over n-grams, in all texts taken together (0 to 1, 1 most varied).

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5, who divide by the
    number of words; here by the number of n-grams, so that 1 can be reached for every n. No n-gram spans two texts. None
    where no text is n units long. The value falls as texts get longer: compare samples of the same size only.

    unit: characters (code points), or words (runs of letters and digits, case kept). Chinese and the like put no space
    between words, so that only characters say something.
    """
    units = [list(text) if unit == "char" else _WORD.findall(text) for text in texts]
    return {n: _distinct(units, n) for n in sizes}


def _distinct(texts: Iterable[Sequence[str]], n: int) -> float | None:
    if n < 1:
        raise ValueError(f"n is {n}, expected 1 or more")
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        grams = list(zip(*(text[offset:] for offset in range(n)), strict=False))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else None
