"""Projection: the code whose rendering is nearest to a picture, by gradient descent."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Render = Callable[[Tensor, Tensor | None], Tensor]
"""(codes [n, e], labels [n] or None) -> pictures [n, channels, height, width], -1 to 1; differentiable."""

STARTS = 4  # candidates that are followed, of which the best is kept
STAYING = 1e-3  # weight of the squared distance from the mean code, in the candidates' deviations
LR = 0.05  # in the candidates' deviations


def project_picture(
    render: Render,
    picture: Tensor,
    candidates: Tensor,
    labels: Tensor | None,
    steps: int,
    advance: Callable[[int], object] | None = None,
) -> Tensor:
    """The code [1, e] for a picture [1, channels, height, width], -1 to 1.

    candidates: codes [n, e] of samples. The nearest few are where the descent begins, their mean and deviation its scale.
    labels: int64 [1], the picture's class, or None. advance: called with 1 after each step.
    The distance is the mean square of pixels at full, half, quarter … resolution (`pyramid_distance`): coarse levels show
    the way where shapes do not yet overlap.
    """
    with torch.no_grad():
        mean, deviation = candidates.mean(dim=0), candidates.std(dim=0).clamp_min(1e-6)
        distances = []
        for chunk in candidates.split(64):
            made = render(chunk, None if labels is None else labels.expand(len(chunk)))
            distances.append(pyramid_distance(made, picture.expand(len(chunk), -1, -1, -1)))
        order = torch.cat(distances).argsort()[:STARTS]
        begin = (candidates[order] - mean) / deviation
    several = None if labels is None else labels.expand(len(begin))
    target = picture.expand(len(begin), -1, -1, -1)
    codes = begin.clone().requires_grad_()
    best, best_distance = begin.clone(), torch.full((len(begin),), torch.inf, device=begin.device)
    optimizer = torch.optim.Adam([codes], lr=LR)
    for step in range(steps):
        distance = pyramid_distance(render(codes * deviation + mean, several), target)
        with torch.no_grad():
            nearer = distance < best_distance
            best[nearer], best_distance[nearer] = codes[nearer], distance[nearer]
        loss = (distance + STAYING * codes.square().mean(dim=1)).sum()
        optimizer.zero_grad()
        (codes.grad,) = torch.autograd.grad(loss, codes)
        optimizer.param_groups[0]["lr"] = LR * min(1.0, 4 * (1 - step / steps))
        optimizer.step()
        if advance:
            advance(1)
    chosen = best[best_distance.argmin()] if steps else begin[0]
    return (chosen * deviation + mean)[None].detach()


def pyramid_distance(a: Tensor, b: Tensor) -> Tensor:
    """The mean over levels of the mean square difference of a and b [n, channels, height, width]: [n].

    Levels are the pictures and what 2 x 2 averages leave of them, down to 8 pixels.
    """
    difference = a.float() - b.float()
    levels = [difference.square().mean(dim=(1, 2, 3))]
    while min(difference.shape[2:]) >= 16:
        difference = F.avg_pool2d(difference, 2)
        levels.append(difference.square().mean(dim=(1, 2, 3)))
    return torch.stack(levels).mean(dim=0)
