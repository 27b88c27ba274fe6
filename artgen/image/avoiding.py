"""No copies: samples that are too near to a training picture are thrown away and made anew.

What is too near, `artgen.metrics.picture_copying` says, as it does for `artgen evaluate`. Each place of a seed has its own chain of
tries, the first of which is the ordinary sample; so a picture depends on seed and place alone, not on what its neighbours
turned out to be, and all that is not too near is the same as without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from artgen.data.picture_decoding import Pixels
from artgen.data.pictures import PictureSet
from artgen.errors import counted
from artgen.metrics.picture_copying import Search, are_copies, are_too_near, held_out_to_calibrate_on

TRIES = 20  # at one place, the ordinary sample among them

Make = Callable[[Sequence[int], int], Pixels]
"""(places, attempt) -> uint8 [len(places), height, width, channels]: try number attempt, from 0, of each place."""


@dataclass(frozen=True)
class Verdict:
    """How near a picture is to the training pictures."""

    too_near: bool
    copy: bool
    ratio: float  # its relative distance over the median of real pictures: 1 is normal, 0 a copy


@dataclass
class Made:
    """What was kept at one place."""

    work: Pixels  # [height, width, channels]
    seconds: float  # that all tries took
    figures: dict[str, Any]  # tries, copying_ratio and too_near; nothing where copies are not avoided
    rank: tuple[bool, float] = (True, 0.0)  # of several that are too near the highest is kept


class CopyJudge:
    """Holds samples against the training pictures of a run, on the scale of real pictures."""

    def __init__(self, own: PictureSet) -> None:
        self._search = Search(own.train)
        self._normal = self._search.normal(held_out_to_calibrate_on(own.train, own.validation))
        self._median = float(np.median(self._normal.relative))  # torch's is the lower of two in the middle

    def __call__(self, works: Pixels) -> list[Verdict]:
        """Of pictures uint8 [n, height, width, channels]."""
        found = self._search.nearest(works)
        ratios = found.relative / self._median if self._median > 0 else found.relative
        columns = are_too_near(found, self._normal), are_copies(found, self._normal), ratios
        return [Verdict(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def make_all(
    make: Make, n: int, batch: int, judge: CopyJudge | None = None, advance: Callable[[int], object] | None = None
) -> list[Made]:
    """n pictures, at most `batch` of them made together. advance: called with how many are settled.

    judge: what it finds too near is made anew, with that of other batches, up to TRIES times; after that the farthest try
    stays, and its figures say so.
    """
    kept: dict[int, Made] = {}
    seconds = [0.0] * n
    waiting = list(range(n))
    settled = 0
    for attempt in range(TRIES if judge else 1):
        tried, waiting = waiting, []
        for first in range(0, len(tried), batch):
            places = tried[first : first + batch]
            begun = time.perf_counter()
            works = make(places, attempt)
            verdicts = judge(works) if judge else [None] * len(places)
            each = (time.perf_counter() - begun) / len(places)
            for place, work, verdict in zip(places, works, verdicts, strict=True):
                seconds[place] += each
                if verdict is None:
                    kept[place] = Made(work, seconds[place], {})
                    continue
                rank = (not verdict.copy, verdict.ratio)
                if not verdict.too_near or place not in kept or rank > kept[place].rank:
                    figures = {"tries": 0, "copying_ratio": verdict.ratio, "too_near": verdict.too_near}
                    kept[place] = Made(work, 0.0, figures, rank)
                kept[place].figures["tries"] = attempt + 1
                kept[place].seconds = seconds[place]
                if verdict.too_near:
                    waiting.append(place)
            settled = n - len(waiting) - len(tried[first + batch :])
            if advance:
                advance(settled)
        if not waiting:
            break
    if advance and settled < n:
        advance(n)
    return [kept[place] for place in range(n)]


def tell_avoided(figures: Sequence[dict[str, Any]]) -> list[str]:
    """What avoiding copies came to, in a line or two, by the figures of all samples; nothing where they have none."""
    if not all("tries" in each for each in figures):
        return []
    anew = sum(each["tries"] > 1 for each in figures)
    verb = "was" if anew == 1 else "were"
    lines = [f"{anew:,} of {counted(len(figures), 'picture')} {verb} too near a training picture and made anew"]
    near = [str(number) for number, each in enumerate(figures, 1) if each["too_near"]]
    if near:
        shown = ", ".join(near[:8]) + (", …" if len(near) > 8 else "")
        lines.append(
            f"{len(near):,} of them stayed too near after {TRIES} tries, the farthest of which was kept: {shown}; look at them, "
            "and train for fewer steps or on more pictures"
        )
    return lines
