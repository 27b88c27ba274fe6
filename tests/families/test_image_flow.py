"""Flow matching: samplers against flows that are known exactly, the network, changes that are told, and editing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artgen.config import validate
from artgen.errors import UsageError
from artgen.families.base import Share
from artgen.families.image_flow.augment import N_CHANGES, change
from artgen.families.image_flow.config import FlowModelConfig, ImageFlowConfig
from artgen.families.image_flow.family import ImageFlow
from artgen.families.image_flow.network import UNet
from artgen.families.image_flow.samplers import SAMPLERS, times
from artgen.image.batches import to_tensor
from tests.families.test_image_vae import discs

SMALL: dict[str, Any] = {"channels": [16, 24], "blocks": 1, "attention": [8], "n_heads": 2, "d_time": 16, "patch": 2}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


def configure(data: dict[str, Any] | None = None, sample: dict[str, Any] | None = None, **model: Any) -> ImageFlowConfig:
    raw = {
        "data": {"size": 32, **(data or {})},
        "model": {**SMALL, **model},
        "sample": {"steps": 4, **(sample or {})},
        "train": {"batch_size": 8},
        "device": {"precision": "32"},
    }
    return validate(ImageFlowConfig, raw, where="flow.yaml")


def make(folder: Path, data: dict[str, Any] | None = None, **model: Any) -> ImageFlow:
    family = ImageFlow.prepare(
        configure({"path": [str(discs(folder / "discs", 20))], **(data or {})}, **model), folder / "data"
    )
    assert isinstance(family, ImageFlow)
    return family


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """With weights where training begins at 0, so that everything shows."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


# ---------------------------------------------------------------- samplers


def gaussian_velocity(mean: float, deviation: float) -> Any:
    """The exact velocity for pictures that are all normal: with x_t = (1 - t) noise + t picture, both normal,
    v(x, t) = mean + (t s² - (1 - t)) / ((1 - t)² + t² s²) (x - t mean)."""

    def velocity(x: Tensor, t: float) -> Tensor:
        variance = (1 - t) ** 2 + (t * deviation) ** 2
        return mean + (t * deviation**2 - (1 - t)) / variance * (x - t * mean)

    return velocity


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_follow_a_known_flow_to_its_end(name: str) -> None:
    noise = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    end = SAMPLERS[name](gaussian_velocity(0.5, 0.3), noise, times(400))
    assert torch.allclose(end, 0.5 + 0.3 * noise, atol=0.01)  # the flow keeps a standard deviation where it is


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_the_error_falls_with_the_order_of_the_rule(name: str, order: int) -> None:
    noise = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    velocity = gaussian_velocity(0.5, 0.6)
    errors = [float((SAMPLERS[name](velocity, noise, times(n)) - 0.5 - 0.6 * noise).abs().max()) for n in (64, 128)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_velocity_is_asked_for_at_the_picture_itself(name: str) -> None:
    """No network is trained at time 1, and its velocity there is noise that would be added to every picture."""
    asked: list[float] = []

    def velocity(x: Tensor, t: float) -> Tensor:
        asked.append(t)
        return torch.zeros_like(x)

    SAMPLERS[name](velocity, torch.zeros(1, 1, 2, 2), times(4))
    assert max(asked) < 1
    assert min(asked) == 0


def test_heun_comes_back_the_way_it_went() -> None:
    noise = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    velocity = gaussian_velocity(0.5, 0.6)
    there = SAMPLERS["heun"](velocity, noise, times(50))
    assert torch.allclose(SAMPLERS["heun"](velocity, there, times(50, 1.0, 0.0)), noise, atol=2e-3)


def test_dpm_beats_euler_at_the_same_cost() -> None:
    noise = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    velocity = gaussian_velocity(0.5, 0.6)
    errors = {name: float((SAMPLERS[name](velocity, noise, times(16)) - 0.5 - 0.6 * noise).abs().max()) for name in SAMPLERS}
    assert errors["dpm++"] < errors["euler"] / 3


def test_dpm_is_exact_for_one_picture() -> None:
    """Where there is one picture, v = (picture - x) / (1 - t), and what is foreseen is the picture at once."""
    picture = torch.randn(1, 3, 4, 4)
    end = SAMPLERS["dpm++"](lambda x, t: (picture - x) / (1 - t), torch.randn(1, 3, 4, 4), times(3))
    assert torch.allclose(end, picture, atol=1e-5)


def test_times_go_both_ways() -> None:
    assert times(4) == [0, 0.25, 0.5, 0.75, 1]
    assert times(2, 1.0, 0.0) == [1, 0.5, 0]


# ---------------------------------------------------------------- network and data


@pytest.mark.parametrize(("size", "channels", "patch"), [(32, 1, 1), (64, 3, 2), (128, 4, 4)])
def test_the_network_gives_the_shape_it_gets(size: int, channels: int, patch: int) -> None:
    network = UNet(FlowModelConfig.model_validate({**SMALL, "patch": patch}), size, channels, 0)
    x = torch.randn(2, channels, size, size)
    assert not network(x, torch.rand(2)).any()  # it begins with no velocity
    found = awake(network)(x, torch.rand(2))
    assert found.shape == x.shape
    assert found.std().item() > 0


def test_time_class_and_changes_matter() -> None:
    network = awake(UNet(FlowModelConfig.model_validate(SMALL), 32, 3, 5))
    x, labels = torch.randn(1, 3, 32, 32), torch.tensor([2])
    plain = network(x, torch.tensor([0.3]), labels, torch.zeros(1, N_CHANGES))
    assert torch.equal(plain, network(x, torch.tensor([0.3]), labels, None))
    for other in (
        network(x, torch.tensor([0.31]), labels, None),
        network(x, torch.tensor([0.3]), torch.tensor([5]), None),
        network(x, torch.tensor([0.3]), labels, torch.ones(1, N_CHANGES)),
    ):
        assert not torch.allclose(plain, other, atol=1e-6)


def test_size_that_does_not_fit_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"data\.size: 50 does not fit this network, expected a multiple of 4: 48 or 52"):
        configure({"size": 50})


