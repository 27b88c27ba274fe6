"""The trained network of style transfer: its losses against formulas, strips against the whole, training, and its use."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from artgen.config import load_config, validate
from artgen.data.cache import cache_folder
from artgen.engine.optimizers import build_optimizers
from artgen.errors import UsageError
from artgen.families.base import Share
from artgen.families.style_fast.config import SEEN, FastModelConfig, StyleFastConfig, StyleSampleConfig
from artgen.families.style_fast.discriminator import PatchDiscriminator
from artgen.families.style_fast.family import StyleFast
from artgen.families.style_fast.network import StyleNet, Wanted, noise_shape, without_detail
from artgen.families.style_fast.painted import painted
from artgen.families.style_fast.paintings import recolored
from artgen.families.style_fast.strips import paint
from artgen.style.color import color_map, color_statistics, mixed_map, transfer_colors
from artgen.style.edges import Edges, edge_distance
from artgen.style.job import StyleImage, StyleJob
from artgen.style.loss import PatchLoss, PatchLossOptions, sliced_distance
from artgen.style.options import PatchOptions
from artgen.style.patch import patch
from artgen.style.sliced import directions
from tests.cli.helpers import Call
from tests.style.drawn import edge_gradient
from tests.style.toy_network import drawn_squeezenet, save_npz, spot, stripes

MODEL: dict[str, Any] = {"width": 16, "blocks": 2, "noise": 2}
STYLE: dict[str, Any] = {"size": 96, "strokes": 8, "levels": 2, "projections": 16}


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(monkeypatch, capsys)


def save(path: Path, picture: Tensor) -> Path:
    """Writes [3, h, w], 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
    return path


def photos(folder: Path, n: int = 8) -> Path:
    for i in range(n):
        save(folder / f"{i}.png", (spot(40, 40).roll((3 * i, 5 * i), (1, 2)) + 0.02 * i).clamp(0, 1))
    return folder


def make(folder: Path, *paintings: Path, loss: str = "patch", **changes: Any) -> StyleFast:
    raw = {
        "data": {"path": [str(photos(folder / "photos"))], "size": 32},
        "style": {**STYLE, "image": [str(path) for path in paintings], "loss": loss, **changes.pop("style", {})},
        "model": MODEL,
        "train": {"batch_size": 4},
        "device": {"precision": "32"},
        **changes,
    }
    return StyleFast.prepare(validate(StyleFastConfig, raw, where="test.yaml"), folder / "data")


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    return save(tmp_path / "painting.png", stripes(72, 96))


def network(n_styles: int = 1, **model: Any) -> StyleNet:
    """One whose every number matters: as if it had been trained."""
    net = StyleNet(FastModelConfig(**{**MODEL, **model}), n_styles)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    return net.eval().requires_grad_(False)


def wanted(*mix: float, content: float = 0.5) -> Wanted:
    return Wanted(torch.tensor([mix or (1.0,)]), torch.tensor([content]))


def drawn_noise(height: int, width: int, channels: int = 2) -> Tensor:
    return torch.randn(noise_shape(channels, height, width), generator=torch.Generator().manual_seed(1))


# ---------------------------------------------------------------- losses


def test_the_sliced_distance_is_that_of_sorted_projections() -> None:
    maps = torch.rand(2, 2, 7, 6, dtype=torch.float64)
    vectors = torch.rand(20, 18, dtype=torch.float64)  # as many as there are patches
    made = sliced_distance(maps, vectors, 3, 5, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    along = directions(5, 18, generator).double()
    drawn = vectors[torch.randint(20, (20,), generator=generator)]
    for picture, found in zip(maps, made, strict=True):
        patches = [picture[:, y : y + 3, x : x + 3].reshape(-1) for y in range(5) for x in range(4)]
        total = 0.0
        for direction in along:
            ours = sorted(float(direction @ patch) for patch in patches)
            theirs = sorted(float(direction @ vector) for vector in drawn)
            total += sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True)) / 20 / 5
        assert float(found) == pytest.approx(total, rel=1e-6)


