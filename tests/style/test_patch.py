"""The method `patch` on small drawn pictures: what each control does, tiles and borders, odd pictures, and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import artgen.style.patch as patch_module
from artgen.errors import UsageError
from artgen.metrics.edges import edge_ssim
from artgen.metrics.style_distance import patch_distance
from artgen.style import levels
from artgen.style.color import transfer_color
from artgen.style.job import StyleImage, StyleJob, Watch, unwatched
from artgen.style.options import PatchOptions
from artgen.style.patch import patch
from artgen.style.sliced import Transport
from tests.style.drawn import layout, stripes

QUICK = {"projections": 16, "strokes": 12}
RED, CREAM, GREEN, WHITE = (0.55, 0.1, 0.1), (0.95, 0.85, 0.7), (0.05, 0.35, 0.15), (0.8, 0.95, 0.9)


def made(
    content: Tensor | None = None,
    styles: list[StyleImage] | None = None,
    steps: int | None = 8,
    options: dict[str, Any] | None = None,
    watch: Watch = unwatched,
    **job: Any,
) -> Tensor:
    content = layout(64, 80) if content is None else content
    styles = [StyleImage(painting())] if styles is None else styles
    return patch(StyleJob(content, styles, steps=steps, **job), PatchOptions(**(QUICK | (options or {}))), watch)


def painting() -> Tensor:
    return stripes(80, 90, 45)


def difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().mean())


# ---------------------------------------------------------------- seeds and what is returned


def test_a_seed_decides() -> None:
    first, again, other = made(seed=3), made(seed=3), made(seed=4)
    assert first.shape == (3, 64, 80) and first.dtype == torch.float32 and not first.requires_grad
    assert 0 <= float(first.min()) and float(first.max()) <= 1
    assert torch.equal(first, again) and difference(first, other) > 0.001


def test_the_global_generator_and_the_given_pictures_are_left_alone() -> None:
    content, style, start = layout(64, 80), painting(), torch.full((3, 64, 80), 0.5)
    kept = [tensor.clone() for tensor in (content, style, start)]
    before = torch.get_rng_state()
    made(content, [StyleImage(style)], steps=3, init=start)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip((content, style, start), kept, strict=True))


# ---------------------------------------------------------------- strengths


def test_statistics_move_to_the_style() -> None:
    """Judged by patches of another size than the method's, and much nearer than colours alone can come."""
    content, style = layout(64, 80), painting()
    colours = patch_distance(transfer_color(content, style), style)
    result = patch_distance(made(steps=30), style)
    assert result < 0.3 * patch_distance(content, style) and result < 0.5 * colours


def test_strength_goes_from_the_content_to_the_style() -> None:
    content, style = layout(64, 80), painting()
    assert torch.equal(made(strength=0.0), content)
    results = [made(strength=strength) for strength in (0.02, 0.25, 0.6, 1.0)]
    assert difference(results[0], content) < 0.03
    away = [difference(result, content) for result in results]
    assert away == sorted(away)
    near = [patch_distance(result, style) for result in results]
    assert near[0] > 1.1 * near[1] and near[1] > 1.1 * near[2]


def test_content_strength_keeps_edges() -> None:
    content = layout(64, 80)
    loose, close = (edge_ssim(made(steps=None, content_strength=share), content) for share in (0.0, 1.0))
    assert close > loose + 0.1


def test_more_steps_come_nearer() -> None:
    style = painting()
    many, few = (patch_distance(made(steps=steps, options={"lay": False}), style) for steps in (30, 5))
    assert many < 0.7 * few
    assert torch.equal(made(steps=None, options={"steps": 4}), made(steps=4))


def test_it_begins_from_what_is_given() -> None:
    spots = stripes(64, 80, 0, seed=9, period=24)
    starts = {"spots": spots, "flat": torch.full((3, 64, 80), 0.5)}
    results = {name: made(steps=3, init=start, options={"lay": False}) for name, start in starts.items()}
    assert difference(results["spots"], results["flat"]) > 0.02
    assert difference(results["spots"], spots) < difference(results["flat"], spots)


# ---------------------------------------------------------------- several styles, regions


def test_two_styles_by_weight() -> None:
    """Between two paintings lies the barycentre: of the mean colours, their weighted mean."""
    first, second = stripes(80, 80, 45, dark=RED, light=CREAM), stripes(80, 80, 45, dark=GREEN, light=WHITE)
    for weight in (1.0, 3.0):
        result = made(styles=[StyleImage(first, weight), StyleImage(second, 1.0)], steps=12)
        share = weight / (weight + 1)
        wanted = share * first.mean(dim=(1, 2)) + (1 - share) * second.mean(dim=(1, 2))
        torch.testing.assert_close(result.mean(dim=(1, 2)), wanted, atol=0.04, rtol=0)
    same = made(styles=[StyleImage(first, 2.0), StyleImage(second, 2.0)], steps=4)
    assert torch.equal(same, made(styles=[StyleImage(first, 1.0), StyleImage(second, 1.0)], steps=4))  # only shares count


