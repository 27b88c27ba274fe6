"""Normalisation against its formula in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from artgen.nn.norms import EPSILON, build_norm, layer_norm, rms_norm


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1


def test_layer_norm(rows: torch.Tensor) -> None:
    weight, bias = torch.rand(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
    for got, row in zip(layer_norm(rows, weight, bias).tolist(), rows.tolist(), strict=True):
        mean = sum(row) / 6
        variance = sum((x - mean) ** 2 for x in row) / 6
        expected = [(x - mean) / math.sqrt(variance + EPSILON) * w + b for x, w, b in zip(row, weight, bias, strict=True)]
        assert got == pytest.approx([float(e) for e in expected], rel=1e-12)


def test_rms_norm(rows: torch.Tensor) -> None:
    weight = torch.rand(6, dtype=torch.float64)
    for got, row in zip(rms_norm(rows, weight).tolist(), rows.tolist(), strict=True):
        size = math.sqrt(sum(x * x for x in row) / 6 + EPSILON)
        assert got == pytest.approx([x / size * w for x, w in zip(row, weight.tolist(), strict=True)], rel=1e-12)


def test_modules_are_the_functions(rows: torch.Tensor) -> None:
    for name, function in [("layer", layer_norm), ("rms", rms_norm)]:
        module = build_norm(name, 6, bias=False).double()
        nn.init.uniform_(module.weight)
        assert torch.equal(module(rows), function(rows, module.weight))
    assert torch.equal(build_norm("none", 6)(rows), rows)


@pytest.mark.parametrize(
    ("name", "bias", "count"),
    [("layer", False, 6), ("layer", True, 12), ("rms", False, 6), ("rms", True, 6), ("none", True, 0)],
)
def test_parameters(name: str, bias: bool, count: int) -> None:
    assert sum(p.numel() for p in build_norm(name, 6, bias).parameters()) == count
