"""`image.gan`: the networks of `network.py` under the adversarial objective."""

from __future__ import annotations

from artgen.families.image_gan.config import ImageGANConfig
from artgen.families.image_gan.network import ResidualDiscriminator, StyleGenerator
from artgen.image.adversarial import AdversarialFamily


class ImageGAN(AdversarialFamily[ImageGANConfig]):
    """A small convolutional GAN after R3GAN (Huang et al. 2024), with a mapped code that every block reads."""

    generator = StyleGenerator
    discriminator = ResidualDiscriminator


FAMILY = ImageGAN
