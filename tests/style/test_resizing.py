"""Sizes of pictures that go on at the opposite border, and how a picture is made one of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from artgen.style.resizing import made_periodic, resize


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    """In the middle of the range, so that nothing is cut off."""
    drawn = torch.rand(3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return 0.4 + 0.2 * drawn


def waves(height: int, width: int, down: int, across: int) -> Tensor:
    """Whole numbers of waves, seen at the middle of each pixel."""
    y = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    x = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    return (0.5 + 0.3 * torch.sin(2 * math.pi * (down * y[:, None] + across * x[None]))).expand(3, -1, -1)


# ---------------------------------------------------------------- resize


def test_the_same_size_is_a_new_tensor() -> None:
    picture = noise(8, 9)
    found = resize(picture, (8, 9))
    assert torch.equal(found, picture)
    found.zero_()
    assert bool((picture > 0).all())


@pytest.mark.parametrize(("size", "moved"), [((48, 40), 2), ((12, 10), 0.5)])
def test_a_seamless_picture_has_no_border(size: tuple[int, int], moved: float) -> None:
    """Wherever its border is put, the resized picture is the same: resize(roll(x)) = roll(resize(x))."""
    picture = noise(24, 20)
    rolled = torch.roll(picture, (6, 4), dims=(1, 2))
    wanted = torch.roll(resize(picture, size, seamless=True), (int(6 * moved), int(4 * moved)), dims=(1, 2))
    torch.testing.assert_close(resize(rolled, size, seamless=True), wanted)
    plain = torch.roll(resize(picture, size), (int(6 * moved), int(4 * moved)), dims=(1, 2))
    assert float((resize(rolled, size) - plain).abs().max()) > 0.01  # which is what seamless is for


@pytest.mark.parametrize("size", [(60, 90), (27, 41), (40, 33)])
def test_waves_stay_waves_up_to_the_border(size: tuple[int, int]) -> None:
    found = resize(waves(40, 60, 2, 3), size, seamless=True)
    assert found.shape == (3, *size)
    torch.testing.assert_close(found, waves(*size, 2, 3), atol=0.04, rtol=0)


def test_a_smaller_picture_is_a_mean_and_not_a_choice() -> None:
    board = (torch.arange(64)[:, None] + torch.arange(64)[None]).remainder(2).double().expand(3, -1, -1)
    inside = resize(board, (8, 8))[:, 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.5), atol=0.02, rtol=0)


# ---------------------------------------------------------------- made periodic


def test_what_is_taken_away_is_smooth_but_for_the_jumps_at_the_border() -> None:
    """The periodic Laplacian of what is taken away is the jump across the border, at the border, and 0 inside (Moisan 2011, eq. 10)."""
    height, width = 7, 9
    picture = noise(height, width)
    taken = picture - made_periodic(picture)
    for c in range(3):
        for y in range(height):
            for x in range(width):
                jump = 0.0
                if y == 0:
                    jump += float(picture[c, -1, x] - picture[c, 0, x])
                if y == height - 1:
                    jump += float(picture[c, 0, x] - picture[c, -1, x])
                if x == 0:
                    jump += float(picture[c, y, -1] - picture[c, y, 0])
                if x == width - 1:
                    jump += float(picture[c, y, 0] - picture[c, y, -1])
                neighbours = (
                    taken[c, y - 1, x] + taken[c, (y + 1) % height, x] + taken[c, y, x - 1] + taken[c, y, (x + 1) % width]
                )
                assert float(neighbours - 4 * taken[c, y, x]) == pytest.approx(jump, abs=1e-12)
    torch.testing.assert_close(taken.mean(dim=(1, 2)), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


def test_float32_keeps_the_digits_of_a_wide_picture() -> None:
    wide = torch.linspace(0.2, 0.8, 8192, dtype=torch.float64).expand(3, 4, -1)
    torch.testing.assert_close(made_periodic(wide.float()).double(), made_periodic(wide), atol=1e-3, rtol=0)


def test_without_a_jump_nothing_changes() -> None:
    y, x = torch.linspace(0, 2 * math.pi, 20, dtype=torch.float64), torch.linspace(0, 2 * math.pi, 31, dtype=torch.float64)
    picture = (0.5 + 0.2 * torch.cos(y)[:, None] + 0.2 * torch.sin(2 * x)[None]).expand(3, -1, -1)
    torch.testing.assert_close(made_periodic(picture), picture)


def test_a_ramp_has_no_jump_any_more() -> None:
    ramp = torch.linspace(0.2, 0.8, 64).expand(3, 48, -1)
    found = made_periodic(ramp)
    assert found.dtype == torch.float32
    before, after = (float((p[:, :, 0] - p[:, :, -1]).abs().max()) for p in (ramp, found))
    assert before == pytest.approx(0.6) and after < 0.02


@pytest.mark.parametrize("size", [(1, 1), (1, 12), (12, 1), (2, 2)])
def test_smallest_pictures(size: tuple[int, int]) -> None:
    found = made_periodic(noise(*size))
    assert found.shape == (3, *size) and bool(found.isfinite().all())
