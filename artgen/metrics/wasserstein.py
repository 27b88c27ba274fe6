"""How near samples are to real pictures in colours, edges and texture, without a network: sliced Wasserstein distance.

Karras et al. 2018, "Progressive Growing of GANs", section 5: pictures are taken apart into a Laplacian pyramid, and at each
level the 7 x 7 patches of samples are compared with those of real pictures. The level of 16 pixels tells of shapes and
colours in the large, the finest one of sharpness and noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.estimate import Estimate, counts, estimate, resamplings
from artgen.metrics.pictures import Pictures, check_same_size, in_batches

PATCH = 7  # pixels
COARSEST = 16  # pixels; no level is smaller
KERNEL = (1.0, 4.0, 6.0, 4.0, 1.0)  # Burt and Adelson 1983, with a = 3/8


@dataclass(frozen=True)
class SlicedWasserstein:
    """Distances by level, named by the shorter side in pixels, finest first, and their mean."""

    levels: dict[int, Estimate]
    mean: Estimate


def sliced_wasserstein(
    samples: Pictures,
    real: Pictures,
    n_patches: int = 1 << 14,
    n_projections: int = 128,
    replicates: int = 50,
    seed: int = 0,
    normalise: Literal["each", "real"] = "each",
) -> SlicedWasserstein:
    """The mean Wasserstein-1 distance of patches along random directions, at each level of the pyramid.

    samples and real: uint8 [n, height, width, channels] of one size, 7 pixels or more, 2 pictures or more in each.
    n_patches: of each set and level, spread evenly over its pictures; one a picture at least.
    n_projections: directions, drawn evenly from the sphere, the same ones for every call with this seed.
    normalise: each channel of the patches of a level to mean 0 and deviation 1, `each` set by its own, as in the paper, or
        both as the `real` one. The paper's way is blind to a cast or a contrast that all samples share.

    Its unit is the deviation of a channel; the paper shows it times 1,000. Two halves of one set are not at 0: what they
    show is the least to hope for. For the intervals pictures are resampled, patches and directions are not, and a quarter of
    the directions serves; as resampling makes the distance larger, the interval is its spread moved onto the figure.

    Raises ValueError where the sizes differ or are below 7 pixels, UsageError for fewer than 2 pictures.
    """
    check_same_size(samples, real)
    if min(real.shape[1:3]) < PATCH:
        raise ValueError(f"pictures are {list(real.shape[1:3])} pixels, expected {PATCH} or more")
    if min(len(samples), len(real)) < 2:
        raise UsageError(f"{len(samples)} samples and {len(real)} real pictures are too few to compare, 2 of each are needed")
    generator = torch.Generator().manual_seed(seed)
    patches_x, owners_x = _patches(samples, n_patches, generator)
    patches_y, owners_y = _patches(real, n_patches, generator)
    weights_x = counts(resamplings(len(samples), replicates, generator))[:, owners_x]
    weights_y = counts(resamplings(len(real), replicates, generator))[:, owners_y]
    sizes = [min(shape) for shape in level_sizes(real.shape[1], real.shape[2])]
    levels = {}
    for size, x, y in zip(sizes, patches_x, patches_y, strict=True):
        middle, deviation = _moments(y)
        x = (x - middle) / deviation if normalise == "real" else _normalised(x)
        directions = F.normalize(torch.randn(x[0].numel(), n_projections, generator=generator), dim=0)
        projected_x, projected_y = x.flatten(1) @ directions, ((y - middle) / deviation).flatten(1) @ directions
        figure = wasserstein_1(projected_x, projected_y, weights_x[:1], weights_y[:1]).mean(dim=0)
        few = slice(0, max(1, n_projections // 4))
        again = wasserstein_1(projected_x[:, few], projected_y[:, few], weights_x[1:], weights_y[1:]).mean(dim=0)
        levels[size] = torch.cat([figure, again])
    figures = {size: estimate(values, len(samples), len(real), centred=True) for size, values in levels.items()}
    mean = estimate(torch.stack(list(levels.values())).mean(dim=0), len(samples), len(real), centred=True)
    return SlicedWasserstein(figures, mean)


def wasserstein_1(x: Tensor, y: Tensor, weights_x: Tensor, weights_y: Tensor) -> Tensor:
    """∫ |F(t) - G(t)| dt for the distribution functions F of x and G of y, of any sizes, for every row of weights.

    x [n, directions], y [m, directions], weights_x [rows, n], weights_y [rows, m] -> [directions, rows]. With equal weights
    and n = m it is the mean of |x_(i) - y_(i)| over the sorted values.
    """
    shares = torch.cat([_shares(weights_x), -_shares(weights_y)], dim=1)
    shares = shares.T.contiguous()  # a row a value: sorting then moves whole rows
    found = []
    for values in torch.cat([x, y]).double().T:
        ordered, order = values.sort()
        above = shares[order[:-1]].cumsum(dim=0).abs_()
        found.append(ordered.diff() @ above)
    return torch.stack(found)


def _shares(weights: Tensor) -> Tensor:
    return weights.double() / weights.double().sum(dim=1, keepdim=True)


# ---------------------------------------------------------------- patches


def _patches(pictures: Pictures, n: int, generator: torch.Generator) -> tuple[list[Tensor], Tensor]:
    """(patches [n, 3, 7, 7] of each level, whose picture each is [n]): the n-th patch of every level is of one picture."""
    n = max(n, len(pictures))
    owners = torch.arange(n) * len(pictures) // n
    sizes = level_sizes(pictures.shape[1], pictures.shape[2])
    places = [[torch.randint(side - PATCH + 1, (n,), generator=generator) for side in size] for size in sizes]
    found: list[list[Tensor]] = [[] for _ in sizes]
    first = 0  # picture of the batch
    for batch in in_batches(pictures):
        begin, end = torch.searchsorted(owners, torch.tensor([first, first + len(batch)])).tolist()
        picture = owners[begin:end] - first
        for level, (rows, columns), kept in zip(laplacian_pyramid(batch), places, found, strict=True):
            kept.append(cut_patches(level, picture, rows[begin:end], columns[begin:end]))
        first += len(batch)
    return [torch.cat(kept) for kept in found], owners


def cut_patches(level: Tensor, picture: Tensor, row: Tensor, column: Tensor, size: int = PATCH) -> Tensor:
    """Patches of level [n, channels, h, w] whose upper left corners are given, each [k]: [k, channels, size, size]."""
    offsets = torch.arange(size, device=level.device)
    rows, columns = (row[:, None] + offsets)[:, None, :, None], (column[:, None] + offsets)[:, None, None, :]
    channels = torch.arange(level.shape[1], device=level.device)
    return level[picture[:, None, None, None], channels[:, None, None], rows, columns]


def _moments(patches: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, deviation) of each channel, [3, 1, 1]; a channel without any variation is left as it is."""
    deviation, mean = torch.std_mean(patches, dim=(0, 2, 3), correction=0)
    deviation = torch.where(deviation > 1e-4, deviation, 1.0)
    return mean[:, None, None], deviation[:, None, None]


