"""Laying patches of a painting: against a search through all of them, at borders, over sheets, blocks and regions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.style import nearest
from artgen.style.edges import luminance
from artgen.style.nearest import SIDE, STRIDE, Atlas, relaid
from tests.style.drawn import layout, stripes


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(height: int, width: int, seed: int = 1) -> Tensor:
    """A painting no two of whose patches are alike."""
    return torch.rand(3, height, width, generator=generator(seed))


def patches(picture: Tensor) -> Tensor:
    return F.unfold(picture[None], SIDE)[0].T


def test_every_patch_finds_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all places looked at, all components kept and no bias it is a search through everything."""
    painting, picture = noise(30, 34), noise(26, 22, seed=2)
    monkeypatch.setattr(nearest, "COMPONENTS", 4 * SIDE * SIDE)
    monkeypatch.setattr(nearest, "COHERENCE", 1.0)
    atlas = Atlas([painting], [1.0], 0.5, generator())
    atlas.places = torch.arange(len(atlas.keys))
    described = [atlas.described(each, luminance(each)) for each in (picture, painting)]
    ours, theirs = (patches(each) for each in described)
    wanted = torch.cdist(ours.double(), theirs.double()).argmin(dim=1).view(26 - SIDE + 1, 22 - SIDE + 1)
    assert torch.equal(nearest._search(described[0], atlas), wanted[::STRIDE, ::STRIDE])


def test_patches_are_cut_where_their_number_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two paintings, of the larger of which every second patch of every second row is kept."""
    monkeypatch.setattr(nearest, "LARGE", 800)
    small, large = noise(20, 24), noise(50, 61, seed=3)
    atlas = Atlas([small, large], [1.0, 1.0], 0.0, generator())
    assert len(atlas.keys) == 13 * 17 + 22 * 27
    index = torch.arange(len(atlas.keys))
    cut = atlas.cut(index).T
    assert torch.equal(cut[: 13 * 17], patches(small))
    every = patches(large).view(43, 54, -1)
    assert torch.equal(cut[13 * 17 :], every[::2, ::2].flatten(0, 1))
    # A patch a stride further down and right is the same pixels moved; at the last one of a painting there is none further.
    moved, there = atlas.moved(index, 2, 1)
    first, second = atlas.cut(index).view(3, SIDE, SIDE, -1), atlas.cut(moved).view(3, SIDE, SIDE, -1)
    assert torch.equal(first[:, 2 * STRIDE :, STRIDE:, there], second[:, : -2 * STRIDE, :-STRIDE, there])
    assert int(there.sum()) == (13 - 4) * (17 - 2) + (22 - 2) * (27 - 1)
    assert torch.equal(moved[~there], index[~there])


@pytest.mark.parametrize("seamless", [False, True])
def test_a_piece_of_the_painting_stays_as_it_is(seamless: bool) -> None:
    painting = stripes(64, 72, 30)
    piece = painting[:, 8:49, 10:55]
    again = relaid(piece, piece, Atlas([painting], [1.0], 0.7, generator()), seamless)
    inner = (slice(None), slice(SIDE, -SIDE), slice(SIDE, -SIDE))
    assert float((again - piece)[inner].abs().mean()) < 0.02
    assert again.shape == piece.shape and 0 <= float(again.min()) and float(again.max()) <= 1


def test_it_is_made_of_the_painting() -> None:
    """Every colour is a mean of the painting's, and strokes lie as they do there, whatever the picture was."""
    painting, picture = stripes(64, 72, 30), layout(48, 56)
    made, atlas = picture, Atlas([painting], [1.0], 0.0, generator())
    for _ in range(6):  # neighbours come to agree
        made = relaid(made, picture, atlas, False)
    for channel in range(3):
        assert painting[channel].min() - 1e-5 <= made[channel].min() and made[channel].max() <= painting[channel].max() + 1e-5
    far = torch.cdist(patches(made), patches(painting)).amin(dim=1)
    before = torch.cdist(patches(picture), patches(painting)).amin(dim=1)
    assert float(far.median()) < 0.35 * float(before.median())


def test_the_layout_guides() -> None:
    """A grey picture gets light strokes where the layout is light."""
    painting = torch.cat([stripes(40, 40, 0, dark=(0, 0, 0.2), light=(0.1, 0.1, 0.3)),
                          stripes(40, 40, 0, dark=(0.8, 0.8, 0.6), light=(1, 1, 0.8))], dim=2)  # fmt: skip
    grey, guide = torch.full((3, 40, 60), 0.5), torch.zeros(3, 40, 60)
    guide[:, :, 30:] = 1
    free, guided = (relaid(grey, guide, Atlas([painting], [1.0], weight, generator()), False) for weight in (0.0, 2.0))
    contrast = [float(each[:, :, 40:].mean() - each[:, :, :20].mean()) for each in (free, guided)]
    assert contrast[1] > 0.6 and abs(contrast[0]) < 0.3


def test_a_seamless_picture_goes_on_over_the_border() -> None:
    """Moved around, the same pixels are asked for, and the step over the border is as large as those inside."""
    painting, picture = stripes(64, 72, 45), layout(40, 48)
    made = relaid(picture, picture, Atlas([painting], [1.0], 0.2, generator()), True)
    steps = (torch.roll(made, -1, 2) - made).abs().mean(dim=(0, 1))
    assert float(steps[-1]) < 1.5 * float(steps[:-1].max())


def test_blocks_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    painting, picture = stripes(64, 72, 30), layout(70, 90)
    whole = relaid(picture, picture, Atlas([painting], [1.0], 0.7, generator(5)), False)
    monkeypatch.setattr(nearest, "BLOCK", 16)
    blocks = relaid(picture, picture, Atlas([painting], [1.0], 0.7, generator(5)), False)
    assert float((whole - blocks).abs().mean()) < 0.02


def test_where_nothing_is_wanted_the_picture_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "BLOCK", 8)
    painting, picture, wanted = stripes(64, 72, 30), layout(64, 80), torch.zeros(64, 80)
    wanted[:, :20] = 1
    made = relaid(picture, picture, Atlas([painting], [1.0], 0.7, generator()), False, wanted)
    assert torch.equal(made[:, :, 60:], picture[:, :, 60:])
    assert not torch.allclose(made[:, :, :20], picture[:, :, :20], atol=0.05)


def test_a_seed_decides() -> None:
    painting, picture = noise(40, 40), layout(30, 30)
    first, again, other = (relaid(picture, picture, Atlas([painting], [1.0], 0.7, generator(s)), False) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
