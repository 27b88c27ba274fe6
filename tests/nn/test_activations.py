"""Every non-linearity against its formula, number by number in float64."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable

import pytest
import torch

from artgen.lm.gpt_config import GATED as CONFIG_GATED
from artgen.lm.gpt_config import Activation
from artgen.nn.activations import ACTIVATIONS, GATED, FeedForward, relu2

FORMULAS: dict[str, Callable[[float], float]] = {
    "relu": lambda x: x if x > 0 else 0.0,
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "relu2": lambda x: x * x if x > 0 else 0.0,
}
GATES = {"swiglu": FORMULAS["silu"], "geglu": FORMULAS["gelu"], "reglu": FORMULAS["relu"]}


def test_config_and_code_know_the_same_names() -> None:
    assert set(typing.get_args(Activation)) == set(ACTIVATIONS) | set(GATED) == set(FORMULAS) | set(GATES)
    assert set(CONFIG_GATED) == set(GATED)


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name: str) -> None:
    points = [-7.5, -2.0, -0.3, 0.0, 0.1, 1.0, 6.25]
    got = ACTIVATIONS[name](torch.tensor(points, dtype=torch.float64))
    assert got.tolist() == pytest.approx([FORMULAS[name](x) for x in points], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_gradient_is_the_formulas_slope(name: str) -> None:
    points = torch.tensor([-2.0, -0.3, 0.1, 1.7], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(ACTIVATIONS[name](points).sum(), points)
    h = 1e-6
    slopes = [(FORMULAS[name](x + h) - FORMULAS[name](x - h)) / (2 * h) for x in points.tolist()]
    assert gradient.tolist() == pytest.approx(slopes, rel=1e-6, abs=1e-8)


def test_squared_relu_is_the_same_with_and_without_gradient() -> None:
    x = torch.randn(50, dtype=torch.float64)
    assert torch.equal(relu2(x), relu2(x.clone().requires_grad_()).detach())


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("bias", [False, True])
def test_plain_feed_forward(name: str, bias: bool) -> None:
    network = FeedForward(3, 5, name, bias=bias).double()
    x = torch.randn(3, dtype=torch.float64)
    up, down = network.up.weight.tolist(), network.down.weight.tolist()
    b_up = network.up.bias.tolist() if bias else [0.0] * 5
    b_down = network.down.bias.tolist() if bias else [0.0] * 3
    hidden = [FORMULAS[name](sum(up[j][i] * x[i].item() for i in range(3)) + b_up[j]) for j in range(5)]
    expected = [sum(down[i][j] * hidden[j] for j in range(5)) + b_down[i] for i in range(3)]
    assert network(x).tolist() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", GATES)
def test_gated_feed_forward(name: str) -> None:
    network = FeedForward(3, 5, name).double()
    x = torch.randn(3, dtype=torch.float64)
    rows, down = network.up.weight.tolist(), network.down.weight.tolist()
    product = [sum(row[i] * x[i].item() for i in range(3)) for row in rows]  # 5 gates, then 5 values
    hidden = [GATES[name](product[j]) * product[5 + j] for j in range(5)]
    expected = [sum(down[i][j] * hidden[j] for j in range(5)) for i in range(3)]
    assert network(x).tolist() == pytest.approx(expected, rel=1e-10)


def test_dropout_drops_in_training_only() -> None:
    network = FeedForward(64, 64, dropout=0.5)
    x = torch.randn(20, 64)
    assert 0.3 < (network.train()(x) == 0).float().mean() < 0.7
    assert (network.eval()(x) == 0).sum() == 0
