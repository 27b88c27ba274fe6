"""`image.dcgan`: the networks of `network.py` under the adversarial objective."""

from __future__ import annotations

from artgen.families.image_dcgan.config import ImageDCGANConfig
from artgen.families.image_dcgan.network import DCDiscriminator, DCGenerator
from artgen.image.adversarial import AdversarialFamily


class ImageDCGAN(AdversarialFamily[ImageDCGANConfig]):
    """The deep convolutional GAN of Radford et al. 2016."""

    generator = DCGenerator
    discriminator = DCDiscriminator


FAMILY = ImageDCGAN
