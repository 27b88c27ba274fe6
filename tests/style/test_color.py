"""Colour transfer: its statistics and its optimality in float64, several styles, regions, and Oklab against known colours."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from artgen.style.color import (
    CHUNK,
    ColorStatistics,
    color_map,
    color_statistics,
    from_oklab,
    preserve_luminance,
    preserve_statistics,
    to_oklab,
    transfer_color,
    transfer_colors,
)
from artgen.style.job import StyleImage


def picture(seed: int, height: int = 40, width: int = 30, spread: float = 0.05) -> Tensor:
    """Colours of a normal distribution of their own, well inside the gamut."""
    generator = torch.Generator().manual_seed(seed)
    mix = (torch.randn(3, 3, generator=generator, dtype=torch.float64) / 3 + torch.eye(3)) * spread
    mean = 0.4 + 0.2 * torch.rand(3, generator=generator, dtype=torch.float64)
    noise = torch.randn(3, height * width, generator=generator, dtype=torch.float64)
    return (mix @ noise + mean[:, None]).clamp(0.02, 0.98).view(3, height, width)


def grey(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 20, 30, generator=generator, dtype=torch.float64).mul(0.4).add(0.3).expand(3, -1, -1).clone()


# ---------------------------------------------------------------- statistics and map


def test_statistics_are_those_of_the_pixels_by_weight() -> None:
    pixels, weights = picture(0), torch.rand(40, 30, dtype=torch.float64)
    plain = color_statistics(pixels)
    torch.testing.assert_close(plain.covariance, torch.cov(pixels.flatten(1), correction=0))
    weighted = color_statistics(pixels, weights)
    torch.testing.assert_close(weighted.covariance, torch.cov(pixels.flatten(1), correction=0, aweights=weights.flatten()))
    torch.testing.assert_close(weighted.mean, (pixels * weights).sum(dim=(1, 2)) / weights.sum())


def test_statistics_of_more_pixels_than_are_taken_at_a_time() -> None:
    pixels = torch.rand(3, 3, CHUNK // 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(color_statistics(pixels).mean, pixels.double().mean(dim=(1, 2)))


def test_the_map_carries_covariances_and_is_the_one_that_moves_least() -> None:
    source, target = color_statistics(picture(1)), color_statistics(picture(2))
    matrix, offset = color_map(source, target)
    torch.testing.assert_close(matrix @ source.covariance @ matrix.T, target.covariance)
    torch.testing.assert_close(matrix @ source.mean + offset, target.mean)
    # Of all linear maps between two normal distributions the optimal one is symmetric without negative eigenvalues (Brenier).
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_of_colours_on_common_axes_the_map_scales_each_axis() -> None:
    def diagonal(deviations: list[float]) -> ColorStatistics:
        return ColorStatistics(torch.zeros(3).double(), torch.diag(torch.tensor(deviations).double() ** 2))

    matrix, _ = color_map(diagonal([0.1, 0.2, 0.05]), diagonal([0.2, 0.1, 0.05]))
    torch.testing.assert_close(matrix, torch.diag(torch.tensor([2.0, 0.5, 1.0]).double()))


def test_transfer_gives_the_style_s_statistics_and_back() -> None:
    content, style = picture(3, spread=0.03), picture(4, spread=0.03)
    moved = transfer_color(content, style)
    assert ((moved > 0) & (moved < 1)).all()  # so nothing was cut off
    for found, wanted in ((moved, style), (preserve_statistics(moved, content), content)):
        torch.testing.assert_close(color_statistics(found).mean, color_statistics(wanted).mean)
        torch.testing.assert_close(color_statistics(found).covariance, color_statistics(wanted).covariance)
    torch.testing.assert_close(preserve_statistics(moved, content), content)  # the map back is the inverse


def test_a_picture_s_own_colours_change_nothing() -> None:
    torch.testing.assert_close(transfer_color(picture(5), picture(5)), picture(5))


def test_colours_stay_in_the_gamut_and_single_precision() -> None:
    content, style = torch.rand(3, 9, 8), (torch.rand(3, 5, 4) > 0.5).float()
    moved = transfer_color(content, style)
    assert moved.dtype == torch.float32
    assert moved.shape == content.shape
    assert 0 <= moved.min()
    assert moved.max() <= 1


# ---------------------------------------------------------------- grey


def test_a_grey_content_gets_the_colours_that_go_with_light_and_dark() -> None:
    content, style = grey(0), picture(6)
    moved = transfer_color(content, style)
    torch.testing.assert_close(color_statistics(moved).mean, color_statistics(style).mean)
    # The regression of the style's colours on its lightness, in the direction of grey.
    covariance, along = color_statistics(style).covariance, torch.full((3,), 3**-0.5).double()
    slope = covariance @ along
    slope = slope / (along @ slope).sqrt() * (along @ color_statistics(content).covariance @ along) ** -0.5
    inner = (content - content.mean()).flatten(1)
    expected = slope[:, None] * (along @ inner) + color_statistics(style).mean[:, None]
    torch.testing.assert_close(moved.flatten(1), expected, rtol=0, atol=0.005)  # as the floor is not quite 0


def test_a_grey_style_makes_grey() -> None:
    moved = transfer_color(picture(7), grey(1))
    torch.testing.assert_close(moved, moved.mean(dim=0, keepdim=True).expand(3, -1, -1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("flat", ["content", "style", "both"])
def test_one_colour_alone_is_no_trouble(flat: str) -> None:
    one = torch.full((3, 4, 4), 0.25)
    content = one if flat != "style" else torch.rand(3, 4, 4)
    style = one + 0.5 if flat != "content" else torch.rand(3, 6, 6) * 0.1 + 0.4
    moved = transfer_color(content, style)
    torch.testing.assert_close(moved.mean(dim=(1, 2)), style.mean(dim=(1, 2)), rtol=0, atol=1e-5)
    assert transfer_color(one[:, :1, :1], style).shape == (3, 1, 1)


def test_noise_of_a_nearly_grey_content_is_not_stretched_without_bound() -> None:
    content = grey(2) + torch.randn(3, 20, 30, generator=torch.Generator().manual_seed(0)).double() * 1e-4
    matrix, _ = color_map(color_statistics(content), color_statistics(picture(8, spread=0.2)))
    assert torch.linalg.eigvalsh(matrix).max() < 100


# ---------------------------------------------------------------- several styles, regions


def test_several_styles_count_by_weight() -> None:
    content, a, b = picture(9), picture(10), picture(11)
    moved = transfer_colors(content, [StyleImage(a, 3.0), StyleImage(b, 1.0)])
    torch.testing.assert_close(moved, 0.75 * transfer_color(content, a) + 0.25 * transfer_color(content, b))


def test_a_region_is_changed_and_the_rest_is_not() -> None:
    content, style = picture(12), picture(13)
    region = torch.zeros(40, 30).double()
    region[:20] = 1
    moved = transfer_color(content, style, region)
    assert torch.equal(moved[:, 20:], content[:, 20:])
    torch.testing.assert_close(moved[:, :20], transfer_color(content[:, :20], style))
    assert torch.equal(transfer_color(content, style, torch.zeros(40, 30)), content)


def test_regions_that_share_the_picture() -> None:
    content, a, b = picture(14), picture(15), picture(16)
    left = torch.zeros(40, 30).double()
    left[:, :10] = 1
    moved = transfer_colors(content, [StyleImage(a, 2.0, left), StyleImage(b, 1.0, 1 - left)])
    torch.testing.assert_close(moved[..., :10], transfer_color(content[..., :10], a))  # weights do not matter: no overlap
    torch.testing.assert_close(moved[..., 10:], transfer_color(content[..., 10:], b))
    half = transfer_color(content, a, torch.full((40, 30), 0.5))
    torch.testing.assert_close(half, (content + transfer_color(content, a)) / 2)


# ---------------------------------------------------------------- luminance


def test_oklab_of_known_colours() -> None:
    colours = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).double().T
    expected = [[1.0, 0, 0], [0.628, 0.2249, 0.1258], [0.8664, -0.2339, 0.1795], [0.452, -0.0325, -0.3115], [0, 0, 0]]
    torch.testing.assert_close(to_oklab(colours), torch.tensor(expected).double().T, rtol=0, atol=1e-4)
    random = torch.rand(3, 500).double()
    torch.testing.assert_close(from_oklab(to_oklab(random)), random, rtol=0, atol=1e-6)


def test_lightness_is_the_result_s_and_colour_the_content_s() -> None:
    result, content = picture(17).float(), picture(18).float()
    mixed = to_oklab(preserve_luminance(result, content).flatten(1))
    torch.testing.assert_close(mixed[0], to_oklab(result.flatten(1))[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(mixed[1:], to_oklab(content.flatten(1))[1:], rtol=0, atol=1e-4)


def test_what_no_screen_shows_loses_chroma_but_neither_hue_nor_lightness() -> None:
    blue = torch.tensor([0.0, 0, 1])[:, None, None].expand(-1, 1, 5).clone()
    light = torch.linspace(0, 1, 5).expand(3, 1, -1).clone()
    mixed = preserve_luminance(light, blue)
    assert ((mixed >= 0) & (mixed <= 1)).all()
    found, wanted = to_oklab(mixed.flatten(1)), to_oklab(blue.flatten(1))
    torch.testing.assert_close(found[0], to_oklab(light.flatten(1))[0], rtol=0, atol=2e-3)
    inner = slice(1, 4)  # black and white have no hue
    angle = torch.atan2(found[2], found[1])[inner] - torch.atan2(wanted[2], wanted[1])[inner]
    torch.testing.assert_close(angle, torch.zeros(3), rtol=0, atol=0.02)
    assert (found[1:, inner].norm(dim=0) > 0.03).all()


def test_a_grey_content_leaves_grey() -> None:
    mixed = preserve_luminance(picture(19), grey(3).repeat(1, 2, 1))
    torch.testing.assert_close(mixed, mixed.mean(dim=0, keepdim=True).expand(3, -1, -1), rtol=0, atol=1e-5)


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[3, 4, 5\], expected \[3, 5, 4\]"):
        preserve_luminance(torch.rand(3, 4, 5), torch.rand(3, 5, 4))
