"""Filters for the strokes of one painting, learned from nothing but it.

Patches of the painting are whitened, and k-means on the sphere finds the patches that the others are made of: edges, strokes and
dabs in the painting's own colours (Coates & Ng 2012, "Learning feature representations with k-means", sections 2 and 3). Where a filter
answers, and how strongly, is what a trained network's first layers would tell of style, without a trained network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.style.sliced import patches_of

COMPONENTS = 60  # principal components that patches are described with
ROUNDS = 8
PATCHES = 20_000
SMALLEST_VARIANCE = 1e-3  # of the largest: what is fainter is not blown up
SHIFT = 0.3  # standard deviations by which a filter's answer must stand out
NEIGHBOURHOOD = 3  # answers are compared in patches of 3 x 3
STROKE_LEVELS = 2  # of a pyramid have filters
REACH = 4  # pixels from one answer to the next: stride 2, then the mean of 2 x 2


class StrokeFilters(nn.Module):
    """Pictures [n, 3, h, w] to maps [n, filters, h / 4, w / 4] without padding: relu(filter - shift), averaged over 2 x 2."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, pictures: Tensor) -> Tensor:
        return F.avg_pool2d(F.relu(F.conv2d(pictures, self.weight, self.bias, stride=REACH // 2)), 2)


def learn_strokes(pictures: list[Tensor], n: int, size: int, generator: torch.Generator) -> StrokeFilters:
    """n filters of size x size pixels, from pictures [3, h, w] which are at least that large. Each answers with a standard
    deviation of 1 on the patches it was learned from."""
    share = PATCHES // len(pictures)
    patches = torch.cat([patches_of(picture, size, share, generator) for picture in pictures])
    mean = patches.mean(dim=0)
    centred = patches - mean
    variances, components = torch.linalg.eigh(centred.T @ centred / len(centred))
    keep = min(COMPONENTS, len(variances))
    variances, components = (
        variances.clamp_min(max(float(variances[-1]) * SMALLEST_VARIANCE, 1e-8))[-keep:],
        components[:, -keep:],
    )
    white = centred @ components / variances.sqrt()
    found = _centroids(white, n, generator)
    filters = (found / variances.sqrt()) @ components.T / (white @ found.T).std(dim=0).clamp_min(1e-3)[:, None]
    signs = torch.randint(2, (n, 1), generator=generator).to(filters) * 2 - 1
    filters = filters * signs
    return StrokeFilters(filters.view(n, 3, size, size), -(filters @ mean) - SHIFT)


def _centroids(white: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """k-means on the sphere, where a patch and its negative are alike: unit vectors [n, components]."""
    found = F.normalize(torch.randn(n, white.shape[1], generator=generator).to(white), dim=1)
    for _ in range(ROUNDS):
        answers = white @ found.T
        nearest = answers.abs().argmax(dim=1)
        towards = white * answers.gather(1, nearest[:, None])
        found = F.normalize(torch.zeros_like(found).index_add_(0, nearest, towards) + 1e-3 * found, dim=1)
    return found
