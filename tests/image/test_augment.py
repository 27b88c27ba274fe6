"""What a discriminator sees: changed alike for real and made pictures, with gradients that pass."""

from __future__ import annotations

import pytest
import torch

from artgen.image.augment import HOLE, KINDS, REACH, augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 8, channels: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=generator(9)) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_each_kind_changes_pictures_and_keeps_their_shape(kind: str, channels: int) -> None:
    before = pictures(channels=channels)
    after = augment(before, [kind], generator())
    assert after.shape == before.shape
    assert not torch.equal(after, before)
    assert torch.equal(after, augment(before, [kind], generator()))


def test_nothing_is_changed_where_no_kind_is_asked_for() -> None:
    before = pictures()
    assert augment(before, [], generator()) is before


@pytest.mark.parametrize("kind", KINDS)
def test_a_chance_leaves_pictures_as_they_are(kind: str) -> None:
    before = pictures(400, size=8)
    after = augment(before, [kind], generator(), chance=0.3)
    changed = (after != before).flatten(1).any(dim=1).float().mean()
    assert 0.2 < float(changed) < 0.4
    assert torch.equal(augment(before, [kind], generator(), chance=0.0), before)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pass(kind: str) -> None:
    before = pictures().requires_grad_()
    augment(before, [kind], generator()).square().sum().backward()
    assert before.grad is not None
    assert float(before.grad.abs().sum()) > 0


def test_colour_leaves_transparency_and_grey_is_no_colour() -> None:
    before = pictures(channels=4)
    assert torch.equal(augment(before, ["colour"], generator())[:, 3], before[:, 3])
    grey = pictures(channels=1)
    spread = augment(grey, ["colour"], generator()).std(dim=(2, 3)) / grey.std(dim=(2, 3))
    assert float(spread.min()) >= 0.5 - 1e-4
    assert float(spread.max()) <= 1.5 + 1e-4


def test_translation_moves_whole_pixels_no_further_than_an_eighth() -> None:
    size = 32
    before = torch.arange(size * size, dtype=torch.float32).view(1, 1, size, size).expand(64, 1, -1, -1)
    after = augment(before, ["translation"], generator())
    middle = after[:, 0, size // 2, size // 2].long()
    down, right = middle // size - size // 2, middle % size - size // 2
    assert int(down.abs().max()) == int(right.abs().max()) == size * REACH
    for picture, rows, columns in zip(after[:, 0], down.tolist(), right.tolist(), strict=True):
        moved = picture[8:-8, 8:-8]
        assert torch.equal(moved, before[0, 0, 8 + rows : size - 8 + rows, 8 + columns : size - 8 + columns])


def test_cutout_takes_a_square_of_half_the_side_out() -> None:
    after = augment(torch.ones(200, 3, 32, 32), ["cutout"], generator())
    holes = (after == 0).float()
    assert torch.equal(holes[:, 0], holes[:, 2])
    largest = float(holes[:, 0].sum(dim=(1, 2)).max())
    assert (32 * HOLE - 1) ** 2 <= largest <= (32 * HOLE) ** 2
    assert set(after.unique().tolist()) == {0.0, 1.0}


def test_scale_keeps_the_middle() -> None:
    size = 33
    ramp = torch.linspace(-1, 1, size).expand(32, 1, size, size)
    after = augment(ramp, ["scale"], generator())
    assert float(after[:, 0, size // 2, size // 2].abs().max()) < 1e-5
    slopes = (after[:, 0, 16, 18] - after[:, 0, 16, 14]) / 4 * (size - 1) / 2
    assert 0.6 < float(slopes.min()) < 0.9 < 1.1 < float(slopes.max()) < 1.7
