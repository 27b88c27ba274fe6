"""The statistics of style, against their formulas written as loops, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from artgen.style.statistics import Gram, Moments, Positions, Sliced, Statistic, gram, moments, resize_region


def draw(channels: int = 3, height: int = 5, width: int = 4, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, height, width, dtype=torch.float64, generator=generator)


def region(height: int = 5, width: int = 4, seed: int = 9) -> Tensor:
    return torch.rand(height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def each() -> list[Statistic]:
    return [Gram(), Moments(), Sliced(torch.Generator().manual_seed(0))]


def gram_by_loops(maps: Tensor, share: Tensor) -> list[list[float]]:
    _, channels, height, width = maps.shape
    return [
        [
            sum(float(share[y, x] * maps[0, i, y, x] * maps[0, j, y, x]) for y in range(height) for x in range(width))
            for j in range(channels)
        ]
        for i in range(channels)
    ]


@pytest.mark.parametrize("size", [(5, 4), (1, 1), (7, 9), (8, 16)])
@pytest.mark.parametrize("weighted", [False, True])
def test_gram_is_the_mean_product_of_channels(size: tuple[int, int], weighted: bool) -> None:
    maps, share = draw(3, *size), region(*size) if weighted else torch.ones(size, dtype=torch.float64)
    expected = torch.tensor(gram_by_loops(maps, share / share.sum()), dtype=torch.float64)
    assert torch.allclose(gram(maps, share if weighted else None), expected, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_gram(weighted: bool) -> None:
    share = region(7, 5) if weighted else None
    assert torch.autograd.gradcheck(lambda maps: gram(maps, share), (draw(3, 7, 5).requires_grad_(),))


@pytest.mark.parametrize("weighted", [False, True])
def test_moments_are_mean_and_deviation(weighted: bool) -> None:
    maps, share = draw(), region() if weighted else torch.ones(5, 4, dtype=torch.float64)
    share = share / share.sum()
    found = moments(maps, share if weighted else None)
    for channel in range(3):
        values = [(float(share[y, x]), float(maps[0, channel, y, x])) for y in range(5) for x in range(4)]
        mean = sum(w * v for w, v in values)
        assert float(found[0, channel]) == pytest.approx(mean)
        assert float(found[1, channel]) == pytest.approx(math.sqrt(sum(w * (v - mean) ** 2 for w, v in values)))
    assert torch.autograd.gradcheck(lambda maps: moments(maps, share), (draw().requires_grad_(),))


@pytest.mark.parametrize("kind", [Gram, Moments])
def test_distances_are_squared_differences_over_the_targets_squares(kind: type[Gram] | type[Moments]) -> None:
    statistic = kind()
    maps, style = draw(seed=1), draw(seed=2)
    ours, target = statistic(maps).flatten().tolist(), statistic(style)
    wanted = target.flatten().tolist()
    expected = sum((a - b) ** 2 for a, b in zip(ours, wanted, strict=True)) / sum(b * b for b in wanted)
    assert float(statistic.distance(maps, target)) == pytest.approx(expected)


def test_sliced_sorts_projections(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, style = draw(3, 5, 4, 1), draw(3, 5, 4, 2)
    sliced = Sliced(torch.Generator().manual_seed(0))
    directions = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(5))).Q.double()
    monkeypatch.setattr(sliced, "_directions", lambda width: directions)
    found, scale = 0.0, 0.0
    for k in range(3):
        ours, theirs = (
            sorted(sum(float(m[0, c, y, x] * directions[c, k]) for c in range(3)) for y in range(5) for x in range(4))
            for m in (maps, style)
        )
        found += sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True))
        scale += sum(b * b for b in theirs)
    assert float(sliced.distance(maps, sliced(style))) == pytest.approx(found / scale)


def test_slices_are_along_unit_vectors_at_right_angles() -> None:
    directions = Sliced(torch.Generator().manual_seed(0))._directions(16)
    assert torch.allclose(directions.T @ directions, torch.eye(16), atol=1e-5)


def test_equal_maps_are_at_distance_zero_however_their_positions_lie() -> None:
    maps = draw(4, 6, 6)
    turned = maps.transpose(2, 3).flip(3)
    for statistic in each():
        assert float(statistic.distance(turned, statistic(maps))) < 1e-12
        assert float(statistic.distance(maps * 0, statistic(maps))) == pytest.approx(1, abs=1e-5)


def test_a_flat_style_divides_by_nothing() -> None:
    for statistic in each():
        flat = torch.zeros(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
        distance = statistic.distance(flat, statistic(torch.zeros(1, 3, 4, 4, dtype=torch.float64)))
        distance.backward()
        assert flat.grad is not None and flat.grad.isfinite().all()
        assert float(distance.detach()) == pytest.approx(0, abs=1e-6)


def test_distances_do_not_depend_on_the_size_of_the_picture() -> None:
    maps, style = draw(3, 4, 4, 1), draw(3, 6, 5, 2)
    larger = maps.repeat(1, 1, 2, 3)
    for statistic in (Gram(), Moments()):
        target = statistic(style)
        assert float(statistic.distance(larger, target)) == pytest.approx(float(statistic.distance(maps, target)))


def test_mixed_targets_are_those_of_all_positions_together() -> None:
    first, second = draw(3, 4, 6, 1), draw(3, 4, 2, 2) * 2 + 1
    together = torch.cat([first, second], dim=3)
    for statistic in (Gram(), Moments()):
        mixed = statistic.mix([statistic(first), statistic(second)], [0.75, 0.25])
        assert torch.allclose(mixed, statistic(together), atol=1e-6)
    sliced = Sliced(torch.Generator().manual_seed(0), positions=10_000)
    half = sliced.mix([sliced(first), sliced(second)], [0.75, 0.25])
    assert float(sliced.distance(together, half)) < 1e-3
    assert float(sliced.distance(first, half)) > 0.05


def test_a_region_makes_only_its_positions_count() -> None:
    inside, outside = draw(3, 6, 4, 1), draw(3, 6, 4, 2) * 3
    both = torch.cat([inside, outside], dim=3)
    mask = torch.cat([torch.ones(6, 4), torch.zeros(6, 4)], dim=1)
    for statistic in each():
        assert float(statistic.distance(both, statistic(inside), mask)) < 1e-2
        assert float(statistic.distance(both, statistic(both, mask), mask)) < 1e-2
        assert float(statistic.distance(both, statistic(inside))) > 0.5


def test_a_region_is_averaged_over_what_a_position_sees() -> None:
    mask = torch.zeros(8, 8)
    mask[:, :2] = 1
    assert resize_region(mask, torch.empty(1, 5, 2, 2)).tolist() == [[0.5, 0.0], [0.5, 0.0]]


def test_few_of_many_positions_err_on_no_side() -> None:
    maps, style = draw(2, 64, 64, 1), draw(2, 64, 64, 2) * 1.5
    few, all_ = Sliced(torch.Generator().manual_seed(0), 256), Sliced(torch.Generator().manual_seed(0), 10_000)
    target: Positions = few(style)
    mean = sum(float(few.distance(maps, target)) for _ in range(64)) / 64
    whole = float(all_.distance(maps, target))
    assert mean == pytest.approx(whole, rel=0.3)


def test_bfloat16_sums_keep_the_digits_of_float32() -> None:
    maps = (draw(8, 128, 128) + 1).bfloat16()
    exact = gram(maps.double())
    assert gram(maps).dtype == torch.float32
    assert (gram(maps) - exact).norm() < 2e-3 * exact.norm()
