"""Positions against their formulas, and what they are chosen for."""

from __future__ import annotations

import math

import pytest
import torch

from artgen.nn.positions import (
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
    alibi_slopes,
    rotate,
    sinusoidal_table,
)


def test_sinusoidal_table() -> None:
    table = sinusoidal_table(50, 8)
    assert table.shape == (50, 8)
    for p in (0, 1, 7, 49):
        for i in range(4):
            angle = p / 10000 ** (2 * i / 8)
            assert table[p, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[p, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_sinusoidal_table_of_an_odd_width_lacks_the_last_cosine() -> None:
    table = sinusoidal_table(9, 5)
    assert table.shape == (9, 5)
    assert table[:, 4].tolist() == pytest.approx([math.sin(p / 10000 ** (4 / 5)) for p in range(9)], abs=1e-6)


@pytest.mark.parametrize("kind", [SinusoidalPositions, LearnedPositions])
def test_a_step_gets_the_positions_of_a_whole_pass(kind: type) -> None:
    positions = kind(10, 4)
    whole = positions(0, 10)
    assert torch.equal(torch.cat([positions(0, 3), positions(3, 6), positions(9, 1)]), whole)
    assert len({tuple(row) for row in whole.tolist()}) == 10


def test_rotary_is_equation_34() -> None:
    """With features i and i + d/2 laid side by side it is the paper's rotation of the pairs (2i, 2i + 1)."""
    d, base = 6, 100.0
    rotary = RotaryPositions(20, d, base)
    x = torch.randn(1, 2, 20, d)
    turned = rotate(x, *rotary(0, 20))
    order = [0, 3, 1, 4, 2, 5]
    pairs, turned_pairs = x[..., order].double(), turned[..., order].double()
    for m in range(20):
        theta = torch.tensor([base ** (-2 * (i // 2) / d) for i in range(d)], dtype=torch.float64)
        p = pairs[:, :, m]
        swapped = torch.stack([-p[..., 1], p[..., 0], -p[..., 3], p[..., 2], -p[..., 5], p[..., 4]], dim=-1)
        expected = p * (m * theta).cos() + swapped * (m * theta).sin()
        torch.testing.assert_close(turned_pairs[:, :, m], expected, atol=1e-5, rtol=1e-5)


def test_rotary_products_depend_on_distance_only() -> None:
    rotary = RotaryPositions(200, 16).double()
    q, k = torch.randn(2, 1, 1, 1, 16, dtype=torch.float64)

    def score(m: int, n: int) -> float:
        return float((rotate(q, *rotary(m, 1)) * rotate(k, *rotary(n, 1))).sum())

    near, far = score(5, 2), score(9, 2)
    for shift in (1, 50, 180):
        assert score(5 + shift, 2 + shift) == pytest.approx(near, abs=1e-5)
    assert abs(near - far) > 1e-3  # and it does depend on it


def test_rotary_keeps_lengths_and_leaves_the_first_token() -> None:
    rotary = RotaryPositions(30, 8)
    x = torch.randn(2, 3, 30, 8)
    turned = rotate(x, *rotary(0, 30))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[:, :, 0], x[:, :, 0])


def test_alibi_slopes() -> None:
    assert alibi_slopes(8).tolist() == [2.0**-h for h in range(1, 9)]  # the paper's example
    assert alibi_slopes(2).tolist() == [2.0**-4, 2.0**-8]
