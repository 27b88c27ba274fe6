"""Inception v3 (Szegedy et al. 2016, "Rethinking the Inception Architecture", table 1) as a feature network: the 2,048 numbers
after its last pool, by which FID is mostly measured.

The network is torchvision's, and so are the weights that it takes. The literature's FIDs are measured with a port of
TensorFlow's weights of 2015, of another classifier (1,008 classes) and with other pools. Figures of these weights here are
not comparable to those, only to each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.metrics.weights import fill

TITLE = "Inception v3"
SIZE = 299  # pixels, height and width
WIDTH = 2048  # of the features
FIRST = "Conv2d_1a_3x3.conv.weight"  # a tensor that other networks have not
CLASSIFIER_OF_TRAINING = "AuxLogits.conv0.conv.weight"  # part of a side branch that no feature comes from


class Inception(nn.Module):
    """Pictures [n, 3, 299, 299], 0 to 255, red first, to features [n, 2048] or logits [n, 1000]."""

    size = SIZE
    width = WIDTH

    def __init__(self, body: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.body = body  # torchvision's network without its last layer
        self.classifier = classifier

    def forward(self, pictures: Tensor) -> Tensor:
        """The features: [n, 2048]. The network was trained on -1 to 1."""
        return self.body(pictures / 127.5 - 1)

    def logits(self, pictures: Tensor) -> Tensor:
        """How much each picture looks like each of the 1,000 classes of ImageNet: [n, 1000]."""
        return self.classifier(self(pictures))


def is_inception(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of torchvision's inception_v3."""
    return FIRST in tensors


def build_inception(tensors: Mapping[str, Tensor], where: str) -> Inception:
    """The network with these weights, named as in torchvision's inception_v3, with or without "AuxLogits".

    Raises UsageError that names the first tensor that is missing, of another shape, too many, or not finite.
    """
    from artgen.vision import models

    classes = tensors["fc.bias"].shape if "fc.bias" in tensors else None
    if classes == (1008,):
        raise UsageError(f"{where}: is TensorFlow's Inception of 2015 (1,008 classes), expected torchvision's inception_v3")
    aux = CLASSIFIER_OF_TRAINING in tensors
    network = models.inception_v3(weights=None, init_weights=False, aux_logits=aux, transform_input=False)
    fill(network, tensors, where, TITLE)
    classifier = network.fc
    network.fc = nn.Identity()
    network.AuxLogits = None  # that of training
    return Inception(network, classifier).eval().requires_grad_(False)
