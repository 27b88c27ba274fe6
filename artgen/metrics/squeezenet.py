"""SqueezeNet v1.0 (Iandola et al. 2016, table 1): a classifier of photographs with 1.2 million weights, whose last layers
say what is in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.metrics.weights import fill

# Name, input channels, squeeze, and expand: half of it by 1x1, half by 3x3.
FIRES = (
    ("fire2", 96, 16, 128),
    ("fire3", 128, 16, 128),
    ("fire4", 128, 32, 256),
    ("fire5", 256, 32, 256),
    ("fire6", 256, 48, 384),
    ("fire7", 384, 48, 384),
    ("fire8", 384, 64, 512),
    ("fire9", 512, 64, 512),
)
POOLED = ("conv1", "fire4", "fire8")  # the layers that a max pool follows
TITLE = "SqueezeNet v1.0"
WIDTH = 512  # of the features
N_CLASSES = 1000


@dataclass(frozen=True)
class Convention:
    """How pictures must be put before the network is given them, and the classifier's padding: these go with the weights."""

    size: int  # pixels, height and width
    bgr: bool  # blue first
    mean: tuple[float, float, float]  # taken off, in the order of the channels, of 0 to 255
    deviation: tuple[float, float, float]  # divided by, likewise
    classifier_padding: int
    scale: float  # that features are multiplied by


# As in the release of the paper, for Caffe. Its features are large, as its input is: the mean of their squares is near 260 on
# photographs. Scaled, it is near 1, where all terms of KID's kernel (xᵀy / d + 1)³ count.
CAFFE = Convention(227, True, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), 1, 1 / 16)
# As in torchvision: red first, with mean and deviation of ImageNet.
TORCHVISION = Convention(224, False, (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255), 0, 1.0)


class Fire(nn.Module):
    """[n, d_in, h, w] -> [n, d_out, h, w]: few channels by 1x1, then many by 1x1 and 3x3 side by side (section 3.2)."""

    def __init__(self, d_in: int, squeeze: int, d_out: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(d_in, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, d_out // 2, 1)
        self.expand3x3 = nn.Conv2d(squeeze, d_out // 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze1x1(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], dim=1)


class SqueezeNet(nn.Module):
    """Pictures [n, 3, size, size], 0 to 255, red first, to features [n, 512] or logits [n, 1000].

    Features are the last thing before the classifier, fire9, averaged over the picture and scaled.
    """

    mean: Tensor
    deviation: Tensor
    width = WIDTH

    def __init__(self, convention: Convention) -> None:
        super().__init__()
        self.convention = convention
        self.size = convention.size
        self.conv1 = nn.Conv2d(3, 96, 7, stride=2)
        for name, d_in, squeeze, d_out in FIRES:
            self.add_module(name, Fire(d_in, squeeze, d_out))
        self.conv10 = nn.Conv2d(WIDTH, N_CLASSES, 1, padding=convention.classifier_padding)
        self.register_buffer("mean", torch.tensor(convention.mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(convention.deviation)[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """The features: [n, 512]."""
        return self.maps(pictures).mean(dim=(2, 3)) * self.convention.scale

    def logits(self, pictures: Tensor) -> Tensor:
        """How much each picture looks like each of the 1,000 classes of ImageNet: [n, 1000]."""
        return F.relu(self.conv10(self.maps(pictures))).mean(dim=(2, 3))

    def maps(self, pictures: Tensor) -> Tensor:
        """The features at every place, [n, 512, 13, 13] for pictures of 227 pixels."""
        x = pictures.flip(1) if self.convention.bgr else pictures
        x = (x - self.mean) / self.deviation
        for name in ("conv1", *(fire[0] for fire in FIRES)):
            x = self.get_submodule(name)(x)
            if name == "conv1":
                x = F.relu(x)
            if name in POOLED:
                x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
        return x


def build_squeezenet(tensors: Mapping[str, Tensor], where: str) -> SqueezeNet:
    """The network with these weights, named as in the paper's layers ("fire2.squeeze1x1.weight") or as in torchvision
    ("features.3.squeeze.weight"), which also says how pictures are put before it.

    Raises UsageError that names the first tensor that is missing, of another shape, too many, or not finite.
    """
    torchvision = "features.0.weight" in tensors
    network = SqueezeNet(TORCHVISION if torchvision else CAFFE)
    fill(network, tensors, where, TITLE, _torchvision_names() if torchvision else None)
    return network.eval().requires_grad_(False)


def _torchvision_names() -> dict[str, str]:
    """Our name -> torchvision's: its layers are numbered, activations and pools among them."""
    names = {f"conv1.{kind}": f"features.0.{kind}" for kind in ("weight", "bias")}
    numbers = (3, 4, 5, 7, 8, 9, 10, 12)
    for (fire, *_), number in zip(FIRES, numbers, strict=True):
        for part, theirs in (("squeeze1x1", "squeeze"), ("expand1x1", "expand1x1"), ("expand3x3", "expand3x3")):
            for kind in ("weight", "bias"):
                names[f"{fire}.{part}.{kind}"] = f"features.{number}.{theirs}.{kind}"
    return names | {f"conv10.{kind}": f"classifier.1.{kind}" for kind in ("weight", "bias")}
