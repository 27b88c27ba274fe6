"""The real pictures that samples are compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from artgen.data.picture_config import PictureDataConfig
from artgen.data.picture_decoding import Pixels
from artgen.data.pictures import PictureSet, load_pictures
from artgen.errors import ArtgenError, UsageError

COMPARED = 2048  # real pictures that samples are compared with, at most

T = TypeVar("T")


@dataclass(frozen=True)
class Real:
    """Real pictures to compare samples with."""

    pictures: Pixels  # [n, height, width, channels]
    labels: np.ndarray  # int64 [n]; all 0 where there are no classes
    class_names: tuple[str, ...]  # by number; () where they are not those of the run
    what: str  # they are, in words
    own: PictureSet | None  # what the run learned from, where that was found
    missing: str  # why it was not found


@dataclass(frozen=True)
class Halves:
    """The real pictures as two sets, drawn by chance: what a figure is between them is about the best to hope for."""

    first: np.ndarray  # int64 [n // 2], numbers of pictures
    second: np.ndarray

    @classmethod
    def drawn(cls, n: int, seed: int) -> Halves:
        """Two halves of n pictures."""
        order = np.random.default_rng(seed).permutation(n)
        return cls(order[: n // 2], order[n // 2 :])

    def between(self, measure: Callable[[Any, Any], T], of: Any, least: int = 2) -> T | None:
        """`measure` of the two, each taken from `of`; None where one has fewer than `least`."""
        return measure(of[self.first], of[self.second]) if len(self.first) >= least else None


def find_real(data: PictureDataConfig, of: Any, paths: list[str] | None) -> Real:
    """The pictures of `paths`, or those that a run learned from. of: the run's PictureFacts.

    Raises UsageError where there are none, or `paths` cannot be read.
    """
    given = _given(data, paths) if paths else None
    own, missing = (given, "") if given and given.fingerprint == of.fingerprint else find_own(data, of)
    found = own if given is None else given
    if found is None:
        raise UsageError(f"no real pictures to compare with: {missing}; --data names some")
    chosen, pixels = found.evenly(COMPARED)
    labels = np.concatenate([found.train_labels, found.validation_labels])[chosen]
    what = f"{len(chosen):,} real pictures"
    if found is own:
        n_train = len(found.train)
        what += f" ({(chosen < n_train).sum():,} that it learned from and {(chosen >= n_train).sum():,} held out)"
    class_names = found.class_names if found.class_names == of.class_names else ()
    return Real(pixels, labels, class_names, what, own, missing)


def find_own(data: PictureDataConfig, of: Any) -> tuple[PictureSet | None, str]:
    """What a run learned from, at `data.path`; None, and why, where it is not there. of: the run's PictureFacts."""
    try:
        found = load_pictures(data)
    except ArtgenError as error:
        return None, f"what the run learned from is not there ({error})"
    if found.fingerprint != of.fingerprint:
        return None, f"what is now in {', '.join(data.path)} is not what the run learned from"
    return found, ""


def _given(data: PictureDataConfig, paths: list[str]) -> PictureSet:
    """The pictures of `paths`, made as a run's are. They may have no classes where the run's have."""
    config = data.model_copy(update={"path": paths})
    try:
        return load_pictures(config)
    except UsageError:
        if not data.classes:
            raise
        return load_pictures(config.model_copy(update={"classes": False}))
