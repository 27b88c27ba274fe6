"""`artgen sample` for pictures, and what `show` and `reproduce` say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from artgen.media.picture_recipes import read_recipe
from artgen.media.sheet import Sheet, make_sheet
from tests.cli.helpers import Call
from tests.cli.toy_pictures import SIZE, install, make_run, pixels


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_picture_is_the_sample_of_its_seed(call: Call) -> None:
    family, networks = make_run(Path("run"))
    said = call("sample", "run", "--seed", 5, "-o", "one.png")
    assert (said.status, said.out) == (0, "one.png\n")
    assert "1 picture in " in said.err and said.err.endswith("; --seed 5 makes the same again\n")
    (expected,) = family.sample(networks, family.config.sample, n=1, seed=5)
    assert (pixels(Path("one.png")) == expected.work).all()
    assert pixels(Path("one.png")).shape == (SIZE, SIZE, 3)


def test_several_pictures_are_a_sheet_or_a_file_each(call: Call) -> None:
    family, networks = make_run(Path("run"))
    works = [sample.work for sample in family.sample(networks, family.config.sample, n=6, seed=5)]
    call(
        "sample",
        "run",
        "-n",
        6,
        "--seed",
        5,
        "-o",
        "sheet.png",
        "--grid",
        "--columns",
        2,
        "--padding",
        3,
        "--background",
        "#102030",
    )
    expected = make_sheet(works, Sheet(columns=2, padding=3, background=(0x10, 0x20, 0x30)))
    assert (pixels(Path("sheet.png")) == expected).all()
    assert [recipe.index for recipe in read_recipe(Path("sheet.png")).recipes] == list(range(6))
    said = call("sample", "run", "-n", 6, "--seed", 5, "-o", "single/")
    assert said.out.split() == [f"single/000{i}.png" for i in range(1, 7)]
    for i, work in enumerate(works, 1):
        assert (pixels(Path(f"single/000{i}.png")) == work).all()


def test_transparent_pictures_stay_so_unless_a_background_is_given(call: Call) -> None:
    family, networks = make_run(Path("run"), channels="rgba")
    (sample,) = family.sample(networks, family.config.sample, n=1, seed=1)
    call("sample", "run", "--seed", 1, "-o", "clear.png", "--background", "none")
    call("sample", "run", "--seed", 1, "-o", "laid.png", "--background", "black")
    clear, laid = pixels(Path("clear.png")), pixels(Path("laid.png"))
    assert (clear == sample.work).all() and clear.shape[2] == 4
    assert laid.shape[2] == 3
    weighted = sample.work[..., :3].astype(float) * sample.work[..., 3:] / 255
    assert np.abs(laid - weighted).max() <= 1


def test_classes_are_made_in_turn_or_by_name(call: Call) -> None:
    make_run(Path("run"), classes=("birds", "cats"))
    in_turn = json.loads(call("sample", "run", "-n", 3, "-o", "a.png", "--json").out)
    assert [sample["class"] for sample in in_turn["samples"]] == ["birds", "cats", "birds"]
    named = json.loads(call("sample", "run", "-n", 3, "--seed", 2, "--class", "cats", "-o", "b.png", "--json").out)
    assert [sample["class"] for sample in named["samples"]] == ["cats"] * 3
    assert (named["seed"], named["files"], named["options"]["class_name"]) == (2, ["b.png"], "cats")
    assert "text" not in named["samples"][0]
    said = call.refused("sample", "run", "--class", "dogs", "-o", "c.png")
    assert said == "class 'dogs': there is none, one of: birds, cats"
    assert not Path("c.png").exists()


def test_truncation_is_passed_on(call: Call) -> None:
    make_run(Path("run"))
    call("sample", "run", "-n", 2, "--truncation", 0, "-o", "mean/")
    assert (pixels(Path("mean/0001.png")) == pixels(Path("mean/0002.png"))).all()
    call("sample", "run", "-n", 2, "--set", "truncation=0", "--truncation", 1, "-o", "own/")
    assert (pixels(Path("own/0001.png")) != pixels(Path("own/0002.png"))).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "pictures cannot go to the terminal; give -o FILE.png for one picture or a sheet of several, or -o FOLDER/"),
        (["-o", "-"], "pictures cannot go to the terminal"),
        (["-o", "x.jpg"], "x.jpg: expected a name that ends in .png"),
        (["-o", "nowhere/x.png"], "nowhere/x.png: nowhere: there is no such folder"),
        (["-o", "there.png"], "there.png: exists (--force overwrites it)"),
        (["-o", "x/", "--grid"], "x/: a folder gets a file for each picture, --grid needs one: -o FILE.png"),
        (
            ["-o", "x.png", "--temperature", 1],
            "--temperature: image.toy has no such option, it has --class, --truncation, --avoid-copies, --grid",
        ),
        (["-o", "x.png", "--prompt", "a"], "--prompt: image.toy has no such option"),
        (["-o", "x.png", "--steps", 4], "--steps: image.toy has no such option"),
        (["-o", "x.png", "--set", "truncatoin=1"], "sample: truncatoin: unknown key, did you mean 'truncation'?"),
        (["-o", "x.png", "--truncation", -1], "sample: truncation: input should be greater than or equal to 0"),
        (["-o", "x.png", "--background", "mauve"], "sample: background: expected white, black, grey or a colour"),
        (["-o", "x.png", "--columns", 0], "sample: columns: input should be greater than 0"),
        (["-o", "x.png", "-n", 1_000_000], "a sheet of 1,000,000 pictures would have"),
        (["-o", "x.png", "--class", "cats"], "class 'cats': this run learned no classes"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(call: Call, arguments: list[object], message: str) -> None:
    make_run(Path("run"))
    Path("there.png").write_bytes(b"precious")
    assert call.refused("sample", "run", *arguments).startswith(message)
    assert sorted(path.name for path in Path().iterdir()) == ["run", "there.png"]
    assert Path("there.png").read_bytes() == b"precious"


def test_a_run_that_has_the_option_takes_it(call: Call) -> None:
    make_run(Path("run"), able=False)
    options = json.loads(call("sample", "run", "--steps", 4, "--sampler", "euler", "-o", "x.png", "--json").out)["options"]
    assert (options["steps"], options["sampler"]) == (4, "euler")


def test_show_and_reproduce_know_pictures(call: Call) -> None:
    make_run(Path("run"), classes=("birds", "cats"))
    call("sample", "run", "-n", 5, "--seed", 3, "--class", "cats", "-o", "sheet.png", "--columns", 5)
    call("sample", "run", "-n", 5, "--seed", 3, "-o", "single/")
    shown = call("show", "sheet.png").out
    for fact in ("image.toy", "3, sample 0 and 4 more", "'cats'", "columns", "artgen 0"):
        assert fact in shown
    assert call("reproduce", "sheet.png").out == "sheet-again.png: identical, byte for byte\n"
    assert call("reproduce", "single/0005.png", "-o", "five.png").out == "five.png: identical, byte for byte\n"
    assert Path("five.png").read_bytes() == Path("single/0005.png").read_bytes()
    assert "five.png: exists" in call.refused("reproduce", "single/0005.png", "-o", "five.png")


def test_a_picture_without_a_recipe_or_with_a_strange_one(call: Call, tmp_path: Path) -> None:
    from artgen.media.picture import write_pictures
    from artgen.media.recipe import Recipe

    make_run(Path("run"))
    Path("empty.png").write_bytes(b"")
    Path("text.png").write_bytes(b"I am a text")
    assert "empty.png: not a PNG, GIF, JPEG, WebP or TIFF file" in call.refused("show", "empty.png")
    assert "carries no recipe" in call.refused("show", "text.png")
    grey = np.zeros((4, 4), np.uint8)
    for command, options, message in (
        ("dream", {}, "strange.png: was made by artgen dream, which this artgen cannot make again"),
        ("sample", {"colour": 1}, "strange.png: damaged recipe: colour: unknown key"),
        ("edit", {}, "strange.png: damaged recipe: action: field required"),
    ):
        write_pictures([grey], Path("strange.png"), [Recipe(command, "image.toy", "run", "ab" * 32, 1, options=options)], True)
        assert call.refused("reproduce", "strange.png").startswith(message)
