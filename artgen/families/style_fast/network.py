"""The network of `style.fast`: what is to be added to a photograph in the painting's colours, to become painted.

After Johnson et al. 2016 ("Perceptual losses for real-time style transfer"), with instance normalisation (Ulyanov et al. 2017) whose
gains and shifts are those of each style (Dumoulin et al. 2017, "A learned representation for artistic style", eq. 5), so that
styles are mixed by mixing them, and a second set that is added by how much of the layout is to be kept (as Babaeizadeh and Ghiasi
2018, "Adjustable real-time style transfer"). Three things differ:

- Colours need no learning: they are carried over in closed form before (artgen.style.color), and the network adds to what is left
  of them when all detail is gone. It has seen the detail, but must paint it: else the photograph would shine through.
- Only layers at a quarter of the size are normalised. Those before and after see a few pixels around each place alone, so that
  a picture of any size can go through them in strips with the very same result.
- Noise comes in, from which strokes grow where the photograph has nothing to begin with (Ulyanov et al. 2016, "Texture networks").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.families.style_fast.config import REDUCTION, FastModelConfig

HALO = 2 * REDUCTION  # pixels around a strip that its inner part depends on, at most; a multiple of REDUCTION


@dataclass(frozen=True)
class Wanted:
    """What is asked of each picture. styles: [n, styles], with 1 as their sum. content: [n], 0 (a hint of the layout) to 1."""

    styles: Tensor
    content: Tensor


class StyleNet(nn.Module):
    """Pictures [n, 3, h, w], 0 to 1, in the colours of their styles, to painted ones, about 0 to 1. h, w: multiples of 4."""

    def __init__(self, config: FastModelConfig, n_styles: int) -> None:
        super().__init__()
        width = config.width
        self.head_1 = Convolution(3 * 4, width // 2)
        self.head_2 = Convolution(width // 2, width, stride=2)
        self.norm = Normalised(width, n_styles)
        self.join = Convolution(width + config.noise, width)
        self.joined = Normalised(width, n_styles)
        self.blocks = nn.ModuleList(Block(width, n_styles) for _ in range(config.blocks))
        self.tail_1 = Convolution(width, width // 2)
        self.tuned_1 = Tuned(width // 2, n_styles)
        self.tail_2 = Convolution(width // 2, width // 4)
        self.tuned_2 = Tuned(width // 4, n_styles)
        self.tail_3 = Convolution(width // 4, 3)
        nn.init.zeros_(self.tail_3.weight)  # it begins with colours alone

    def forward(self, pictures: Tensor, noise: Tensor, wanted: Wanted, wrap: bool = False) -> Tensor:
        """noise: [n, noise, h / 4, w / 4], standard normal. wrap: the right border goes on at the left one, and the lower at the upper one."""
        painted = self.tail(self.body(self.head(pictures, wrap), noise, wanted, wrap), wanted, wrap)
        return without_detail(pictures, wrap) + painted.float()

    def head(self, pictures: Tensor, wrap: bool = False) -> Tensor:
        """[n, 3, h, w] -> [n, width, h / 4, w / 4]."""
        x = F.pixel_unshuffle(2 * pictures - 1, 2).contiguous(memory_format=torch.channels_last)
        return self.head_2(F.relu(self.head_1(x, wrap)), wrap)

    def body(self, x: Tensor, noise: Tensor, wanted: Wanted, wrap: bool = False) -> Tensor:
        """[n, width, h / 4, w / 4] -> the same shape. What a place becomes depends on the whole picture, by its statistics."""
        x = F.relu(self.norm(x, wanted))
        x = torch.cat([x, noise.to(x)], dim=1).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.joined(self.join(x, wrap), wanted))
        for block in self.blocks:
            x = block(x, wanted, wrap)
        return x

    def tail(self, x: Tensor, wanted: Wanted, wrap: bool = False) -> Tensor:
        """[n, width, h / 4, w / 4] -> what is added to the picture without its detail, [n, 3, h, w]."""
        x = F.relu(self.tuned_1(self.tail_1(_doubled(x), wrap), wanted))
        x = F.relu(self.tuned_2(self.tail_2(_doubled(x), wrap), wanted))
        return self.tail_3(x, wrap)

    def vocabulary_parameters(self) -> Iterator[Tensor]:
        """Tables with a row for each style, which are no matrices that multiply, and the last layer, which begins as zeros."""
        for module in self.modules():
            if isinstance(module, Tuned):
                yield from module.parameters()
        yield self.tail_3.weight


def without_detail(pictures: Tensor, wrap: bool = False) -> Tensor:
    """[n, 3, h, w] as if enlarged from a quarter of its height and width: what the network lays its strokes on."""
    small = F.avg_pool2d(pictures, REDUCTION)
    if not wrap:
        return F.interpolate(small, scale_factor=REDUCTION, mode="bilinear", align_corners=False)
    small = F.pad(small, (1, 1, 1, 1), "circular")
    large = F.interpolate(small, scale_factor=REDUCTION, mode="bilinear", align_corners=False)
    return large[..., REDUCTION:-REDUCTION, REDUCTION:-REDUCTION]


def noise_shape(channels: int, height: int, width: int) -> tuple[int, int, int]:
    """Of the standard normal noise for one picture of that size."""
    return channels, height // REDUCTION, width // REDUCTION


class Convolution(nn.Conv2d):
    """3 x 3 over a picture that is mirrored at its borders, or goes on at the other side."""

    def __init__(self, d_in: int, d_out: int, stride: int = 1) -> None:
        super().__init__(d_in, d_out, 3, stride=stride)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, wrap: bool = False) -> Tensor:
        mode = "circular" if wrap else "reflect" if min(x.shape[2:]) > 1 else "replicate"
        x = F.pad(x, (1, 1, 1, 1), mode).contiguous(memory_format=torch.channels_last)
        return self._conv_forward(x, self.weight, self.bias)


class Tuned(nn.Module):
    """Gain and shift of each channel: those of the styles, mixed, and by how much of the layout is kept."""

    def __init__(self, width: int, n_styles: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(n_styles, width))
        self.shift = nn.Parameter(torch.zeros(n_styles, width))
        self.gain_slope = nn.Parameter(torch.zeros(n_styles, width))
        self.shift_slope = nn.Parameter(torch.zeros(n_styles, width))

    def forward(self, x: Tensor, wanted: Wanted) -> Tensor:
        along = (2 * wanted.content - 1)[:, None, None]
        gain = _mixed(wanted.styles, self.gain + along * self.gain_slope)
        shift = _mixed(wanted.styles, self.shift + along * self.shift_slope)
        return torch.addcmul(shift.to(x), x, gain.to(x))


class Normalised(Tuned):
    """The same after each channel of each picture was given a mean of 0 and a variance of 1."""

    def forward(self, x: Tensor, wanted: Wanted) -> Tensor:
        return super().forward(F.instance_norm(x), wanted)


class Block(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, width: int, n_styles: int) -> None:
        super().__init__()
        self.first, self.first_norm = Convolution(width, width), Normalised(width, n_styles)
        self.second, self.second_norm = Convolution(width, width), Normalised(width, n_styles)

    def forward(self, x: Tensor, wanted: Wanted, wrap: bool) -> Tensor:
        y = F.relu(self.first_norm(self.first(x, wrap), wanted))
        return x + self.second_norm(self.second(y, wrap), wanted)


def _mixed(styles: Tensor, tables: Tensor) -> Tensor:
    """[n, styles] and [n, styles, width] -> [n, width, 1, 1]."""
    return (styles[..., None] * tables).sum(dim=1)[..., None, None]


def _doubled(x: Tensor) -> Tensor:
    """Each value becomes two by two. With a convolution after it, which sees all places alike, this makes no chequerboards
    (Odena et al. 2016, "Deconvolution and checkerboard artifacts")."""
    return F.interpolate(x, scale_factor=2, mode="nearest")
