"""Pictures and vectors for the tests of picture metrics: drawn, or real ones from ../shared/data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

SHARED = Path(__file__).parents[3] / "shared/data"


def shapes(n: int, size: int = 64, seed: int = 0) -> np.ndarray:
    """n pictures of three soft coloured spots on a light ground, uint8 [n, size, size, 3]."""
    rng = np.random.default_rng(seed)
    grid = np.arange(size)
    pictures = np.empty((n, size, size, 3), dtype=np.uint8)
    for number in range(n):
        picture = np.full((size, size, 3), rng.uniform(180, 255, 3))
        for _ in range(3):
            y, x = rng.uniform(0.15, 0.85, 2) * size
            radius = rng.uniform(0.08, 0.22, 2) * size
            spot = np.exp(-(((grid[:, None] - y) / radius[0]) ** 2) - ((grid[None] - x) / radius[1]) ** 2)[..., None]
            picture = picture * (1 - spot) + rng.uniform(0, 255, 3) * spot
        pictures[number] = picture.round()
    return pictures


def noise(n: int, size: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def gaussian(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def shared(path: str) -> Path:
    """A file or folder of the example data; the test is skipped, and says so, where it is not there."""
    if not (SHARED / path).exists():
        pytest.skip(f"needs ../shared/data/{path}, which is not part of the project")
    return SHARED / path


def photograph(path: str) -> np.ndarray:
    """A real picture, the middle square of it: uint8 [1, side, side, 3]."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow to read photographs")
    with image.open(shared(path)) as opened:
        picture = np.asarray(opened.convert("RGB"))
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[None, top : top + side, left : left + side]
