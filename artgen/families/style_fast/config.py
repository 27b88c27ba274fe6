"""The config of `style.fast`. Imports no torch."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from artgen.config import ONE_OR_MORE, IsPath, PositiveInt, RunConfig, Section
from artgen.data.picture_config import PictureDataConfig
from artgen.image.config import check_size

SEEN = 76  # pixels of a side that one logit of the discriminator's coarser scale is about
REDUCTION = 4  # most of the work is done at a quarter of the picture's height and width
Weight = Annotated[float, Field(ge=0)]


def _as_weights(value: Any) -> Any:
    """`0.3,0.7` as a list, as --set has it."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class ContentDataConfig(PictureDataConfig):
    """The pictures whose layout is learned to be kept: any photographs. No painting belongs among them."""

    size: int = Field(384, ge=32, le=512, description="side of the square that every picture becomes, in pixels")
    channels: Literal["rgb"] = Field("rgb", description="colours are part of a style")
    classes: Literal[False] = Field(False, description="the layout of all pictures is kept in one way")
    flip: bool = Field(True, description="show half of the pictures mirrored while training, left to right")


class StyleConfig(Section):
    """The paintings, and what is compared with them."""

    image: Annotated[list[str], ONE_OR_MORE, IsPath()] = Field(
        [], description="the painting; several make one network that mixes them"
    )
    size: int = Field(512, ge=64, le=2048, description="longest side that a painting is scaled to: how large strokes become")
    loss: Literal["painted", "patch", "gram", "moments", "sliced"] = Field(
        "painted",
        description="painted: a discriminator that compares with what --method patch paints; patch: patches and strokes of the painting "
        "itself; gram, moments, sliced: what a network sees (needs weights)",
    )
    crop: int = Field(192, ge=32, le=512, description="side of the part of a picture that is seen in a step; at most data.size")
    weights: Annotated[str | None, IsPath()] = Field(
        None, description="weights of VGG-19 or SqueezeNet, for the losses that look through a network"
    )
    content_weight: Weight | None = Field(
        None, description="how much the layout counts at --content normal; null: as suits the loss"
    )
    painted: int = Field(
        24,
        ge=2,
        description="painted: pictures that --method patch paints for each painting before training; kept in the cache",
    )
    tone_weight: Weight = Field(
        6.0, description="painted: how much colours in squares of 16 pixels count, against those of what was painted"
    )
    r1: Weight = Field(0.002, description="painted: how smooth the discriminator is kept on what was painted")
    r1_every: PositiveInt = Field(8, description="painted: of so many steps one has that penalty, as many times as large")
    stroke_weight: Weight = Field(0.01, description="patch: how much the answers of stroke filters count")
    strokes: PositiveInt = Field(48, description="patch: filters that are learned from each painting")
    stroke_size: int = Field(7, ge=3, le=15, description="patch: their side, in pixels")
    patch: int = Field(5, ge=2, le=15, description="patch: side of the patches that are compared, in pixels")
    levels: int = Field(3, ge=1, le=5, description="patch: of the pyramid; each sees patches of twice the size")
    projections: PositiveInt = Field(32, description="patch: directions in which distributions are compared, in each step")
    tv_weight: Weight = Field(1.0, description="losses of a network: how much smoothness counts")

    @model_validator(mode="after")
    def _weights_fit(self) -> StyleConfig:
        if not self.looks_through_a_network and self.weights is not None:
            raise ValueError(
                f"style.weights: {self.weights} is for the losses gram, moments and sliced; {self.loss} needs none"
            )
        if self.looks_through_a_network and self.weights is None:
            raise ValueError(
                f"style.weights: the loss {self.loss} looks through a network, expected a file with the weights of VGG-19 or "
                "SqueezeNet (style.loss=painted and patch need none)"
            )
        return self

    @property
    def looks_through_a_network(self) -> bool:
        return self.loss in ("gram", "moments", "sliced")


class FastModelConfig(Section):
    """The network."""

    width: int = Field(64, ge=4, le=512, description="channels where most of the work is done")
    blocks: PositiveInt = Field(5, description="residual blocks, of two convolutions each")
    noise: int = Field(4, ge=0, description="channels of noise, from which strokes grow where the picture is flat")
    discriminator_width: int = Field(
        32,
        ge=4,
        le=256,
        description="style.loss=painted: channels of the discriminator's first layer; each further one has twice as many",
    )


class StyleSampleConfig(Section):
    """How a photograph is painted."""

    medium: ClassVar[str] = "style"
    used_by: ClassVar[str] = "artgen style-transfer PHOTO {run} -o out.png"

    mix: Annotated[list[Weight] | None, BeforeValidator(_as_weights, json_schema_input_type=str | list[float] | None)] = Field(
        None, description="how much of each painting, in the order of style.image; null: the first alone"
    )

    @model_validator(mode="after")
    def _something(self) -> StyleSampleConfig:
        if self.mix is not None and not (sum(self.mix) > 0 and math.isfinite(sum(self.mix))):
            raise ValueError("mix: all are 0, expected a number above 0 for at least one painting")
        return self


class StyleFastConfig(RunConfig):
    """Feed-forward style transfer: trained on one or several paintings, then any photograph in real time"""

    family: Literal["style.fast"] = "style.fast"
    data: ContentDataConfig = ContentDataConfig()
    style: StyleConfig = StyleConfig()
    model: FastModelConfig = FastModelConfig()
    sample: StyleSampleConfig = StyleSampleConfig()

    @model_validator(mode="after")
    def _sizes_fit(self) -> StyleFastConfig:
        check_size(self.data.size, multiple_of=REDUCTION, largest=512)
        if self.style.crop % REDUCTION:
            raise ValueError(f"style.crop: {self.style.crop} is no multiple of {REDUCTION}")
        if self.style.loss == "painted" and min(self.style.crop, self.data.size) < SEEN:
            name, side = min(("style.crop", self.style.crop), ("data.size", self.data.size), key=lambda each: each[1])
            raise ValueError(f"{name}: {side} is too small for style.loss=painted, expected at least {SEEN}")
        return self


CONFIG = StyleFastConfig
