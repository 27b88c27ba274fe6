"""Distances between the styles of two pictures: against formulas in float64, and what they see and do not see."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.style_distance import (
    N_VECTORS,
    feature_distances,
    patch_distance,
    perceptual_distance,
    sliced_distance,
)
from artgen.style.color import transfer_color
from tests.metrics.drawn import gaussian, photograph, shapes


def drawn(seed: int = 0, size: int = 64) -> Tensor:
    return torch.from_numpy(shapes(1, size, seed))[0].permute(2, 0, 1).float() / 255


def fine(seed: int, height: int = 64, width: int = 80, coarse: int = 1) -> Tensor:
    """Coloured noise of grains of `coarse` pixels."""
    grains = torch.rand(3, height // coarse, width // coarse, generator=torch.Generator().manual_seed(seed))
    return grains.repeat_interleave(coarse, 1).repeat_interleave(coarse, 2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- sliced Wasserstein


def test_along_one_axis_it_is_the_mean_difference_of_sorted_values() -> None:
    x, y = gaussian(60, 1).float(), gaussian(60, 1, seed=1).float() * 2 + 1
    expected = np.abs(np.sort(x[:, 0].numpy()) - np.sort(y[:, 0].numpy())).mean()
    assert float(sliced_distance(x, y, generator(), 4)) == pytest.approx(expected, rel=1e-5)


def test_of_a_shift_it_is_the_mean_length_of_its_shadow() -> None:
    x = gaussian(500, 3).float()
    found = float(sliced_distance(x, x + torch.tensor([0.0, 2, 0]), generator(), 4000))
    assert found == pytest.approx(1, rel=0.03)  # on the sphere in three dimensions a coordinate is evenly distributed


def test_clouds_of_two_sizes_are_compared_by_their_quantiles() -> None:
    x = gaussian(40, 2).float()
    assert float(sliced_distance(x, x.repeat(3, 1), generator())) == pytest.approx(0, abs=1e-6)
    assert float(sliced_distance(x.repeat(3, 1), x + 1, generator())) == pytest.approx(
        float(sliced_distance(x, x + 1, generator())), rel=1e-5
    )


# ---------------------------------------------------------------- patches


def test_the_same_picture_is_at_nearly_nothing_and_a_texture_is_known_wherever_it_lies() -> None:
    style = fine(0)
    assert patch_distance(style, style) < 1e-3 < patch_distance(style.roll(9, 2), style) < 0.05
    assert patch_distance(fine(1), style) < 0.06 < 0.3 < patch_distance(fine(1, coarse=4), style)


def test_colour_transfer_is_nearer_than_the_content_and_not_there() -> None:
    content, style = drawn(1), fine(2, coarse=2) * torch.tensor([1.0, 0.5, 0.1])[:, None, None]
    colored = transfer_color(content, style)
    assert 0.1 < patch_distance(colored, style) < patch_distance(content, style)


def test_sizes_and_depths_of_the_two_may_differ() -> None:
    assert patch_distance(fine(3, 200, 70), fine(4, 40, 300)) < 0.1
    assert patch_distance(fine(3, 7, 9), fine(4, 8, 7)) > 0
    with pytest.raises(UsageError, match="9 x 6 pixels has no patches of 7 x 7"):
        patch_distance(fine(3, 6, 9), fine(4))


def test_a_seed_gives_one_figure_and_a_plain_style_one_that_is_finite() -> None:
    assert patch_distance(drawn(2), fine(5), seed=3) == patch_distance(drawn(2), fine(5), seed=3)
    assert 0 < patch_distance(drawn(2), torch.full((3, 40, 40), 0.5)) < 1000


# ---------------------------------------------------------------- maps


def two_layers(pictures: Tensor) -> Mapping[str, Tensor]:
    """A network of two layers: the picture, and ten thousand times its gradients along both axes."""
    across, down = pictures.diff(dim=3)[:, :, 1:], pictures.diff(dim=2)[..., 1:]
    return {"pixels": pictures, "gradients": torch.cat([across, down], dim=1) * 10_000}


def test_layers_count_alike_in_their_own_units() -> None:
    made, style = drawn(3), drawn(4, 48)
    sliced, gram = feature_distances(made, style, two_layers)

    def scaled(pictures: Tensor) -> Mapping[str, Tensor]:
        return {name: maps * (1 if name == "pixels" else 1e-3) for name, maps in two_layers(pictures).items()}

    assert feature_distances(made, style, scaled) == pytest.approx((sliced, gram), rel=1e-4)
    single = [
        feature_distances(made, style, lambda x, name=name: {name: two_layers(x)[name]})[1]  # type: ignore[misc]
        for name in ("pixels", "gradients")
    ]
    assert gram == pytest.approx(sum(single) / 2, rel=1e-5)


def test_gram_distance_is_its_formula() -> None:
    made, style = drawn(5), drawn(6, 48)
    _, gram = feature_distances(made, style, lambda x: {"pixels": x})
    a, b = (torch.einsum("ahw,bhw->ab", x.double(), x.double()) / x[0].numel() for x in (made, style))
    assert gram == pytest.approx(float(((a - b) ** 2).sum() / (b**2).sum()), rel=1e-3)  # of float32


def test_sliced_distance_of_maps_sees_what_gram_matrices_cannot() -> None:
    """Two textures of the same products of channels: values of ±1, and normal ones."""
    a = torch.randn(1, 120, 120, generator=generator())
    b = torch.where(torch.rand(1, 120, 120, generator=generator(1)) > 0.5, 1.0, -1.0)
    sliced, gram = feature_distances(a, b, lambda x: {"values": x})
    assert gram < 0.01
    assert sliced > 0.2
    assert 120 * 120 < N_VECTORS  # so all places were seen


def test_perceptual_distance_is_its_formula() -> None:
    made, content = drawn(7), drawn(8)
    a, b = (two_layers(x.double()[None]) for x in (made, content))
    expected = []
    for name in a:
        x, y = (maps[name][0] / maps[name][0].square().sum(dim=0).sqrt().clamp(min=1e-12) for maps in (a, b))
        expected.append(float((x - y).square().sum(dim=0).mean()))
    assert perceptual_distance(made.double(), content.double(), two_layers) == pytest.approx(sum(expected) / 2, rel=1e-5)
    assert perceptual_distance(made, made, two_layers) == 0


# ---------------------------------------------------------------- paintings


def test_a_painting_is_nearer_to_itself_than_a_photograph_in_its_colours() -> None:
    style, content = (
        torch.tensor(photograph(path))[0, 100:356, 20:276].permute(2, 0, 1).float() / 255
        for path in ("style/vangogh_starry_night_1889.jpg", "content/astronaut.png")
    )
    colored = transfer_color(content, style)
    assert patch_distance(style.flip(2), style) < 0.3 * patch_distance(colored, style)
    assert patch_distance(colored, style) < 0.7 * patch_distance(content, style)
