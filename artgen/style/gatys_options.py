"""The options of `gatys`. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from artgen.config import PositiveInt, Section

LayerWeights = Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]


class GatysOptions(Section):
    """How a picture is optimised until a network sees the style in it."""

    statistic: Literal["gram", "moments", "sliced"] = Field(
        "gram",
        description="what of a layer makes a style: products of channels (gram), their means and deviations (moments), or the whole "
        "distribution (sliced Wasserstein)",
    )
    style_weight: float = Field(1.0, gt=0, description="how much the style counts, at --strength 1")
    content_weight: float = Field(0.1, ge=0, description="how much the content counts, at --content normal")
    tv_weight: float = Field(2.0, ge=0, description="how much smoothness counts (total variation)")
    optimizer: Literal["adam", "lbfgs"] = "adam"
    learning_rate: float = Field(0.04, gt=0, description="adam: how far a pixel moves in a step at first, of 1")
    smallest_scale: int = Field(
        128, ge=16, description="pixels of the longer side where the work begins; each next has twice as many"
    )
    steps: PositiveInt = Field(300, description="steps at all scales together (--steps replaces it)")
    fewer: float = Field(0.5, gt=0, le=1, description="steps at a scale as a share of those at the scale before")
    ema_decay: float = Field(
        0.9, ge=0, lt=1, description="the result is the mean of the last steps, each counting so much less"
    )
    jitter: bool = Field(True, description="move the picture by some pixels in each step, so that no grid shows")
    style_layers: LayerWeights | None = Field(None, description="layer: weight; null: the network's own")
    content_layers: LayerWeights | None = Field(None, description="layer: weight; null: the network's own")
