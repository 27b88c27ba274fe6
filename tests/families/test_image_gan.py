"""The GAN for few pictures: sizes, what training does to which network, codes, and editing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from artgen.config import validate
from artgen.errors import UsageError
from artgen.families.base import Share
from artgen.families.image_gan.config import GANModelConfig, ImageGANConfig
from artgen.families.image_gan.family import ImageGAN
from artgen.families.image_gan.network import ResidualDiscriminator, StyleGenerator, widths
from tests.families.test_image_vae import discs

SMALL: dict[str, Any] = {"latent": 12, "width": 8, "max_width": 32}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


def configure(data: dict[str, Any] | None = None, **model: Any) -> ImageGANConfig:
    raw = {
        "data": {"size": 32, **(data or {})},
        "model": {**SMALL, **model},
        "train": {"batch_size": 8},
        "device": {"precision": "32"},
    }
    return validate(ImageGANConfig, raw, where="gan.yaml")


def make(folder: Path, data: dict[str, Any] | None = None, **model: Any) -> ImageGAN:
    paths = {} if data and "path" in data else {"path": [str(discs(folder / "discs", 20))]}
    family = ImageGAN.prepare(configure({**paths, **(data or {})}, **model), folder / "data")
    assert isinstance(family, ImageGAN)
    return family


def alive(networks: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """With weights where training begins at 0."""
    for network in networks.values():
        for parameter in network.parameters():
            if parameter.ndim > 1 and not parameter.any():
                nn.init.normal_(parameter, std=0.1)
    return networks


@pytest.mark.parametrize(("size", "channels", "classes"), [(32, 3, 0), (64, 4, 3), (128, 1, 0), (256, 3, 2)])
def test_networks_have_every_size(size: int, channels: int, classes: int) -> None:
    model = GANModelConfig.model_validate(SMALL)
    generator = StyleGenerator(model, size, channels, classes)
    labels = torch.tensor([1, 0]) if classes else None
    pictures = generator(torch.randn(2, 12), labels)
    assert pictures.shape == (2, channels, size, size)
    assert ResidualDiscriminator(model, size, channels, classes)(pictures, labels).shape == (2,)


def test_channels_double_while_the_resolution_halves() -> None:
    model = GANModelConfig.model_validate({"width": 32, "max_width": 256})
    assert widths(model, 64) == [(4, 256), (8, 256), (16, 128), (32, 64), (64, 32)]


@pytest.mark.parametrize("size", [48, 96, 250])
def test_a_size_that_the_network_cannot_have_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=rf"data\.size: {size} does not fit.*a power of two: 32 or 64 or 128 or 256"):
        configure({"size": size})


def test_signals_keep_their_size_at_the_start() -> None:
    torch.manual_seed(1)
    model = GANModelConfig.model_validate({"latent": 64, "width": 32, "max_width": 128})
    made = StyleGenerator(model, 64, 3, 0)(torch.randn(16, 64), None)
    assert 0.1 < made.std().item() < 1.5
    logits = ResidualDiscriminator(model, 64, 3, 0)(torch.randn(64, 3, 64, 64), None)
    assert 0.05 < logits.std().item() < 5


def test_each_phase_gives_gradients_that_its_network_needs(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = alive(family.networks())
    for phase in family.phases():
        for name, network in networks.items():
            network.requires_grad_(name in phase.trains)
            network.zero_grad()
        phase.loss(networks, family.batch(0, Share()), 0).value.backward()
        for name, network in networks.items():
            with_gradient = [parameter.grad is not None for parameter in network.parameters()]
            assert all(with_gradient) if name in phase.trains else not any(with_gradient)


def test_penalties_come_every_so_often_and_as_much_stronger(tmp_path: Path) -> None:
    family = make(tmp_path, penalty_every=4, augment=[])
    networks = alive(family.networks())
    every = make(tmp_path / "every", penalty_every=1, augment=[])
    batch = family.batch(0, Share())

    def loss(of: ImageGAN, step: int) -> tuple[float, dict[str, Any]]:
        torch.manual_seed(3)
        found = of.discriminator_loss(networks, batch, step)
        return float(found.value.detach()), found.figures

    plain, figures = loss(family, 1)
    assert "r1" not in figures
    often, _ = loss(every, 1)
    rare, figures = loss(family, 4)
    assert {"r1", "r2"} <= set(figures)
    assert rare - plain == pytest.approx(4 * (often - plain), rel=1e-4)
    assert often > plain


def test_a_few_steps_train_both(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = family.networks()
    before = {name: [p.clone() for p in network.parameters()] for name, network in networks.items()}
    optimizers = {name: torch.optim.Adam(network.parameters(), 2e-3, (0.0, 0.99)) for name, network in networks.items()}
    for step in range(6):
        for phase in family.phases():
            for name, network in networks.items():
                network.requires_grad_(name in phase.trains)
            loss = phase.loss(networks, family.batch(step, Share()), step).value
            assert torch.isfinite(loss)
            loss.backward()
            for name in phase.trains:
                optimizers[name].step()
                optimizers[name].zero_grad()
    for name, network in networks.items():
        assert all(not torch.equal(a, b) for a, b in zip(before[name], network.parameters(), strict=True) if b.ndim > 1)


def test_truncation_leads_to_the_mean_picture(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = alive(family.networks())
    options = family.config.sample

    def spread(truncation: float) -> float:
        samples = family.sample(networks, options.model_copy(update={"truncation": truncation}), 4, seed=0)
        return float(sum(abs(sample.work.astype(float) - samples[0].work).mean() for sample in samples))

    assert spread(0.0) == 0
    assert 0 < spread(0.5) < spread(1.0)


def test_samples_of_classes_in_turn_or_of_one(tmp_path: Path) -> None:
    discs(tmp_path / "set" / "birds", 12)
    discs(tmp_path / "set" / "fish", 14)
    family = make(tmp_path, {"path": [str(tmp_path / "set")], "classes": True})
    networks = alive(family.networks())
    options = family.config.sample
    assert [s.figures["class"] for s in family.sample(networks, options, 4, seed=0)] == ["birds", "fish"] * 2
    fish = family.sample(networks, options.model_copy(update={"class_name": "fish"}), 2, seed=0)
    assert [s.figures["class"] for s in fish] == ["fish"] * 2
    with pytest.raises(UsageError, match="class 'fisch': there is none, did you mean 'fish'"):
        family.sample(networks, options.model_copy(update={"class_name": "fisch"}), 1, seed=0)


def test_a_class_of_a_run_without_classes_is_refused(tmp_path: Path) -> None:
    family = make(tmp_path)
    with pytest.raises(UsageError, match="class 'fish': this run learned no classes"):
        family.labels("fish", 0, 1)


def test_projection_comes_nearer_than_any_sample(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = {name: network.requires_grad_(False) for name, network in alive(family.networks()).items()}
    options = family.config.sample
    with torch.no_grad():
        target = family.render(networks, family.codes(networks, torch.randn(1, 12), None, options), None, options)
    errors = []
    for steps in (0, 60):
        codes = family.project(networks, target, None, options, steps)
        with torch.no_grad():
            errors.append(float((family.render(networks, codes, None, options) - target).square().mean()))
    assert errors[1] < 0.5 * errors[0]


def test_directions_change_pictures_more_than_chance(tmp_path: Path) -> None:
    torch.manual_seed(2)
    family = make(tmp_path)
    networks = alive(family.networks())
    generator = networks["generator"]
    assert isinstance(generator, StyleGenerator)
    with torch.no_grad():
        generator.base.weight[:, 3] *= 6  # one axis of codes that matters
        found = family.directions(networks, 2)
    assert abs(float(found[0, 3])) > 0.9
    assert found.shape == (2, 12)


def test_quality_is_lower_for_pictures_that_are_real(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = alive(family.networks())
    (batch,) = family.validation(Share())
    distance, count = family.score(networks, batch)
    assert int(count) == 1
    assert float(distance) > 0.1
    assert not list(family.validation(Share(1, 2)))


def test_preview_is_the_same_latents_and_ends_in_an_animation(tmp_path: Path) -> None:
    family = make(tmp_path)
    family.config.train.steps = 20
    networks = alive(family.networks())
    folder = tmp_path / "previews"
    folder.mkdir()
    assert "step 10" in family.preview(networks, 10, folder)
    assert "training.gif" in family.preview(networks, 20, folder)
    first, last = ((folder / f"step-{step:08d}.png").read_bytes() for step in (10, 20))
    assert first == last
    assert (folder / "training.gif").read_bytes()[:3] == b"GIF"