def _normalised(patches: Tensor) -> Tensor:
    middle, deviation = _moments(patches)
    return (patches - middle) / deviation


# ---------------------------------------------------------------- the pyramid


def level_sizes(height: int, width: int, coarsest: int = COARSEST) -> list[tuple[int, int]]:
    """Height and width of each level, finest first, each half of the one before and none under `coarsest` but the first."""
    sizes = [(height, width)]
    while min(height, width) >= 2 * coarsest:
        height, width = (height + 1) // 2, (width + 1) // 2
        sizes.append((height, width))
    return sizes


def laplacian_pyramid(pictures: Tensor, n_levels: int | None = None) -> list[Tensor]:
    """[n, height, width, 3] -> what each level adds to the next coarser one, finest first, then the coarsest itself;
    float32 [n, 3, h, w], in grey levels (Burt and Adelson 1983). n_levels: the finest ones; None: those of `level_sizes`."""
    x = pictures.permute(0, 3, 1, 2).float()
    levels = []
    for _ in range((n_levels or len(level_sizes(*x.shape[2:]))) - 1):
        # Along each axis: blurred and every other pixel taken; then zeros between, and blurred with twice the weights.
        down, across = _blur(x.shape[2]), _blur(x.shape[3])
        smaller = down[::2] @ x @ across[::2].T
        levels.append(x - 2 * down[:, ::2] @ smaller @ (2 * across[:, ::2]).T)
        x = smaller
    return [*levels, x]


def _blur(n: int) -> Tensor:
    """The binomial filter over n pixels as a matrix [n, n], with the pixels mirrored at the edges."""
    matrix = torch.zeros(n, n)
    for offset, weight in enumerate(KERNEL, start=-2):
        place = (torch.arange(n) + offset).abs()
        place = torch.where(place >= n, 2 * (n - 1) - place, place)
        matrix[torch.arange(n), place] += weight / sum(KERNEL)
    return matrix