def test_the_gradient_of_the_sliced_distance_moves_patches_to_where_transport_brings_them() -> None:
    maps = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    vectors = torch.rand(16, 9, dtype=torch.float64)

    def distance(x: Tensor) -> Tensor:
        return sliced_distance(x, vectors, 3, 4, torch.Generator().manual_seed(0)).sum()

    assert torch.autograd.gradcheck(distance, (maps,))


def test_large_maps_are_seen_on_a_grid_with_the_same_distance() -> None:
    painting = stripes(160, 160)
    vectors = nn.functional.unfold(painting[None], 5)[0].T
    far = spot(150, 150)[None]
    seen = [float(sliced_distance(far, vectors, 5, 64, torch.Generator().manual_seed(seed))) for seed in range(3)]
    part = float(sliced_distance(far[:, :, 40:108, 40:108], vectors, 5, 64, torch.Generator().manual_seed(0)))
    assert max(seen) < 1.5 * min(seen)
    own = float(sliced_distance(painting[None, :, 3:140, 3:140], vectors, 5, 64, torch.Generator().manual_seed(0)))
    assert own < 0.02 * min(*seen, part)


def test_the_edge_distance_has_the_gradient_of_the_edges_of_one_picture() -> None:
    pictures, layout = torch.rand(2, 3, 6, 7, requires_grad=True), torch.rand(2, 3, 6, 7)
    (found,) = torch.autograd.grad(edge_distance(pictures, layout).sum(), pictures)
    for i in range(2):
        expected = edge_gradient(Edges(layout[i], seamless=False, weight=1.0), pictures[i].detach())
        assert torch.allclose(found[i], expected, atol=1e-6)
    assert edge_distance(layout + 0.2, layout).abs().max() < 1e-8, "only differences count"


def test_each_picture_is_compared_with_its_own_style() -> None:
    one, other = stripes(64, 64), stripes(64, 64, angle=-0.7, colours=(0.1, 0.9, 0.3))
    loss = PatchLoss([one, other], PatchLossOptions(levels=2, strokes=8, projections=32))
    pictures = torch.stack([one, other, one])
    generator = torch.Generator().manual_seed(0)
    right, _ = loss(pictures, [0, 1, 0], pictures, generator)
    wrong, edges = loss(pictures, [1, 0, 1], pictures, generator)
    assert bool((right < 0.5 * wrong).all())
    assert torch.equal(edges, torch.zeros(3))


def test_strokes_are_seen_where_patches_are_not_asked() -> None:
    style, picture = stripes(64, 64), spot(48, 48)[None]
    found = []
    for weight in (0.0, 0.01):
        loss = PatchLoss([style], PatchLossOptions(levels=1, strokes=8, stroke_weight=weight))
        found.append(float(loss(picture, [0], picture, torch.Generator().manual_seed(0))[0]))
    assert found[1] > found[0] * 1.01


# ---------------------------------------------------------------- the network


def test_it_begins_with_colours_alone() -> None:
    x = torch.rand(2, 3, 32, 40)
    both = Wanted(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([0.5, 1.0]))
    made = StyleNet(FastModelConfig(**MODEL), 2)(x, torch.randn(2, 2, 8, 10), both)
    assert torch.equal(made, without_detail(x))
    assert made.diff(dim=3).abs().mean() < 0.3 * x.diff(dim=3).abs().mean()
    even = torch.full((1, 3, 16, 16), 0.3)
    assert torch.allclose(without_detail(even), even) and torch.allclose(without_detail(even, wrap=True), even)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize(("height", "width", "pixels"), [(64, 48, 1), (60, 20, 400), (132, 64, 64 * 40), (16, 16, 1 << 20)])
def test_a_picture_in_strips_is_the_picture_as_a_whole(height: int, width: int, pixels: int, wrap: bool) -> None:
    net, content, noise = network(), torch.rand(3, height, width), drawn_noise(height, width)
    whole = net(content[None], noise[None], wanted(), wrap)[0].clamp(0, 1)
    told: list[tuple[int, int]] = []
    made = paint(net, content, torch.clone, noise, wanted(), wrap, lambda done, of, _: told.append((done, of)), pixels)
    assert torch.allclose(made, whole, atol=1e-5)
    assert (made - content).abs().mean() > 0.02
    assert [done for done, _ in told] == sorted(done for done, _ in told) and told[-1][0] == told[-1][1]


