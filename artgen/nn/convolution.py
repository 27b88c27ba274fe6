"""Convolutional stages: convolution, normalisation, non-linearity, pooling; and their way back."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from artgen.nn.activations import CONVOLUTIONAL
from artgen.nn.norms import build_channel_norm
from artgen.nn.sizes import convolved, pool_padding, transposed


class DownStage(nn.Module):
    """[n, n_in, h, w] -> [n, n_out, h', w'].

    pooling `stride`: the convolution itself moves by `stride` pixels. `max` or `average`: it moves by one, and afterwards
    windows of `window` pixels a side, `stride` apart, each become one pixel.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        stride: int,
        padding: int,
        pooling: str = "stride",
        window: int | None = None,
        norm: str = "none",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        by_stride = pooling == "stride"
        self.convolution = nn.Conv2d(n_in, n_out, kernel, stride if by_stride else 1, padding, bias=norm == "none")
        self.norm = build_channel_norm(norm, n_out)
        self.activation = CONVOLUTIONAL[activation]
        self.pooling = None if by_stride else (pooling, window or stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.norm(self.convolution(x)))
        return pool(y, *self.pooling) if self.pooling else y


class UpStage(nn.Module):
    """The way back of a DownStage: [n, n_in, h', w'] -> [n, n_out, h, w] with exactly h = w = `size`.

    nearest: pixels are repeated, then convolved. So many that the convolution, with the padding of the way down, leaves `size`.
    transposed: each pixel is multiplied with a kernel and laid down where the kernel read it on the way down; what several
    lay on one pixel is added. Where the way down pooled, pixels are first repeated as pooling had merged them.

    last: no normalisation and no non-linearity, for a layer whose output is the picture.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        size: int,
        kernel: int,
        stride: int,
        padding: int,
        pooling: str = "stride",
        upsampling: str = "nearest",
        norm: str = "none",
        activation: str = "relu",
        last: bool = False,
    ) -> None:
        super().__init__()
        bias = last or norm == "none"
        self.repeated: int | None = None
        self.convolution: nn.Module
        if upsampling == "nearest":
            self.repeated = size + kernel - 1 - 2 * padding
            self.convolution = nn.Conv2d(n_in, n_out, kernel, 1, padding, bias=bias)
        else:
            step = stride if pooling == "stride" else 1
            coarse = convolved(size, kernel, step, padding)
            if pooling != "stride":
                self.repeated = coarse
            missing = size - transposed(coarse, kernel, step, padding)
            self.convolution = nn.ConvTranspose2d(n_in, n_out, kernel, step, padding, missing, bias=bias)
        self.norm = nn.Identity() if last else build_channel_norm(norm, n_out)
        self.activation = None if last else CONVOLUTIONAL[activation]

    def forward(self, x: Tensor) -> Tensor:
        if self.repeated is not None and self.repeated != x.shape[-1]:
            x = F.interpolate(x, size=(self.repeated, self.repeated), mode="nearest")
        y = self.norm(self.convolution(x))
        return self.activation(y) if self.activation else y


def pool(x: Tensor, kind: str, window: int, stride: int) -> Tensor:
    """`max` or `average` of each window of [n, channels, h, w].

    A window that is larger than the stride reaches over the edges (`pool_padding`); only pixels in the picture count.
    """
    padding = pool_padding(window, stride)
    if kind == "max":
        return F.max_pool2d(x, window, stride, padding)
    return F.avg_pool2d(x, window, stride, padding, count_include_pad=False)
