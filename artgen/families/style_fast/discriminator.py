"""What tells painted from made: a discriminator of patches (Isola et al. 2017, "Image-to-image translation with conditional adversarial
networks", section 3.2.2), at two scales (Wang et al. 2018, "High-resolution image synthesis and semantic manipulation with conditional
GANs", section 3.2).

It sees a picture together with the photograph that it was made of, so that it judges not only whether there are strokes, but whether
they are the ones that belong there. Each logit is about 38 x 38 pixels, or 76 x 76 at the coarser scale; so a few pictures have
thousands of examples, and none can be learned by heart as a whole.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = 2
STEPS = 3  # of two pixels, in each scale; with SCALES they decide over `SEEN` of the config
SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Pictures and layouts [n, 3, h, w], 0 to 1, and the numbers of their styles [n] to logits [n, places], larger for painted ones.

    Each style has a last layer of its own (Liu et al. 2019, "Few-shot unsupervised image-to-image translation", section 3.2).
    """

    def __init__(self, width: int, n_styles: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_scale(width, n_styles) for _ in range(SCALES))

    def forward(self, pictures: Tensor, layout: Tensor, styles: Tensor) -> Tensor:
        x = 2 * torch.cat([pictures, layout], dim=1) - 1
        logits = []
        for number, scale in enumerate(self.scales):
            if number:
                x = F.avg_pool2d(x, 2)
            of_all = scale(x.contiguous(memory_format=torch.channels_last))
            logits.append(of_all[torch.arange(len(x), device=x.device), styles].flatten(1).float())
        return torch.cat(logits, dim=1)

    def vocabulary_parameters(self) -> list[Tensor]:
        """What Muon leaves to AdamW: what reads pixels, and the last layers."""
        return [layer.weight for scale in self.scales for layer in (scale[0], scale[-1])]  # type: ignore[index]


def _scale(width: int, n_styles: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 6
    for number in range(STEPS):
        layers += [nn.Conv2d(channels, width << number, 4, stride=2), nn.LeakyReLU(SLOPE)]
        channels = width << number
    layers += [nn.Conv2d(channels, channels, 3), nn.LeakyReLU(SLOPE), nn.Conv2d(channels, n_styles, 1)]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
