"""Drawn pictures for the tests of style transfer: strokes in two colours, and a layout with edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artgen.style.edges import LUMINANCE, Edges, luminance


def stripes(
    height: int,
    width: int,
    angle: float,
    seed: int = 0,
    period: float = 6.0,
    dark: tuple[float, float, float] = (0.1, 0.15, 0.45),
    light: tuple[float, float, float] = (0.9, 0.75, 0.3),
) -> Tensor:
    """Stripes of two colours [3, height, width], at an angle in degrees (0: they run from left to right), with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.arange(height)[:, None].float(), torch.arange(width)[None].float()
    across = y * math.cos(math.radians(angle)) - x * math.sin(math.radians(angle))
    phase = float(torch.rand((), generator=generator)) * 2 * math.pi
    share = 0.5 + 0.5 * torch.sin(2 * math.pi * across / period + phase)
    picture = torch.lerp(torch.tensor(dark)[:, None, None], torch.tensor(light)[:, None, None], share)
    return (picture + 0.02 * torch.randn(picture.shape, generator=generator)).clamp(0, 1)


def layout(height: int, width: int) -> Tensor:
    """A content: light from left to right, a disc and a bar with sharp edges, in muted colours."""
    y, x = torch.arange(height)[:, None] / height, torch.arange(width)[None] / width
    picture = torch.stack([0.35 + 0.2 * x + 0 * y, 0.4 + 0.1 * x + 0.1 * y, 0.45 + 0.1 * y + 0 * x])
    picture[:, (y - 0.4) ** 2 + (x - 0.35) ** 2 < 0.06] = torch.tensor([0.75, 0.7, 0.6])[:, None]
    picture[:, (y > 0.75).expand(-1, width) & ((x > 0.2) & (x < 0.9)).expand(height, -1)] = 0.15
    return picture


def edge_gradient(edges: Edges, picture: Tensor) -> Tensor:
    """With respect to the picture [3, h, w]: through its luminance."""
    return edges.gradient(luminance(picture)) * picture.new_tensor(LUMINANCE)[:, None, None]
