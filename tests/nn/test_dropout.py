"""Dropout: rates, means and gradients."""

from __future__ import annotations

import pytest
import torch

from artgen.nn.dropout import dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.05, 0.25, 0.5])
def test_so_many_are_dropped_and_the_mean_is_kept(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(999, 1001, dtype=dtype)
    y = dropout(x, p).float()
    rounded = round(p * 256) / 256
    assert abs((y == 0).float().mean().item() - rounded) < 3e-3  # a deviation of 0.0005 at most
    assert abs(y.mean().item() - 1) < 5e-3
    assert torch.unique(y).tolist() == pytest.approx([0, 1 / (1 - rounded)], rel=5e-3)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(1)
    kept = (dropout(torch.ones(1_000_000), 0.5) != 0).float() - 0.5
    for distance in (1, 2, 7, 8, 9, 64):
        assert abs((kept[distance:] * kept[:-distance]).mean().item()) < 1.5e-3  # 0.25 if one decided for the other


def test_the_gradient_passes_where_the_value_does() -> None:
    torch.manual_seed(2)
    x = torch.randn(50, 30, requires_grad=True)
    y = dropout(x, 0.25)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0.0, 1 / 0.75))


def test_the_same_seed_drops_the_same() -> None:
    x = torch.randn(100)
    torch.manual_seed(3)
    first = dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x, 0.5))
    assert not torch.equal(first, dropout(x, 0.5))


def test_nothing_is_dropped_in_use() -> None:
    x = torch.randn(10)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x
    assert dropout(torch.empty(0), 0.5).shape == (0,)
