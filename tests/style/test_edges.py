"""The term that keeps edges where they are: its gradient against autograd, and which edges it holds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from artgen.style.edges import EDGE, LUMINANCE, Edges
from tests.style.drawn import edge_gradient


def noise(height: int, width: int, seed: int) -> Tensor:
    return torch.rand(3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def loss(picture: Tensor, content: Tensor, seamless: bool, weight: float) -> Tensor:
    """The formula pair by pair: the mean over pairs of neighbours, for each axis, of w (d - d')², w = |d'| / (|d'| + EDGE)."""
    r, g, b = LUMINANCE
    y, there = (r * p[0] + g * p[1] + b * p[2] for p in (picture, content))
    height, width = y.shape
    total = y.new_zeros(())
    for down, across in ((1, 0), (0, 1)):
        pairs = [
            (i, j, (i + down) % height, (j + across) % width)
            for i in range(height)
            for j in range(width)
            if seamless or (i + down < height and j + across < width)
        ]
        for i, j, k, m in pairs:
            wanted = there[k, m] - there[i, j]
            total = total + wanted.abs() / (wanted.abs() + EDGE) * (y[k, m] - y[i, j] - wanted) ** 2 / len(pairs)
    return weight * total


@pytest.mark.parametrize("seamless", [False, True])
def test_the_gradient_is_that_of_the_formula(seamless: bool) -> None:
    content, picture = noise(6, 8, 0), noise(6, 8, 1).requires_grad_()
    (wanted,) = torch.autograd.grad(loss(picture, content, seamless, 0.7), picture)
    torch.testing.assert_close(edge_gradient(Edges(content, seamless, 0.7), picture.detach()), wanted)


@pytest.mark.parametrize("seamless", [False, True])
def test_the_content_itself_and_a_lighter_one_are_not_pulled(seamless: bool) -> None:
    content = noise(6, 8, 0)
    edges = Edges(content, seamless, 1.0)
    zero = torch.zeros_like(content)
    torch.testing.assert_close(edge_gradient(edges, content), zero)
    torch.testing.assert_close(edge_gradient(edges, content + 0.2), zero, atol=1e-15, rtol=0)


def test_where_the_content_is_flat_strokes_are_free() -> None:
    content = torch.zeros(3, 8, 16, dtype=torch.float64)
    content[:, :, 8:] = 1  # one edge, in the middle
    pull = edge_gradient(Edges(content, False, 1.0), noise(8, 16, 1)).abs().sum(dim=0)
    assert float(pull[:, 7:9].min()) > 0
    assert float(pull[:, :7].max()) == float(pull[:, 9:].max()) == 0


@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_a_picture_without_neighbours(size: tuple[int, int], seamless: bool) -> None:
    pull = edge_gradient(Edges(noise(*size, 0), seamless, 1.0), noise(*size, 1))
    assert pull.shape == (3, *size) and bool(pull.isfinite().all())
