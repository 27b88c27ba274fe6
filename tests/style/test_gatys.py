"""Optimising a picture through a network: what it reaches, what its controls do, what it refuses. The network is drawn, so that no
weights are needed; a picture of 32 pixels takes milliseconds a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from artgen.config import validate
from artgen.errors import UsageError
from artgen.style.gatys import content_distance, gatys, plan_scales, total_variation
from artgen.style.gatys_options import GatysOptions
from artgen.style.job import StyleImage, StyleJob
from artgen.style.networks import StyleNetwork, load_style_network
from artgen.style.statistics import Gram, Moments
from tests.metrics.drawn import shared
from tests.style.toy_network import drawn_squeezenet, save_npz, spot, stripes

LAYERS = {"conv1": 0.5, "fire2": 0.5}
CONTENT = spot(32, 40)
STYLE = stripes(36, 32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> StyleNetwork:
    path = tmp_path_factory.mktemp("weights") / "squeezenet.npz"
    return load_style_network(save_npz(path, drawn_squeezenet().state_dict()), precision="32")


def job(**changes: Any) -> StyleJob:
    return replace(StyleJob(CONTENT, [StyleImage(STYLE)], steps=30), **changes)


def options(**changes: Any) -> GatysOptions:
    quick = {"style_layers": LAYERS, "content_layers": {"fire3": 1.0}, "smallest_scale": 20, "tv_weight": 0.01, "jitter": False}
    return GatysOptions(**{**quick, **changes})


def style_distance(network: StyleNetwork, picture: Tensor, style: Tensor = STYLE) -> float:
    ours, theirs = network.maps(picture[None], LAYERS), network.maps(style[None], LAYERS)
    return sum(float(Gram().distance(ours[layer], Gram()(theirs[layer]))) for layer in LAYERS)


def moved(picture: Tensor) -> float:
    return float((picture - CONTENT).abs().mean())


# ---------------------------------------------------------------- what it reaches


@pytest.mark.parametrize("statistic", ["gram", "moments", "sliced"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_style_is_reached_whatever_the_statistic(network: StyleNetwork, statistic: str, optimizer: str) -> None:
    made = gatys(job(), network, options(statistic=statistic, optimizer=optimizer, content_weight=0.001))
    assert made.shape == CONTENT.shape and made.dtype == torch.float32
    assert made.isfinite().all() and made.min() >= 0 and made.max() <= 1
    assert style_distance(network, made) < 0.35 * style_distance(network, CONTENT)


def test_the_same_seed_gives_the_same_picture(network: StyleNetwork) -> None:
    made = [gatys(job(steps=6, seed=seed), network, options(jitter=True)) for seed in (1, 1, 2)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_real_weights_put_a_painting_on_a_photograph() -> None:
    from tests.style.pictures import real_picture

    real = load_style_network(shared("weights/squeezenet_v1.0_deepcompressed.npz"))
    content, style = real_picture("content/chelsea.png", 64), real_picture("style/vangogh_starry_night_1889.jpg", 64)
    made = gatys(StyleJob(content, [StyleImage(style)], steps=40), real, GatysOptions(smallest_scale=64))
    layers = ["conv1", "fire3"]
    seen = {name: real.maps(x[None], layers) for name, x in (("made", made), ("content", content), ("style", style))}
    for layer in layers:
        target = Moments()(seen["style"][layer])
        before = float(Moments().distance(seen["content"][layer], target))
        assert float(Moments().distance(seen["made"][layer], target)) < 0.4 * before


# ---------------------------------------------------------------- controls


def test_content_strength_keeps_the_content(network: StyleNetwork) -> None:
    far, default, near = (gatys(job(content_strength=strength), network, options()) for strength in (0.0, 0.5, 1.0))
    seen = network.maps(CONTENT[None], ["fire3"])["fire3"]
    distances = [float(content_distance(network.maps(x[None], ["fire3"])["fire3"], seen)) for x in (far, default, near)]
    assert distances[0] > distances[1] > distances[2]
    assert style_distance(network, far) < style_distance(network, near)


def test_strength_goes_from_the_content_to_the_style(network: StyleNetwork) -> None:
    none, some, full = (gatys(job(strength=strength), network, options()) for strength in (0.0, 0.3, 1.0))
    assert torch.equal(none, CONTENT)
    assert style_distance(network, full) < style_distance(network, some) < style_distance(network, CONTENT)
    assert 0 < moved(some) < moved(full)


def test_two_styles_are_mixed_by_their_weights(network: StyleNetwork) -> None:
    other = stripes(32, 32, 0.1, (0.1, 0.2, 0.9))
    distances = []
    for weight in (9.0, 1 / 9):
        made = gatys(job(styles=[StyleImage(STYLE, weight), StyleImage(other)]), network, options(content_weight=0.001))
        distances.append((style_distance(network, made), style_distance(network, made, other)))
    assert distances[0][0] < 0.7 * distances[1][0]
    assert distances[1][1] < 0.7 * distances[0][1]


def test_a_region_keeps_a_style_to_its_place(network: StyleNetwork) -> None:
    left, right = torch.zeros(32, 40), torch.zeros(32, 40)
    left[:, :20], right[:, 20:] = 1, 1
    red, blue = torch.tensor([0.9, 0.1, 0.1])[:, None, None], torch.tensor([0.1, 0.1, 0.9])[:, None, None]
    styles = [StyleImage(red.expand(3, 32, 32).clone(), 1.0, left), StyleImage(blue.expand(3, 32, 32).clone(), 1.0, right)]
    made = gatys(job(styles=styles, steps=40), network, options(content_weight=0.001))
    redder = (made - CONTENT)[0] - (made - CONTENT)[2]
    assert redder[:, :16].mean() > 0.1 and redder[:, 24:].mean() < -0.1
    only = gatys(job(styles=[StyleImage(STYLE, 1.0, left)], steps=20), network, options(content_weight=0.1, smallest_scale=64))
    change = (only - CONTENT).abs().mean(dim=(0, 1))
    assert change[:14].mean() > 2 * change[26:].mean()


def test_a_region_that_is_nowhere_changes_nothing(network: StyleNetwork) -> None:
    nowhere = [StyleImage(STYLE, 1.0, torch.zeros(32, 40))]
    made = gatys(job(styles=nowhere, steps=6), network, options(tv_weight=0.0, smallest_scale=64))
    assert moved(made) < 1e-6


def test_a_seamless_picture_has_no_border(network: StyleNetwork) -> None:
    def step_at_border(picture: Tensor) -> float:
        inside = (picture[:, :, 1:] - picture[:, :, :-1]).abs().mean()
        return float((picture[:, :, 0] - picture[:, :, -1]).abs().mean() / inside)

    ramp = torch.linspace(0, 1, 48).expand(3, 32, 48).clone()
    free, seamless = (
        gatys(
            job(content=ramp, seamless=on, steps=40), network, options(content_weight=0.001, smallest_scale=48, tv_weight=3.0)
        )
        for on in (False, True)
    )
    assert step_at_border(seamless) < 1.5 < step_at_border(free)


def test_it_begins_from_what_it_is_given(network: StyleNetwork) -> None:
    init = torch.rand(3, 32, 40, generator=torch.Generator().manual_seed(3))
    made = gatys(job(init=init, steps=1), network, options(smallest_scale=64, learning_rate=1e-3))
    assert float((made - init).abs().max()) < 2e-3


# ---------------------------------------------------------------- watching


def test_it_tells_how_far_it_is_and_shows_what_there_is(network: StyleNetwork) -> None:
    told: list[tuple[int, int]] = []
    shown: list[Tensor] = []

    def watch(done: int, of: int, picture: Callable[[], Tensor]) -> None:
        told.append((done, of))
        shown.append(picture())

    made = gatys(job(steps=12), network, options(), watch)
    assert len(told) == 12 and {of for _, of in told} == {12}
    assert [done for done, _ in told] == sorted(done for done, _ in told) and told[-1] == (12, 12)
    assert all(picture.shape == CONTENT.shape and 0 <= picture.min() and picture.max() <= 1 for picture in shown)
    assert torch.equal(shown[-1], made)


def test_who_watches_may_end_it(network: StyleNetwork) -> None:
    def watch(done: int, of: int, picture: Callable[[], Tensor]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gatys(job(), network, options(), watch)


# ---------------------------------------------------------------- parts


def test_total_variation_by_loops() -> None:
    x = torch.rand(1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def by_loops(wrap: bool) -> float:
        def at(c: int, row: int, column: int) -> float:
            if wrap:
                return float(x[0, c, row % 3, column % 4])
            return float(x[0, c, min(max(row, 0), 2), min(max(column, 0), 3)])

        def mean(rows: range, columns: range, down: int, right: int) -> float:
            found = [(at(c, r + down, k + right) - at(c, r, k)) ** 2 for c in range(2) for r in rows for k in columns]
            return sum(found) / len(found)

        straight = mean(range(3), range(-1, 4), 0, 1) + mean(range(-1, 3), range(4), 1, 0)
        slanted = mean(range(-1, 3), range(-1, 4), 1, 1) + mean(range(-1, 3), range(5), 1, -1)
        return (2 * straight + slanted / 2) / 3

    for wrap in (False, True):
        assert float(total_variation(x, wrap)) == pytest.approx(by_loops(wrap))


def test_scales_double_from_the_smallest_and_share_out_the_steps() -> None:
    plan = plan_scales(384, 512, GatysOptions(), 70)
    assert [(scale.height, scale.width) for scale in plan] == [(96, 128), (192, 256), (384, 512)]
    assert [scale.steps for scale in plan] == [40, 20, 10]
    assert [(s.height, s.width) for s in plan_scales(100, 90, GatysOptions(), None)] == [(100, 90)]
    odd = plan_scales(300, 200, GatysOptions(), None)
    assert [(s.height, s.width) for s in odd] == [(128, 85), (150, 100), (300, 200)][-len(odd) :]
    assert all(scale.steps >= 1 for scale in plan_scales(4096, 4096, GatysOptions(), 1))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("content", "style", "said"),
    [
        ((1, 1), (32, 32), "a content of 1 x 1 pixels is too small for SqueezeNet v1.0, which needs 16 or more"),
        ((32, 32), (32, 9), "a style of 9 x 32 pixels is too small for SqueezeNet v1.0, which needs 16 or more"),
    ],
)
def test_small_pictures_are_refused(network: StyleNetwork, content: tuple[int, int], style: tuple[int, int], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        gatys(StyleJob(torch.zeros(3, *content), [StyleImage(torch.zeros(3, *style))]), network, options())
    assert str(caught.value) == said


def test_layers_that_are_not_there_are_refused(network: StyleNetwork) -> None:
    with pytest.raises(UsageError, match=r"^style_layers: SqueezeNet v1.0 has no layer 'relu1_1', one of: conv1, "):
        gatys(job(), network, options(style_layers={"relu1_1": 1.0}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("style_weight", float("nan")),
        ("style_weight", 0.0),
        ("content_weight", -1.0),
        ("tv_weight", float("inf")),
        ("learning_rate", -0.1),
        ("ema_decay", 1.0),
        ("steps", 0),
        ("statistic", "mean"),
        ("style_layers", {"conv1": float("nan")}),
        ("style_layers", {"conv1": -1.0}),
        ("style_layers", {}),
    ],
)
def test_options_that_mean_nothing_are_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        validate(GatysOptions, {name: value}, where="--method gatys")
    assert str(caught.value).startswith(f"--method gatys: {name}") and "\n" not in str(caught.value)


def test_a_thin_picture_is_not_made_too_small(network: StyleNetwork) -> None:
    thin = spot(16, 80)
    made = gatys(StyleJob(thin, [StyleImage(stripes(16, 60))], steps=3), network, options(smallest_scale=20))
    assert made.shape == thin.shape


def test_shared_pictures_are_not_changed(network: StyleNetwork) -> None:
    content, style = CONTENT.clone(), STYLE.clone()
    gatys(job(steps=2), network, options())
    assert torch.equal(content, CONTENT) and torch.equal(style, STYLE)
