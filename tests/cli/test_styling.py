"""`artgen style-transfer` on one picture, with methods that can be computed by hand."""

from __future__ import annotations

import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artgen.cli.style_inputs import opaque_part
from artgen.cli.style_request import parse_content_strength, parse_style
from artgen.errors import UsageError
from artgen.files import sha256_of
from artgen.media.reading import read_recipe
from tests.cli import toy_style
from tests.cli.helpers import Call
from tests.cli.toy_style import SEEN, SIZE, ToyNetwork, make_run, photo, pixels, plain, settle


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settle(monkeypatch, tmp_path)
    plain(Path("blue.png"), (20, 40, 220))
    return tmp_path


def transfer(call: Call, *arguments: object, content: object = "c.png", styles: tuple[object, ...] = ("red.png",)) -> Any:
    """What the call tells programs."""
    said = call("style-transfer", content, *styles, "-o", "o.png", "--seed", 3, "--json", *arguments)
    assert said.status == 0, said.err
    return json.loads(said.out)


def noise(seed: int = 3, size: int = SIZE) -> np.ndarray:
    """What the toy method adds, [height, width, 3], 0 to 255."""
    made = torch.rand((3, size, size), generator=torch.Generator().manual_seed(seed)) / 50
    return made.permute(1, 2, 0).numpy() * 255


# ---------------------------------------------------------------- what the method is given


def test_what_is_not_said_is_the_default(call: Call) -> None:
    transfer(call)
    (job,) = SEEN
    content = torch.from_numpy(pixels(Path("c.png")).astype(np.float32) / 255).permute(2, 0, 1)
    assert torch.allclose(job.content, content, atol=1e-6)
    assert (job.content_strength, job.strength, job.seed, job.steps, job.seamless) == (0.5, 1.0, 3, None, False)
    assert job.init is None and job.styles[0].region is None and job.styles[0].weight == 1


def test_all_controls_reach_the_method(call: Call) -> None:
    plain(Path("start.png"), (10, 20, 30), 2 * SIZE, 2 * SIZE)
    told = ["--content", "close", "--strength", 0.25, "--steps", 9, "--tile", "--init", "start.png", "--set", "lift=0.125"]
    made = transfer(call, *told, styles=("red.png:2", "blue.png:0.5"))
    (job,) = SEEN
    assert (job.content_strength, job.strength, job.steps, job.seamless) == (0.75, 0.25, 9, True)
    assert job.weights == [0.8, 0.2]
    assert job.init is not None and torch.allclose(
        job.init, torch.tensor([10, 20, 30])[:, None, None] / 255 + torch.zeros_like(job.content)
    )
    assert made["options"]["method_options"]["lift"] == 0.125
    mixed = 0.8 * np.array([200, 40, 20]) + 0.2 * np.array([20, 40, 220])
    expected = pixels(Path("c.png")) * 0.75 + mixed * 0.25 + 255 / 8 + noise()
    assert np.abs(pixels(Path("o.png")) - expected.clip(0, 255)).max() <= 1


@pytest.mark.parametrize("word", ["content", "noise"])
def test_it_begins_from_what_is_named(call: Call, word: str) -> None:
    transfer(call, "--init", word)
    (job,) = SEEN
    assert job.init is not None
    if word == "content":
        assert torch.equal(job.init, job.content)
    else:
        assert torch.equal(job.init, torch.rand(job.content.shape, generator=torch.Generator().manual_seed(3)))


def test_size_is_the_longest_side_and_strokes_are_scaled_with_it(call: Call) -> None:
    photo(Path("wide.png"), 96, 64)
    plain(Path("tall.png"), (9, 9, 9), 30, 60)
    made = transfer(call, "--size", 72, "--style-scale", 0.5, content="wide.png", styles=("tall.png",))
    (job,) = SEEN
    assert job.content.shape == (3, 48, 72)
    assert job.styles[0].pixels.shape == (3, 36, 18)
    assert pixels(Path("o.png")).shape == (48, 72, 3)
    assert (made["pictures"][0]["width"], made["pictures"][0]["height"]) == (72, 48)


def test_a_large_photo_becomes_512_and_is_told_so_unless_a_size_is_asked_for(call: Call) -> None:
    plain(Path("large.png"), (90, 90, 90), 600, 300)
    said = call("style-transfer", "large.png", "red.png", "-o", "o.png")
    assert "large.png has 600 x 300 pixels" in said.err and "--size 600" in said.err
    assert pixels(Path("o.png")).shape == (256, 512, 3)
    said = call("style-transfer", "large.png", "red.png", "-o", "o2.png", "--size", 300)
    assert "600 x 300" not in said.err
    assert pixels(Path("o2.png")).shape == (150, 300, 3)


