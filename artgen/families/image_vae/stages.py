"""The sizes that pictures have on their way through the encoder. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from artgen.nn.sizes import convolved, pool_padding

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """One stage of the encoder: convolution, and pooling unless that is `stride`."""

    number: int  # from 1
    channels: int
    kernel: int
    stride: int
    padding: int
    pooling: str
    window: int
    size_before: int  # sides in pixels
    convolved: int
    size: int


def plan_stages(
    size: int,
    channels: Sequence[int],
    kernel: int | Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int] | None,
    pooling: str | Sequence[str],
    window: int | Sequence[int] | None,
) -> list[Stage]:
    """The stages for pictures of `size` pixels a side. From the stage that a picture is too small for, sizes are 0."""
    stages = []
    for i, width in enumerate(channels):
        k, s = of_stage(kernel, i), of_stage(stride, i)
        how = pooling if isinstance(pooling, str) else pooling[i]
        p = (k - 1) // 2 if padding is None else of_stage(padding, i)
        w = s if window is None else of_stage(window, i)
        between = convolved(size, k, s if how == "stride" else 1, p) if size else 0
        after = between if how == "stride" or between < 1 else convolved(between, w, s, pool_padding(w, s))
        after = max(0, after)
        stages.append(Stage(i + 1, width, k, s, p, how, w, size, between, after))
        size = after
    return stages


def check_stages(channels: Sequence[int], **values: object) -> None:
    """Raises ValueError where a list has not one value for each stage."""
    for key, value in values.items():
        if isinstance(value, list) and len(value) != len(channels):
            raise ValueError(
                f"model.{key}: {len(value)} values for the {len(channels)} stages of model.channels, expected one for each, "
                "or a single one for all"
            )


def of_stage(values: T | Sequence[T], index: int) -> T:
    """The value of a stage, of a list or of one value for all."""
    return values[index] if isinstance(values, (list, tuple)) else values  # type: ignore[return-value]
