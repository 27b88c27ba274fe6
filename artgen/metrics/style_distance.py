"""How near a picture is to the style of a painting: by its patches, without a network, and by what a network sees in it.

Both compare distributions, and neither asks where in the picture anything is: all that is seen of one picture is a cloud of
vectors, and so it is of the other. The sliced Wasserstein distance between two clouds is the mean, over directions, of how far
the values along that direction have to be moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.wasserstein import PATCH, cut_patches, laplacian_pyramid, level_sizes

Maps = Callable[[Tensor], Mapping[str, Tensor]]
"""A network: pictures [1, 3, h, w], 0 to 1, to maps by name of the layer, [1, channels, height, width]."""

N_VECTORS = 1 << 14  # of each picture and level or layer, at most
N_DIRECTIONS = 128
COARSEST = 32  # pixels of the shorter side: below lies what is where in the painting, which is not its style
FAINT = 1e-4  # deviation, in grey levels: a channel without any variation is left as it is


def patch_distance(result: Tensor, style: Tensor, seed: int = 0) -> float:
    """Sliced Wasserstein-1 distance of 7 x 7 patches, in colour, mean over the levels of a Laplacian pyramid.

    result [3, h, w] and style [3, any, any], 0 to 1; every level is half the size of the one before, and the coarsest, which
    is the picture itself made small, has a shorter side of 32 to 63 pixels. The unit is the style's own deviation: of each
    level and channel. Patches are drawn at random (16,384), directions too (128), the same ones for every call with this seed.
    After Karras et al. 2018, section 5.1, for one picture against one.

    Raises UsageError for a picture under 7 pixels.
    """
    for picture in (result, style):
        if min(picture.shape[1:]) < PATCH:
            raise UsageError(f"a picture of {_size(picture)} pixels has no patches of {PATCH} x {PATCH} to compare")
    generator = torch.Generator().manual_seed(seed)
    n_levels = min(len(level_sizes(picture.shape[1], picture.shape[2], COARSEST)) for picture in (result, style))
    distances = []
    for made, wanted in zip(*(laplacian_pyramid(_bytes(picture), n_levels) for picture in (result, style)), strict=True):
        deviation, mean = torch.std_mean(wanted, dim=(0, 2, 3), correction=0, keepdim=True)
        deviation = torch.where(deviation > FAINT, deviation, 1.0)
        clouds = [_some_patches((level - mean) / deviation, generator) for level in (made, wanted)]
        distances.append(sliced_distance(clouds[0], clouds[1], generator))
    return float(torch.stack(distances).mean())


@torch.no_grad()
def feature_distances(result: Tensor, style: Tensor, network: Maps, seed: int = 0) -> tuple[float, float]:
    """(sliced Wasserstein-1 distance, Gram distance) of a network's maps, mean over its layers.

    Of sliced Wasserstein the vectors are what a layer says of one place, [positions, channels], at most 16,384 positions,
    drawn at random. A layer's unit is the style's own deviation in it, so that all layers count alike. Gram distance: the
    squared difference of the two matrices of mean products of channels (Gatys et al. 2016, equation 3, divided by the number
    of positions) over the square of the style's.
    """
    seen, wanted = network(result[None]), network(style[None])
    generator = torch.Generator().manual_seed(seed)
    sliced, gram = [], []
    for layer, target in wanted.items():
        made = seen[layer][0].flatten(1).cpu().float()
        target = target[0].flatten(1).cpu().float()
        mean = target.mean(dim=1, keepdim=True)
        scale = (target - mean).square().mean().sqrt().clamp(min=1e-12)
        clouds = [((maps - mean) / scale).T[_some(maps.shape[1], generator)] for maps in (made, target)]
        sliced.append(sliced_distance(clouds[0], clouds[1], generator))
        products = [maps @ maps.T / maps.shape[1] for maps in (made, target)]
        gram.append((products[0] - products[1]).square().sum() / products[1].square().sum().clamp(min=1e-12))
    return float(torch.stack(sliced).mean()), float(torch.stack(gram).mean())


@torch.no_grad()
def perceptual_distance(result: Tensor, content: Tensor, network: Maps) -> float:
    """How differently a network sees two pictures of one size, [3, h, w], place by place: 0 the same.

    As LPIPS (Zhang et al. 2018, equation 1) without learned weights: at every place the vector of a layer is brought to
    length 1, squared differences are summed over channels and averaged over places; then the mean over layers. 2 is the most
    where no feature is negative.
    """
    seen, wanted = network(result[None]), network(content[None])
    distances = [
        (F.normalize(seen[layer], dim=1) - F.normalize(maps, dim=1)).square().sum(dim=1).mean()
        for layer, maps in wanted.items()
    ]
    return float(torch.stack(distances).mean())


def sliced_distance(x: Tensor, y: Tensor, generator: torch.Generator, n_directions: int = N_DIRECTIONS) -> Tensor:
    """Mean Wasserstein-1 distance of x [n, d] and y [m, d] along random directions: of a spread that is the vectors' own.

    Directions have length 1, so that along them the mean square of a vector whose numbers have a mean square of 1 is 1.
    """
    directions = F.normalize(torch.randn(x.shape[1], n_directions, generator=generator), dim=0)
    # NumPy sorts ten times as fast as torch where the processor has AVX-512.
    a, b = (torch.from_numpy(np.sort((directions.T @ cloud.T).numpy(), axis=1)) for cloud in (x, y))
    n = max(len(x), len(y))  # as many quantiles of each as the larger cloud has
    a, b = (values[:, (torch.arange(n) * 2 + 1) * values.shape[1] // (2 * n)] for values in (a, b))
    return (a - b).abs().mean()


def _bytes(picture: Tensor) -> Tensor:
    """[3, h, w], 0 to 1 -> [1, h, w, 3], 0 to 255, not rounded."""
    return picture.cpu().float().permute(1, 2, 0)[None] * 255


def _some_patches(level: Tensor, generator: torch.Generator) -> Tensor:
    """[1, 3, h, w] -> [n, 147]."""
    height, width = (side - PATCH + 1 for side in level.shape[2:])
    places = _some(height * width, generator)
    return cut_patches(level, torch.zeros_like(places), places // width, places % width).flatten(1)


def _some(n: int, generator: torch.Generator) -> Tensor:
    """Numbers of `n` things, all of them or as many as are compared."""
    return torch.randperm(n, generator=generator)[:N_VECTORS]


def _size(picture: Tensor) -> str:
    return f"{picture.shape[2]} x {picture.shape[1]}"
