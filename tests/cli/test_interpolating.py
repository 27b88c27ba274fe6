"""`artgen interpolate`: the arc between latents, and the walk as video, animation and frames."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from artgen.cli.interpolating import PictureWalk, parse_seeds, slerp
from artgen.errors import UsageError
from artgen.media.reading import read_recipe
from tests.cli.helpers import Call
from tests.cli.toy_pictures import SIZE, install, make_run, pixels


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- the arc


@pytest.mark.parametrize("t", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_slerp_turns_by_equal_angles(t: float) -> None:
    a, b = np.array([2.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
    expected = [2 * math.cos(t * math.pi / 2), 2 * math.sin(t * math.pi / 2), 0]
    np.testing.assert_allclose(slerp(a, b, t), expected, atol=1e-15)


def test_slerp_keeps_the_length_and_divides_the_angle() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.normal(size=(2, 3, 5))
        b *= np.linalg.norm(a) / np.linalg.norm(b)
        t = rng.uniform()
        between = slerp(a, b, t)
        assert math.isclose(np.linalg.norm(between), np.linalg.norm(a), rel_tol=1e-12)
        whole = math.acos((a * b).sum() / np.linalg.norm(a) ** 2)
        part = math.acos((a * between).sum() / np.linalg.norm(a) ** 2)
        assert math.isclose(part, t * whole, rel_tol=1e-6)


def test_slerp_of_one_direction_is_the_straight_line() -> None:
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(slerp(a, 3 * a, 0.25), 1.5 * a)
    np.testing.assert_allclose(slerp(a, -a, 0.25), 0.5 * a)
    np.testing.assert_allclose(slerp(0 * a, a, 0.25), 0.25 * a)


def test_the_path_goes_from_seed_to_seed() -> None:
    walk = PictureWalk(seeds=[7, 8, 9], frames=2)
    assert walk.path() == [(0, 1, 0.0), (0, 1, 0.5), (1, 2, 0.0), (1, 2, 0.5), (2, 2, 0.0)]
    assert PictureWalk(seeds=[7, 8], frames=2, loop=True).path() == [(0, 1, 0.0), (0, 1, 0.5), (1, 0, 0.0), (1, 0, 0.5)]
    eased = [t for _, _, t in PictureWalk(seeds=[7, 8], frames=4, ease=True).path()]
    assert eased == [0.0, 0.15625, 0.5, 0.84375, 0.0]  # 3 t² - 2 t³


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,x", "--seeds 1,x: 'x' is not a seed, expected whole numbers"),
        ("1,-2", "'-2' is not a seed"),
        ("1.5,2", "'1.5' is not a seed"),
        ("1,,2", "'' is not a seed"),
        ("1,²", "'²' is not a seed"),
        (f"1,{2**63}", "is not a seed"),
        ("1", "--seeds 1: expected at least two"),
        ("", "is not a seed"),
    ],
)
def test_seeds_that_are_none(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_seeds(text)
    assert message in str(refused.value)
    assert parse_seeds(" 1, 2,03") == [1, 2, 3]


# ---------------------------------------------------------------- the walk


def test_frames_are_renderings_of_points_on_the_arc(call: Call) -> None:
    family, networks = make_run(Path("run"))
    said = call("interpolate", "run", "--seeds", "1,2,3", "--frames", 3, "-o", "walk/")
    assert (said.status, said.out) == (0, "walk\n")
    assert said.err.startswith("7 frames in ")
    latents = [family.latents(seed, 0, 1)[0].double().numpy() for seed in (1, 2, 3)]
    points = [slerp(latents[i], latents[i + 1], t / 3) for i in (0, 1) for t in range(3)] + [latents[2]]
    expected = family.pixels(networks, torch.tensor(np.array(points)).float(), None, family.config.sample)
    files = sorted(Path("walk").iterdir())
    assert len(files) == 7
    for path, work in zip(files, expected, strict=True):
        assert np.abs(pixels(path).astype(int) - work).max() <= 1  # batches of another size may round otherwise
    # The walk begins with the sample of the first seed.
    (first,) = family.sample(networks, family.config.sample, n=1, seed=1)
    assert np.abs(pixels(files[0]).astype(int) - first.work).max() <= 1
    assert call("reproduce", files[4]).out.endswith("identical, byte for byte\n")


@pytest.mark.parametrize("name", ["walk.gif", "walk.png", "walk.apng", "walk.mp4"])
@pytest.mark.parametrize("channels", ["grey", "rgb", "rgba"])
def test_the_walk_moves_in_every_format_and_is_made_again(call: Call, name: str, channels: str) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("av")
    make_run(Path("run"), channels=channels)
    said = call("interpolate", "run", "--seeds", "1,2", "--loop", "--frames", 3, "--fps", 10, "-o", name)
    assert said.out == f"{name}\n", said.err
    recipe = read_recipe(Path(name)).recipes[0]
    assert (recipe.command, recipe.seed, recipe.options["seeds"], recipe.options["loop"]) == ("interpolate", 1, [1, 2], True)
    again = Path(name).with_stem("walk-again")
    assert call("reproduce", name).out == f"{again}: identical, byte for byte\n"
    assert "'lanczos'" in call("show", name).out
    if name.endswith("mp4"):
        import av

        with av.open(name) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height, stream.average_rate) == (256, 256, 10)
            assert sum(1 for _ in container.decode(video=0)) == 6
    else:
        with Image.open(name) as image:
            frames = [frame.size for frame in ImageSequence.Iterator(image)]
        assert frames == [(SIZE, SIZE)] * 6


def test_pictures_are_enlarged_as_asked(call: Call) -> None:
    make_run(Path("run"))
    call("interpolate", "run", "--seeds", "1,2", "--frames", 1, "-o", "a/")
    call("interpolate", "run", "--seeds", "1,2", "--frames", 1, "--scale", 2, "--resample", "nearest", "-o", "b/")
    small = pixels(Path("a/0001.png"))
    assert (pixels(Path("b/0001.png")) == small.repeat(2, axis=0).repeat(2, axis=1)).all()
    call("interpolate", "run", "--seeds", "1,2", "--frames", 1, "--scale", 2, "-o", "c/")
    smooth = np.asarray(Image.fromarray(small).resize((2 * SIZE, 2 * SIZE), Image.Resampling.LANCZOS))
    assert (pixels(Path("c/0001.png")) == smooth).all()


def test_classes_of_a_walk(call: Call) -> None:
    family, networks = make_run(Path("run"), classes=("birds", "cats", "a,b"))

    def frame(folder: str, number: int) -> np.ndarray:
        return pixels(Path(folder) / f"000{number}.png").astype(int)

    def sample(seed: int, label: int) -> np.ndarray:
        codes = family.latents(seed, 0, 1)
        return family.pixels(networks, codes, torch.tensor([label]), family.config.sample)[0].astype(int)

    call("interpolate", "run", "--seeds", "1,2", "--frames", 1, "-o", "first/")
    assert np.abs(frame("first", 2) - sample(2, 0)).max() <= 1
    call("interpolate", "run", "--seeds", "1,2", "--frames", 1, "--class", "cats", "-o", "one/")
    assert np.abs(frame("one", 1) - sample(1, 1)).max() <= 1
    assert np.abs(frame("one", 2) - sample(2, 1)).max() <= 1
    call("interpolate", "run", "--seeds", "1,2", "--frames", 1, "--class", "cats,birds", "-o", "each/")
    assert np.abs(frame("each", 1) - sample(1, 1)).max() <= 1
    assert np.abs(frame("each", 2) - sample(2, 0)).max() <= 1
    said = call.refused("interpolate", "run", "--seeds", "1,2", "--class", "cats,dogs", "-o", "x/")
    assert said == "class 'dogs': there is none, one of: a,b, birds, cats"
    said = call.refused("interpolate", "run", "--seeds", "1,2", "--class", "cats,birds,cats", "-o", "x/")
    assert said == "--class: 3 classes for 2 seeds, expected one for all, or one for each"


def test_a_report_for_a_program(call: Call) -> None:
    make_run(Path("run"))
    report = json.loads(call("interpolate", "run", "--seeds", "4,2", "--frames", 2, "-o", "w.gif", "--json").out)
    assert (report["files"], report["options"]["seeds"], report["samples"][0]["frames"]) == (["w.gif"], [4, 2], 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1,two", "-o", "x.gif"], "--seeds 1,two: 'two' is not a seed"),
        (["--seeds", "1,2"], "pictures cannot go to the terminal; give -o FILE.mp4, .gif or .png"),
        (["--seeds", "1,2", "-o", "x.avi"], "x.avi: expected a name that ends in .mp4, .gif, .png or .apng, or in /"),
        (["--seeds", "1,2", "-o", "there.gif"], "there.gif: exists (--force overwrites it)"),
        (["--seeds", "1,2", "-o", "nowhere/x.gif"], "nowhere/x.gif: nowhere: there is no such folder"),
        (["--seeds", "1,2", "-o", "x.gif", "--frames", 0], "interpolate: frames: input should be greater than 0"),
        (["--seeds", "1,2", "-o", "x.gif", "--fps", 1000], "interpolate: fps: input should be less than or equal to 60"),
        (
            ["--seeds", "1,2", "-o", "x.gif", "--resample", "best"],
            "interpolate: resample: input should be 'lanczos' or 'nearest'",
        ),
        (["-o", "x.gif"], "missing option '--seeds'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(call: Call, arguments: list[object], message: str) -> None:
    make_run(Path("run"))
    Path("there.gif").write_bytes(b"precious")
    assert call.refused("interpolate", "run", *arguments).startswith(message)
    assert sorted(path.name for path in Path().iterdir()) == ["run", "there.gif"]


def test_without_pyav_a_gif_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(Path("run"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = call.refused("interpolate", "run", "--seeds", "1,2", "-o", "x.mp4")
    assert said.startswith("x.mp4: MP4 needs PyAV: pip install 'artgen[video]'; a name that ends in .gif")


def test_a_run_of_texts_has_no_walk(call: Call, tmp_path: Path) -> None:
    (tmp_path / "poems").mkdir()
    (tmp_path / "poems" / "config.yaml").write_text("family: text.gpt\n")
    said = call.refused("interpolate", "poems", "--seeds", "1,2", "-o", "x.gif")
    assert said == "poems: is a text run (text.gpt), artgen interpolate takes a picture run"
