"""Photographs and paintings of ../shared/data for the tests of style transfer."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tests.metrics.drawn import shared


def real_picture(name: str, size: int) -> Tensor:
    """[3, height, width], 0 to 1, `size` pixels on the longer side. Skips the test where the file is not there."""
    with Image.open(shared(name)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
