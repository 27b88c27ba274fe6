"""Pictures [channels, height, width] of another size, also such that go on at the opposite border."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(picture: Tensor, size: Sequence[int], seamless: bool = False) -> Tensor:
    """Bicubic, antialiased where it shrinks; a new tensor. Values may leave the range a little. size: (height, width)."""
    height, width = picture.shape[1:]
    if (height, width) == tuple(size):
        return picture.clone()
    if not seamless:
        return _resample(picture, size)
    # Three copies beside each other, one axis after the other, and of these the one in the middle.
    tall = _resample(picture.repeat(1, 3, 1), (3 * size[0], width))[:, size[0] : 2 * size[0]]
    return _resample(tall.repeat(1, 1, 3), (size[0], 3 * size[1]))[:, :, size[1] : 2 * size[1]]


def _resample(picture: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(picture[None], size=tuple(size), mode="bicubic", antialias=True, align_corners=False)[0]


def made_periodic(picture: Tensor) -> Tensor:
    """The periodic component of [channels, h, w]: nearly the picture inside, and without a jump from border to border.

    The rest is smooth: the jumps across the borders, v, are spread over the picture by the discrete Poisson equation,
    s^(q, r) = v^(q, r) / (2 cos(2πq/h) + 2 cos(2πr/w) - 4) (Moisan 2011, "Periodic plus smooth image decomposition", eq. 10-12).
    """
    height, width = picture.shape[1:]
    jumps = torch.zeros_like(picture)
    vertical, horizontal = picture[:, -1] - picture[:, 0], picture[:, :, -1] - picture[:, :, 0]
    jumps[:, 0] += vertical
    jumps[:, -1] -= vertical
    jumps[:, :, 0] += horizontal
    jumps[:, :, -1] -= horizontal
    # 2 cos(2a) - 2 is written as -4 sin²(a), which keeps its digits where both are small: at the lowest frequencies, which matter most.
    rows, columns = (torch.sin(math.pi * torch.arange(n).to(picture) / n) for n in (height, width))
    divisor = -4 * (rows.square()[:, None] + columns.square()[None])
    divisor[0, 0] = 1
    spectrum = torch.fft.fft2(jumps) / divisor
    spectrum[:, 0, 0] = 0
    smooth = torch.fft.ifft2(spectrum).real
    return (picture - smooth).clamp(0, 1)