def test_each_region_has_its_own_style() -> None:
    first, second = stripes(80, 80, 45, dark=RED, light=CREAM), stripes(80, 80, 45, dark=GREEN, light=WHITE)
    left = torch.zeros(64, 80)
    left[:, :48] = 1
    result = made(styles=[StyleImage(first, region=left), StyleImage(second, region=1 - left)], steps=12)
    for half, own, other in ((result[:, :, :44], first, second), (result[:, :, 52:], second, first)):
        mean = half.mean(dim=(1, 2))
        assert float((mean - own.mean(dim=(1, 2))).norm()) < 0.3 * float((mean - other.mean(dim=(1, 2))).norm())
        assert patch_distance(half, own) < 0.5 * patch_distance(half, other)


def test_outside_a_region_the_content_stays() -> None:
    content, left = layout(64, 80), torch.zeros(64, 80)
    left[:, :48] = 1
    result = made(content, [StyleImage(painting(), region=left)])
    assert difference(result[:, :, 56:], content[:, :, 56:]) < 0.25 * difference(result[:, :, :40], content[:, :, :40])
    # A region in which there is nothing asks for nothing.
    nothing = made(content, [StyleImage(painting(), region=torch.zeros(64, 80))])
    assert difference(nothing, content) < 0.02


# ---------------------------------------------------------------- tiles and borders


def steps_at(picture: Tensor, axis: int) -> Tensor:
    """The mean step from each row (axis 1) or column (axis 2) to the next."""
    return picture.diff(dim=axis).abs().mean(dim=(0, 3 - axis))


def test_the_gradient_is_the_same_whatever_the_tiles_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same maps of transport: no patch is left out at a border between tiles, and none counts twice."""

    def tables(self: Any, padded: Tensor, windows: object) -> None:
        n = len(self.along)
        self.tables = [
            Transport(torch.linspace(0.4, -0.4, 64).expand(n, -1), torch.full((n, 1), -2.0), torch.full((n, 1), 16.0))
        ]
        self.count = 1000

    monkeypatch.setattr(levels.Term, "make_tables", tables)
    picture = layout(90, 140) + 0.1 * torch.randn(3, 90, 140, generator=torch.Generator().manual_seed(0))
    found = []
    for tile in (64, 67, 100, 512):
        options = PatchOptions(**(QUICK | {"tile": tile}))
        work = patch_module._Work(StyleJob(layout(90, 140), [StyleImage(painting())]), options, unwatched)
        found.append(patch_module._Scale(work, (90, 140)).gradient(picture.clone()))
    assert float(found[-1].abs().max()) > 0
    for tiled in found[:-1]:
        torch.testing.assert_close(tiled, found[-1], rtol=1e-4, atol=1e-4 * float(found[-1].abs().max()))


def test_tiles_leave_no_seams_and_cost_no_quality() -> None:
    content, style = layout(72, 150), stripes(80, 80, 45)  # whose own edges lie elsewhere
    whole, tiled = (made(content, [StyleImage(style)], steps=20, options={"tile": tile}) for tile in (512, 64))
    assert patch_distance(tiled, style) < 1.5 * patch_distance(whole, style) < 0.5 * patch_distance(content, style)
    for axis in (1, 2):
        steps = steps_at(tiled, axis)
        at = torch.zeros(len(steps), dtype=torch.bool)
        for border in (64, 128):
            at[border - 4 : border + 4] = True  # tiles begin up to 3 pixels later or, for the margin, earlier
        inside = steps[~at]
        # Strokes differ from column to column; a seam would be a step beyond all others, at each border.
        assert float(steps[at].max()) <= 1.05 * float(inside.max())
        assert float(steps[at].mean()) <= float(inside.mean() + inside.std())


def across_border(picture: Tensor) -> tuple[float, float]:
    """The largest of the mean steps over the picture's own border, and the largest inside."""
    over = max(float((picture[:, 0] - picture[:, -1]).abs().mean()), float((picture[:, :, 0] - picture[:, :, -1]).abs().mean()))
    return over, max(float(steps_at(picture, axis).max()) for axis in (1, 2))


@pytest.mark.parametrize("size", [(64, 80), (67, 61)])
def test_seamless_goes_on_over_the_border(size: tuple[int, int]) -> None:
    content = layout(*size)
    over, inside = across_border(made(content, steps=12, seamless=True))
    assert over <= inside
    over, inside = across_border(made(content, steps=12))
    assert over > inside  # which is what it is for


# ---------------------------------------------------------------- who watches