def test_a_seamless_picture_goes_on_over_its_borders() -> None:
    net, content, noise = network(), torch.rand(3, 32, 40), drawn_noise(32, 40)
    made = paint(net, content, torch.clone, noise, wanted(), wrap=True)
    moved = paint(net, content.roll((8, -12), (1, 2)), torch.clone, noise.roll((2, -3), (1, 2)), wanted(), wrap=True)
    assert torch.allclose(moved, made.roll((8, -12), (1, 2)), atol=1e-5)


def test_styles_are_mixed_by_their_gains_and_shifts() -> None:
    """The network of two styles, mixed, is that of one whose tables are the mean of theirs."""
    two, one = network(2), network(1)
    share = torch.tensor([[0.25, 0.75]])
    state = {name: (share @ value if name.endswith(TABLES) else value) for name, value in two.state_dict().items()}
    one.load_state_dict(state)
    x, noise = torch.rand(1, 3, 32, 32), torch.randn(1, 2, 8, 8)
    mixed = two(x, noise, wanted(0.25, 0.75, content=0.9))
    assert torch.allclose(mixed, one(x, noise, wanted(content=0.9)), atol=1e-5)
    assert not torch.allclose(mixed, two(x, noise, wanted(1, 0, content=0.9)), atol=1e-3)


TABLES = ("gain", "shift", "gain_slope", "shift_slope")


def test_tables_of_styles_are_not_orthogonalised() -> None:
    net = StyleNet(FastModelConfig(**MODEL), 3)
    config = validate(StyleFastConfig, {}, "test").train.optimizer.model_copy(update={"name": "muon"})
    _, muon = build_optimizers(config, [net])
    hidden = {id(p) for group in muon.param_groups for p in group["params"]}
    assert {name for name, p in net.named_parameters() if p.ndim > 1 and id(p) not in hidden} == {
        name for name, _ in net.named_parameters() if name.endswith(TABLES) or name == "tail_3.weight"
    }


def test_colours_are_those_of_colour_transfer() -> None:
    content, styles = spot(40, 50), [stripes(30, 30), spot(20, 30).flip(0)]
    change = mixed_map(color_statistics(content), [color_statistics(style) for style in styles], [0.3, 0.7])
    expected = transfer_colors(content, [StyleImage(styles[0], 0.3), StyleImage(styles[1], 0.7)])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(recolored(content, change), expected, atol=1e-6)


# ---------------------------------------------------------------- training


def train(family: StyleFast, steps: int, lr: float = 5e-3) -> tuple[dict[str, nn.Module], list[float]]:
    """The networks, and the held-out loss before and after."""
    networks = family.networks()
    optimizer = torch.optim.Adam(networks["model"].parameters(), lr=lr)
    scores = []
    for step in range(steps + 1):
        if step in (0, steps):
            parts = [family.score(networks, batch) for batch in family.validation(Share())]
            scores.append(float(sum(total for total, _ in parts) / sum(count for _, count in parts)))
        torch.manual_seed(step)
        loss = family.loss(networks, family.batch(step, Share()), step).value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return networks, scores


def test_it_learns_the_style(tmp_path: Path, painting: Path) -> None:
    _, (before, after) = train(make(tmp_path, painting), 60)
    assert after < 0.6 * before


def test_the_content_strength_weighs_the_content_in_training(tmp_path: Path, painting: Path) -> None:
    """As `--content` does in the method without weights: sixteen times as much at `exact`, a sixteenth at `hint`."""
    hint, normal, exact = make(tmp_path, painting)._content_weight(torch.tensor([0.0, 0.5, 1.0])).tolist()
    assert exact / normal == pytest.approx(16) and normal / hint == pytest.approx(16)


@pytest.mark.parametrize("loss", ["gram", "moments", "sliced"])
def test_it_learns_through_a_network(tmp_path: Path, painting: Path, loss: str) -> None:
    weights = save_npz(tmp_path / "weights.npz", drawn_squeezenet().state_dict())
    family = make(tmp_path, painting, loss=loss, style={"weights": str(weights), "tv_weight": 0.0})
    _, (before, after) = train(family, 5)
    assert after < before
    assert family.of.weights


