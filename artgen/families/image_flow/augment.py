"""Changed pictures for training that the network is told of, so that it learns from them and does not make them.

Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", appendix F.2: each change happens with
some chance, and its amounts are a condition of the network; in sampling they are 0.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

N_CHANGES = (
    9  # right, down, log₂ scale, log₂ aspect, cos - 1 and sin of the rotation, brightness, log₂ contrast, log₂ saturation
)
REACH = 1 / 8  # of the side
SCALE, ASPECT = 0.2, 0.1  # deviations of log₂
ROTATION = math.pi / 12  # deviation
BRIGHTNESS, CONTRAST, SATURATION = 0.15, 0.25, 0.5  # deviations; the first of a range of 2


def change(pictures: Tensor, chance: float) -> tuple[Tensor, Tensor]:
    """Changed pictures [n, channels, height, width], and by how much each was: [n, N_CHANGES], about -1 to 1.

    Randomness is of the global generator. What is beyond the edge is the edge's. Colours of pictures in grey and transparency
    are changed in brightness and contrast alone, and not at all.
    """
    n, device = len(pictures), pictures.device
    if chance == 0:
        return pictures, torch.zeros(n, N_CHANGES, device=device)
    happens = (torch.rand(n, 5, device=device) < chance).float()
    amount = torch.randn(n, N_CHANGES, device=device)
    right, down = (torch.rand(n, 2, device=device) * 2 - 1).mul(happens[:, :1]).unbind(1)
    scale, aspect = amount[:, 2] * happens[:, 1], amount[:, 3] * happens[:, 1]
    angle = amount[:, 4] * ROTATION * happens[:, 2]
    brightness, contrast = amount[:, 6] * happens[:, 3], amount[:, 7] * happens[:, 3]
    saturation = amount[:, 8] * happens[:, 4]

    moved = happens[:, :3].any(dim=1)
    if bool(moved.any()):
        some = moved.nonzero()[:, 0]
        cos, sin = angle[some].cos(), angle[some].sin()
        wide = torch.exp2(-SCALE * scale[some] - ASPECT * aspect[some])
        high = torch.exp2(-SCALE * scale[some] + ASPECT * aspect[some])
        rows = [torch.stack([wide * cos, -wide * sin, -2 * REACH * right[some]], 1)]
        rows.append(torch.stack([high * sin, high * cos, -2 * REACH * down[some]], 1))
        grid = F.affine_grid(torch.stack(rows, dim=1), list(pictures[some].shape), align_corners=False)
        changed = F.grid_sample(pictures[some].float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
        pictures = pictures.clone()
        pictures[some] = changed
    pictures = _colour(pictures, brightness * BRIGHTNESS, torch.exp2(contrast * CONTRAST), torch.exp2(saturation * SATURATION))
    told = [right, down, scale, aspect, angle.cos() - 1, angle.sin() / ROTATION, brightness, contrast, saturation]
    return pictures, torch.stack(told, dim=1)


def _colour(pictures: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    colour, rest = (pictures[:, :3], pictures[:, 3:]) if pictures.shape[1] == 4 else (pictures, None)
    view = (-1, 1, 1, 1)
    colour = colour * contrast.view(view) + brightness.view(view)
    if colour.shape[1] == 3:
        grey = colour.mean(dim=1, keepdim=True)
        colour = grey + (colour - grey) * saturation.view(view)
    return colour if rest is None else torch.cat([colour, rest], dim=1)
