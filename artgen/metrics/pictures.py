"""Pictures as the metrics take them: uint8 [n, height, width, channels], in memory or memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Pictures = np.ndarray | Tensor

LARGEST_BATCH = 1 << 24  # numbers of a batch of pictures, of 4 bytes once they are float32


def as_rgb(pictures: Pictures, background: tuple[int, int, int] = (255, 255, 255)) -> Tensor:
    """uint8 [n, height, width, 1, 3 or 4] -> uint8 [n, height, width, 3]; transparency lies on `background`.

    Raises ValueError where that is not what the pictures are.
    """
    # A copy of its own: torch cannot hold an array that may only be read, and a memory map is one.
    found = pictures.detach().cpu() if isinstance(pictures, Tensor) else torch.from_numpy(np.array(pictures, order="C"))
    if found.dtype != torch.uint8 or found.ndim != 4 or found.shape[-1] not in (1, 3, 4) or 0 in found.shape[1:3]:
        raise ValueError(f"pictures are {found.dtype} {list(found.shape)}, expected uint8 [n, height, width, 1, 3 or 4]")
    if found.shape[-1] == 1:
        return found.expand(-1, -1, -1, 3)
    if found.shape[-1] == 3:
        return found
    colour, alpha = found[..., :3].float(), found[..., 3:].float() / 255
    return (colour * alpha + torch.tensor(background) * (1 - alpha)).round_().to(torch.uint8)


def in_batches(pictures: Pictures, size: int = 256) -> Iterator[Tensor]:
    """The pictures in RGB, `size` at a time, or fewer where they are large: uint8 [at most size, height, width, 3]."""
    if pictures.ndim != 4:
        raise ValueError(f"pictures are {list(pictures.shape)}, expected [n, height, width, channels]")
    size = max(1, min(size, LARGEST_BATCH // max(1, pictures.shape[1] * pictures.shape[2] * 3)))
    for begin in range(0, len(pictures), size):
        yield as_rgb(pictures[begin : begin + size])


def resize(pictures: Tensor, height: int, width: int) -> Tensor:
    """uint8 [n, h, w, 3] -> float32 [n, 3, height, width], 0 to 255 and not rounded.

    Bicubic; what is made smaller is averaged first, without which a feature network sees patterns that are not there (Parmar
    et al. 2022, "On Aliased Resizing and Surprising Subtleties in GAN Evaluation").
    """
    x = pictures.permute(0, 3, 1, 2).float()
    if x.shape[2:] == (height, width):
        return x.contiguous()
    x = F.interpolate(x, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return x.clamp_(0, 255)


def pixel_vectors(pictures: Pictures, size: int) -> Tensor:
    """Each picture shrunk to size x size, as float32 [n, 3 * size * size] whose Euclidean distance is the root mean square
    difference of the pixels, 0 to 1. A cheap stand-in for the picture in the large: it keeps shape and colour, not texture."""
    scale = 255 * (3 * size * size) ** 0.5
    rows = [resize(batch, size, size).flatten(1) / scale for batch in in_batches(pictures)]
    return torch.cat(rows) if rows else torch.zeros(0, 3 * size * size)


def check_same_size(samples: Pictures, real: Pictures) -> None:
    """Raises ValueError where the pictures of two sets are not of one height and width."""
    if samples.shape[1:3] != real.shape[1:3]:
        raise ValueError(f"pictures are {list(samples.shape[1:3])} and {list(real.shape[1:3])} pixels, expected one size")
