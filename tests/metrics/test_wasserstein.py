"""Sliced Wasserstein distance against loops in float64 and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from artgen.errors import UsageError
from artgen.metrics.estimate import counts, resamplings
from artgen.metrics.wasserstein import KERNEL, _patches, laplacian_pyramid, level_sizes, sliced_wasserstein, wasserstein_1
from tests.metrics.drawn import gaussian, noise, photograph, shapes

# ---------------------------------------------------------------- Wasserstein-1


def test_in_one_dimension_it_is_the_mean_difference_of_sorted_values() -> None:
    x, y = gaussian(50, 3), gaussian(50, 3, seed=1) * 2 + 1
    found = wasserstein_1(x, y, torch.ones(1, 50).double(), torch.ones(1, 50).double())
    for direction in range(3):
        pairs = zip(sorted(x[:, direction].tolist()), sorted(y[:, direction].tolist()), strict=True)
        assert float(found[direction, 0]) == pytest.approx(sum(abs(a - b) for a, b in pairs) / 50, rel=1e-12)


def test_weights_are_repetitions_and_the_sets_may_differ_in_size() -> None:
    x, y = gaussian(6, 2), gaussian(4, 2, seed=1)
    generator = torch.Generator().manual_seed(0)
    chosen_x, chosen_y = resamplings(6, 5, generator), resamplings(4, 5, generator)
    found = wasserstein_1(x, y, counts(chosen_x), counts(chosen_y))
    for row in range(6):
        for direction in range(2):
            # Both sets repeated to twelve values, the least common multiple.
            a = sorted(x[chosen_x[row], direction].tolist() * 2)
            b = sorted(y[chosen_y[row], direction].tolist() * 3)
            expected = sum(abs(p - q) for p, q in zip(a, b, strict=True)) / 12
            assert float(found[direction, row]) == pytest.approx(expected, rel=1e-12)


def test_of_two_normal_distributions_it_is_the_shift() -> None:
    found = wasserstein_1(gaussian(20000, 1) + 3, gaussian(20000, 1, seed=1), torch.ones(1, 20000), torch.ones(1, 20000))
    assert float(found) == pytest.approx(3, abs=0.03)


# ---------------------------------------------------------------- the pyramid


def blurred_by_loops(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    found = np.zeros((height, width))

    def mirrored(i: int, n: int) -> int:
        return -i if i < 0 else 2 * (n - 1) - i if i >= n else i

    for y in range(height):
        for x in range(width):
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    weight = KERNEL[dy + 2] * KERNEL[dx + 2] / 256
                    found[y, x] += weight * picture[mirrored(y + dy, height), mirrored(x + dx, width)]
    return found


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 40)])
def test_the_pyramid_is_burt_and_adelsons(height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    fine, coarse = laplacian_pyramid(torch.from_numpy(picture))
    for channel in range(3):
        original = picture[0, :, :, channel].astype(float)
        small = blurred_by_loops(original)[::2, ::2]
        spread = np.zeros((height, width))
        spread[::2, ::2] = small
        assert np.allclose(coarse[0, channel], small, atol=1e-3)
        assert np.allclose(fine[0, channel], original - 4 * blurred_by_loops(spread), atol=1e-3)


def test_levels_end_at_sixteen_pixels() -> None:
    assert level_sizes(64, 64) == [(64, 64), (32, 32), (16, 16)]
    assert level_sizes(63, 129) == [(63, 129), (32, 65), (16, 33)]
    assert level_sizes(31, 200) == [(31, 200)]
    assert [tuple(level.shape[1:]) for level in laplacian_pyramid(torch.zeros(2, 33, 70, 3, dtype=torch.uint8))] == [
        (3, 33, 70),
        (3, 17, 35),
    ]


def test_patches_are_cut_from_their_pictures_evenly() -> None:
    pictures = np.repeat(np.arange(5, dtype=np.uint8)[:, None, None, None] * 10, 20, axis=1).repeat(20, 2).repeat(3, 3)
    (patches,), owners = _patches(pictures, 12, torch.Generator().manual_seed(0))
    assert patches.shape == (12, 3, 7, 7)
    assert sorted(torch.bincount(owners).tolist()) == [2, 2, 2, 3, 3]
    assert torch.equal(patches, (owners * 10.0)[:, None, None, None].expand(-1, 3, 7, 7))


# ---------------------------------------------------------------- the distance


def test_halves_of_one_source_are_nearer_than_other_pictures_at_every_level() -> None:
    real = shapes(60, 32)
    same = sliced_wasserstein(shapes(60, 32, seed=1), real, 4096, 32, replicates=20)
    grain = sliced_wasserstein(noise(60, 32), real, 4096, 32, replicates=20)
    assert list(same.levels) == [32, 16]
    for level, figure in same.levels.items():
        assert figure.low < figure.value < figure.high < grain.levels[level].low
        assert (figure.n, figure.n_real) == (60, 60)
    assert same.mean.value == pytest.approx(sum(figure.value for figure in same.levels.values()) / 2)
    assert same.mean.low < same.mean.value < same.mean.high


def test_fine_noise_shows_at_the_finest_level_most() -> None:
    real = shapes(60, 64)
    grainy = np.clip(shapes(60, 64, seed=1) + np.random.default_rng(0).normal(0, 8, (60, 64, 64, 3)), 0, 255).astype(np.uint8)
    plain = sliced_wasserstein(shapes(60, 64, seed=1), real, 4096, 32, replicates=2).levels
    found = sliced_wasserstein(grainy, real, 4096, 32, replicates=2).levels
    gains = [found[level].value - plain[level].value for level in (64, 32, 16)]
    assert gains[0] > gains[1] > gains[2]


def test_a_cast_is_seen_only_when_both_sets_are_put_on_the_real_scale() -> None:
    real = shapes(40, 32)
    dark = (shapes(40, 32, seed=1) * 0.5).astype(np.uint8)
    each = sliced_wasserstein(dark, real, 4096, 32, replicates=2).levels[16].value
    on_real = sliced_wasserstein(dark, real, 4096, 32, replicates=2, normalise="real").levels[16].value
    assert on_real > 5 * each


def test_the_seed_decides_and_sets_of_one_colour_have_a_distance() -> None:
    a, b = shapes(10, 16), shapes(12, 16, seed=1)
    assert sliced_wasserstein(a, b, 512, 8, 4) == sliced_wasserstein(a, b, 512, 8, 4)
    assert sliced_wasserstein(a, b, 512, 8, 4) != sliced_wasserstein(a, b, 512, 8, 4, seed=1)
    flat = np.full((5, 16, 16, 3), 200, dtype=np.uint8)
    assert sliced_wasserstein(flat, flat, 512, 8, 4).mean.value == 0
    assert sliced_wasserstein(flat, b, 512, 8, 4).mean.value > 0


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[16, 16\] and \[32, 32\] pixels"):
        sliced_wasserstein(shapes(4, 16), shapes(4, 32))
    with pytest.raises(ValueError, match="expected 7 or more"):
        sliced_wasserstein(noise(4, 6), noise(4, 6))
    with pytest.raises(UsageError, match="1 samples and 4 real pictures are too few"):
        sliced_wasserstein(shapes(1, 16), shapes(4, 16))


def test_squares_of_one_photograph_are_nearer_than_those_of_two() -> None:
    cat, rocket = (photograph(path)[0] for path in ("content/chelsea.png", "content/rocket.jpg"))

    def squares(picture: np.ndarray, column: int) -> np.ndarray:
        return np.stack([picture[y : y + 32, x : x + 32] for y in range(0, 256, 32) for x in range(column, 256, 64)])

    same = sliced_wasserstein(squares(cat, 0), squares(cat, 32), 2048, 32, replicates=2).mean.value
    other = sliced_wasserstein(squares(rocket, 0), squares(cat, 32), 2048, 32, replicates=2).mean.value
    assert same < 0.5 * other
