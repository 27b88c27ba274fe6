"""Directions and projection, against what linear algebra says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.image.directions import principal_directions
from artgen.image.projection import project_picture, pyramid_distance


def test_directions_are_what_a_layer_enlarges_most() -> None:
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(6, 6)).Q
    weights = torch.randn(40, 6) * torch.tensor([1, 8, 2, 16, 4, 0.5]) @ axes.T
    found = principal_directions([weights], 3)
    assert torch.allclose(found @ found.T, torch.eye(3), atol=1e-5)
    gains = (weights @ found.T).norm(dim=0)
    assert gains[0] > gains[1] > gains[2]
    assert torch.linalg.svdvals(weights)[:3].tolist() == pytest.approx(gains.tolist(), rel=1e-4)


def test_directions_have_a_sign() -> None:
    weights = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    found = principal_directions([weights], 4)
    assert torch.allclose(found, principal_directions([-weights], 4), atol=1e-6)
    assert bool((found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all())


def test_no_more_directions_than_dimensions() -> None:
    with pytest.raises(UsageError, match="9 directions were asked for, codes of this run have 4 dimensions"):
        principal_directions([torch.randn(10, 4)], 9)


def test_projection_finds_the_code_of_a_picture_that_a_network_made() -> None:
    torch.manual_seed(0)
    basis = torch.randn(5, 3 * 16 * 16) / 5

    def render(codes: Tensor, labels: Tensor | None) -> Tensor:
        return torch.tanh(codes @ basis).view(-1, 3, 16, 16)

    code = torch.tensor([[0.5, -1.0, 1.5, 0.2, -0.7]])
    advanced: list[int] = []
    found = project_picture(render, render(code, None), torch.randn(64, 5), None, 200, advanced.append)
    assert torch.allclose(found, code, atol=0.05)
    assert sum(advanced) == 200


def test_projection_of_no_steps_is_the_nearest_candidate() -> None:
    candidates = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))

    def render(codes: Tensor, labels: Tensor | None) -> Tensor:
        return codes[:, :, None, None].expand(-1, -1, 8, 8)

    assert torch.allclose(project_picture(render, render(candidates[7:8] + 0.01, None), candidates, None, 0), candidates[7:8])


def test_the_distance_of_a_pyramid_is_the_mean_over_its_levels() -> None:
    a, b = torch.randn(2, 3, 32, 32, dtype=torch.float64).float(), torch.randn(2, 3, 32, 32).float()
    levels = []
    difference = (a - b).double()
    for _ in range(3):
        levels.append(difference.square().mean(dim=(1, 2, 3)))
        side = difference.shape[-1] // 2
        difference = difference.view(2, 3, side, 2, side, 2).mean(dim=(3, 5))
    assert pyramid_distance(a, b).tolist() == pytest.approx(torch.stack(levels).mean(0).tolist(), rel=1e-5)