def test_a_batch_is_the_same_however_it_is_shared(tmp_path: Path, painting: Path) -> None:
    family = make(tmp_path, painting, save(tmp_path / "other.png", spot(80, 80)))
    whole, halves = family.batch(5, Share()), [family.batch(5, Share(i, 2)) for i in range(2)]
    for name in ("layout", "styles", "content", "noise"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(half, name) for half in halves]))
    assert sorted(whole.styles.tolist()) == [0, 0, 1, 1], "each style has its share"
    assert not torch.equal(family.batch(6, Share()).noise, whole.noise)


# ---------------------------------------------------------------- learning from what was painted


def quickly_painted(photograph: Any, painting: Tensor) -> Any:
    """In place of `--method patch`, which takes its time: the painting's middle, as light as the photograph."""
    side = len(photograph)
    top, left = (painting.shape[1] - side) // 2, (painting.shape[2] - side) // 2
    strokes = F.pad(painting, (40, 40, 40, 40), "reflect")[:, top + 40 : top + 40 + side, left + 40 : left + 40 + side]
    return (photograph // 8 + (strokes * 223).byte().permute(1, 2, 0).numpy()).astype(np.uint8)


@pytest.fixture
def _quick_painter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artgen.families.style_fast.painted.painted", quickly_painted)


def make_painted(folder: Path, *paintings: Path, **style: Any) -> StyleFast:
    data = {"path": [str(photos(folder / "photos"))], "size": 80}
    model = {**MODEL, "discriminator_width": 8}
    return make(folder, *paintings, loss="painted", data=data, model=model, style={"painted": 3, "crop": 76, **style})


def test_a_logit_sees_a_part_of_the_picture_and_of_its_layout() -> None:
    judge = PatchDiscriminator(4, 2)
    pictures, layout = torch.rand(2, 3, 120, 76, requires_grad=True), torch.rand(2, 3, 120, 76, requires_grad=True)
    logits = judge(pictures, layout, torch.tensor([0, 1]))
    small = SEEN // 2
    fine, coarse = (120 - small) // 8 + 1, (60 - small) // 8 + 1
    assert logits.shape == (2, fine * ((76 - small) // 8 + 1) + coarse)
    for seen in torch.autograd.grad(logits[0, 0], [pictures, layout], retain_graph=True):
        assert (seen[0].abs().sum(dim=0) > 0).nonzero().max(dim=0).values.tolist() == [small - 1, small - 1]
        assert not seen[1].any()
    (seen,) = torch.autograd.grad(logits[0, -coarse], pictures)
    assert (seen[0].abs().sum(dim=0) > 0).nonzero().max(dim=0).values.tolist() == [SEEN - 1, SEEN - 1]
    with torch.no_grad():
        other = judge(pictures, layout, torch.tensor([1, 1]))
    assert torch.equal(other[1], logits[1]) and not torch.allclose(other[0], logits[0]), "each style has its own last layer"


def test_what_was_painted_goes_with_its_picture(tmp_path: Path, painting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut and mirrored like it, and by the painting whose number the batch has."""
    random = np.random.default_rng(0)
    anything = lambda photograph, _: random.integers(0, 256, photograph.shape, dtype=np.uint8)  # noqa: E731
    monkeypatch.setattr("artgen.families.style_fast.painted.painted", anything)
    other = save(tmp_path / "other.png", spot(80, 80))
    family = make_painted(tmp_path, painting, other)
    training = family._training
    assert training.painted is not None and training.painted.shape == (2, 3, 80, 80, 3)
    batch = family.batch(3, Share())
    assert batch.painted.shape == batch.layout.shape == (4, 3, 76, 76)
    pixels = torch.from_numpy(training.painted).permute(0, 1, 4, 2, 3).float() / 255
    for layout, target, style in zip(batch.layout, batch.painted, batch.styles.tolist(), strict=True):
        where = []
        for number in range(3):
            for whole, mirrored in ((pixels[style, number], False), (pixels[style, number].flip(2), True)):
                for top, left in product(range(5), range(5)):
                    if torch.equal(whole[:, top : top + 76, left : left + 76], target):
                        where.append((number, mirrored, top, left))
        ((number, mirrored, top, left),) = where
        photo = torch.from_numpy(training.learned_from[number]).permute(2, 0, 1).float() / 255
        photo = photo.flip(2) if mirrored else photo
        change = color_map(color_statistics(photo), family.of.paintings[style].colors())
        assert torch.allclose(recolored(photo, change)[:, top : top + 76, left : left + 76], layout, atol=1e-5)
    whole, halves = family.batch(5, Share()), [family.batch(5, Share(i, 2)) for i in range(2)]
    for name in ("layout", "painted", "styles", "content", "noise"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(half, name) for half in halves]))


def test_what_was_painted_is_kept(
    tmp_path: Path, painting: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("artgen.families.style_fast.painted.painted", quickly_painted)
    first = make_painted(tmp_path, painting)._training.painted
    assert "painting 3 pictures to learn from" in capsys.readouterr().err
    kept = sorted((cache_folder() / "painted").iterdir())
    assert len(kept) == 3
    kept[0].write_bytes(b"cut off")
    again = make_painted(tmp_path, painting)._training.painted
    assert "painting 1 picture to learn from" in capsys.readouterr().err, "what is damaged is painted again"
    assert first is not None and again is not None and np.array_equal(first, again)

    def fails(*_: Any) -> None:
        raise AssertionError("painted again")

    monkeypatch.setattr("artgen.families.style_fast.painted.painted", fails)
    make_painted(tmp_path, painting)
    with pytest.raises(AssertionError, match="painted again"):
        make_painted(tmp_path, painting, size=100)


def softplus(logits: Tensor) -> Tensor:
    return logits.detach().double().exp().add(1).log()


def test_it_is_the_method_patch_that_paints(painting: Path) -> None:
    pixels = torch.from_numpy(np.asarray(Image.open(painting)).copy()).permute(2, 0, 1) / 255
    photograph = (spot(48, 48) * 255).round().byte()
    made = painted(photograph.permute(1, 2, 0).numpy(), pixels)
    expected = patch(StyleJob(photograph / 255, [StyleImage(pixels)]), PatchOptions())
    assert np.array_equal(made, (expected * 255).round().byte().permute(1, 2, 0).numpy())


@pytest.mark.usefixtures("_quick_painter")
def test_the_losses_of_the_two_networks(tmp_path: Path, painting: Path) -> None:
    family = make_painted(tmp_path, painting)
    networks, batch = family.networks(), family.batch(1, Share())
    assert set(networks) == {"model", "discriminator"} and [phase.trains for phase in family.phases()] == [
        ("model",),
        ("discriminator",),
    ]
    networks["model"] = network(width=16)
    judge = cast(PatchDiscriminator, networks["discriminator"])
    made = family._made(networks, batch)
    on_made, on_painted = judge(made, batch.layout, batch.styles), judge(batch.painted, batch.layout, batch.styles)
    found = family.discriminator_loss(networks, batch, 1)  # no penalty at this step
    expected = softplus(-on_painted).mean() + softplus(on_made).mean()
    assert found.value.item() == pytest.approx(float(expected), rel=1e-5) and "r1" not in found.figures
    painted = batch.painted.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(judge(painted, batch.layout, batch.styles).sum(), painted)
    penalty = gradient.double().square().sum() / len(painted) / on_painted.shape[1]
    with_it = family.discriminator_loss(networks, batch, 8)
    assert float(with_it.figures["r1"]) == pytest.approx(float(penalty), rel=1e-4)
    assert with_it.value.item() == pytest.approx(float(expected + 0.002 / 2 * 8 * penalty), rel=1e-4)

    ours = family.painted_loss(networks, batch, 1)
    fooled = softplus(-on_made).mean()
    cells = [each[:, :, :64, :64].reshape(4, 3, 4, 16, 4, 16).mean(dim=(3, 5)) for each in (made, batch.painted)]
    tone = (cells[0] - cells[1]).square().mean()
    edges = (0.1 * 16 ** (2 * batch.content - 1) * edge_distance(made, batch.layout, levels=3)).mean()
    assert ours.value.item() == pytest.approx(float((fooled + 6 * tone + edges).detach()), rel=1e-4)


@pytest.mark.usefixtures("_quick_painter")
def test_it_learns_to_paint(tmp_path: Path, painting: Path) -> None:
    """The held-out loss is by the painting's patches, which the two networks are not trained on."""
    family = make_painted(tmp_path, painting)
    networks = family.networks()
    optimizers = [torch.optim.AdamW(networks[name].parameters(), lr=2e-3, betas=(0.5, 0.99)) for name in networks]
    scores = []
    for step in range(61):
        if step in (0, 60):
            parts = [family.score(networks, batch) for batch in family.validation(Share())]
            scores.append(float(sum(total for total, _ in parts) / sum(count for _, count in parts)))
        for phase, optimizer in zip(family.phases(), optimizers, strict=True):
            optimizer.zero_grad()
            phase.loss(networks, family.batch(step, Share()), step).value.backward()
            optimizer.step()
    assert scores[1] < 0.8 * scores[0]


def test_parts_that_are_too_small_to_judge(tmp_path: Path, painting: Path) -> None:
    with pytest.raises(UsageError, match=r"style.crop: 64 is too small for style.loss=painted, expected at least 76"):
        make_painted(tmp_path, painting, crop=64)
    with pytest.raises(UsageError, match=r"data.size: 32 is too small"):
        make(tmp_path, painting, loss="painted")
    with pytest.raises(UsageError, match=r"style.crop: 78 is no multiple of 4"):
        make_painted(tmp_path, painting, crop=78)


# ---------------------------------------------------------------- painting


def test_what_a_job_asks_of_a_run(tmp_path: Path, painting: Path) -> None:
    family = make(tmp_path, painting, save(tmp_path / "other.png", spot(80, 80)))
    networks: dict[str, nn.Module] = {"model": network(2)}
    content = spot(37, 50)  # no multiples of 4

    def made(mix: str | None = None, **job: Any) -> Tensor:
        options = validate(StyleSampleConfig, {"mix": mix}, "test")
        return family.stylize(networks, StyleJob(content, [], **job), options)

    plain = made()
    assert plain.shape == content.shape and plain.isfinite().all()
    assert torch.equal(made(), plain) and torch.equal(made("1, 0"), plain) and torch.equal(made("2,0"), plain)
    assert not torch.equal(made("0.5,0.5"), plain)
    assert not torch.equal(made(seed=1), plain), "another seed, other noise"
    assert torch.equal(made(strength=0.0), content)
    assert torch.allclose(made(strength=0.25), content.lerp(plain, 0.25))
    assert not torch.allclose(made(content_strength=1.0), plain, atol=1e-3)
    assert made(seamless=True).shape == content.shape
    with pytest.raises(UsageError, match="--steps"):
        made(steps=5)
    with pytest.raises(UsageError, match=r"mix: 1 weight, expected 2, one for each .*painting.png, other.png"):
        made("1")


def test_the_run_keeps_no_pixel_of_the_painting(tmp_path: Path, painting: Path) -> None:
    family = make(tmp_path, painting)
    folder = tmp_path / "run"
    folder.mkdir()
    family.save_data(folder)
    assert [path.name for path in folder.iterdir()] == ["styles.json"] and (folder / "styles.json").stat().st_size < 1000
    painting.unlink()
    opened = StyleFast.open(family.config, folder)
    job = StyleJob(spot(32, 32), [])
    networks: dict[str, nn.Module] = {"model": network()}
    assert torch.equal(opened.stylize(networks, job, StyleSampleConfig()), family.stylize(networks, job, StyleSampleConfig()))


# ---------------------------------------------------------------- what is wrong


def test_paintings_that_are_none(tmp_path: Path, painting: Path) -> None:
    def refused(*paintings: Path, **changes: Any) -> str:
        with pytest.raises(UsageError) as caught:
            make(tmp_path, *paintings, **changes)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "style.image: names no painting" in refused()
    assert "missing.png: no such file" in refused(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("no picture")
    assert "text.png: is not a picture" in refused(tmp_path / "text.png")
    assert "has 80 x 20 pixels" in refused(save(tmp_path / "small.png", spot(20, 80)))
    assert "at style.size 96" in refused(save(tmp_path / "long.png", spot(64, 800)))
    Image.new("RGBA", (80, 80), (255, 0, 0, 100)).save(tmp_path / "clear.png")
    assert "transparent" in refused(tmp_path / "clear.png")
    Image.new("L", (80, 80), 90).save(tmp_path / "grey.png")
    assert make(tmp_path, tmp_path / "grey.png").n_styles == 1
    assert "expected a file with the weights" in refused(painting, loss="gram")
    assert "patch needs none" in refused(painting, style={"weights": "some.pth"})
    assert "none.pth: cannot be read" in refused(painting, loss="gram", style={"weights": str(tmp_path / "none.pth")})
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    assert "other.pth" in refused(painting, loss="gram", style={"weights": str(tmp_path / "other.pth")})
    assert "nowhere" in refused(painting, data={"path": [str(tmp_path / "nowhere")], "size": 32})
    assert "data.size: 33 does not fit" in refused(painting, data={"size": 33})


def test_a_continued_run_keeps_its_painting(tmp_path: Path, painting: Path) -> None:
    (tmp_path / "data").mkdir()
    make(tmp_path, painting).save_data(tmp_path / "data")
    moved = Path(shutil.copy(painting, tmp_path / "moved.png"))
    assert make(tmp_path, moved).n_styles == 1
    with pytest.raises(UsageError, match=r"begun with painting.png, and .*other.png is another"):
        make(tmp_path, save(tmp_path / "other.png", spot(80, 80)))
    save(tmp_path / "photos" / "more.png", stripes(40, 40))
    with pytest.raises(UsageError, match="pictures are not those"):
        make(tmp_path, painting)


# ---------------------------------------------------------------- the command line


def test_from_a_painting_to_a_painted_photograph(
    call: Call, tmp_path: Path, painting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos")
    recipe = Path(__file__).parents[2] / "configs" / "style" / "fast.yaml"
    changes = [f"style.{key}={value}" for key, value in STYLE.items()] + [
        f"model.{key}={value}" for key, value in MODEL.items()
    ]
    changes += [
        "style.image=painting.png",
        "data.size=80",
        "style.crop=76",
        "style.painted=2",
        "train.steps=4",
        "device.precision=32",
        "device.threads=1",
    ]
    changes += ["train.validate_every=2", "train.preview_every=2"]
    sets = [part for change in changes for part in ("--set", change)]
    trained = call("train", recipe, *sets, "--data", "photos", "--out", "run", "--device", "cpu")
    assert trained.status == 0, trained.err
    assert "next: artgen style-transfer PHOTO run -o out.png" in trained.out
    config: Any = load_config(tmp_path / "run" / "config.yaml")
    assert config.style.image == [str(painting)]
    with Image.open(tmp_path / "run" / "previews" / "step-00000004.png") as sheet:
        assert sheet.width > 2 * 80
    assert "style.fast" in call("show", "run").out

    save(tmp_path / "photo.png", spot(90, 70))
    made = call("style-transfer", "photo.png", "run", "-o", "out.png", "--seed", 1, "--json", "--device", "cpu")
    assert made.status == 0, made.err
    assert json.loads(made.out)["pictures"][0]["width"] == 70
    assert call("reproduce", "out.png", "-o", "again.png").status == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert call("style-transfer", "photos", "run", "-o", "all/", "--device", "cpu").status == 0
    assert len(list((tmp_path / "all").iterdir())) == 8
    large = call(
        "style-transfer", "photo.png", "run", "-o", "l.png", "--size", 260, "--tile", "--set", "mix=1", "--device", "cpu"
    )
    assert large.status == 0, large.err
    pixels = np.asarray(Image.open(tmp_path / "l.png"))
    assert pixels.shape == (260, 202, 3) and pixels.std() > 5

    assert "artgen style-transfer PHOTO run -o out.png" in call.refused("sample", "run", "-o", "x.png")
    assert "--steps 3: run is a run" in call.refused("style-transfer", "photo.png", "run", "-o", "x.png", "--steps", 3)
    assert "--style-scale 2.0: run is a run" in call.refused(
        "style-transfer", "photo.png", "run", "-o", "x.png", "--style-scale", 2
    )
    assert "mix: 2 weights" in call.refused("style-transfer", "photo.png", "run", "-o", "x.png", "--set", "mix=1,2")
    assert "at least one" in call.refused("style-transfer", "photo.png", "run", "-o", "x.png", "--set", "mix=0")
