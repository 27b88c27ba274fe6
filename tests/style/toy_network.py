"""A feature network of the real shape with drawn weights, and drawn pictures to see through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artgen.metrics.squeezenet import CAFFE, SqueezeNet


def drawn_squeezenet(seed: int = 0) -> SqueezeNet:
    """Weights that keep the scale of what goes through (He et al. 2015), and the input's convention of Caffe."""
    torch.manual_seed(seed)
    network = SqueezeNet(CAFFE)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            assert module.bias is not None
            nn.init.normal_(module.bias, std=0.1)
    return network.eval().requires_grad_(False)


def save_npz(path: Path, tensors: dict[str, Tensor]) -> Path:
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors.items()}
    np.savez(path, **arrays)
    return path


def stripes(height: int, width: int, angle: float = 0.7, colours: tuple[float, ...] = (0.9, 0.4, 0.2)) -> Tensor:
    """Slanted waves of one colour on its complement: [3, height, width]."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    wave = (0.5 + 0.5 * torch.sin((y * np.sin(angle) + x * np.cos(angle)) * 0.9))[None]
    colour = torch.tensor(colours)[:, None, None]
    return (wave * colour + (1 - wave) * (1 - colour)).float()


def spot(height: int, width: int) -> Tensor:
    """A light disc on a dark ground: [3, height, width]."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    disc = torch.sigmoid((0.5 - (x**2 + y**2).sqrt()) * 20)
    return torch.stack([0.2 + 0.6 * disc, 0.3 + 0.4 * disc, 0.4 + 0.2 * disc])
