"""`image.dcgan`: the networks of `network.py` under the adversarial objective."""

from __future__ import annotations

from torch import nn

from artgen.families.image_dcgan.config import ImageDCGANConfig
from artgen.families.image_dcgan.network import DCDiscriminator, DCGenerator
from artgen.image.adversarial import AdversarialFamily, Generator


class ImageDCGAN(AdversarialFamily[ImageDCGANConfig]):
    """The deep convolutional GAN of Radford et al. 2016."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.config.model.latent,)

    def build(self) -> tuple[Generator, nn.Module]:
        model = self.config.model
        return (
            DCGenerator(model, self.of.size, self.of.n_channels, self.n_classes),
            DCDiscriminator(model, self.of.size, self.of.n_channels, self.n_classes),
        )


FAMILY = ImageDCGAN
