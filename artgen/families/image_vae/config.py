"""The config of `image.vae`. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from artgen.config import PositiveInt, RunConfig, Section
from artgen.data.picture_config import PictureDataConfig
from artgen.families.image_vae.stages import Stage, check_stages, plan_stages
from artgen.image.config import PictureSampleConfig

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
ChannelNorm = Literal["none", "batch", "group", "instance", "layer"]
Pooling = Literal["max", "average", "stride"]
PerStage = PositiveInt | list[PositiveInt]
NotNegative = Annotated[int, Field(ge=0)]


class VAEModelConfig(Section):
    """The encoder's stages, each a convolution and, for max and average, a pooling; the decoder is their mirror.

    Where a list may stand, it has a value for each stage; a single value is for all.
    """

    channels: list[PositiveInt] = Field([32, 64, 128, 256], min_length=1, description="channels after each stage")
    kernel: PerStage = Field(3, description="side of the convolution's kernel, in pixels")
    stride: PerStage = Field(2, description="how many pixels a side become one")
    padding: NotNegative | list[NotNegative] | None = Field(
        None, description="rows of zeros around what is convolved; null: half the kernel, which is the most"
    )
    pooling: Pooling | list[Pooling] = Field(
        "stride", description="how pixels become one: the convolution steps by `stride`, or max or average of windows after it"
    )
    window: PerStage | None = Field(None, description="side of the window of max and average; null: the stride")
    upsampling: Literal["nearest", "transposed"] = Field(
        "nearest", description="the decoder's way back: pixels repeated, then convolved; or transposed convolution"
    )
    norm: ChannelNorm = Field("batch", description="normalisation after each convolution")
    activation: Activation = Field("silu", description="non-linearity after each normalisation")
    fully_connected: list[PositiveInt] = Field([], description="widths of the layers between the last stage and the code")
    latent: PositiveInt = Field(64, description="width of the code")
    class_embedding: PositiveInt = Field(16, description="width of the vector that stands for a class (with data.classes)")
    likelihood: Literal["gaussian", "laplace", "bce"] = Field(
        "gaussian", description="what the decoder's output means: mean of a normal or Laplace density, or logits of brightness"
    )
    sigma: Literal["optimal", "learned"] | Annotated[float, Field(gt=0)] = Field(
        "optimal",
        description="scale of that density: that of the errors, a learned number, or one given here (black to white is 2)",
    )
    beta: float = Field(1.0, ge=0, description="weight of the code's cost; 1 is the ELBO, more makes plainer codes")
    free_bits: float = Field(0.0, ge=0, description="nats that each number of the code may cost for nothing")
    warmup: int = Field(0, ge=0, description="steps over which beta rises from 0")


class VAESampleConfig(PictureSampleConfig):
    """How new pictures are made."""

    prior: Literal["standard", "fitted"] = Field(
        "fitted", description="codes from the standard normal, or from the normal that was fitted to the codes of the pictures"
    )


class ImageVAEConfig(RunConfig):
    """Convolutional variational autoencoder: every part from the YAML, to learn from and to walk in its space of codes"""

    family: Literal["image.vae"] = "image.vae"
    data: PictureDataConfig = PictureDataConfig()
    model: VAEModelConfig = VAEModelConfig()
    sample: VAESampleConfig = VAESampleConfig()

    def stages(self) -> list[Stage]:
        """The encoder's stages with their sizes."""
        model = self.model
        return plan_stages(
            self.data.size, model.channels, model.kernel, model.stride, model.padding, model.pooling, model.window
        )

    @model_validator(mode="after")
    def _sizes_fit(self) -> ImageVAEConfig:
        model = self.model
        check_stages(model.channels, kernel=model.kernel, stride=model.stride, padding=model.padding, pooling=model.pooling,
                     window=model.window)  # fmt: skip
        stages = self.stages()
        if wide := next((stage for stage in stages if stage.padding > (stage.kernel - 1) // 2), None):
            raise ValueError(
                f"model.padding: {wide.padding} is too much for the kernel of {wide.kernel} x {wide.kernel} in stage {wide.number}, "
                f"expected at most {(wide.kernel - 1) // 2} (half of it)"
            )
        if stages[-1].size < 1:
            raise ValueError(self._which_sizes_fit(stages))
        if model.norm == "instance" and (one := next((s for s in stages if s.convolved == 1), None)):
            raise ValueError(
                f"model.norm: instance leaves nothing of a single pixel, which stage {one.number} has; expected fewer stages "
                "in model.channels, or batch, group, layer or none"
            )
        return self

    def _which_sizes_fit(self, stages: list[Stage]) -> str:
        first = next(stage for stage in stages if stage.size < 1)
        path = " -> ".join(str(size) for size in [self.data.size, *(s.size for s in stages[: first.number - 1])])
        gone = (
            f"data.size: {self.data.size} is too small for this network, stage {first.number} would have no pixel ({path} -> 0)"
        )
        for size in range(self.data.size + 1, 257):
            larger = self.model_copy(update={"data": self.data.model_copy(update={"size": size})})
            if larger.stages()[-1].size >= 1:
                return f"{gone}; expected {size} to 256, or fewer stages in model.channels"
        return f"{gone}; no size up to 256 fits, expected at most {first.number - 1} stages in model.channels, or more model.padding"


CONFIG = ImageVAEConfig