def test_guidance_needs_classes() -> None:
    with pytest.raises(UsageError, match=r"sample\.guidance: needs classes"):
        configure(sample={"guidance": 2})


def test_channels_must_fit_heads() -> None:
    with pytest.raises(UsageError, match="24 cannot be divided among 5 heads"):
        configure(channels=[40, 24], n_heads=5)


def test_changes_of_no_chance_are_none() -> None:
    pictures = torch.rand(4, 3, 16, 16)
    same, told = change(pictures, 0.0)
    assert same is pictures
    assert not told.any()


def test_what_is_told_is_what_was_changed() -> None:
    pictures = torch.rand(300, 3, 16, 16) * 2 - 1
    changed, told = change(pictures, 0.2)
    untouched = ~told.any(dim=1)
    assert 0.2 < float(untouched.float().mean()) < 0.45  # 0.8⁵ is 0.33
    assert torch.allclose(changed[untouched], pictures[untouched], atol=1e-6)
    assert not torch.isclose(changed[~untouched], pictures[~untouched], atol=1e-6).flatten(1).all(dim=1).any()
    bright = (told[:, 6] != 0) & ~told[:, :6].any(dim=1) & ~told[:, 8:].any(dim=1)
    again = pictures[bright] * torch.exp2(0.25 * told[bright, 7]).view(-1, 1, 1, 1) + 0.15 * told[bright, 6].view(-1, 1, 1, 1)
    assert torch.allclose(changed[bright], again, atol=1e-5)


def test_a_move_to_the_right_is_one_to_the_right() -> None:
    picture = torch.zeros(400, 1, 32, 32)
    picture[:, :, 16, 16] = 1.0
    changed, told = change(picture, 0.5)
    only_moved = (told[:, 0] != 0) & ~told[:, 2:].any(dim=1)
    columns = torch.arange(32.0)
    for moved, (right, down) in zip(changed[only_moved, 0], told[only_moved, :2].tolist(), strict=True):
        weight = moved / moved.sum()
        assert float((weight.sum(0) * columns).sum()) == pytest.approx(16 + 4 * right, abs=0.05)
        assert float((weight.sum(1) * columns).sum()) == pytest.approx(16 + 4 * down, abs=0.05)


# ---------------------------------------------------------------- training, sampling, editing


