"""Objectives and penalties against their formulas in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from artgen.image.gan_losses import (
    LossName,
    discriminator_loss,
    generator_loss,
    needs_real,
    one_centred_penalty,
    zero_centred_penalty,
)

REAL = torch.tensor([1.5, -0.25, 0.75], dtype=torch.float64)
MADE = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


PAIRS = list(zip(REAL.tolist(), MADE.tolist(), strict=True))
FORMULAS: dict[LossName, tuple[float, float]] = {
    "bce": (mean([softplus(-r) + softplus(m) for r, m in PAIRS]), mean([softplus(-m) for _, m in PAIRS])),
    "lsgan": (mean([((r - 1) ** 2 + m**2) / 2 for r, m in PAIRS]), mean([(m - 1) ** 2 / 2 for _, m in PAIRS])),
    "hinge": (mean([max(0, 1 - r) + max(0, 1 + m) for r, m in PAIRS]), mean([-m for _, m in PAIRS])),
    "wgan-gp": (mean([m - r for r, m in PAIRS]), mean([-m for _, m in PAIRS])),
    "relativistic": (mean([softplus(m - r) for r, m in PAIRS]), mean([softplus(r - m) for r, m in PAIRS])),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_losses_are_their_formulas(name: LossName) -> None:
    of_discriminator, of_generator = FORMULAS[name]
    assert float(discriminator_loss(name, REAL, MADE)) == pytest.approx(of_discriminator, abs=1e-12)
    assert float(generator_loss(name, REAL, MADE)) == pytest.approx(of_generator, abs=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_discriminator_wants_real_above_made_and_the_generator_made_above(name: LossName) -> None:
    real, made = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    on_real, on_made = torch.autograd.grad(discriminator_loss(name, real, made), (real, made))
    assert on_real < 0 < on_made or (name == "lsgan" and on_real < 0 <= on_made)
    (of_generator,) = torch.autograd.grad(generator_loss(name, real.detach(), made), made)
    assert of_generator < 0


def test_only_the_relativistic_generator_looks_at_real_pictures() -> None:
    for name in FORMULAS:
        moved = float(generator_loss(name, REAL + 1, MADE)) != float(generator_loss(name, REAL, MADE))
        assert moved == needs_real(name)


def test_zero_centred_penalty_is_the_mean_squared_gradient() -> None:
    """D(x) = Σ w x²: the gradient is 2 w x, and the penalty's own gradient by w is 8 w x² on average."""
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    pictures = torch.randn(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    penalty = zero_centred_penalty((weight * pictures.square()).flatten(1).sum(1), pictures)
    squares = float(pictures.detach().square().flatten(1).sum(1).mean())
    assert penalty.item() == pytest.approx(4 * 0.7**2 * squares, rel=1e-6)
    (again,) = torch.autograd.grad(penalty, weight)
    assert float(again) == pytest.approx(8 * 0.7 * squares, rel=1e-6)


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_one_centred_penalty_of_a_linear_discriminator(slope: float) -> None:
    direction = torch.zeros(3, 4, 4)
    direction[1, 2, 3] = slope

    def discriminate(x: Tensor) -> Tensor:
        return (x * direction).flatten(1).sum(1)

    found = one_centred_penalty(discriminate, torch.randn(6, 3, 4, 4), torch.randn(6, 3, 4, 4))
    assert float(found) == pytest.approx((slope - 1) ** 2, abs=1e-6)
