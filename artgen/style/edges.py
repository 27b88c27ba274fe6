"""What of a content picture stays where it is: its edges."""

from __future__ import annotations

import torch
from torch import Tensor

from artgen.style.pyramid import pyramid

EDGE = 0.04  # difference between neighbours from which on an edge counts
LUMINANCE = (0.299, 0.587, 0.114)


def edge_distance(pictures: Tensor, layout: Tensor, levels: int = 1) -> Tensor:
    """[n]: the mean over neighbours of w (difference - layout's difference)², of pictures and layout [n, 3, h, w].

    levels: summed over these, each of half the size of the one before.
    """
    total = pictures.new_zeros(len(pictures))
    for ours, wanted in zip(pyramid(pictures, levels), pyramid(layout, levels), strict=True):
        for here, there in zip(differences(ours), differences(wanted), strict=True):
            total = total + (edge_weight(there) * (here - there).square()).mean(dim=(1, 2))
    return total


class Edges:
    """The same for one picture, `weight` times, with its gradient in closed form: what it costs beside autograd is nothing."""

    def __init__(self, content: Tensor, seamless: bool, weight: float) -> None:
        self.seamless, self.weight = seamless, weight
        self.there = differences(content, seamless)

    def gradient(self, y: Tensor) -> Tensor:
        """With respect to the picture's luminance, [h, w]."""
        total = torch.zeros_like(y)
        found = _steps(y, self.seamless)
        for axis, (here, there) in enumerate(zip(found, self.there, strict=True)):
            # The weights are made again in each step: of large pictures they would take as much memory as the differences.
            pull = (here - there).mul_(edge_weight(there)).mul_(2 * self.weight / max(1, there.numel()))
            if self.seamless:
                total += torch.roll(pull, 1, dims=axis) - pull
            else:
                length = y.shape[axis] - 1
                total.narrow(axis, 1, length).add_(pull)
                total.narrow(axis, 0, length).sub_(pull)
        return total


def differences(pictures: Tensor, seamless: bool = False) -> list[Tensor]:
    """Of luminance between neighbours down and across, of [..., 3, h, w]; seamless: also over the border."""
    return _steps(luminance(pictures), seamless)


def luminance(pictures: Tensor) -> Tensor:
    """[..., 3, h, w] to [..., h, w]."""
    red, green, blue = (channel * weight for channel, weight in zip(pictures.unbind(-3), LUMINANCE, strict=True))
    return red + green + blue


def _steps(y: Tensor, seamless: bool) -> list[Tensor]:
    if seamless:
        return [torch.roll(y, -1, dims=axis) - y for axis in (-2, -1)]
    return [y.diff(dim=-2), y.diff(dim=-1)]


def edge_weight(difference: Tensor) -> Tensor:
    """How much a difference of the layout counts, 0 to 1: the more the stronger it is."""
    return difference.abs() / (difference.abs() + EDGE)
