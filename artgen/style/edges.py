"""What of a content picture stays where it is: its edges."""

from __future__ import annotations

import torch
from torch import Tensor

EDGE = 0.04  # difference between neighbours from which on an edge counts
LUMINANCE = (0.299, 0.587, 0.114)


class Edges:
    """Differences of luminance between neighbours are to be the content's, the more the stronger they are there."""

    def __init__(self, content: Tensor, seamless: bool, weight: float) -> None:
        self.seamless, self.weight = seamless, weight
        self.luminance = content.new_tensor(LUMINANCE)[:, None, None]
        self.there = self._differences(content)
        self.weights = [difference.abs() / (difference.abs() + EDGE) for difference in self.there]

    def _differences(self, picture: Tensor) -> list[Tensor]:
        y = (picture * self.luminance).sum(dim=0)
        if self.seamless:
            return [torch.roll(y, -1, dims=axis) - y for axis in (0, 1)]
        return [y.diff(dim=0), y.diff(dim=1)]

    def gradient(self, picture: Tensor) -> Tensor:
        """Of the mean over pairs of w (difference - content's difference)²."""
        total = torch.zeros_like(picture[0])
        for axis, (here, there, weight) in enumerate(zip(self._differences(picture), self.there, self.weights, strict=True)):
            pull = (here - there).mul_(weight).mul_(2 * self.weight / max(1, weight.numel()))
            if self.seamless:
                total += torch.roll(pull, 1, dims=axis) - pull
            else:
                length = picture.shape[1 + axis] - 1
                total.narrow(axis, 1, length).add_(pull)
                total.narrow(axis, 0, length).sub_(pull)
        return total[None] * self.luminance
