"""Verbatim squares of the style in a result: what is planted is found with its size and place, and nothing where nothing is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.metrics.style_copying import Verbatim, _boxes, _deviation, verbatim
from tests.metrics.drawn import photograph, shared


def texture(seed: int, height: int = 96, width: int = 112) -> Tensor:
    """Smooth noise with a contrast of its own: [3, height, width], 0 to 1."""
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    smooth = F.avg_pool2d(noise, 3, 1, padding=1)[0]
    return (0.5 + smooth / smooth.std() * 0.15).clamp(0, 1)


def planted(side: int, at: tuple[int, int], of: tuple[int, int], mirrored: bool = False) -> tuple[Tensor, Tensor]:
    result, style = texture(1), texture(2, 80, 90)
    source = style.flip(2) if mirrored else style
    result[:, at[0] : at[0] + side, at[1] : at[1] + side] = source[:, of[0] : of[0] + side, of[1] : of[1] + side]
    return result, style


@pytest.mark.parametrize(("side", "found"), [(12, 12), (15, 12), (16, 16), (23, 16), (24, 24), (31, 24), (32, 32), (50, 48)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_planted_square_is_found_with_its_size(side: int, found: int, mirrored: bool) -> None:
    at, of = (13, 27), (7, 11)
    seen = verbatim(*planted(side, at, of, mirrored))
    assert (seen.side, seen.mirrored) == (found, mirrored)
    assert seen.place is not None and seen.source is not None
    assert [p - q for p, q in zip(seen.place, seen.source, strict=True)] == [at[0] - of[0], at[1] - of[1]]
    assert all(a <= p <= a + side - found for a, p in zip(at, seen.place, strict=True))


def test_it_need_not_be_exact_but_nearly() -> None:
    result, style = planted(32, (20, 30), (5, 6))
    noisy = (result + 0.02 * torch.randn(result.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert verbatim(noisy, style).side == 32  # of a deviation of 0.15, noise of 0.02 is 13 %
    assert verbatim((noisy * 255).round() / 255, style).side == 32
    changed = result.clone()
    changed[:, 20:52, 30:62] = 0.5 + (changed[:, 20:52, 30:62] - 0.5) * 0.5
    assert verbatim(changed, style).side < 12  # half the contrast is another stroke


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_found_in_textures_of_the_same_kind(seed: int) -> None:
    assert verbatim(texture(10 + seed), texture(20 + seed)) == Verbatim(0, 0.0)


def test_a_picture_that_is_the_style_is_covered_whole() -> None:
    style = texture(3)
    seen = verbatim(style, style)
    assert (seen.side, seen.share, seen.place, seen.source, seen.mirrored) == (96, 1.0, seen.source, seen.place, False)


def test_the_share_is_of_what_squares_of_sixteen_cover() -> None:
    result, style = planted(40, (24, 32), (8, 12))
    seen = verbatim(result, style)
    assert seen.share == pytest.approx(40 * 40 / (96 * 112), rel=0.02)
    assert verbatim(*planted(12, (24, 32), (8, 12))).share == 0


def test_squares_at_the_border_and_pieces_of_two_places() -> None:
    result, style = texture(4), texture(5, 64, 64)
    result[:, -24:, -24:] = style[:, :24, -24:]
    result[:, :32, :32] = style[:, 32:, :32]
    seen = verbatim(result, style)
    assert (seen.side, seen.place, seen.source) == (32, (0, 0), (32, 0))
    assert seen.share == pytest.approx((24 * 24 + 32 * 32) / (96 * 112), rel=0.02)


def test_plain_ground_is_no_copy() -> None:
    plain = torch.full((3, 64, 64), 0.4)
    assert verbatim(plain, plain).side == 0
    assert verbatim(plain + 0.005 * torch.randn(3, 64, 64), plain).side == 0


def test_pictures_smaller_than_a_window_hold_no_copy() -> None:
    small = texture(6, 7, 30)
    assert verbatim(small, small) == Verbatim(0, 0.0)
    assert verbatim(texture(6), small) == Verbatim(0, 0.0)
    eight = texture(7, 8, 8)
    assert verbatim(eight, eight).side == 8


def test_deviations_and_sums_of_windows_are_those_of_their_pixels() -> None:
    picture = texture(8, 20, 17).double()
    assert float(_boxes(picture, 5)[1, 3, 4]) == pytest.approx(float(picture[1, 3:8, 4:9].sum()), rel=1e-9)
    window = picture[:, 3:8, 4:9]
    expected = (window - window.mean(dim=(1, 2), keepdim=True)).square().mean().sqrt()
    assert float(_deviation(picture[None], 5)[0, 3, 4]) == pytest.approx(float(expected), rel=1e-9)


def test_paintings_hold_nothing_of_each_other() -> None:
    names = [path.name for path in sorted(shared("style").glob("*.jpg"))]
    pictures = [torch.tensor(photograph(f"style/{name}"))[0, 60:316, 60:316].permute(2, 0, 1).float() / 255 for name in names]
    for made, style in zip(pictures, pictures[1:] + pictures[:1], strict=True):
        assert verbatim(made, style).side == 0
