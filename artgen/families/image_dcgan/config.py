"""The config of `image.dcgan`. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from artgen.config import PositiveInt, RunConfig
from artgen.data.picture_config import PictureDataConfig
from artgen.image.config import AdversarialModelConfig, PictureSampleConfig

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
ChannelNorm = Literal["none", "batch", "group", "instance", "layer"]
COARSEST = range(4, 8)  # pixels a side that the generator may begin with


class DCGANModelConfig(AdversarialModelConfig):
    """A generator of transposed convolutions, each twice as fine as the last, and a discriminator that is its mirror."""

    latent: PositiveInt = Field(100, description="width of latents")
    width: PositiveInt = Field(32, description="channels at half the picture's resolution; half as fine, twice as many")
    max_width: PositiveInt = Field(256, description="the most channels")
    kernel: int = Field(4, ge=2, description="side of the kernels, in pixels")
    upsampling: Literal["transposed", "nearest"] = Field(
        "transposed", description="how the generator refines: transposed convolution; or pixels repeated, then convolved"
    )
    norm: ChannelNorm = Field("batch", description="normalisation in the generator")
    activation: Activation = Field("relu", description="non-linearity of the generator")
    discriminator_norm: ChannelNorm = Field("batch", description="normalisation in the discriminator, but for its first layer")
    discriminator_activation: Activation = Field("leaky_relu", description="non-linearity of the discriminator")
    spectral_norm: bool = Field(False, description="divide the discriminator's weights by their largest singular value")
    class_embedding: PositiveInt = Field(16, description="width of the vector that stands for a class (with data.classes)")
    loss: Literal["bce", "lsgan", "hinge", "wgan-gp", "relativistic"] = Field("bce", description="the objective")

    @model_validator(mode="after")
    def _penalties_can_be_computed(self) -> DCGANModelConfig:
        penalties = {"r1": self.r1, "r2": self.r2, "gradient_penalty": self.gradient_penalty if self.loss == "wgan-gp" else 0}
        asked = next((key for key, weight in penalties.items() if weight), None)
        if asked and self.discriminator_norm == "batch":
            why = "loss wgan-gp" if asked == "gradient_penalty" else asked
            raise ValueError(
                f"discriminator_norm: batch mixes the pictures of a batch, but {why} needs the discriminator's gradient at each; "
                "expected layer, group, instance or none"
            )
        return self


class ImageDCGANConfig(RunConfig):
    """DCGAN: the classic generator and discriminator, with five losses to compare"""

    family: Literal["image.dcgan"] = "image.dcgan"
    data: PictureDataConfig = PictureDataConfig()
    model: DCGANModelConfig = DCGANModelConfig()
    sample: PictureSampleConfig = PictureSampleConfig()

    @model_validator(mode="after")
    def _size_fits(self) -> ImageDCGANConfig:
        sizes_of(self.data.size)
        return self


def sizes_of(size: int) -> list[int]:
    """Sides in pixels, from the generator's coarsest to half the picture's. Raises ValueError where a picture has none."""
    sizes = [size]
    while sizes[0] > COARSEST[-1] and sizes[0] % 2 == 0:
        sizes.insert(0, sizes[0] // 2)
    if sizes[0] in COARSEST:
        return sizes[:-1]
    fitting = sorted(c << level for c in COARSEST for level in range(7) if 32 <= c << level <= 256)
    below, above = max(s for s in fitting if s < size), min(s for s in fitting if s > size)
    raise ValueError(
        f"data.size: {size} does not fit this network, which doubles 4, 5, 6 or 7 pixels; expected {below} or {above} "
        f"(of {', '.join(map(str, fitting))})"
    )


CONFIG = ImageDCGANConfig