def test_the_loss_begins_at_the_spread_of_velocities_and_falls(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = family.networks()
    (phase,) = family.phases()
    optimizer = torch.optim.Adam(networks["model"].parameters(), lr=3e-3)
    losses = []
    for step in range(40):
        torch.manual_seed(step)
        loss = phase.loss(networks, family.batch(step, Share()), step).value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.0  # of noise alone it is 1
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


def test_a_sample_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = {"model": awake(family.networks()["model"]).eval()}
    options = family.config.sample
    three = family.sample(networks, options, 3, seed=4)
    many = family.sample(networks, options.model_copy(update={"batch": 2}), 5, seed=4)
    for a, b in zip(three, many, strict=False):
        assert abs(a.work.astype(int) - b.work.astype(int)).max() <= 1
    assert (three[0].work != three[1].work).any()
    assert (family.sample(networks, options, 1, seed=5)[0].work != three[0].work).any()


def test_guidance_goes_past_the_class(tmp_path: Path) -> None:
    folder = tmp_path / "both"
    discs(folder / "a", 12)
    discs(folder / "b", 14)
    family = ImageFlow.prepare(configure({"path": [str(folder)], "classes": True}), tmp_path / "data")
    networks = {"model": awake(family.networks()["model"]).eval()}
    noise, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])

    def velocity(guidance: float, labels: Tensor | None = labels) -> Tensor:
        options = family.config.sample.model_copy(update={"guidance": guidance})
        with torch.no_grad():
            return family._velocity(networks, labels, options)(noise, 0.4)  # type: ignore[attr-defined]

    none, asked = velocity(0.0), velocity(1.0)
    assert torch.allclose(none, velocity(1.0, torch.full((2,), 2)), atol=1e-5)
    assert torch.allclose(velocity(3.0), none + 3 * (asked - none), atol=1e-4)
    assert family.labels("b", 0, 2).tolist() == [1, 1]  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="class 'bb': there is none, did you mean 'b'"):
        family.labels("bb", 0, 1)


def test_projection_and_back_gives_the_picture(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = {"model": awake(family.networks()["model"]).eval()}
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    options = family.config.sample.model_copy(update={"steps": 32})
    codes = family.project(networks, picture, None, options, 32)
    with torch.no_grad():
        assert torch.allclose(family.render(networks, codes, None, options), picture, atol=0.02)


def test_paint_keeps_what_is_outside_the_mask(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = {"model": awake(family.networks()["model"]).eval()}
    picture = torch.rand(2, 3, 32, 32) * 2 - 1
    masks = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    masks[:, :, 8:20, 4:16] = True
    painted = family.paint(networks, picture, masks, None, family.config.sample, seed=1)
    outside = ~masks.expand_as(picture)
    assert torch.equal(painted[outside], picture[outside])
    assert not torch.equal(painted[~outside], picture[~outside])
    assert torch.equal(painted, family.paint(networks, picture, masks, None, family.config.sample, seed=1))
    assert not torch.equal(painted, family.paint(networks, picture, masks, None, family.config.sample, seed=2))


def test_strength_goes_from_the_same_to_a_new_picture(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = {"model": awake(family.networks()["model"]).eval()}
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    options = family.config.sample.model_copy(update={"steps": 8})

    def far(strength: float) -> float:
        return float((family.vary(networks, picture, strength, None, options, seed=3) - picture).square().mean())

    assert far(0.0) == 0
    assert 0 < far(0.2) < far(0.6) < far(1.0)
    new = family.render(networks, family.latents(3, 0, 1), None, options)
    assert torch.allclose(family.vary(networks, picture, 1.0, None, options, seed=3), new, atol=1e-5)


def test_the_held_out_loss_is_that_of_training_and_of_evaluation(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = {"model": awake(family.networks()["model"]).eval()}
    with torch.no_grad():
        scores = [family.score(networks, batch) for batch in family.validation(Share())]
    mean = float(sum(loss for loss, _ in scores) / sum(count for _, count in scores))
    shares = [family.score(networks, batch) for index in range(2) for batch in family.validation(Share(index, 2))]
    assert float(sum(count for _, count in shares)) == float(sum(count for _, count in scores)) >= 512
    assert float(sum(loss for loss, _ in shares) / 512) == pytest.approx(mean, rel=1e-5)
    assert family.pictures is not None
    held_out = to_tensor(np.array(family.pictures.validation)), torch.from_numpy(family.pictures.validation_labels)
    (figure,) = family.own_figures(networks, held_out)
    assert figure.key == "held_out_loss"
    assert figure.value == pytest.approx(mean, rel=1e-5)
