"""What takes a gradient back through the steps of a pyramid, against autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from artgen.style.pyramid import add_halved_back, collapsed, halved, moved, pad, pyramid, unmoved, unpadded

SIZES = [(9, 12), (8, 5), (4, 4), (2, 7), (1, 6), (1, 1)]


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def through(step: Callable[[Tensor], Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A gradient with respect to what a step makes, and autograd's with respect to what it was made of."""
    picture = noise(1, 3, *size).requires_grad_()
    made = step(picture)
    gradient = noise(*made.shape)
    return gradient, torch.autograd.grad(made, picture, gradient)[0]


@pytest.mark.parametrize("size", [size for size in SIZES if min(size) > 1])
def test_halved(size: tuple[int, int]) -> None:
    gradient, wanted = through(halved, size)
    found = torch.ones_like(wanted)
    add_halved_back(found, gradient)
    torch.testing.assert_close(found, wanted + 1)


@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_padded(size: tuple[int, int], seamless: bool) -> None:
    gradient, wanted = through(lambda picture: pad(picture, seamless), size)
    torch.testing.assert_close(unpadded(gradient, size, seamless), wanted)


@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize("phase", [(0, 0), (3, 1), (0, 2)])
@pytest.mark.parametrize("size", SIZES)
def test_moved(size: tuple[int, int], phase: tuple[int, int], seamless: bool) -> None:
    gradient, wanted = through(lambda picture: moved(picture, phase, seamless), size)
    torch.testing.assert_close(unmoved(gradient, size, phase, seamless), wanted)


def test_a_pyramid_collapsed() -> None:
    """Of what is asked of all its levels at once."""
    picture = noise(1, 3, 13, 10).requires_grad_()
    levels = pyramid(picture, 3)
    gradients = [noise(*level.shape) for level in levels]
    (wanted,) = torch.autograd.grad(levels, picture, gradients)
    found = collapsed(pyramid(picture.detach(), 3), lambda number, level: gradients[number].clone())
    assert found is not None
    torch.testing.assert_close(found, wanted)
    assert collapsed([], lambda number, level: level) is None
