"""The `data` section of picture families. Imports no torch."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from artgen.config import ONE_OR_MORE, IsPath, PositiveInt, Section

DEMO_SETS = ("geometric", "harmonographs", "flow-fields", "truchet")  # artgen.data.demo_pictures draws them
COLOURS = {"white": "#ffffff", "black": "#000000", "grey": "#808080"}


def _as_colour(value: Any) -> str:
    """Lower case, so that the same colour is the same config. A # that is not in quotes begins a comment, and leaves None."""
    colour = value.lower() if isinstance(value, str) else ""
    if colour not in COLOURS and not re.fullmatch("#[0-9a-f]{6}", colour):
        raise ValueError(f'expected {", ".join(COLOURS)} or a colour such as "#f4ecd8", in quotes (got {value!r})')
    return colour


PicturePaths = Annotated[list[str], ONE_OR_MORE, IsPath(*DEMO_SETS)]
Colour = Annotated[str, BeforeValidator(_as_colour, json_schema_input_type=str)]


class DemoConfig(Section):
    """Demo sets: pictures that artgen draws itself."""

    count: int = Field(512, ge=3, le=100_000, description="how many pictures of each set")
    seed: int = Field(0, ge=0, lt=2**31, description="the same seed draws the same pictures")


class PictureDataConfig(Section):
    """Which pictures, made into squares of one size."""

    path: PicturePaths = Field(
        ["geometric"], min_length=1, description=f"files, folders, globs, or a demo set: {', '.join(DEMO_SETS)}"
    )
    size: int = Field(64, ge=32, le=256, description="side of the square that every picture becomes, in pixels")
    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop", description="cut to the middle square, lay on a square of the background, or distort"
    )
    channels: Literal["rgb", "rgba", "grey"] = Field("rgb", description="rgba keeps transparency, as sprites need it")
    background: Colour = Field("white", description='what is behind transparency: white, black, grey or "#rrggbb"')
    flip: bool = Field(False, description="show half of the pictures mirrored while training, left to right")
    classes: bool = Field(False, description="subfolders are classes; so are several folders or demo sets in path")
    strict: bool = Field(False, description="refuse broken files instead of leaving them out")
    max_pixels: PositiveInt = Field(100_000_000, description="files that say they are larger count as broken")
    validation: float = Field(0.1, gt=0, lt=0.9, description="share of the pictures held out")
    demo: DemoConfig = DemoConfig()

    @property
    def n_channels(self) -> int:
        """3 for rgb, 4 for rgba, 1 for grey."""
        return {"rgb": 3, "rgba": 4, "grey": 1}[self.channels]

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """The background colour as numbers from 0 to 255."""
        return rgb(self.background)


def rgb(colour: str) -> tuple[int, int, int]:
    """A colour's name or `#rrggbb` as numbers from 0 to 255."""
    number = int(COLOURS.get(colour, colour).removeprefix("#"), 16)
    return number >> 16, number >> 8 & 255, number & 255
