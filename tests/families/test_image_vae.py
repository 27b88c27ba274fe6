"""The variational autoencoder: its sizes, its objective against formulas, and what it learns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artgen.config import validate
from artgen.errors import UsageError
from artgen.families.base import Share
from artgen.families.image_vae.config import ImageVAEConfig
from artgen.families.image_vae.family import ImageVAE
from artgen.families.image_vae.likelihood import LEAST, Likelihood, bernoulli_nll, gaussian_kl, gaussian_nll, laplace_nll
from artgen.families.image_vae.network import VAE
from artgen.image.family import as_signal
from artgen.image.projection import pyramid_distance

SMALL: dict[str, Any] = {"channels": [8, 16], "latent": 6}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


def discs(folder: Path, n: int, mode: str = "RGB") -> Path:
    """Pictures of one disc each, of any place and colour."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(n)
    y, x = np.mgrid[:32, :32]
    for i in range(n):
        row, column, radius = random.uniform(8, 24), random.uniform(8, 24), random.uniform(4, 8)
        inside = (y - row) ** 2 + (x - column) ** 2 < radius**2
        pixels = np.where(inside[..., None], random.integers(0, 256, 3), 255).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{i:03}.png")
    return folder


def make(
    folder: Path,
    n: int = 40,
    data: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    sample: dict[str, Any] | None = None,
    **model: Any,
) -> ImageVAE:
    paths = [str(discs(folder / "discs", n))]
    raw = {
        "data": {"path": paths, "size": 32, **(data or {})},
        "model": {**SMALL, **model},
        "train": {"batch_size": 8, **(train or {})},
        "sample": sample or {},
        "device": {"precision": "32"},
    }
    config = validate(ImageVAEConfig, raw, where="test.yaml")
    family = ImageVAE.prepare(config, folder / "data")
    assert isinstance(family, ImageVAE)
    return family


def train(family: ImageVAE, steps: int, lr: float = 3e-3) -> tuple[dict[str, torch.nn.Module], list[float]]:
    networks = family.networks()
    optimizer = torch.optim.Adam(networks["model"].parameters(), lr=lr)
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        loss = family.loss(networks, family.batch(step, Share()), step).value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    networks["model"].eval()
    return networks, losses


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize("pooling", ["stride", "max", "average", ["max", "stride", "average"]])
@pytest.mark.parametrize(("kernel", "padding"), [(3, None), (3, 0), (5, None), (5, 1), (4, None), ([3, 4, 5], [0, 1, 2])])
@pytest.mark.parametrize("size", [32, 45])
def test_stages_have_the_sizes_that_the_plan_says_and_the_decoder_gives_the_picture_s(
    size: int, kernel: Any, padding: Any, pooling: Any, upsampling: str
) -> None:
    model = {
        "channels": [4, 6, 8],
        "kernel": kernel,
        "padding": padding,
        "pooling": pooling,
        "upsampling": upsampling,
        "latent": 5,
    }
    config = ImageVAEConfig.model_validate({"data": {"size": size}, "model": model})
    network = VAE(config.model, config.stages(), n_channels=3, n_classes=0)
    x = torch.randn(2, 3, size, size)
    for stage, planned in zip(network.down, config.stages(), strict=True):
        assert x.shape[-1] == planned.size_before
        x = stage(x)
        assert x.shape == (2, planned.channels, planned.size, planned.size)
    assert network.pictures(torch.randn(2, 5), None).shape == (2, 3, size, size)


@pytest.mark.parametrize("window", [3, [3, 5]])
def test_windows_larger_than_the_stride(window: Any) -> None:
    config = ImageVAEConfig.model_validate({"model": {**SMALL, "pooling": "max", "window": window}, "data": {"size": 64}})
    network = VAE(config.model, config.stages(), 3, 0)
    assert [stage.size for stage in config.stages()] == [32, 16]
    assert network.pictures(torch.randn(1, 6), None).shape == (1, 3, 64, 64)


def test_a_size_that_is_too_small_says_which_fits() -> None:
    model = {"channels": [8] * 4, "padding": 0}
    with pytest.raises(UsageError) as caught:
        validate(ImageVAEConfig, {"data": {"size": 32}, "model": {**model, "kernel": 5}}, where="vae.yaml")
    assert str(caught.value) == (
        "vae.yaml: config: data.size: 32 is too small for this network, stage 4 would have no pixel (32 -> 14 -> 5 -> 1 -> 0); "
        "expected 61 to 256, or fewer stages in model.channels"
    )
    assert ImageVAEConfig.model_validate({"data": {"size": 61}, "model": {**model, "kernel": 5}}).stages()[-1].size == 1
    with pytest.raises(UsageError, match="data.size: 60 is too small"):
        validate(ImageVAEConfig, {"data": {"size": 60}, "model": {**model, "kernel": 5}}, where="vae.yaml")