def test_a_watcher_sees_the_share_rise_and_pictures_of_the_contents_size() -> None:
    shares, shapes = [], []

    def watch(done: int, of: int, picture: Callable[[], Tensor]) -> None:
        shares.append(done / of)
        seen = picture()
        shapes.append(tuple(seen.shape))
        assert 0 <= float(seen.min()) and float(seen.max()) <= 1

    result = made(steps=5, watch=watch)
    assert shares == sorted(shares) and 0 < shares[0] < 0.5 and shares[-1] == 1
    assert set(shapes) == {(3, 64, 80)}
    assert torch.equal(result, made(steps=5))  # looking changes nothing


def test_ctrl_c_comes_out() -> None:
    seen = []

    def watch(done: int, of: int, picture: Callable[[], Tensor]) -> None:
        seen.append(picture())
        if done > of / 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(steps=10, watch=watch)
    assert len(seen) > 1 and bool(seen[-1].isfinite().all())


# ---------------------------------------------------------------- odd pictures


@pytest.mark.parametrize("size", [(5, 40), (40, 3), (1, 1)])
def test_a_style_smaller_than_a_patch_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=r"style of \d+ x \d+ pixels is not larger than a patch \(5 x 5\)") as refused:
        made(styles=[StyleImage(painting()), StyleImage(torch.rand(3, *size))])
    assert "\n" not in str(refused.value) and f"{size[1]} x {size[0]}" in str(refused.value)


@pytest.mark.parametrize("size", [(6, 6), (7, 300), (20, 11)])
def test_smallest_styles(size: tuple[int, int]) -> None:
    result = made(styles=[StyleImage(stripes(*size, 45))], steps=3)
    assert result.shape == (3, 64, 80) and bool(result.isfinite().all())


@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 5), (2, 3), (16, 400), (1, 64), (90, 3)])
def test_smallest_and_thinnest_contents(size: tuple[int, int], seamless: bool) -> None:
    style = painting()
    result = made(layout(*size), [StyleImage(style)], steps=3, seamless=seamless)
    assert result.shape == (3, *size) and bool(result.isfinite().all())
    torch.testing.assert_close(result.mean(dim=(1, 2)), style.mean(dim=(1, 2)), atol=0.15, rtol=0)


def grey(picture: Tensor) -> Tensor:
    return picture.mean(dim=0).expand(3, -1, -1).clone()


@pytest.mark.parametrize(
    ("content", "style"),
    [
        (grey(layout(48, 64)), painting()),
        (layout(48, 64), grey(painting())),
        (torch.full((3, 48, 64), 0.5), painting()),
        (torch.zeros(3, 48, 64), painting()),
        (layout(48, 64), torch.full((3, 40, 40), 0.7)),
        (torch.ones(3, 48, 64), torch.zeros(3, 40, 40)),
    ],
    ids=["grey content", "grey style", "flat content", "black content", "flat style", "white content, black style"],
)
def test_grey_and_flat_pictures(content: Tensor, style: Tensor) -> None:
    result = made(content, [StyleImage(style)], steps=20)
    assert bool(result.isfinite().all())
    torch.testing.assert_close(result.mean(dim=(1, 2)), style.mean(dim=(1, 2)), atol=0.05, rtol=0)
    if style.std(dim=0).max() < 1e-6:
        assert float(result.std(dim=0).mean()) < 0.08  # grey, but for what few steps leave over; the painting has 0.25


def test_strokes_grow_on_a_flat_content() -> None:
    style = painting()
    result = made(torch.full((3, 48, 64), 0.5), steps=30)
    assert float(result.std()) > 0.6 * float(style.std())


# ---------------------------------------------------------------- the gradient


def test_the_gradient_of_the_patches_is_the_mean_of_what_is_left_to_move() -> None:
    """Against a loop over patches and directions, from the same maps of transport."""
    options = PatchOptions(patch=3, projections=4, levels=1, stroke_weight=0.0)
    work = patch_module._Work(StyleJob(layout(12, 14), [StyleImage(painting())]), options, unwatched)
    level = levels.Level(work, 0, [painting(), layout(12, 14)], work.groups, stride=1)
    term = levels.Term(level, level.patches, 3, 3, 1, None, 1.0)
    pixels = layout(12, 14)[None]
    term.make_tables(pixels, [(0, 0, 12, 14)])
    tile = pixels.clone().requires_grad_()
    (found,) = torch.autograd.grad(term.loss(tile, (0, 0)), tile)
    (table,) = term.tables
    assert table is not None
    loop = torch.zeros_like(pixels)
    for y in range(10):
        for x in range(12):
            vector = pixels[0, :, y : y + 3, x : x + 3].flatten()
            values = term.along @ vector
            left = -table(values[:, None])[:, 0]  # y - T(y), along each direction
            move = (2 * left[:, None] * term.along).sum(dim=0) / (12 * 14 * 4)
            loop[0, :, y : y + 3, x : x + 3] += move.view(3, 3, 3)
    torch.testing.assert_close(found, loop, rtol=1e-4, atol=1e-7)
    assert F.cosine_similarity(found.flatten(), loop.flatten(), dim=0) > 0.9999
