"""`--avoid-copies` on the command line: what it says, what the recipe carries, and that a file is made again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from artgen.media.picture_recipes import read_recipe
from tests.cli.helpers import Call
from tests.cli.toy_pictures import install, make_copying_run, make_run, pixels


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.getbasetemp() / "pictures-cache"))
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_copy(path: Path, own: np.ndarray) -> bool:
    return bool((own == pixels(path)).all(axis=(1, 2, 3)).any())


def test_a_folder_without_copies_and_its_report(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_copying_run(Path(), monkeypatch)
    call("sample", "run", "-n", 8, "--seed", 1, "-o", "plain/")
    said = call("sample", "run", "-n", 8, "--seed", 1, "-o", "apart/", "--avoid-copies")
    assert said.status == 0 and said.err.startswith(
        "4 of 8 pictures were too near a training picture and made anew\n8 pictures"
    )
    for number in range(1, 9):
        plain, apart = Path(f"plain/{number:04}.png"), Path(f"apart/{number:04}.png")
        assert is_copy(plain, run.own.train) == (number in (2, 3, 4, 7)) and not is_copy(apart, run.own.train)
        assert np.array_equal(pixels(plain), pixels(apart)) == (number not in (2, 3, 4, 7))
    told = json.loads(call("sample", "run", "-n", 8, "--seed", 1, "-o", "s.png", "--set", "avoid_copies=true", "--json").out)
    assert [each["tries"] > 1 for each in told["samples"]] == [number in (2, 3, 4, 7) for number in range(1, 9)]
    assert all(each["copying_ratio"] > 0.8 and each["too_near"] is False for each in told["samples"])
    assert told["options"]["avoid_copies"] is True and told["notes"] == [said.err.splitlines()[0]]
    assert read_recipe(Path("s.png")).recipes[0].options["avoid_copies"] is True

    for file in ("s.png", "apart/0004.png"):
        assert call("reproduce", file, "-o", "again.png", "--force").out == "again.png: identical, byte for byte\n"
        assert Path("again.png").read_bytes() == Path(file).read_bytes()


def test_the_runs_config_can_ask_for_it_and_evaluate_measures_it_so(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    make_copying_run(Path(), monkeypatch, sample={"avoid_copies": True})
    told = json.loads(call("evaluate", "run", "--samples", 16, "--json").out)
    assert told["copies"] == 0 and told["copying_share"]["value"] == 0
    told = json.loads(call("evaluate", "run", "--samples", 16, "--set", "avoid_copies=false", "--json").out)
    assert told["copies"] >= 4 and told["copying_share"]["value"] >= 0.25
    card = call("evaluate", "run", "--samples", 16).out
    assert "avoid_copies: " in card and " of 16 pictures were too near a training picture and made anew" in card
    assert call.refused("evaluate", "run", "--set", "avoid_copy=true").startswith(
        "sample: avoid_copy: unknown key, did you mean"
    )

    call("interpolate", "run", "--seeds", "1,2", "--frames", 2, "-o", "walk.gif")  # frames are as they come
    from artgen.media.reading import read_recipe as read_any

    assert read_any(Path("walk.gif")).recipes[0].options["avoid_copies"] is False


def test_only_sample_and_evaluate_take_it(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    make_copying_run(Path(), monkeypatch)
    said = call.refused("interpolate", "run", "--seeds", "1,2", "--set", "avoid_copies=true", "-o", "walk.gif")
    assert said == "--set avoid_copies: only artgen sample and evaluate can, expected one of them"
    said = call.refused("sample", "run", "--data", "own", "-o", "x.png")
    assert said == "--data: goes with --avoid-copies; without it no training pictures are needed"
    assert not Path("walk.gif").exists() and not Path("x.png").exists()


def test_training_pictures_that_were_moved(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    make_copying_run(Path(), monkeypatch)
    arguments = ("sample", "run", "-n", 4, "--seed", 1, "--avoid-copies", "-o")
    call(*arguments, "before.png")
    Path("own").rename("there")
    said = call.refused(*arguments, "x.png")
    assert said.startswith("avoid_copies: what the run learned from is not there (") and "own" in said
    assert said.endswith("; --data names the pictures that the run learned from") and not Path("x.png").exists()
    assert "--data names" in call.refused("reproduce", "before.png")
    assert call("reproduce", "before.png", "--data", "there", "-o", "b.png").out == "b.png: identical, byte for byte\n"

    call(*arguments, "after.png", "--data", "there")
    assert np.array_equal(pixels(Path("after.png")), pixels(Path("before.png")))
    assert call("reproduce", "after.png", "-o", "a.png").out == "a.png: identical, byte for byte\n"
    Path("there").rename("elsewhere")
    assert call("reproduce", "after.png", "--data", "elsewhere", "-o", "c.png").out == "c.png: identical, byte for byte\n"
    next(Path("elsewhere").iterdir()).unlink()
    said = call.refused(*arguments, "x.png", "--data", "elsewhere")
    assert "elsewhere is not what the run learned from" in said
    call("sample", "run", "-o", "free.png")
    assert "free.png was made without --avoid-copies" in call.refused("reproduce", "free.png", "--data", "elsewhere")


def test_a_run_that_only_copies_ends_and_says_so(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    make_copying_run(Path(), monkeypatch, always=True)
    said = call("sample", "run", "-n", 3, "-o", "x.png", "--avoid-copies", "--json")
    told = json.loads(said.out)
    assert [(each["tries"], each["too_near"]) for each in told["samples"]] == [(20, True)] * 3
    assert told["notes"][1].startswith(
        "3 of them stayed too near after 20 tries, the farthest of which was kept: 1, 2, 3; look"
    )


def test_a_run_without_its_pictures_samples_as_ever(call: Call) -> None:
    make_run(Path("run"), path=["nowhere"])
    assert call("sample", "run", "-o", "x.png").status == 0
    assert "nowhere" in call.refused("sample", "run", "-o", "y.png", "--avoid-copies")
