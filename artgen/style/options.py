"""Options of the method `patch`, as `--set` names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from artgen.config import Fraction, PositiveInt, Section

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PatchOptions(Section):
    """How `artgen.style.patch.patch` works."""

    steps: PositiveInt = 26  # of each scale
    smallest: Annotated[int, Field(ge=16, le=512)] = 32  # longest side of the coarsest scale, pixels
    factor: Annotated[float, Field(gt=1, le=4)] = 1.5  # from scale to scale
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.03
    projections: PositiveInt = 48  # directions in which distributions are compared, in each step
    patch: Annotated[int, Field(ge=2, le=15)] = 5  # side of the patches that are compared, pixels
    levels: Annotated[int, Field(ge=1, le=6)] = 3  # of the pyramid: patches of 5, 10 and 20 pixels
    patch_weight: Weight = 1.0
    strokes: PositiveInt = 48  # filters learned from the style
    stroke_size: Annotated[int, Field(ge=3, le=15)] = 7  # their side, pixels
    stroke_weight: Weight = 0.01
    content_weight: Weight = 0.3  # of edges, at the default content strength
    lay: bool = True  # nearest patches of the style, within each scale
    guide: Weight = 0.7  # of light and dark of the content, where they are laid
    detail: Fraction = 0.5  # how much of the content's finer edges is laid on at each scale
    noise: Fraction = 0.05  # what strokes can grow from where the content is flat, of the style's contrast
    tile: Annotated[int, Field(ge=64, le=4096)] = 512  # pixels that are worked on at a time: less needs less memory
