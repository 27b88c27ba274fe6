"""Every kind of wrong input of `artgen style-transfer`: one line each, before torch is imported, and nothing written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.helpers import Call
from tests.cli.toy_style import SIZE, photo, plain, settle
from tests.e2e.test_bad_pictures import huge_png


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settle(monkeypatch, tmp_path)
    return tmp_path


def refused(call: Call, *arguments: object, content: object = "c.png", style: object = "red.png", out: object = "o.png") -> str:
    line = call.refused("style-transfer", content, style, "-o", out, *arguments)
    assert not Path("o.png").exists()
    return line


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("role", ["content", "style", "init", "mask"])
@pytest.mark.parametrize("kind", ["missing", "empty", "text", "half", "huge", "folder"])
def test_what_is_no_picture(call: Call, role: str, kind: str) -> None:
    name = {"half": "bad.jpg"}.get(kind, "bad.png")
    if kind == "empty":
        Path(name).write_bytes(b"")
    elif kind == "text":
        Path(name).write_text("I am a text")
    elif kind == "half":
        photo(Path("whole.jpg"), 200, 200)
        Path(name).write_bytes(Path("whole.jpg").read_bytes()[:1500])
    elif kind == "huge":
        huge_png(Path(name), 100_000)
    elif kind == "folder":
        Path(name).mkdir()
    if role in ("content", "style"):
        line = refused(call, **{role: name})
    else:
        line = refused(call, f"--{role}", name)
    assert name in line


def test_a_tiny_content(call: Call) -> None:
    plain(Path("dot.png"), (1, 2, 3), 1, 1)
    assert "dot.png: has 1 x 1 pixels, expected at least 16" in refused(call, content="dot.png")
    plain(Path("strip.png"), (1, 2, 3), 2000, 20)
    assert "--size 1600 or more" in refused(call, content="strip.png")
    assert "--size" in refused(call, "--size", 3)


def test_a_tiny_style(call: Call) -> None:
    plain(Path("dot.png"), (1, 2, 3), 1, 1)
    assert "dot.png: has 1 x 1 pixels, expected at least 16" in refused(call, style="dot.png")
    assert "a larger --style-scale or --size" in refused(call, "--style-scale", 0.1)


def test_a_style_of_which_nothing_can_be_seen(call: Call) -> None:
    plain(Path("clear.png"), (200, 0, 0, 0))
    assert "clear.png: transparent parts are no style" in refused(call, style="clear.png")


def test_a_mask_of_another_size_names_both(call: Call) -> None:
    plain(Path("m.png"), (255,), 30, 40)
    line = refused(call, "--mask", "m.png")
    assert "30 x 40" in line and f"{SIZE} x {SIZE}" in line and "c.png" in line


def test_a_mask_that_names_nothing(call: Call) -> None:
    plain(Path("m.png"), (0,))
    assert "m.png: names no place" in refused(call, "--mask", "m.png")


def test_masks_are_as_many_as_styles(call: Call) -> None:
    plain(Path("m.png"), (255,))
    assert "2 given for 1 style," in refused(call, "--mask", "m.png", "--mask", "m.png")
    line = call.refused("style-transfer", "c.png", "red.png", "red.png", "-o", "o.png", "--mask", "m.png")
    assert "1 given for 2 styles" in line


def test_an_init_of_another_shape(call: Call) -> None:
    plain(Path("wide.png"), (1, 2, 3), 96, 48)
    assert "another shape" in refused(call, "--init", "wide.png")
    assert "nor is it content or noise" in refused(call, "--init", "nois")


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--strength -0.1", "strength: input should be greater than or equal to 0 (got -0.1)"),
        ("--strength 1.1", "strength: input should be less than or equal to 1 (got 1.1)"),
        ("--strength nan", "strength: input should be a finite number"),
        ("--style-scale 0", "style_scale: input should be greater"),
        ("--style-scale -1", "style_scale: input should be greater"),
        ("--style-scale nan", "style_scale: input should be a finite number"),
        ("--style-scale inf", "style_scale: input should be a finite number"),
        ("--content nan", "--content nan: expected 0"),
        ("--content -0.5", "--content -0.5: expected 0"),
        ("--content exatc", "did you mean 'exact'?"),
        ("--size 0", "size: input should be greater than 0"),
        ("--size -5", "size: input should be greater than 0"),
        ("--size 1000000", "size: input should be less"),
        ("--steps 0", "steps: input should be greater than 0"),
        ("--seed -1", "--seed"),
        ("--preserve-color=hue", "'luminance' or 'statistics'"),
        ("--set lfit=1", "lfit: unknown key, did you mean 'lift'"),
        ("--set lift=much", "lift: input should be a valid number"),
        ("--set lift", "expected key=value"),
        ("--device gpu", "device gpu: expected auto"),
        ("--sizes 5", "did you mean '--size'"),
    ],
)
def test_numbers_and_words_out_of_range(call: Call, options: str, said: str) -> None:
    assert said in refused(call, *options.split())


@pytest.mark.parametrize("weight", ["0", "-2", "nan", "inf", "-inf"])
def test_weights_of_styles(call: Call, weight: str) -> None:
    assert "expected a number above 0" in refused(call, style=f"red.png:{weight}")


def test_a_result_that_is_no_number(call: Call) -> None:
    line = call.refused("style-transfer", "c.png", "red.png", "-o", "o.png", "--set", "fall_apart=true", status=1)
    assert "no numbers" in line and not Path("o.png").exists()


# ---------------------------------------------------------------- methods


def test_methods(call: Call) -> None:
    assert "there is no such method, did you mean 'mean'" in refused(call, "--method", "maen")
    assert "--weights FILE" in refused(call, "--method", "lookup")
    assert "did you mean --method lookup" in refused(call, "--weights", "red.png")
    assert "w.npz: no such" in refused(call, "--method", "lookup", "--weights", "w.npz")


def test_download_goes_with_a_method_that_needs_weights_and_without_others(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artgen.style.download.fetch_vgg19", lambda: pytest.fail("a mistake is told before it is fetched"))
    assert "--download: --method mean needs no weights; did you mean --method lookup" in refused(call, "--download")
    lookup = ["--method", "lookup", "--download"]
    assert "expected one of them" in refused(call, *lookup, "--weights", "w.npz")
    assert "strength" in refused(call, *lookup, "--strength", 2)
    assert "nowhere.png: no such" in refused(call, *lookup, style="nowhere.png")
    assert "no such folder" in refused(call, *lookup, out="nowhere/o.png")


# ---------------------------------------------------------------- places


def test_places(call: Call) -> None:
    for out, said in (
        ("o.xyz", "o.xyz"),
        ("o", "o"),
        ("-", "-"),
        ("nowhere/o.png", "no such folder"),
        ("nowhere/deep/", "no such folder"),
        ("c.png/", "expected a folder"),
        ("red.png", "exists"),
    ):
        assert said in refused(call, out=out)
    assert "nowhere" in refused(call, "--preview", "nowhere/p.png")
    Path("old.png").write_bytes(b"old")
    assert "exists" in refused(call, "--preview", "old.png")
    assert "exists" in refused(call, "--sheet", "old.png")
    assert "another file" in refused(call, "--preview", "o.png")
    assert "p.xyz" in refused(call, "--preview", "p.xyz")
    assert "another" in refused(call, "--sheet", "o.png")
    assert "nowhere" in refused(call, "--sheet", "nowhere/s.png")


def test_what_it_is_made_from_is_not_overwritten(call: Call) -> None:
    before = Path("c.png").read_bytes(), Path("red.png").read_bytes()
    for options in (
        ["-o", "c.png"],
        ["-o", "red.png"],
        ["-o", "x.png", "--preview", "c.png"],
        ["-o", "x.png", "--sheet", "c.png"],
    ):
        assert "is one of the files that the picture is made from" in call.refused(
            "style-transfer", "c.png", "red.png", "--force", *options
        )
    assert (Path("c.png").read_bytes(), Path("red.png").read_bytes()) == before and not Path("x.png").exists()


def test_names_that_no_file_can_have(call: Call) -> None:
    for long in ("x" * 300, "x" * 300 + ".png"):
        assert "File name too long" in refused(call, content=long)
        assert "File name too long" in refused(call, style=f"{long}:2")
        assert "File name too long" in refused(call, out=long)
        assert "File name too long" in refused(call, "--mask", long)
    assert "not a file name" in refused(call, style="a\0b.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(call: Call) -> None:
    Path("locked").mkdir(mode=0o500)
    assert "no permission" in refused(call, out="locked/o.png")


def test_a_folder_that_must_not_be_written(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: "locked" not in str(path))
    assert "locked" in refused(call, out="locked/o.png")


def test_force_overwrites_and_a_failure_leaves_the_old(call: Call) -> None:
    Path("o.png").write_bytes(b"old")
    assert "--force" in call.refused("style-transfer", "c.png", "red.png", "-o", "o.png")
    call.refused("style-transfer", "c.png", "red.png", "-o", "o.png", "--force", "--set", "fall_apart=true", status=1)
    assert Path("o.png").read_bytes() == b"old"
    assert call("style-transfer", "c.png", "red.png", "-o", "o.png", "--force").status == 0
    assert Image.open("o.png").size == (SIZE, SIZE)
    assert np.asarray(Image.open("o.png"))[..., 0].mean() > 150
    assert sorted(path.name for path in Path().iterdir()) == ["c.png", "o.png", "red.png"]
