"""Steps of a pyramid and what takes a gradient back through them, in place: of large pictures autograd would keep many copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 3  # pixels around the picture, so that those at its border lie in more than one patch


def halved(picture: Tensor) -> Tensor:
    """[1, c, h, w] to [1, c, h // 2, w // 2]: the mean of 2 x 2."""
    return F.avg_pool2d(picture, 2)


def pyramid(picture: Tensor, count: int) -> list[Tensor]:
    """The picture and its halves, so many in all."""
    levels = [picture]
    while len(levels) < count:
        levels.append(halved(levels[-1]))
    return levels[:count]


def collapsed(levels: list[Tensor], gradient: Callable[[int, Tensor], Tensor]) -> Tensor | None:
    """What gradients with respect to the levels of a pyramid, `gradient(number, level)`, are together with respect to the finest.

    From coarse to fine; empties the list, so that no more than one level's is kept. None where there are no levels.
    """
    total = None
    while levels:
        found = gradient(len(levels) - 1, levels.pop())
        if total is not None:
            add_halved_back(found, total)
        total = found
    return total


def add_halved_back(total: Tensor, gradient: Tensor) -> None:
    """Adds to `total`, a gradient with respect to [1, c, h, w], what `gradient` is with respect to its half."""
    height, width = 2 * gradient.shape[2], 2 * gradient.shape[3]
    for down in (0, 1):
        for across in (0, 1):
            total[:, :, down:height:2, across:width:2].add_(gradient, alpha=0.25)


def beyond(first: int, count: int, side: int, seamless: bool) -> Tensor:
    """Numbers of `count` rows or columns from `first` on, which may lie beyond a border: mirrored, or at the other side."""
    place = torch.arange(first, first + count)
    if seamless:
        return place % side
    period = max(1, 2 * (side - 1))
    place = place.remainder(period)
    return torch.minimum(place, period - place)


def pad(level: Tensor, seamless: bool) -> Tensor:
    """[1, channels, h, w] with a margin: what is beyond the border is its mirror image, or the other side."""
    height, width = level.shape[2:]
    if seamless:
        rows, columns = (beyond(-MARGIN, side + 2 * MARGIN, side, True).to(level.device) for side in (height, width))
        return level[:, :, rows][:, :, :, columns]
    vertical, horizontal = min(MARGIN, height - 1), min(MARGIN, width - 1)
    return F.pad(level, (horizontal, horizontal, vertical, vertical), mode="reflect")


def unpadded(gradient: Tensor, size: Sequence[int], seamless: bool) -> Tensor:
    """What a gradient with respect to a padded level is with respect to the level of this size. Changes what it is given."""
    for axis, side in ((2, size[0]), (3, size[1])):
        margin = (gradient.shape[axis] - side) // 2
        if margin:
            before, inside, after = gradient.split([margin, side, margin], dim=axis)
            if seamless:
                for place in range(margin):  # one by one: the margin may be wider than the level
                    inside.select(axis, (place - margin) % side).add_(before.select(axis, place))
                    inside.select(axis, place % side).add_(after.select(axis, place))
            else:
                inside.narrow(axis, 1, margin).add_(before.flip(axis))
                inside.narrow(axis, side - 1 - margin, margin).add_(after.flip(axis))
            gradient = inside
    return gradient


def moved(picture: Tensor, phase: Sequence[int], seamless: bool) -> Tensor:
    """[1, c, h, w] so many pixels further down and right; what comes in is mirrored, or from the other side."""
    if seamless:
        return torch.roll(picture, tuple(phase), (2, 3))
    down, across = (min(place, side - 1) for place, side in zip(phase, picture.shape[2:], strict=True))
    return F.pad(picture, (across, 0, down, 0), mode="reflect")


def unmoved(gradient: Tensor, size: Sequence[int], phase: Sequence[int], seamless: bool) -> Tensor:
    """What a gradient with respect to the moved picture is with respect to the picture of this size. Changes what it is given."""
    if seamless:
        return torch.roll(gradient, tuple(-place for place in phase), (2, 3))
    for axis, side in ((2, size[0]), (3, size[1])):
        more = gradient.shape[axis] - side
        if more:
            before, inside = gradient.split([more, side], dim=axis)
            inside.narrow(axis, 1, more).add_(before.flip(axis))
            gradient = inside
    return gradient