def test_a_style_that_is_enlarged_much_is_told(call: Call) -> None:
    plain(Path("small.png"), (9, 9, 9), 20, 20)
    assert "its strokes will be soft" in call("style-transfer", "c.png", "small.png", "-o", "o.png").err


# ---------------------------------------------------------------- names and numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.jpg", ("a.jpg", 1)),
        ("a.jpg:2", ("a.jpg", 2)),
        ("a.jpg:0.5", ("a.jpg", 0.5)),
        (r"C:\art\a.jpg", (r"C:\art\a.jpg", 1)),
        (r"C:\art\a.jpg:3", (r"C:\art\a.jpg", 3)),
        ("at 12:30 noon.jpg", ("at 12:30 noon.jpg", 1)),
        ("at 12:30:4", ("at 12:30", 4)),
        (":2", (":2", 1)),
        ("a.jpg:", ("a.jpg:", 1)),
    ],
)
def test_weights_of_styles(text: str, expected: tuple[str, float]) -> None:
    assert parse_style(text) == expected


def test_a_file_whose_name_ends_like_a_weight_is_the_file() -> None:
    Path("odd:2").write_bytes(b"x")
    assert parse_style("odd:2") == ("odd:2", 1)
    assert parse_style("odd:2:5") == ("odd:2", 5)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf"])
def test_a_weight_must_be_above_0(weight: str) -> None:
    with pytest.raises(UsageError, match="expected a number above 0"):
        parse_style(f"a.jpg:{weight}")


def test_content_strength_in_words_and_numbers() -> None:
    words = ("hint", "loose", "normal", "close", "exact")
    assert [parse_content_strength(word) for word in words] == [0, 0.25, 0.5, 0.75, 1]
    assert parse_content_strength("0.3") == 0.3
    for wrong, said in (("lose", "did you mean 'loose'"), ("1.5", "0 (a hint"), ("nan", "0 (a hint"), ("-1", "0 (a hint")):
        with pytest.raises(UsageError) as error:
            parse_content_strength(wrong)
        assert said in str(error.value)


# ---------------------------------------------------------------- masks


