"""How good, how near to the style and how original a music model is: the score card of `artgen evaluate`."""

from __future__ import annotations

from typing import Any

from artgen.families.base import Networks
from artgen.metrics.scorecard import ScoreCard


def evaluate_music(family: Any, networks: Networks, paths: list[str] | None, n_samples: int, seed: int) -> ScoreCard:
    """Scores held-out pieces and `n_samples` samples. paths: the pieces to compare with; None: those that the run held out."""
    raise NotImplementedError
