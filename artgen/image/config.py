"""Config sections that picture families share. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from artgen.config import PositiveInt, Section


class PictureSampleConfig(Section):
    """How new pictures are made."""

    medium: ClassVar[str] = "picture"

    class_name: str | None = Field(None, description="which class to make, by its name; null: all classes in turn")
    truncation: float = Field(
        1.0, ge=0, le=2, description="how far latents go from their mean: less is plainer and surer, 0 the mean itself"
    )
    batch: PositiveInt = Field(32, description="pictures made together; fewer needs less memory")
    avoid_copies: bool = Field(
        False, description="make anew what is nearer to a training picture than real pictures are to each other"
    )


class FlowSampleConfig(PictureSampleConfig):
    """How a flow is followed from noise to a picture."""

    sampler: Literal["euler", "heun", "dpm++", "rk4"] = Field(
        "dpm++", description="rule of integration: euler and dpm++ read the network once a step, heun twice, rk4 four times"
    )
    steps: PositiveInt = Field(24, description="steps from noise to picture")
    guidance: float = Field(
        1.0, ge=0, le=20, description="classifier-free guidance: above 1 goes past what the class asks for (needs classes)"
    )


class AdversarialModelConfig(Section):
    """What generator and discriminator play for; a family adds their networks."""

    latent: PositiveInt = Field(128, description="width of latents and of codes")
    loss: Literal["bce", "lsgan", "hinge", "wgan-gp", "relativistic"] = Field(
        "relativistic", description="the objective; relativistic compares real and made pictures in pairs"
    )
    r1: float = Field(0.0, ge=0, description="weight of the penalty on the discriminator's gradient at real pictures")
    r2: float = Field(0.0, ge=0, description="the same at made pictures")
    gradient_penalty: float = Field(10.0, ge=0, description="wgan-gp: weight of the penalty between real and made pictures")
    penalty_every: PositiveInt = Field(1, description="steps between penalties, which then weigh so many times more")
    augment: list[Literal["colour", "translation", "cutout", "scale"]] = Field(
        ["colour", "translation", "cutout"],
        description="changes by chance of all that the discriminator sees, against learning few pictures by heart",
    )
    augment_chance: float = Field(
        1.0, ge=0, le=1, description="chance of each change for each picture; below 1 no change is taken for the style"
    )


def check_size(size: int, multiple_of: int, largest: int = 256) -> None:
    """Raises ValueError where a network cannot have pictures of this size; multiple_of 0: powers of two only, up to 256."""
    if multiple_of:
        fits, below = size % multiple_of == 0, size // multiple_of * multiple_of
        nearest, what = sorted({max(32, below), min(largest, below + multiple_of)}), f"a multiple of {multiple_of}"
    else:
        fits, nearest, what = size & (size - 1) == 0, [32, 64, 128, 256], "a power of two"
    if not fits:
        raise ValueError(f"data.size: {size} does not fit this network, expected {what}: {' or '.join(map(str, nearest))}")