def test_more_stages_than_any_size_allows() -> None:
    with pytest.raises(UsageError, match=r"no size up to 256 fits, expected at most 4 stages in model\.channels"):
        validate(
            ImageVAEConfig, {"data": {"size": 64}, "model": {"channels": [8] * 12, "pooling": "max", "padding": 0}}, where="x"
        )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"channels": [8, 16], "kernel": [3, 3, 3]}, "model.kernel: 3 values for the 2 stages of model.channels"),
        ({"channels": [8], "pooling": ["max", "max"]}, "model.pooling: 2 values for the 1 stages"),
        ({"kernel": 3, "padding": 2}, "model.padding: 2 is too much for the kernel of 3 x 3 in stage 1, expected at most 1"),
        ({"channels": [8] * 6, "norm": "instance"}, "model.norm: instance leaves nothing of a single pixel, which stage 6 has"),
        ({"pooling": "mean"}, "model.pooling"),
        ({"sigma": 0}, "model.sigma"),
        ({"chanels": [8]}, "model.chanels: unknown key, did you mean 'channels'?"),
    ],
)
def test_bad_models(model: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(ImageVAEConfig, {"model": model}, where="vae.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- the objective


def test_likelihoods_number_by_number() -> None:
    x, mean = torch.rand(2, 3, 4, 4, dtype=torch.float64) * 2 - 1, torch.randn(2, 3, 4, 4, dtype=torch.float64)
    sigma = 0.3
    normal = [
        -math.log(math.exp(-((a - m) ** 2) / (2 * sigma**2)) / math.sqrt(2 * math.pi * sigma**2))
        for a, m in zip(x.flatten().tolist(), mean.flatten().tolist(), strict=True)
    ]
    laplace = [
        -math.log(math.exp(-abs(a - m) / sigma) / (2 * sigma))
        for a, m in zip(x.flatten().tolist(), mean.flatten().tolist(), strict=True)
    ]
    bernoulli = []
    for a, logit in zip(x.flatten().tolist(), mean.flatten().tolist(), strict=True):
        y, p = (a + 1) / 2, 1 / (1 + math.exp(-logit))
        bernoulli.append(-y * math.log(p) - (1 - y) * math.log(1 - p))
    scale = torch.tensor(sigma, dtype=torch.float64)
    assert gaussian_nll(x, mean, scale).flatten().tolist() == pytest.approx(normal, rel=1e-10)
    assert laplace_nll(x, mean, scale).flatten().tolist() == pytest.approx(laplace, rel=1e-10)
    assert bernoulli_nll(x, mean).flatten().tolist() == pytest.approx(bernoulli, rel=1e-10)
    for kind, values in (("gaussian", normal), ("laplace", laplace), ("bce", bernoulli)):
        summed = Likelihood(kind, sigma).double()(x, mean).tolist()
        assert summed == pytest.approx([sum(values[:48]), sum(values[48:])], rel=1e-6)


def test_divergence_is_the_integral() -> None:
    """∫ q log(q / p) by the rectangle rule."""
    for mean, log_variance in ((0.0, 0.0), (1.3, -1.0), (-0.4, 0.7)):
        deviation = math.exp(log_variance / 2)
        total, step = 0.0, 1e-3
        for i in range(-12_000, 12_000):
            z = mean + i * step * deviation
            log_q = -0.5 * ((z - mean) / deviation) ** 2 - math.log(deviation)
            total += math.exp(log_q) / math.sqrt(2 * math.pi) * (log_q + 0.5 * z * z) * step * deviation
        got = gaussian_kl(torch.tensor(mean, dtype=torch.float64), torch.tensor(log_variance, dtype=torch.float64))
        assert got.item() == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_the_optimal_scale_is_optimal_and_does_not_change_the_gradient(kind: str) -> None:
    x = torch.rand(4, 3, 8, 8)
    output = torch.randn(4, 3, 8, 8, requires_grad=True)
    likelihood = Likelihood(kind, "optimal")
    best = likelihood(x, output).sum()
    sigma = float(likelihood.sigma(x, output))
    for other in (0.9 * sigma, 1.1 * sigma):
        assert Likelihood(kind, other)(x, output).sum() > best
    (gradient,) = torch.autograd.grad(best, output, retain_graph=True)
    error = (x - output).square().mean().log() / 2 if kind == "gaussian" else (x - output).abs().mean().log()
    (expected,) = torch.autograd.grad(error * x.numel(), output)  # Rybkin et al. 2021, eq. 6: the logarithm of the mean error
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_the_optimal_scale_is_remembered() -> None:
    likelihood = Likelihood("gaussian", "optimal")
    for _ in range(300):
        likelihood(torch.zeros(1, 1, 16, 16), torch.randn(1, 1, 16, 16) * 0.2)
    assert float(likelihood.eval().sigma(torch.zeros(1), torch.ones(1))) == pytest.approx(0.2, rel=0.05)
    likelihood.train()
    assert float(likelihood.sigma(torch.zeros(4), torch.zeros(4))) == pytest.approx(LEAST)  # never less


def test_a_learned_scale_learns_the_errors() -> None:
    likelihood = Likelihood("gaussian", "learned")
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.05)
    x = torch.randn(2, 1, 32, 32) * 0.4
    for _ in range(150):
        optimizer.zero_grad()
        likelihood(x, torch.zeros_like(x)).mean().backward()
        optimizer.step()
    assert float(likelihood.sigma(x, x).detach()) == pytest.approx(float(x.square().mean().sqrt()), rel=0.02)


def test_the_parts_of_the_loss(tmp_path: Path) -> None:
    """Encoder, reparameterisation, decoder and the two terms, put together by hand."""
    family = make(tmp_path, sigma=0.5, norm="none", beta=3.0, free_bits=0.5, warmup=9)
    networks = family.networks()
    model = networks["model"]
    batch = family.batch(0, Share())
    pictures, _ = as_signal(batch)
    torch.manual_seed(5)
    loss = family.loss(networks, batch, 4)
    torch.manual_seed(5)
    mean, log_variance = model.encode(pictures, None)  # type: ignore[operator]
    codes = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
    made = model.pictures(codes, None)  # type: ignore[operator]
    reconstruction = gaussian_nll(pictures, made, torch.tensor(0.5)).sum() / 8
    kl = gaussian_kl(mean, log_variance).mean(dim=0)
    cost = sum(max(0.5, float(k.detach())) for k in kl)
    expected = (reconstruction.item() + 3.0 * 5 / 10 * cost) / (3 * 32 * 32)
    assert loss.value.item() == pytest.approx(expected, rel=1e-5)
    assert float(loss.figures["kl"]) == pytest.approx(float(kl.detach().sum()), rel=1e-5)


def test_score_is_the_held_out_loss_the_same_each_time_and_however_it_is_shared(tmp_path: Path) -> None:
    family = make(tmp_path, data={"validation": 0.5}, train={"batch_size": 8}, beta=2.0, norm="none")
    networks, _ = train(family, 3)

    def mean(count: int) -> tuple[float, float]:
        parts = [family.score(networks, batch) for i in range(count) for batch in family.validation(Share(i, count))]
        return float(sum(part[0] for part in parts)), float(sum(part[1] for part in parts))

    total, n = mean(1)
    assert n == len(family.pictures.validation) == 20  # type: ignore[union-attr]
    assert mean(1) == (total, n)
    assert mean(3)[1] == n
    # Other noise falls on each picture there, so the figure is only about the same.
    assert mean(3)[0] / n == pytest.approx(total / n, rel=0.02)


# ---------------------------------------------------------------- what it learns


@pytest.mark.parametrize("likelihood", ["gaussian", "laplace", "bce"])
def test_it_learns(tmp_path: Path, likelihood: str) -> None:
    family = make(tmp_path, likelihood=likelihood, latent=16)
    networks, losses = train(family, 250)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1
    shown, (held_out,) = family.batch(0, Share()), family.validation(Share())
    mean = as_signal(shown)[0].mean(dim=0, keepdim=True)
    for batch in (shown, held_out):
        pictures, _ = as_signal(batch)
        with torch.no_grad():
            codes = family.project(networks, pictures, None, family.config.sample, steps=0)
            made = family.render(networks, codes, None, family.config.sample)
        assert (made - pictures).square().mean() < 0.85 * (mean - pictures).square().mean()


@pytest.mark.parametrize("channels", ["grey", "rgb", "rgba"])
@pytest.mark.parametrize("norm", ["none", "batch", "group", "instance", "layer"])
def test_every_kind_of_picture_and_norm(tmp_path: Path, channels: str, norm: str) -> None:
    family = make(tmp_path, data={"channels": channels}, norm=norm, fully_connected=[24, 12])
    networks, losses = train(family, 2)
    assert all(math.isfinite(loss) for loss in losses)
    works = family.sample(networks, family.config.sample, n=3, seed=1)
    assert [work.work.shape for work in works] == [(32, 32, {"grey": 1, "rgb": 3, "rgba": 4}[channels])] * 3
    again = family.sample(networks, family.config.sample, n=3, seed=1)
    assert all(np.array_equal(a.work, b.work) for a, b in zip(works, again, strict=True))


def test_classes(tmp_path: Path) -> None:
    for name in ("light", "dark"):
        discs(tmp_path / "discs" / name, 12)
    for path in (tmp_path / "discs" / "dark").glob("*.png"):
        Image.eval(Image.open(path), lambda value: value // 4).save(path)
    raw = {
        "data": {"path": [str(tmp_path / "discs")], "size": 32, "classes": True},
        "model": {**SMALL, "norm": "none"},
        "train": {"batch_size": 8},
        "device": {"precision": "32"},
    }
    family = ImageVAE.prepare(ImageVAEConfig.model_validate(raw), tmp_path / "data")
    assert isinstance(family, ImageVAE)
    assert family.of.class_names == ("dark", "light")
    networks, _ = train(family, 120)
    options = family.config.sample
    means = [
        np.mean([s.work.mean() for s in family.sample(networks, options.model_copy(update={"class_name": name}), 8, 0)])
        for name in ("dark", "light")
    ]
    assert means[1] > means[0] + 60


def test_the_same_seed_makes_the_same_network(tmp_path: Path) -> None:
    family = make(tmp_path)
    a, b = family.networks()["model"].state_dict(), family.networks()["model"].state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)


# ---------------------------------------------------------------- the space of codes


def test_the_fitted_normal_has_the_mean_and_covariance_of_the_codes() -> None:
    config = ImageVAEConfig.model_validate({"data": {"size": 32}, "model": {**SMALL, "latent": 3}})
    network = VAE(config.model, config.stages(), 3, 0)
    mixing = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.3, 0.0], [-0.5, 0.2, 0.6]])
    shift = torch.tensor([1.0, -2.0, 0.5])
    for _ in range(100):  # so few that all weigh the same
        network._fit(torch.randn(256, 3) @ mixing.T + shift)
    codes = network.fitted(torch.randn(50_000, 3))
    torch.testing.assert_close(codes.mean(dim=0), shift, rtol=0, atol=0.03)
    torch.testing.assert_close(codes.T.cov(), mixing @ mixing.T, rtol=0, atol=0.05)
    assert torch.equal(network.fitted(torch.zeros(1, 3))[0], network.code_mean)
    latents = torch.randn(5, 3)
    torch.testing.assert_close(network.standardised(network.fitted(latents)), latents, rtol=1e-4, atol=1e-4)


