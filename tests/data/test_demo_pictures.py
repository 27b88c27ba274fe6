"""The art that artgen draws itself."""

from __future__ import annotations

import numpy as np
import pytest

from artgen.data.demo_canvas import PALETTES, lightness
from artgen.data.demo_pictures import DRAWERS, draw_picture
from artgen.data.picture_config import DEMO_SETS


def test_every_set_that_a_config_can_name_is_drawn() -> None:
    assert tuple(DRAWERS) == DEMO_SETS


@pytest.mark.parametrize("name", DEMO_SETS)
def test_the_same_seed_draws_the_same_picture(name: str) -> None:
    first = draw_picture(name, 3, 1, 48)
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8
    assert (first == draw_picture(name, 3, 1, 48)).all()
    assert (first != draw_picture(name, 4, 1, 48)).any()
    assert (first != draw_picture(name, 3, 2, 48)).any()


@pytest.mark.parametrize("name", DEMO_SETS)
def test_no_two_pictures_are_alike(name: str) -> None:
    pictures = np.stack([draw_picture(name, 0, i, 32) for i in range(10)]).astype(float)
    for i in range(10):
        for j in range(i):
            assert np.abs(pictures[i] - pictures[j]).mean() > 8
    assert (pictures.std((1, 2)).mean(1) > 8).all(), "and none is empty"


@pytest.mark.parametrize("name", DEMO_SETS)
def test_a_small_picture_is_the_large_one_made_smaller(name: str) -> None:
    small, large = draw_picture(name, 0, 0, 64), draw_picture(name, 0, 0, 128)
    reduced = large.reshape(64, 2, 64, 2, 3).astype(float).mean((1, 3))
    assert np.abs(reduced - small).mean() < 4


@pytest.mark.parametrize("name", DEMO_SETS)
def test_edges_are_smooth(name: str) -> None:
    """A picture without antialiasing has only the few colours that were drawn."""
    assert len(np.unique(draw_picture(name, 0, 1, 64).reshape(-1, 3), axis=0)) > 60


@pytest.mark.parametrize("size", [33, 100])
def test_any_size_can_be_drawn(size: int) -> None:
    for name in DEMO_SETS:
        assert draw_picture(name, 0, 0, size).shape == (size, size, 3)


def test_colours_stand_out_from_their_ground() -> None:
    for palette in PALETTES:
        assert abs(lightness(palette.ink) - lightness(palette.paper)) > 0.45
        assert len(set(palette.colours)) >= 3
        for colour in palette.colours:
            assert np.abs(np.subtract(colour, palette.paper)).max() > 40
