"""`image.gan`: the networks of `network.py` under the adversarial objective."""

from __future__ import annotations

from torch import nn

from artgen.families.image_gan.config import ImageGANConfig
from artgen.families.image_gan.network import ResidualDiscriminator, StyleGenerator
from artgen.image.adversarial import AdversarialFamily, Generator


class ImageGAN(AdversarialFamily[ImageGANConfig]):
    """A small convolutional GAN after R3GAN (Huang et al. 2024), with a mapped code that every block reads."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.config.model.latent,)

    def build(self) -> tuple[Generator, nn.Module]:
        model = self.config.model
        return (
            StyleGenerator(model, self.of.size, self.of.n_channels, self.n_classes),
            ResidualDiscriminator(model, self.of.size, self.of.n_channels, self.n_classes),
        )


FAMILY = ImageGAN
