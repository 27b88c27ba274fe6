"""Generator and discriminator of `image.dcgan` (Radford et al. 2016, https://arxiv.org/abs/1511.06434)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from artgen.families.image_dcgan.config import DCGANModelConfig, sizes_of
from artgen.image.adversarial import Generator
from artgen.nn.activations import CONVOLUTIONAL
from artgen.nn.convolution import DownStage, UpStage
from artgen.nn.norms import build_channel_norm

DEVIATION = 0.02  # of weights at the beginning (section 4)


class DCGenerator(Generator):
    """Latents [n, d] -> a few coarse pixels of many channels -> twice as fine, stage by stage -> pictures, through tanh.

    Codes are latents and, with classes, the embedding of the class behind them.
    """

    def __init__(self, model: DCGANModelConfig, size: int, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_classes, model.class_embedding) if n_classes else None
        levels = widths(model, size)
        (coarsest, width), finer = levels[0], [*levels[1:], (size, n_channels)]
        self.coarsest = (width, coarsest, coarsest)
        self.base = nn.Linear(model.latent + (model.class_embedding if n_classes else 0), width * coarsest**2)
        self.norm = build_channel_norm(model.norm, width)
        self.activation = CONVOLUTIONAL[model.activation]
        padding = (model.kernel - 1) // 2
        self.up = nn.ModuleList(
            UpStage(n_in, n_out, side, model.kernel, 2, padding, upsampling=model.upsampling, norm=model.norm,
                    activation=model.activation, last=side == size)
            for (_, n_in), (side, n_out) in zip(levels, finer, strict=True)
        )  # fmt: skip
        self.apply(initialise)

    def mapping(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return latents
        assert labels is not None
        return torch.cat([latents, self.embedding(labels)], dim=1)

    def synthesis(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        x = self.base(codes).unflatten(1, self.coarsest).contiguous(memory_format=torch.channels_last)
        x = self.activation(self.norm(x))
        for stage in self.up:
            x = stage(x)
        return torch.tanh(x)

    def reading_weights(self) -> list[Tensor]:
        return [self.base.weight]


class DCDiscriminator(nn.Module):
    """Pictures [n, channels, height, width] -> logits [n]. Steps by two pixels, without pooling.

    The first layer is not normalised. Classes by projection: the embedding of the class times the summed features is added to
    the logit (Miyato and Koyama 2018, eq. 3).
    """

    def __init__(self, model: DCGANModelConfig, size: int, n_channels: int, n_classes: int) -> None:
        super().__init__()
        levels = widths(model, size)[::-1]
        channels = [n_channels, *(width for _, width in levels)]
        self.down = nn.ModuleList(
            DownStage(n_in, n_out, model.kernel, 2, (model.kernel - 1) // 2, norm=model.discriminator_norm if i else "none",
                      activation=model.discriminator_activation)
            for i, (n_in, n_out) in enumerate(zip(channels, channels[1:], strict=False))
        )  # fmt: skip
        coarsest, width = levels[-1]
        self.judge = nn.Linear(width * coarsest**2, 1)
        self.embedding = nn.Embedding(n_classes, width) if n_classes else None
        self.apply(initialise)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=DEVIATION)
        if model.spectral_norm:  # Miyato et al. 2018, algorithm 1
            for module in list(self.modules()):
                if isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
                    spectral_norm(module)

    def forward(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        x = pictures
        for stage in self.down:
            x = stage(x)
        logits = self.judge(x.flatten(1))[:, 0]
        if self.embedding is not None:
            assert labels is not None
            logits = logits + (x.sum(dim=(2, 3)) * self.embedding(labels)).sum(dim=1)
        return logits


def widths(model: DCGANModelConfig, size: int) -> list[tuple[int, int]]:
    """(side in pixels, channels) from the coarsest to half the picture's side."""
    sizes = sizes_of(size)
    return [(side, min(model.max_width, model.width << (len(sizes) - 1 - i))) for i, side in enumerate(sizes)]


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), scales of norms from N(1, 0.02), biases 0."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, std=DEVIATION)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
        nn.init.normal_(module.weight, mean=1, std=DEVIATION)
        nn.init.zeros_(module.bias)
