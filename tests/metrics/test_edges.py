"""Similarity of edges: SSIM against loops in float64, and what it does and does not notice."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.edges import K1, K2, LUMA, edge_ssim, edges, ssim
from tests.metrics.drawn import noise, shapes


def drawn(seed: int = 0, size: int = 64) -> Tensor:
    return torch.from_numpy(shapes(1, size, seed))[0].permute(2, 0, 1).double() / 255


def ssim_by_loops(x: Tensor, y: Tensor) -> float:
    weights = [math.exp(-((i - 5) ** 2) / (2 * 1.5**2)) for i in range(11)]
    total = sum(weights) ** 2
    found = []
    for row in range(x.shape[0] - 10):
        for column in range(x.shape[1] - 10):
            cells = [(i, j, weights[i] * weights[j] / total) for i in range(11) for j in range(11)]
            a = [(float(x[row + i, column + j]), float(y[row + i, column + j]), w) for i, j, w in cells]
            mx, my = sum(w * p for p, _, w in a), sum(w * q for _, q, w in a)
            vx, vy = sum(w * (p - mx) ** 2 for p, _, w in a), sum(w * (q - my) ** 2 for _, q, w in a)
            cov = sum(w * (p - mx) * (q - my) for p, q, w in a)
            found.append(
                (2 * mx * my + K1**2) * (2 * cov + K2**2) / ((mx**2 + my**2 + K1**2) * (vx + vy + K2**2))
            )  # fmt: skip
    return sum(found) / len(found)


def test_ssim_is_equation_13_averaged() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(14, 13, generator=generator, dtype=torch.float64) for _ in range(2))
    assert float(ssim(x, y)) == pytest.approx(ssim_by_loops(x, y), rel=1e-9)
    assert float(ssim(x, x)) == pytest.approx(1, rel=1e-12)


def test_edges_are_scharr_s_of_a_blurred_ramp_and_of_nothing() -> None:
    ramp = torch.linspace(0, 1, 32, dtype=torch.float64).expand(3, 32, -1)
    torch.testing.assert_close(edges(ramp)[:, 6:-6], torch.ones(32, 20).double())  # one slope everywhere, its own strongest
    assert not edges(torch.full((3, 20, 20), 0.3)).any()


def test_edges_against_loops() -> None:
    picture = drawn(1, 24)
    luma = sum(weight * picture[i] for i, weight in enumerate(LUMA))
    assert isinstance(luma, Tensor)
    kernel = [math.exp(-(i**2) / 2) for i in range(-4, 5)]

    def mirrored(i: int) -> int:
        return -i if i < 0 else 2 * 23 - i if i > 23 else i

    smooth = torch.zeros(24, 24).double()
    for row in range(24):
        for column in range(24):
            for i in range(-4, 5):
                for j in range(-4, 5):
                    weight = kernel[i + 4] * kernel[j + 4] / sum(kernel) ** 2
                    smooth[row, column] += weight * luma[mirrored(row + i), mirrored(column + j)]
    found = edges(picture)
    side = (3, 10, 3)
    expected = torch.zeros(24, 24).double()
    for row in range(24):
        for column in range(24):
            down = sum(side[k + 1] * smooth[mirrored(row + d), mirrored(column + k)] * d for k in (-1, 0, 1) for d in (-1, 1))
            right = sum(side[k + 1] * smooth[mirrored(row + k), mirrored(column + d)] * d for k in (-1, 0, 1) for d in (-1, 1))
            expected[row, column] = (down**2 + right**2) ** 0.5 / 32
    strong = sorted(expected.flatten().tolist())[round(0.99 * 576) - 1]
    torch.testing.assert_close(found, (expected / strong).clamp(max=1))


def test_contrast_and_brightness_as_a_whole_do_not_matter() -> None:
    picture = drawn(2)
    assert edge_ssim(picture, picture) == pytest.approx(1)
    assert edge_ssim(picture * 0.5 + 0.3, picture) == pytest.approx(1)
    assert edge_ssim(1 - picture, picture) == pytest.approx(1)


def test_what_is_lost_and_what_is_added_counts() -> None:
    picture = drawn(3)
    noisy = (picture + torch.from_numpy(noise(1, 64))[0].permute(2, 0, 1) / 255 * 0.2).clamp(0, 1)
    values = [edge_ssim(made, picture) for made in (picture, picture.roll(1, 2), picture.roll(5, 2), drawn(4))]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.6 < 0.95 < values[0]
    assert edge_ssim(noisy, picture) < 0.5
    assert edge_ssim(torch.full_like(picture, 0.5), picture) < 0.6


def test_large_pictures_are_compared_made_smaller() -> None:
    assert edges(torch.rand(3, 512, 700)).shape == (256, 350)
    assert edges(torch.rand(3, 300, 400)).shape == (300, 400)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="12 x 10 pixels are too small"):
        edge_ssim(torch.rand(3, 10, 12), torch.rand(3, 10, 12))
    with pytest.raises(ValueError, match="expected \\[3, 20, 21\\]"):
        edge_ssim(torch.rand(3, 20, 20), torch.rand(3, 20, 21))
