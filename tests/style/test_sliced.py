"""Transport on a line: quantiles, the tables of the maps against an exact sort, gradients, and what lies between two distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from artgen.style.sliced import directions, mixed, patches_of, quantiles, transport


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


# ---------------------------------------------------------------- quantiles


@pytest.mark.parametrize("m", [2, 5, 64, 1000])
def test_quantiles_are_those_of_numpy(m: int) -> None:
    values = numbers(3, m, seed=m)
    wanted = np.quantile(values.numpy(), (np.arange(64) + 0.5) / 64, axis=1, method="hazen").T
    torch.testing.assert_close(quantiles(values, 64), torch.from_numpy(wanted))


def test_as_many_quantiles_as_values_are_the_sorted_values() -> None:
    values = numbers(4, 50)
    torch.testing.assert_close(quantiles(values, 50), values.sort(dim=1).values)


def test_one_value_is_all_quantiles() -> None:
    assert quantiles(torch.tensor([[2.0], [3.0]]), 4).tolist() == [[2.0] * 4, [3.0] * 4]


# ---------------------------------------------------------------- the map


def test_the_map_gives_to_each_value_the_one_of_the_same_rank() -> None:
    """Against an exact sort; a table is off by at most half an entry times how much its content changes there."""
    source, target = numbers(5, 200, seed=1), numbers(5, 200, seed=2) * 3 + 1
    ours, theirs = quantiles(source, 200), quantiles(target, 200)
    for bins in (512, 100_000):
        moved = source + transport(ours, theirs, bins)(source)
        exact = torch.empty_like(source)
        for row in range(5):
            order = sorted(range(200), key=lambda i, row=row: float(source[row, i]))  # type: ignore[misc]
            for rank, index in enumerate(order):
                exact[row, index] = target[row].sort().values[rank]
        entry = (ours[:, -1:] - ours[:, :1]) / (bins - 1)
        slope = ((theirs.diff(dim=1) - ours.diff(dim=1)) / ours.diff(dim=1)).abs().max(dim=1, keepdim=True).values
        assert bool(((moved - exact).abs() <= entry / 2 * slope + 1e-9).all())
    assert float((moved - exact).abs().max()) < 0.05  # the bound is not just wide


def test_normal_to_normal_is_a_straight_line() -> None:
    """T(y) = μ' + σ'/σ (y - μ), the closed form."""
    uniform = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    normal = math.sqrt(2) * torch.erfinv(2 * uniform - 1)
    source, target = (2 + 0.5 * normal)[None], (-1 + 3 * normal)[None]
    inside = torch.linspace(1.2, 2.8, 33, dtype=torch.float64)[None]
    moved = inside + transport(quantiles(source), quantiles(target))(inside)
    torch.testing.assert_close(moved, -1 + 3 / 0.5 * (inside - 2), atol=0.02, rtol=0)


def test_beyond_what_was_sampled_the_last_shift_holds() -> None:
    ours, theirs = quantiles(numbers(1, 300)), quantiles(numbers(1, 300, seed=3) + 7)
    far = torch.tensor([[-50.0, 50.0]], dtype=torch.float64)
    ends = torch.stack([theirs[0, 0] - ours[0, 0], theirs[0, -1] - ours[0, -1]])
    torch.testing.assert_close(transport(ours, theirs)(far)[0], ends)


def test_a_picture_of_one_value_is_moved_to_values_that_are_there() -> None:
    same = torch.full((2, 64), 0.3)
    target = torch.rand(2, 64, generator=seeded(0)).sort(dim=1).values
    moved = torch.full((2, 5), 0.3) + transport(quantiles(same), quantiles(target))(torch.full((2, 5), 0.3))
    assert bool(moved.isfinite().all()) and bool((moved >= target[:, :1] - 1e-6).all() & (moved <= target[:, -1:] + 1e-6).all())


def test_what_is_already_distributed_so_stays() -> None:
    ours = quantiles(numbers(3, 500))
    torch.testing.assert_close(transport(ours, ours)(numbers(3, 40, seed=8)), torch.zeros(3, 40, dtype=torch.float64))


# ---------------------------------------------------------------- the distance


def test_the_gradient_of_the_distance_is_the_mean_of_what_is_left_to_move() -> None:
    """Three ways: autograd through an exact sort, a loop over vectors and directions, and the tables."""
    vectors, style = numbers(40, 6, seed=1), numbers(40, 6, seed=2) * 2 + 1
    along = directions(7, 6, seeded(0)).double()

    leaf = vectors.clone().requires_grad_()
    distance = ((along @ leaf.T).sort(dim=1).values - (along @ style.T).sort(dim=1).values).square().mean()
    (automatic,) = torch.autograd.grad(distance, leaf)

    loop = torch.zeros_like(vectors)
    for w in along:
        here, there = vectors @ w, (style @ w).sort().values
        for i in range(40):
            rank = int((here < here[i]).sum())
            loop[i] += 2 * w * (here[i] - there[rank]) / (40 * 7)
    torch.testing.assert_close(automatic, loop)

    values = along @ vectors.T
    shift = transport(quantiles(values, 40), quantiles(along @ style.T, 40), bins=1_000_000)(values)
    torch.testing.assert_close(-2 * shift.T @ along / (40 * 7), loop, atol=1e-4, rtol=1e-3)


def test_moving_along_the_maps_makes_one_distribution_the_other() -> None:
    """Iterative transport (Rabin et al. 2011): a disc of points becomes two clusters."""
    generator = seeded(0)
    points = torch.randn(800, 2, generator=generator) * 0.5
    aim = torch.randn(800, 2, generator=generator) * 0.1 + torch.where(torch.rand(800, 1, generator=generator) < 0.5, 1.0, -1.0)
    for _ in range(60):
        along = directions(8, 2, generator)
        values = along @ points.T
        points = points + 2 * (transport(quantiles(values), quantiles(along @ aim.T))(values).T @ along) / 8  # E wwᵀ = I / 2
    near = torch.cdist(points, torch.tensor([[1.0, 1.0], [-1.0, -1.0]])).min(dim=1).values
    assert float(near.median()) < 0.2
    assert 0.4 < float((points.sum(dim=1) > 0).float().mean()) < 0.6


# ---------------------------------------------------------------- several styles


def test_between_two_normal_distributions_lies_a_normal_one() -> None:
    """The barycentre of N(μ, σ²) and N(μ', σ'²) with weights a and b is N(aμ + bμ', (aσ + bσ')²), not a mixture."""
    u = (torch.arange(256, dtype=torch.float64) + 0.5) / 256
    normal = math.sqrt(2) * torch.erfinv(2 * u - 1)
    sets = [quantiles(shift + scale * numbers(1, 200_000, seed=seed)) for seed, shift, scale in ((1, 0, 1), (2, 10, 3))]
    found = mixed(sets, [0.25, 0.75])[0]
    torch.testing.assert_close(found, 7.5 + 2.5 * normal, atol=0.15, rtol=0)
    torch.testing.assert_close(mixed(sets, [1.0, 0.0]), sets[0])


# ---------------------------------------------------------------- directions and samples


def test_directions_are_unit_vectors_and_none_is_preferred() -> None:
    along = directions(20_000, 5, seeded(0))
    torch.testing.assert_close(along.norm(dim=1), torch.ones(20_000))
    torch.testing.assert_close(along.T @ along / 20_000, torch.eye(5) / 5, atol=0.01, rtol=0)


@pytest.mark.parametrize("most", [40, 10_000])
def test_patches_that_are_drawn_stand_in_the_maps(most: int) -> None:
    maps = torch.rand(4, 13, 17, generator=seeded(0))
    every = torch.stack([maps[:, row : row + 3, column : column + 3].flatten() for row in range(11) for column in range(15)])
    drawn = patches_of(maps, 3, most, seeded(1))
    assert drawn.shape == (min(most, 165), 36)
    near = (drawn[:, None] - every).abs().sum(dim=2)
    assert float(near.min(dim=1).values.max()) == 0
    assert len(set(near.argmin(dim=1).tolist())) > 0.7 * len(drawn)  # from all over
