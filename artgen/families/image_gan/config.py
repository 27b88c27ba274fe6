"""The config of `image.gan`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from artgen.config import PositiveInt, RunConfig
from artgen.data.picture_config import PictureDataConfig
from artgen.image.config import AdversarialModelConfig, PictureSampleConfig, check_size


class GANModelConfig(AdversarialModelConfig):
    """Generator and discriminator, mirrored: residual blocks from 4 x 4 pixels to the picture and back."""

    width: PositiveInt = Field(32, description="channels at 64 x 64 pixels; half as many pixels a side, twice as many channels")
    max_width: PositiveInt = Field(256, description="the most channels")
    blocks: PositiveInt = Field(1, description="residual blocks at each resolution")
    r1: float = Field(1.0, ge=0, description="weight of the penalty on the discriminator's gradient at real pictures")
    r2: float = Field(1.0, ge=0, description="the same at made pictures")
    penalty_every: PositiveInt = Field(4, description="steps between penalties, which then weigh so many times more")


class ImageGANConfig(RunConfig):
    """GAN for few pictures: augmented, regularised, and with a space of styles to walk and edit in"""

    family: Literal["image.gan"] = "image.gan"
    data: PictureDataConfig = PictureDataConfig()
    model: GANModelConfig = GANModelConfig()
    sample: PictureSampleConfig = PictureSampleConfig()

    @model_validator(mode="after")
    def _size_fits(self) -> ImageGANConfig:
        check_size(self.data.size, multiple_of=0)
        return self


CONFIG = ImageGANConfig
