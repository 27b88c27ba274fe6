"""Variety of pictures against loops, and twins that were planted."""

from __future__ import annotations

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.metrics.picture_diversity import diversity, duplicates, pixel_diversity
from tests.metrics.drawn import gaussian, shapes


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    x, y = gaussian(9, 4), gaussian(7, 4, seed=1) * 2

    def by_loops(points) -> float:
        n = len(points)
        return sum(float((points[i] - points[j]).norm()) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    found = diversity(x, y)
    assert found.samples.value == pytest.approx(by_loops(x), rel=1e-12)
    assert found.real.value == pytest.approx(by_loops(y), rel=1e-12)
    assert found.ratio.value == pytest.approx(by_loops(x) / by_loops(y), rel=1e-12)
    assert (found.ratio.n, found.ratio.n_real, found.samples.n, found.real.n) == (9, 7, 9, 7)
    for figure in (found.samples, found.real, found.ratio):
        assert figure.low < figure.value < figure.high


def test_sets_of_one_source_are_as_varied_whatever_their_sizes() -> None:
    found = diversity(gaussian(400, 6), gaussian(60, 6, seed=1)).ratio
    assert found.low < 1 < found.high
    assert found.value == pytest.approx(1, abs=0.1)


def test_half_the_spread_is_half_the_diversity_and_one_picture_none() -> None:
    assert diversity(gaussian(50, 6) * 0.5, gaussian(50, 6)).ratio.value == pytest.approx(0.5)
    assert diversity(gaussian(1, 6).repeat(50, 1), gaussian(50, 6)).ratio.value == pytest.approx(0, abs=1e-6)


def test_pixels_are_compared_as_root_mean_square_of_shrunk_pictures() -> None:
    a = np.zeros((2, 40, 30, 3), dtype=np.uint8)
    a[1] = 51
    b = np.zeros((2, 64, 64, 3), dtype=np.uint8)
    b[1] = 102
    found = pixel_diversity(a, b)
    assert (found.samples.value, found.real.value) == pytest.approx((0.2, 0.4), rel=1e-5)
    collapsed = shapes(5, 32)[np.arange(60) % 5]
    assert (
        pixel_diversity(collapsed, shapes(60, 32, seed=1)).ratio.value
        < pixel_diversity(shapes(60, 32, seed=2), shapes(60, 32, seed=1)).ratio.value
    )


def test_planted_twins_are_found_and_nothing_else() -> None:
    pictures = shapes(30, 48)
    pictures[7] = pictures[3]
    pictures[20] = np.clip(pictures[11] + np.random.default_rng(0).normal(0, 4, pictures[11].shape), 0, 255).astype(np.uint8)
    found = duplicates(pictures)
    assert [(i, j) for i, j, _ in found.pairs] == [(3, 7), (11, 20)]
    assert found.pairs[0][2] == pytest.approx(0, abs=1e-6) and 0 < found.pairs[1][2] < 0.02
    assert found.share.value == pytest.approx(4 / 30)
    assert found.share.low < found.share.value < found.share.high
    assert duplicates(shapes(30, 48)).pairs == []


def test_what_has_no_variety_is_refused() -> None:
    with pytest.raises(UsageError, match="1 samples and 5 real pictures are too few"):
        diversity(gaussian(1, 3), gaussian(5, 3))
    with pytest.raises(UsageError, match="all real pictures are alike"):
        diversity(gaussian(5, 3), gaussian(1, 3).repeat(5, 1) * 0)
    with pytest.raises(UsageError, match="1 pictures are too few"):
        duplicates(shapes(1, 16))
    with pytest.raises(ValueError, match="3 and 4 numbers"):
        diversity(gaussian(5, 3), gaussian(5, 4))
