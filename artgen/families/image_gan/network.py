"""Generator and discriminator of `image.gan`.

After R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!", section 3.2): residual blocks without normalisation,
initialised so that each begins as the identity (Zhang et al. 2019, Fixup), resampled bilinearly. Made for little compute:
kernels are dense, as processors like them, and the discriminator reads pictures folded 2 x 2 (Shi et al. 2016, eq. 4). The
generator does not write them so: four pixels that are written apart show as a chequered texture. Made for few pictures: every block of the generator is scaled by the code (Karras et al. 2019), and so can add its
own detail to a picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.families.image_gan.config import GANModelConfig
from artgen.image.adversarial import Generator

SLOPE = 0.2  # of leaky ReLU
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # keeps the variance through it (He et al. 2015, eq. 15)
COARSEST = 4  # pixels


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU. The weights after it are GAIN times larger, so that the variance is kept."""
    return F.leaky_relu(x, SLOPE)


def widths(model: GANModelConfig, finest: int) -> list[tuple[int, int]]:
    """(resolution, channels) from 4 pixels to the finest resolution."""
    levels = int(math.log2(finest // COARSEST))
    sizes = [COARSEST << level for level in range(levels + 1)]
    return [(side, min(model.max_width, max(8, model.width * 64 // side))) for side in sizes]


class Residual(nn.Module):
    """x + W₂ a(s(code) * W₁ a(x)): [n, c, h, w] -> the same shape. W₂ begins at 0."""

    def __init__(self, channels: int, code: int | None = None) -> None:
        super().__init__()
        self.first = _convolution(channels, channels, 3, GAIN)
        self.second = _convolution(channels, channels, 3)
        nn.init.zeros_(self.second.weight)
        self.style = _linear(code, channels) if code else None
        if self.style is not None:
            nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        hidden = self.first(activate(x))
        if self.style is not None:
            assert code is not None
            hidden = hidden * self.style(code)[:, :, None, None]
        return x + self.second(activate(hidden))


class StyleGenerator(Generator):
    """Latents [n, d] -> codes [n, d] -> pictures."""

    def __init__(self, model: GANModelConfig, size: int, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_classes, model.latent) if n_classes else None
        width = model.latent
        first, second = _linear(width * (2 if n_classes else 1), width), _linear(width, width, GAIN)
        self.map = nn.Sequential(first, nn.LeakyReLU(SLOPE), second)
        levels = widths(model, size)
        self.base = _linear(width, levels[0][1] * COARSEST**2)
        self.blocks = nn.ModuleList(
            nn.ModuleList(Residual(channels, model.latent) for _ in range(model.blocks)) for _, channels in levels
        )
        self.widen = nn.ModuleList(_convolution(a, b, 1) for (_, a), (_, b) in zip(levels, levels[1:], strict=False))
        self.picture = _convolution(levels[-1][1], n_channels, 3, gain=0.5 * GAIN)

    def vocabulary_parameters(self) -> list[Tensor]:
        """What Muon leaves to AdamW: what writes pixels."""
        return [self.picture.weight]

    def mapping(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        x = latents * latents.square().mean(dim=1, keepdim=True).add(1e-8).rsqrt()
        if self.embedding is not None:
            assert labels is not None
            x = torch.cat([x, self.embedding(labels)], dim=1)
        return self.map(x)

    def synthesis(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        x = self.base(codes).unflatten(1, (-1, COARSEST, COARSEST)).contiguous(memory_format=torch.channels_last)
        for level, blocks in enumerate(self.blocks):
            if level:
                x = F.interpolate(self.widen[level - 1](x), scale_factor=2, mode="bilinear", align_corners=False)
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, codes)
        return self.picture(activate(x))

    def reading_weights(self) -> list[Tensor]:
        styles = [block.style.weight for blocks in self.blocks for block in blocks]  # type: ignore[attr-defined]
        return [self.base.weight, *styles]


class ResidualDiscriminator(nn.Module):
    """Pictures [n, channels, height, width] -> logits [n]; of classes by projection (Miyato and Koyama 2018, eq. 3)."""

    def __init__(self, model: GANModelConfig, size: int, n_channels: int, n_classes: int) -> None:
        super().__init__()
        levels = widths(model, size // 2)[::-1]
        self.read = _convolution(n_channels * 4, levels[0][1], 3)
        self.blocks = nn.ModuleList(nn.ModuleList(Residual(channels) for _ in range(model.blocks)) for _, channels in levels)
        self.widen = nn.ModuleList(_convolution(a, b, 1) for (_, a), (_, b) in zip(levels, levels[1:], strict=False))
        last = levels[-1][1]
        self.gather = nn.Conv2d(last, last, COARSEST, groups=last, bias=False)
        nn.init.normal_(self.gather.weight, std=1 / COARSEST)
        self.features = _linear(last, last, GAIN)
        self.judge = _linear(last, 1, GAIN)
        self.embedding = nn.Embedding(n_classes, last) if n_classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(last))

    def vocabulary_parameters(self) -> list[Tensor]:
        """What Muon leaves to AdamW: what reads pixels, and the last linear map."""
        return [self.read.weight, self.judge.weight]

    def forward(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        x = self.read(F.pixel_unshuffle(pictures, 2))
        for level, blocks in enumerate(self.blocks):
            if level:
                x = F.avg_pool2d(self.widen[level - 1](x), 2)
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x)
        features = activate(self.features(self.gather(activate(x)).flatten(1)))
        logits = self.judge(features)[:, 0]
        if self.embedding is not None:
            assert labels is not None
            logits = logits + (features * self.embedding(labels)).sum(dim=1)
        return logits


def _convolution(n_in: int, n_out: int, kernel: int, gain: float = 1.0) -> nn.Conv2d:
    """A convolution that keeps the size, and the variance gain² times."""
    layer = nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(n_in * kernel**2))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _linear(n_in: int, n_out: int, gain: float = 1.0) -> nn.Linear:
    """Likewise."""
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(n_in))
    nn.init.zeros_(layer.bias)
    return layer