def test_outside_a_mask_the_photo_stays_and_its_border_is_soft(call: Call) -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, : SIZE // 2] = 255
    Image.fromarray(mask).save("m.png")
    transfer(call, "--mask", "m.png")
    (job,) = SEEN
    assert job.styles[0].region is not None and torch.equal(job.styles[0].region, torch.from_numpy(mask / 255).float())
    made, photo_ = pixels(Path("o.png")).astype(float), pixels(Path("c.png")).astype(float)
    assert (made[:, SIZE // 2 + 3 :] == photo_[:, SIZE // 2 + 3 :]).all()
    styled = np.array([200, 40, 20]) + noise()
    assert np.abs(made - styled)[:, : SIZE // 2 - 3].max() <= 1
    # In between the share of the style falls from column to column.
    share = ((made - photo_) / (styled - photo_ + 1e-9))[np.abs(styled - photo_) > 60].mean()
    assert 0.3 < share < 0.7
    row = np.abs(made - photo_).mean(axis=(0, 2)) / np.abs(styled - photo_).mean(axis=(0, 2))
    assert (np.diff(row[SIZE // 2 - 4 : SIZE // 2 + 4]) <= 0.01).all()


def test_each_style_has_its_mask(call: Call) -> None:
    left = np.zeros((SIZE, SIZE), np.uint8)
    left[:, : SIZE // 2] = 255
    Image.fromarray(left).save("left.png")
    Image.fromarray(255 - left).save("right.png")
    transfer(call, "--mask", "left.png", "--mask", "right.png", styles=("red.png", "blue.png"))
    (job,) = SEEN
    first, second = (style.region for style in job.styles)
    assert first is not None and second is not None
    assert torch.equal(first + second, torch.ones(SIZE, SIZE)) and bool((first[:, : SIZE // 2] == 1).all())
    # Both together are everywhere, so that nothing of the photo comes back.
    expected = np.array([110, 40, 120]) + noise()
    assert np.abs(pixels(Path("o.png")) - expected).max() <= 1


def test_a_mask_of_the_content_s_size_is_scaled_with_it(call: Call) -> None:
    photo(Path("c.png"), 96, 96)
    mask = np.zeros((96, 96), np.uint8)
    mask[:48] = 255
    Image.fromarray(mask).save("m.png")
    transfer(call, "--mask", "m.png", "--size", 48)
    region = SEEN[0].styles[0].region
    assert region is not None and region.shape == (48, 48)
    assert bool((region[:20] == 1).all()) and bool((region[28:] == 0).all())


# ---------------------------------------------------------------- colours, transparency, files


def test_colours_that_are_kept(call: Call) -> None:
    transfer(call, "--preserve-color", "statistics")
    made, photo_ = pixels(Path("o.png")).astype(float), pixels(Path("c.png")).astype(float)
    assert np.abs(made.mean(axis=(0, 1)) - photo_.mean(axis=(0, 1))).max() < 12
    transfer(call, "--preserve-color", "--force")
    hue = pixels(Path("o.png")).astype(float)
    # One lightness everywhere, and in each pixel the order of the photo's colours.
    sure = np.ptp(photo_, axis=-1) > 60
    assert (hue.argmax(axis=-1) == photo_.argmax(axis=-1))[sure].mean() > 0.95
    assert hue.mean(axis=-1).std() < photo_.mean(axis=-1).std()
    assert read_recipe(Path("o.png")).recipes[0].options["preserve_color"] == "luminance"


def test_transparency_stays(call: Call) -> None:
    photo(Path("c.png"), mode="RGBA")
    transfer(call)
    assert (pixels(Path("o.png"))[..., 3] == pixels(Path("c.png"))[..., 3]).all()
    said = call("style-transfer", "c.png", "red.png", "-o", "o.jpg")
    assert said.status == 0 and "transparen" in said.err


def test_pixels_that_cannot_be_seen_are_no_layout(call: Call) -> None:
    picture = np.full((SIZE, SIZE, 4), 255, np.uint8)
    picture[:, :, :3] = 100
    picture[:10] = (255, 0, 255, 0)
    Image.fromarray(picture).save("c.png")
    transfer(call)
    assert torch.allclose(SEEN[0].content, torch.tensor(100 / 255), atol=1e-5)


@pytest.mark.parametrize("name", ["o.png", "o.jpg", "o.webp", "o.tif"])
def test_every_kind_of_file_carries_its_recipe(call: Call, name: str) -> None:
    said = call("style-transfer", "c.png", "red.png:2", "-o", name, "--seed", 1)
    assert (said.status, said.out) == (0, f"{name}\n")
    shown = call("show", name)
    assert shown.status == 0, shown.err
    for words in ("style-transfer", "style.mean", "styles.1.path", "'red.png'", "styles.1.weight", "content.sha256"):
        assert words in shown.out


def test_16_bits_stay_16_bits(call: Call) -> None:
    deep = (np.arange(SIZE * SIZE, dtype=np.uint16) * 28).reshape(SIZE, SIZE)
    Image.fromarray(deep).save("deep.png")
    transfer(call, content="deep.png")
    data = Path("o.png").read_bytes()
    assert data[24] == 16  # bit depth in a PNG's header
    transfer(call, "--force")
    assert Path("o.png").read_bytes()[24] == 8


def test_a_grey_style_and_a_grey_content(call: Call) -> None:
    plain(Path("grey.png"), (80,))
    transfer(call, styles=("grey.png",))
    assert SEEN[0].styles[0].pixels.shape == (3, SIZE, SIZE)
    assert np.abs(pixels(Path("o.png")) - (80 + noise())).max() <= 1
    plain(Path("greyc.png"), (80,))
    transfer(call, "--force", content="greyc.png")
    assert pixels(Path("o.png")).shape == (SIZE, SIZE, 3)  # the style has colours


def test_transparent_parts_of_a_style_are_no_style(call: Call) -> None:
    picture = np.zeros((60, 80, 4), np.uint8)
    picture[..., 0] = 255
    picture[10:50, 20:70] = (0, 200, 0, 255)
    picture[10:20, 20:30, 3] = 0
    Image.fromarray(picture).save("cut.png")
    transfer(call, styles=("cut.png",))
    assert torch.allclose(SEEN[0].styles[0].pixels, torch.tensor([0, 200 / 255, 0])[:, None, None], atol=1e-4)


def test_the_largest_opaque_rectangle_against_all_rectangles() -> None:
    for seed in range(20):
        alpha = (np.random.default_rng(seed).random((7, 9)) > 0.25).astype(np.float32)
        areas = [
            (bottom - top) * (right - left)
            for top in range(7) for bottom in range(top + 1, 8) for left in range(9) for right in range(left + 1, 10)
            if alpha[top:bottom, left:right].all()
        ]  # fmt: skip
        top, bottom, left, right = opaque_part(alpha)
        assert alpha[top:bottom, left:right].all()
        assert (bottom - top) * (right - left) == max(areas)
    assert opaque_part(np.zeros((5, 5), np.float32)) == (0, 0, 0, 0)
    large = np.zeros((1000, 700), np.float32)
    large[100:900, 50:650] = 1
    top, bottom, left, right = opaque_part(large)
    assert large[top:bottom, left:right].all() and (bottom - top) * (right - left) > 0.97 * 800 * 600


# ---------------------------------------------------------------- recipes


def test_reproduce_makes_the_same_file(call: Call) -> None:
    photo(Path("start.png"), seed=5)
    plain(Path("m.png"), (255,))
    options = ["--mask", "m.png", "--init", "start.png", "--set", "lift=0.1", "--preserve-color"]
    transfer(call, *options)
    said = call("reproduce", "o.png")
    assert (said.status, "identical" in said.out) == (0, True), said
    assert Path("o-again.png").read_bytes() == Path("o.png").read_bytes()


@pytest.mark.parametrize("name", ["c.png", "red.png", "m.png", "start.png"])
def test_reproduce_says_which_input_has_changed_or_is_missing(call: Call, name: str) -> None:
    photo(Path("start.png"), seed=5)
    plain(Path("m.png"), (255,))
    transfer(call, "--mask", "m.png", "--init", "start.png")
    photo(Path(name), seed=9)
    assert f"{name}: is not the file" in call.refused("reproduce", "o.png")
    Path(name).unlink()
    assert f"{name}: no such file" in call.refused("reproduce", "o.png")
    assert not Path("o-again.png").exists()


def test_the_seed_is_told_and_makes_the_same_again(call: Call) -> None:
    said = call("style-transfer", "c.png", "red.png", "-o", "a.png")
    seed = said.err.split("--seed ")[1].split()[0]
    call("style-transfer", "c.png", "red.png", "-o", "b.png", "--seed", seed)
    call("style-transfer", "c.png", "red.png", "-o", "d.png", "--seed", int(seed) + 1)
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes() != Path("d.png").read_bytes()


# ---------------------------------------------------------------- preview, Ctrl-C


def test_ctrl_c_writes_what_there_is(call: Call) -> None:
    said = call("style-transfer", "c.png", "red.png", "-o", "o.png", "--seed", 1, "--set", "stop_at=2")
    assert (said.status, said.out) == (130, "o.png\n")
    assert said.err == "interrupted: o.png holds what there was at step 2 of 4\n"
    half = (pixels(Path("c.png")) + np.array([200.0, 40, 20])) / 2
    assert np.abs(pixels(Path("o.png")) - half).max() <= 1
    assert "2 of 4" in call("show", "o.png").out
    assert "was interrupted at step 2 of 4" in call.refused("reproduce", "o.png")


def test_a_preview_grows(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    real = toy_style.mean_style

    def slow(job: Any, options: Any, watch: Any) -> Any:
        def seen(done: int, of: int, picture: Any) -> None:
            watch(done, of, picture)
            if Path("p.png").exists():
                shares.append((done, float(pixels(Path("p.png"))[..., 0].mean())))

        return real(job, options, seen)

    monkeypatch.setattr(toy_style, "mean_style", slow)
    monkeypatch.setattr("artgen.cli.style_watch.PREVIEW_SECONDS", 0.0)
    monkeypatch.setattr("artgen.cli.style_watch.PREVIEW_SHARE", 1e9)
    transfer(call, "--preview", "p.png", "--steps", 3)
    begin, end = pixels(Path("c.png"))[..., 0].mean(), 200
    assert [done for done, _ in shares] == [1, 2, 3]
    assert shares[0][1] == pytest.approx(begin + (end - begin) / 3, abs=2)
    assert shares[1][1] == pytest.approx(begin + (end - begin) * 2 / 3, abs=2)
    assert Path("p.png").read_bytes() == Path("o.png").read_bytes()


def test_previews_are_rare(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 steps that take a moment the first is shown, and the last."""
    from artgen.cli import styling

    shown = []
    real = styling.encode_image
    monkeypatch.setattr(styling, "encode_image", lambda *told: shown.append(told) or real(*told))
    transfer(call, "--preview", "p.png", "--steps", 200)
    assert len(shown) == 1 and Path("p.png").exists()


def test_where_there_is_no_terminal_a_line_tells_now_and_then(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    said = call("style-transfer", "c.png", "red.png", "-o", "o.png")
    assert "step" not in said.err
    monkeypatch.setattr("artgen.cli.style_watch.LINE_SECONDS", -1.0)
    said = call("style-transfer", "c.png", "red.png", "-o", "o2.png", "--steps", 3)
    lines = [line for line in said.err.splitlines() if "step" in line]
    assert [line.split(",")[0] for line in lines] == ["o2.png: step 1 of 3", "o2.png: step 2 of 3"]
    assert all(line.endswith(" s left") for line in lines)


def test_a_preview_that_cannot_be_written_does_not_end_the_work(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from artgen.errors import ArtgenError

    def full(*_: object, **__: object) -> None:
        raise ArtgenError("p.png: cannot be written: No space left on device")

    monkeypatch.setattr("artgen.files.atomic_write", full)
    monkeypatch.setattr("artgen.cli.style_watch.PREVIEW_SECONDS", 0.0)
    said = call("style-transfer", "c.png", "red.png", "-o", "o.png", "--preview", "p.png")
    assert said.status == 0 and said.err.count("No space left") == 1


# ---------------------------------------------------------------- weights and runs


def test_a_run_in_place_of_a_style(call: Call) -> None:
    colour = make_run(Path("run"))
    made = transfer(call, "--set", "lift=0.05", styles=("run",))
    assert SEEN[0].styles == []
    expected = 255 * (colour.numpy() + 0.05)
    assert np.abs(pixels(Path("o.png")) - expected).max() <= 1
    assert made["method"] == "run"
    assert "style.toy" in call("show", "o.png").out
    said = call("reproduce", "o.png")
    assert said.status == 0, said
    shutil.move("run", "moved")
    assert "--run says where it is now" in call.refused("reproduce", "o.png", "-o", "x.png")
    assert call("reproduce", "o.png", "-o", "x.png", "--run", "moved").status == 0
    shutil.rmtree("moved")
    make_run(Path("moved"), seed=1)
    assert "has the weights" in call.refused("reproduce", "o.png", "-o", "y.png", "--run", "moved", status=1)


def test_a_mask_with_a_run(call: Call) -> None:
    colour = make_run(Path("run"))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:20] = 255
    Image.fromarray(mask).save("m.png")
    transfer(call, "--mask", "m.png", styles=("run",))
    made = pixels(Path("o.png"))
    assert np.abs(made[:17] - 255 * colour.numpy()).max() <= 1
    assert (made[23:] == pixels(Path("c.png"))[23:]).all()


def test_a_run_is_alone_and_of_a_style_family(call: Call) -> None:
    make_run(Path("run"))
    out = ["-o", "x.png"]
    assert "give it alone" in call.refused("style-transfer", "c.png", "run", "red.png", *out)
    assert "run is a run" in call.refused("style-transfer", "c.png", "run", "--method", "mean", *out)
    assert "run is a run" in call.refused("style-transfer", "c.png", "run", "--weights", "c.png", *out)
    assert "lfit: unknown key, did you mean 'lift'" in call.refused("style-transfer", "c.png", "run", "--set", "lfit=1", *out)
    assert "is for a run" in call.refused("style-transfer", "c.png", "red.png", "--checkpoint", "latest", *out)
    Path("other").mkdir()
    Path("other/config.yaml").write_text("family: image.gan")
    assert "is a run of image.gan" in call.refused("style-transfer", "c.png", "other", *out)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights files hold one number."""
    module = types.ModuleType("artgen.style.networks")
    module.load_style_network = lambda path, device: ToyNetwork(  # type: ignore[attr-defined]
        "Toy-1", sha256_of(path), float(path.read_text())
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_a_method_that_looks_through_a_network(call: Call, networks: None) -> None:
    Path("weights.npz").write_bytes(b"0.25")
    made = transfer(call, "--method", "lookup", "--weights", "weights.npz")
    assert np.abs(pixels(Path("o.png")) - 255 / 4).max() <= 1
    recipe = read_recipe(Path("o.png")).recipes[0]
    assert recipe.checkpoint == recipe.options["weights"]["sha256"] == sha256_of(Path("weights.npz"))
    assert f"weights.npz: Toy-1, SHA-256 {recipe.checkpoint}" in made["notes"]
    assert call("reproduce", "o.png").status == 0
    Path("weights.npz").write_bytes(b"0.5")
    assert "weights.npz: is not the file" in call.refused("reproduce", "o.png", "--force")


def test_weights_that_are_fetched(call: Call, networks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch() -> Path:
        Path("fetched.pth").write_bytes(b"0.75")
        return Path("fetched.pth")

    monkeypatch.setattr("artgen.style.download.fetch_vgg19", fetch)
    transfer(call, "--method", "lookup", "--download")
    assert np.abs(pixels(Path("o.png")) - 255 * 0.75).max() <= 1
    assert call("reproduce", "o.png").status == 0
