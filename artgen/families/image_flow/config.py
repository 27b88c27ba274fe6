"""The config of `image.flow`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from artgen.config import PositiveInt, RunConfig, Section
from artgen.data.picture_config import PictureDataConfig
from artgen.image.config import FlowSampleConfig, check_size


class FlowModelConfig(Section):
    """A U-Net: halves the resolution level by level, and comes back with what it saw on the way."""

    channels: list[PositiveInt] = Field(
        [64, 128, 192], min_length=1, max_length=6, description="channels of each level; each has half the resolution"
    )
    blocks: PositiveInt = Field(2, description="residual blocks of a level on the way down; one more on the way up")
    attention: list[PositiveInt] = Field([8], description="resolutions at which all places see each other, in pixels")
    n_heads: PositiveInt = Field(4, description="attention heads")
    patch: Literal[1, 2, 4] = Field(2, description="pixels a side that the finest level takes as one place, to spare work")
    d_time: PositiveInt = Field(128, description="width of the time embedding")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of activations dropped in training, inside residual blocks")
    augment: float = Field(
        0.2, ge=0, le=1, description="chance of each change (place, scale, rotation, colour) that the network is told of"
    )
    label_dropout: float = Field(0.15, ge=0, lt=1, description="share of pictures shown without their class, for guidance")
    time_mean: float = Field(0.0, description="logit-normal times of training: mean of the logit; less: noisier")
    time_deviation: float = Field(1.0, gt=0, description="logit-normal times of training: deviation of the logit")

    @property
    def multiple(self) -> int:
        """What the picture's side must be a multiple of."""
        return self.patch * 2 ** (len(self.channels) - 1)

    @model_validator(mode="after")
    def _heads_fit(self) -> FlowModelConfig:
        for width in self.channels:
            if width % self.n_heads:
                raise ValueError(f"channels: {width} cannot be divided among {self.n_heads} heads (n_heads)")
            if width % 8:
                raise ValueError(f"channels: {width} is not a multiple of 8, which normalisation in groups needs")
        return self


class ImageFlowConfig(RunConfig):
    """Flow matching: the best pictures, step by step from noise; also paints into pictures and varies them"""

    family: Literal["image.flow"] = "image.flow"
    data: PictureDataConfig = PictureDataConfig()
    model: FlowModelConfig = FlowModelConfig()
    sample: FlowSampleConfig = FlowSampleConfig()

    @model_validator(mode="after")
    def _fits(self) -> ImageFlowConfig:
        check_size(self.data.size, self.model.multiple)
        if self.sample.guidance != 1 and not self.data.classes:
            raise ValueError("sample.guidance: needs classes (data.classes)")
        return self


CONFIG = ImageFlowConfig
