"""The paintings that a network learns from, and what is kept of them to paint with: names, hashes and colours, never a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from artgen.errors import UsageError
from artgen.files import sha256_of
from artgen.media.image_files import image_size, read_image, to_profile
from artgen.style.color import ColorStatistics, apply_map, color_statistics

SMALLEST = 64  # pixels of a painting's shorter side, in the file
OPAQUE = 0.99  # of alpha


class PaintingFacts(BaseModel):
    """One painting, as it stands in a run."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str  # of the file, without its folder
    sha256: str
    mean: list[float]  # of its colours, [3]
    covariance: list[list[float]]  # [3, 3]

    def colors(self) -> ColorStatistics:
        return ColorStatistics(torch.tensor(self.mean, dtype=torch.float64), torch.tensor(self.covariance, dtype=torch.float64))


@dataclass(frozen=True)
class Painting:
    """pixels: [3, height, width], sRGB, 0 to 1."""

    pixels: Tensor
    facts: PaintingFacts


def read_paintings(paths: Sequence[str], size: int, needed: int) -> list[Painting]:
    """Scaled so that their longest side has `size` pixels. needed: pixels that the shorter side must have then.

    Raises UsageError of one line that names the file and what is wrong with it.
    """
    if not paths:
        raise UsageError("style.image: names no painting; --set style.image=painting.jpg")
    return [_read(path, size, needed) for path in paths]


def _read(path: str, size: int, needed: int) -> Painting:
    width, height = image_size(path)
    if min(width, height) < SMALLEST:
        raise UsageError(f"{path}: has {width} x {height} pixels, a painting needs at least {SMALLEST} on each side")
    picture = read_image(path, size=size)
    if picture.alpha is not None and bool((picture.alpha < OPAQUE).any()):
        raise UsageError(
            f"{path}: has transparent parts, which are no style; cut them off, or lay the painting on a background"
        )
    if min(picture.pixels.shape[:2]) < needed:
        made = f"{picture.pixels.shape[1]} x {picture.pixels.shape[0]}"
        raise UsageError(f"{path}: is too small at style.size {size}: {made} pixels, expected at least {needed} on each side")
    pixels = torch.from_numpy(to_profile(picture, None).pixels).permute(2, 0, 1).contiguous()
    colors = color_statistics(pixels)
    facts = PaintingFacts(
        name=Path(path).name, sha256=sha256_of(Path(path)), mean=colors.mean.tolist(), covariance=colors.covariance.tolist()
    )
    return Painting(pixels, facts)


def recolored(content: Tensor, change: tuple[Tensor, Tensor]) -> Tensor:
    """[3, h, w] by a map of `artgen.style.color`, 0 to 1. Not under autocast: bfloat16 has too few digits for colours."""
    with torch.autocast(content.device.type, enabled=False):
        return apply_map(content, *change).clamp_(0, 1)