def test_prior_and_truncation(tmp_path: Path) -> None:
    family = make(tmp_path, sample={"prior": "standard", "truncation": 0.5})
    networks, _ = train(family, 10)
    latents = torch.randn(4, 6)
    standard = family.config.sample
    fitted = standard.model_copy(update={"prior": "fitted"})
    model = networks["model"]
    for options in (standard, fitted):
        codes = family.codes(networks, latents, None, options)
        assert torch.equal(codes, latents * 0.5)
        expected = model.pictures(codes if options is standard else model.fitted(codes), None)  # type: ignore[operator]
        assert torch.equal(family.render(networks, codes, None, options), expected)
    (batch,) = family.validation(Share())
    pictures = as_signal(batch)[0]
    with torch.no_grad():
        made = [family.render(networks, family.project(networks, pictures, None, o, 0), None, o) for o in (standard, fitted)]
    torch.testing.assert_close(made[0], made[1], rtol=1e-3, atol=1e-3)


def test_projection_comes_nearer_with_steps(tmp_path: Path) -> None:
    family = make(tmp_path, latent=16, norm="none")
    networks, _ = train(family, 150)
    (batch,) = family.validation(Share())
    pictures = as_signal(batch)[0][:2]
    options = family.config.sample
    counted: list[int] = []
    far = family.project(networks, pictures, None, options, steps=0)
    near = family.project(networks, pictures, None, options, steps=40, advance=counted.append)
    assert len(counted) == 80
    with torch.no_grad():
        before = pyramid_distance(family.render(networks, far, None, options), pictures)
        after = pyramid_distance(family.render(networks, near, None, options), pictures)
    assert (after < before).all()
    assert after.mean() < 0.9 * before.mean()


def test_directions_are_those_in_which_codes_differ_most(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks = family.networks()
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(6, 6))[0]
    for _ in range(100):
        networks["model"]._fit(torch.randn(512, 6) * torch.tensor([4, 3, 2.2, 1.5, 1, 0.5]) @ axes.T + 1)  # type: ignore[operator]
    directions = family.directions(networks, 6)
    torch.testing.assert_close(directions @ directions.T, torch.eye(6), rtol=0, atol=1e-5)
    assert (directions @ axes).abs().diagonal().min() > 0.99
    with pytest.raises(UsageError, match="7 directions"):
        family.directions(networks, 7)


def test_preview_shows_samples_and_reconstructions(tmp_path: Path) -> None:
    family = make(tmp_path)
    networks, _ = train(family, 2)
    (tmp_path / "previews").mkdir()
    family.preview(networks, 2, tmp_path / "previews")
    sheet = Image.open(tmp_path / "previews" / "reconstructions" / "step-00000002.png")
    assert sheet.width == 6 * 34 + 2  # held-out pictures and reconstructions in pairs
    assert (tmp_path / "previews" / "step-00000002.png").exists()
