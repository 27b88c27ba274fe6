"""Batches of pictures: a pure function of seed, step and share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artgen.data.picture_decoding import Pixels
from artgen.families.base import Share

Batch = tuple[Tensor, Tensor]
"""Pictures uint8 [n, channels, height, width] and the numbers of their classes int64 [n] (0 where there are none)."""


@dataclass(frozen=True)
class ShuffledPictures:
    """Goes through all pictures in an order that is new in every epoch, mirrored or not as `flip` says."""

    pictures: Pixels  # [n, height, width, channels]
    labels: NDArray[np.int64]  # [n]
    batch_size: int
    seed: int
    flip: bool = False

    def batch(self, step: int, share: Share) -> Batch:
        """One share of the batch of `step`, on the CPU."""
        size = self.batch_size // share.count
        first = step * self.batch_size + share.index * size
        positions = np.arange(first, first + size)
        epochs = positions // len(self.pictures)
        orders = {int(epoch): self._order(int(epoch)) for epoch in np.unique(epochs)}
        chosen = [orders[int(epoch)][position % len(self.pictures)] for epoch, position in zip(epochs, positions, strict=True)]
        pixels = self.pictures[chosen]  # a copy
        if self.flip:
            mirrored = np.random.Generator(np.random.Philox(key=[self.seed, (1 << 63) + step])).random(self.batch_size) < 0.5
            mine = mirrored[share.index * size : share.index * size + size]
            pixels[mine] = pixels[mine, :, ::-1]
        return to_tensor(pixels), torch.from_numpy(self.labels[chosen])

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(len(self.pictures))


def to_tensor(pixels: Pixels) -> Tensor:
    """uint8 [n, height, width, channels] -> uint8 [n, channels, height, width], channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)


def to_unit(pixels: Pixels) -> Tensor:
    """One picture, uint8 [height, width, channels] -> float32 0 to 1, [channels, height, width], as style transfer has it."""
    return to_tensor(np.array(pixels)[None])[0].float() / 255  # a copy: pixels may be read-only


def from_unit(picture: Tensor) -> Pixels:
    """Back again, of what may be a little beyond 0 and 1."""
    return (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def to_signal(pixels: Tensor) -> Tensor:
    """uint8 0 to 255 -> float32 -1 to 1, what the networks see."""
    return pixels.float().div_(127.5).sub_(1)


def to_pixels(signal: Tensor) -> Pixels:
    """float [n, channels, height, width], -1 to 1 -> uint8 [n, height, width, channels]."""
    scaled = signal.float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
