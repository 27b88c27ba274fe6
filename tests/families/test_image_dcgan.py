"""The classic GAN: sizes, networks against what the papers say, and that each objective trains."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from artgen.config import validate
from artgen.engine.checkpoint import pack_networks, unpack_networks
from artgen.errors import UsageError
from artgen.families.base import Share
from artgen.families.image_dcgan.config import ImageDCGANConfig, sizes_of
from artgen.families.image_dcgan.family import ImageDCGAN
from artgen.families.image_dcgan.network import DCDiscriminator, DCGenerator
from artgen.metrics.wasserstein import sliced_wasserstein
from tests.families.test_image_vae import discs

SMALL: dict[str, Any] = {"latent": 12, "width": 16, "max_width": 32}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


def configure(data: dict[str, Any] | None = None, **model: Any) -> ImageDCGANConfig:
    raw = {
        "data": {"size": 32, **(data or {})},
        "model": {**SMALL, **model},
        "train": {"batch_size": 8},
        "device": {"precision": "32"},
    }
    return validate(ImageDCGANConfig, raw, where="dcgan.yaml")


def make(folder: Path, n: int = 40, data: dict[str, Any] | None = None, **model: Any) -> ImageDCGAN:
    paths = {} if data and "path" in data else {"path": [str(discs(folder / "discs", n))]}
    family = ImageDCGAN.prepare(configure({**paths, **(data or {})}, **model), folder / "data")
    assert isinstance(family, ImageDCGAN)
    return family


def train(family: ImageDCGAN, steps: int, lr: float = 1e-3) -> tuple[dict[str, nn.Module], list[float]]:
    networks = family.networks()
    optimizers = {name: torch.optim.Adam(net.parameters(), lr=lr, betas=(0.5, 0.99)) for name, net in networks.items()}
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        for phase in family.phases():
            for name, net in networks.items():
                net.requires_grad_(name in phase.trains)
            loss = phase.loss(networks, family.batch(step, Share()), step).value
            optimizers[phase.trains[0]].zero_grad()
            loss.backward()
            optimizers[phase.trains[0]].step()
            losses.append(loss.item())
    for net in networks.values():
        net.requires_grad_(True).eval()
    return networks, losses


# ---------------------------------------------------------------- sizes


def test_sizes_double_from_four_to_seven_pixels() -> None:
    assert sizes_of(64) == [4, 8, 16, 32]
    assert sizes_of(96) == [6, 12, 24, 48]
    assert sizes_of(40) == [5, 10, 20]
    fitting = []
    for size in range(32, 257):
        try:
            sizes = sizes_of(size)
        except ValueError:
            continue
        assert 4 <= sizes[0] <= 7
        assert [2 * side for side in sizes] == [*sizes[1:], size]
        fitting.append(size)
    assert fitting == [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256]


@pytest.mark.parametrize(("size", "expected"), [(33, "32 or 40"), (100, "96 or 112"), (255, "224 or 256"), (72, "64 or 80")])
def test_a_size_that_does_not_fit_says_which_do(size: int, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        configure({"size": size})
    assert f"data.size: {size} does not fit this network" in str(caught.value)
    assert f"expected {expected} (of 32, 40," in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("size", [32, 56, 128])
def test_shapes(size: int, kernel: int, upsampling: str) -> None:
    model = configure({"size": size}, kernel=kernel, upsampling=upsampling).model
    generator, discriminator = DCGenerator(model, size, 4, 0), DCDiscriminator(model, size, 4, 0)
    x = generator.synthesis(torch.randn(2, 12), None)
    assert x.shape == (2, 4, size, size)
    assert x.abs().max() <= 1
    assert discriminator(x, None).shape == (2,)
    sides = [size]
    for stage in discriminator.down:
        x = stage(x)
        sides.append(x.shape[-1])
    assert sides == [size, *sizes_of(size)[::-1]]


# ---------------------------------------------------------------- the networks


def test_the_networks_of_the_paper() -> None:
    """Radford et al. 2016, figure 1: 1024, 512, 256 and 128 channels from 4 x 4 pixels on, transposed convolutions, tanh."""
    model = ImageDCGANConfig.model_validate({"model": {"width": 128, "max_width": 1024}}).model
    generator, discriminator = DCGenerator(model, 64, 3, 0), DCDiscriminator(model, 64, 3, 0)
    layers = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in layers] == [(1024, 512), (512, 256), (256, 128), (128, 3)]
    assert all((m.kernel_size, m.stride, m.padding) == ((4, 4), (2, 2), (1, 1)) for m in layers)
    assert generator.base.out_features == 1024 * 4 * 4
    assert generator.base.in_features == 100
    assert sum(isinstance(m, nn.BatchNorm2d) for m in generator.modules()) == 4  # all but the last
    norms = [stage.norm for stage in discriminator.down]
    assert isinstance(norms[0], nn.Identity)
    assert all(isinstance(norm, nn.BatchNorm2d) for norm in norms[1:])
    for layer in [*layers, *(stage.convolution for stage in discriminator.down)]:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)  # type: ignore[union-attr, operator]
        bias = layer.bias  # type: ignore[union-attr]
        assert bias is None or (bias == 0).all()  # type: ignore[union-attr]
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(discriminator.down[0].activation(x), torch.where(x > 0, x, 0.2 * x))  # type: ignore[operator]


def test_classes_are_judged_by_projection() -> None:
    """Miyato and Koyama 2018, eq. 3: f(x, y) = yᵀ V φ(x) + ψ(φ(x))."""
    model = configure(discriminator_norm="none").model
    discriminator = DCDiscriminator(model, 32, 3, 3)
    assert discriminator.embedding is not None
    x, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 2, 1, 2])
    features = x
    for stage in discriminator.down:
        features = stage(features)
    for i, got in enumerate(discriminator(x, labels).tolist()):
        phi = features[i].sum(dim=(1, 2)).tolist()
        row = discriminator.embedding.weight[labels[i]].tolist()
        flat, weight = features[i].flatten().tolist(), discriminator.judge.weight[0].tolist()
        expected = sum(a * b for a, b in zip(row, phi, strict=True)) + sum(a * b for a, b in zip(flat, weight, strict=True))
        assert got == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_codes_carry_the_class() -> None:
    generator = DCGenerator(configure().model, 32, 3, 2)
    latents = torch.randn(2, 12)
    codes = generator.mapping(latents, torch.tensor([0, 1]))
    assert torch.equal(codes[:, :12], latents)
    assert codes.shape == (2, 28)
    assert generator.reading_weights()[0].shape[1] == 28
    assert not torch.equal(codes[0, 12:], codes[1, 12:])


def test_spectral_norm_bounds_every_layer() -> None:
    discriminator = DCDiscriminator(configure(spectral_norm=True, discriminator_norm="none").model, 32, 3, 2)
    for _ in range(30):
        discriminator(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))
    layers = [m for m in discriminator.modules() if isinstance(m, (nn.Conv2d, nn.Linear, nn.Embedding))]
    assert len(layers) == 5
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_networks_with_spectral_norm_can_be_saved(tmp_path: Path) -> None:
    family = make(tmp_path, spectral_norm=True)
    networks, _ = train(family, 2)
    fresh = family.networks()
    unpack_networks(fresh, {key: value.clone() for key, value in pack_networks(networks).items()}, tmp_path)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(fresh["discriminator"].eval()(x, None), networks["discriminator"](x, None))


# ---------------------------------------------------------------- the game


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"loss": "wgan-gp"}, "discriminator_norm: batch mixes the pictures of a batch, but loss wgan-gp needs"),
        ({"r1": 1.0}, "but r1 needs the discriminator's gradient at each; expected layer, group, instance or none"),
        ({"loss": "wgan"}, "model.loss"),
        ({"kernel": 1}, "model.kernel"),
        ({"spectral": True}, "model.spectral: unknown key, did you mean 'spectral_norm'?"),
    ],
)
def test_bad_models(model: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        configure(**model)
    assert message in str(caught.value)


@pytest.mark.parametrize("channels", ["grey", "rgb", "rgba"])
@pytest.mark.parametrize("loss", ["bce", "lsgan", "hinge", "wgan-gp", "relativistic"])
def test_every_loss_trains_both_networks(tmp_path: Path, loss: str, channels: str) -> None:
    family = make(tmp_path, data={"channels": channels}, loss=loss, discriminator_norm="layer", spectral_norm=loss == "hinge")
    before = {name: [p.clone() for p in net.parameters()] for name, net in family.networks().items()}
    networks, losses = train(family, 2)
    assert all(math.isfinite(value) for value in losses)
    for name, net in networks.items():
        assert not any(torch.equal(a, b) for a, b in zip(before[name], net.parameters(), strict=True) if a.numel() > 1)
    works = family.sample(networks, family.config.sample, n=3, seed=1)
    assert [work.work.shape for work in works] == [(32, 32, {"grey": 1, "rgb": 3, "rgba": 4}[channels])] * 3


def test_it_learns_to_look_like_the_pictures(tmp_path: Path) -> None:
    family = make(tmp_path, augment=["translation"])
    (real,) = family.validation(Share())
    fresh = {name: net.eval() for name, net in family.networks().items()}
    networks, _ = train(family, 150)
    pictures = real.permute(0, 2, 3, 1).numpy()

    def distance(of: dict[str, nn.Module]) -> float:
        made = np.stack([sample.work for sample in family.sample(of, family.config.sample, n=len(pictures), seed=0)])
        return sliced_wasserstein(made, pictures, n_patches=1 << 12, replicates=1, normalise="real").mean.value

    assert distance(networks) < 0.5 * distance(fresh)


def test_classes(tmp_path: Path) -> None:
    discs(tmp_path / "discs" / "many", 12)
    discs(tmp_path / "discs" / "more", 14)
    family = make(tmp_path, data={"path": [str(tmp_path / "discs")], "classes": True})
    networks, _ = train(family, 4)
    works = family.sample(networks, family.config.sample, n=4, seed=0)
    assert [work.figures["class"] for work in works] == ["many", "more", "many", "more"]
    named = family.sample(networks, family.config.sample.model_copy(update={"class_name": "more"}), n=2, seed=0)
    assert np.abs(named[1].work.astype(int) - works[1].work).max() <= 1


def test_directions_and_projection(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks, _ = train(family, 20)
    directions = family.directions(networks, 5)
    torch.testing.assert_close(directions @ directions.T, torch.eye(5), rtol=0, atol=1e-5)
    options = family.config.sample
    target = torch.randn(1, 12)
    with torch.no_grad():
        picture = family.render(networks, target, None, options)
    found = family.project(networks, picture, None, options, steps=60)
    with torch.no_grad():
        error = (family.render(networks, found, None, options) - picture).square().mean()
        spread = (family.render(networks, torch.randn(16, 12), None, options) - picture).square().mean()
    assert error < 0.3 * spread
