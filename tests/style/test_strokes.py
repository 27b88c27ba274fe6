"""Filters that are learned from one painting: how strongly they answer, what they find, and that a seed decides all."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.style.strokes import SHIFT, StrokeFilters, learn_strokes
from tests.style.drawn import stripes


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def texture(seed: int = 0) -> Tensor:
    """Smooth noise: neighbouring pixels are alike, as in paintings."""
    fine = torch.rand(1, 3, 70, 90, generator=seeded(seed))
    return F.avg_pool2d(fine, 3, stride=1)[0] * 0.7 + fine[0, :, 1:-1, 1:-1] * 0.3


def answers(filters: StrokeFilters, picture: Tensor) -> Tensor:
    """Of each filter at each place, before what is weak is cut off: [filters, places]."""
    return F.conv2d(picture[None], filters.weight, filters.bias + SHIFT)[0].flatten(1)


def test_each_filter_answers_with_mean_0_and_deviation_1() -> None:
    picture = texture()
    found = answers(learn_strokes([picture], 24, 7, seeded()), picture)
    torch.testing.assert_close(found.mean(dim=1), torch.zeros(24), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.std(dim=1), torch.ones(24), atol=1e-3, rtol=0)


def test_maps_are_what_stands_out_averaged_over_four_places() -> None:
    picture = texture()[:, :20, :24]
    filters = learn_strokes([texture()], 5, 7, seeded())
    maps = filters(picture[None])
    assert maps.shape == (1, 5, 3, 4)  # (20 - 7) // 2 + 1 = 7 places, in pairs 3
    for f, row, column in ((0, 0, 0), (2, 1, 3), (4, 2, 2)):
        loop = 0.0
        for y, x in ((0, 0), (0, 2), (2, 0), (2, 2)):
            seen = picture[:, 4 * row + y :, 4 * column + x :][:, :7, :7]
            loop += max(0.0, float((filters.weight[f] * seen).sum() + filters.bias[f])) / 4
        assert float(maps[0, f, row, column]) == pytest.approx(loop, abs=1e-4)


def test_whitening_lets_a_faint_stroke_be_seen_beside_a_strong_one() -> None:
    """Stripes on waves that are ten times as strong: whitened, both are heard about alike."""
    y, x = torch.arange(96)[:, None].float(), torch.arange(96)[None].float()
    slow = 0.3 * torch.sin(2 * math.pi * y / 31) * torch.cos(2 * math.pi * x / 37)
    faint = 0.03 * torch.sin(2 * math.pi * (x + y) / 6)
    filters = learn_strokes([(0.5 + slow + faint).expand(3, -1, -1)], 16, 7, seeded())
    heard = [answers(filters, part.expand(3, -1, -1)).std(dim=1) for part in (slow, faint)]
    assert float((heard[1] / heard[0]).median()) > 0.5  # in the picture: 0.1


def test_answers_tell_other_strokes_from_more_of_the_same() -> None:
    filters = learn_strokes([stripes(80, 80, 30, seed=0)], 16, 7, seeded())
    same, turned = (answers(filters, stripes(80, 80, angle, seed=5)).std(dim=1) for angle in (30, -60))
    torch.testing.assert_close(same, torch.ones(16), atol=0.15, rtol=0)
    assert float((turned - 1).abs().mean()) > 0.5


def test_a_planted_stroke_is_found() -> None:
    """A dab of one shape, strewn over noise, has a filter that answers where the dabs are."""
    generator = seeded()
    picture = 0.5 + 0.05 * torch.randn(3, 120, 120, generator=generator)
    dab = torch.zeros(3, 7, 7)
    dab[0, range(7), range(7)] = 0.5
    dab[0, range(6), range(1, 7)] = 0.5
    dab[2, range(1, 7), range(6)] = -0.4
    places = [(int(y), int(x)) for y, x in torch.randint(0, 113, (50, 2), generator=generator)]
    for y, x in places:
        picture[:, y : y + 7, x : x + 7] = 0.5 + dab + 0.05 * torch.randn(3, 7, 7, generator=generator)
    filters = learn_strokes([picture], 24, 7, seeded())
    found = answers(filters, picture).view(24, 114, 114)
    there = torch.stack([found[:, y, x] for y, x in places], dim=1).mean(dim=1)
    assert float(there.abs().max()) > 3  # standard deviations, at the mean over all dabs


def test_a_seed_decides() -> None:
    first, again, other = (learn_strokes([texture()], 12, 5, seeded(seed)).weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_several_paintings_share_the_filters() -> None:
    pictures = [stripes(80, 80, 0), stripes(80, 80, 90)]
    filters = learn_strokes(pictures, 24, 7, seeded())
    heard = torch.stack([answers(filters, picture).square().mean(dim=1) for picture in pictures])
    assert bool((heard.argmax(dim=0) == 0).any()) and bool((heard.argmax(dim=0) == 1).any())


def test_a_flat_picture_gives_filters_that_are_numbers() -> None:
    filters = learn_strokes([torch.full((3, 20, 20), 0.4)], 8, 7, seeded())
    assert bool(filters.weight.isfinite().all() & filters.bias.isfinite().all())
    assert bool(filters(texture()[None]).isfinite().all())
