"""Augmentation for a discriminator: what it sees of real and made pictures is changed alike, and gradients pass through.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training" (https://arxiv.org/abs/2006.10738): a
discriminator that sees only changed pictures cannot learn the few real ones by heart, and as made pictures are changed by the
same rule, the generator does not learn the changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("colour", "translation", "cutout", "scale")
REACH = 1 / 8  # of the side, how far a picture is moved
HOLE = 1 / 2  # of the side, how large what is cut out is
ZOOM = 0.2  # log2 of the scale's deviation


def augment(pictures: Tensor, kinds: Sequence[str], generator: torch.Generator | None = None, chance: float = 1.0) -> Tensor:
    """Pictures [n, channels, height, width], -1 to 1, changed by random amounts in the ways of `kinds`.

    chance: of each way, for each picture. Below 1 the discriminator sees some pictures as they are, and the generator cannot
    take a change for the style (Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 2.2).
    """
    for kind in kinds:
        changed = _WAYS[kind](pictures, generator)
        pictures = changed if chance == 1 else torch.where(_uniform(pictures, generator, 1, 1, 1) < chance, changed, pictures)
    return pictures


def _uniform(pictures: Tensor, generator: torch.Generator | None, *shape: int) -> Tensor:
    return torch.rand(len(pictures), *shape, device=pictures.device, generator=generator)


def _colour(pictures: Tensor, generator: torch.Generator | None) -> Tensor:
    """Brightness by -0.5 to 0.5 (of a range of 2), saturation by 0 to 2 and contrast by 0.5 to 1.5; transparency stays."""
    chance = _uniform(pictures, generator, 3, 1, 1, 1)
    colour, rest = (pictures[:, :3], pictures[:, 3:]) if pictures.shape[1] > 3 else (pictures, None)
    colour = colour + (chance[:, 0] - 0.5)
    if colour.shape[1] == 3:
        grey = colour.mean(dim=1, keepdim=True)
        colour = (colour - grey) * (2 * chance[:, 1]) + grey
    mean = colour.mean(dim=(1, 2, 3), keepdim=True)
    colour = (colour - mean) * (chance[:, 2] + 0.5) + mean
    return colour if rest is None else torch.cat([colour, rest], dim=1)


def _translation(pictures: Tensor, generator: torch.Generator | None) -> Tensor:
    """Moved by whole pixels, up to an eighth of the side; what is beyond the edge is the edge's."""
    n, _, height, width = pictures.shape
    reach = (round(height * REACH), round(width * REACH))
    chance = _uniform(pictures, generator, 2)
    down = ((2 * chance[:, 0] - 1) * reach[0]).round().long()
    right = ((2 * chance[:, 1] - 1) * reach[1]).round().long()
    rows = (torch.arange(height, device=pictures.device) + down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=pictures.device) + right[:, None]).clamp(0, width - 1)
    numbers = torch.arange(n, device=pictures.device)[:, None, None]
    moved = pictures.permute(0, 2, 3, 1)[numbers, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _cutout(pictures: Tensor, generator: torch.Generator | None) -> Tensor:
    """A square of half the side becomes grey, its middle anywhere."""
    _, _, height, width = pictures.shape
    chance = _uniform(pictures, generator, 2)
    rows = torch.arange(height, device=pictures.device)
    columns = torch.arange(width, device=pictures.device)
    in_rows = (rows - (chance[:, :1] * height).floor()).abs() < height * HOLE / 2
    in_columns = (columns - (chance[:, 1:] * width).floor()).abs() < width * HOLE / 2
    kept = ~(in_rows[:, :, None] & in_columns[:, None, :])
    return pictures * kept[:, None].to(pictures.dtype)


def _scale(pictures: Tensor, generator: torch.Generator | None) -> Tensor:
    """Larger or smaller, by 2^(0.2 z) with z standard normal; what is beyond the edge is the edge's."""
    z = torch.randn(len(pictures), device=pictures.device, generator=generator)
    factor = torch.exp2(-ZOOM * z)
    zero = torch.zeros_like(factor)
    matrices = torch.stack([torch.stack([factor, zero, zero], 1), torch.stack([zero, factor, zero], 1)], dim=1)
    grid = F.affine_grid(matrices, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


_WAYS = {"colour": _colour, "translation": _translation, "cutout": _cutout, "scale": _scale}
