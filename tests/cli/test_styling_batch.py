"""`artgen style-transfer` on folders: all pairs, going on after a failure or an interruption, and the contact sheet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artgen.cli.style_plan import _names
from artgen.media.reading import read_recipe
from tests.cli import toy_style
from tests.cli.helpers import Call, Said
from tests.cli.toy_style import SEEN, install, make_run, photo, pixels, plain

PAIRS = ["a--blue.png", "a--red.png", "b--blue.png", "b--red.png"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    photo(Path("photos/a.png"), seed=1)
    photo(Path("photos/b.jpg"), seed=2)
    Path("photos/notes.txt").write_text("not a picture")
    plain(Path("photos/.hidden.png"), (1, 2, 3))
    plain(Path("art/red.png"), (200, 40, 20))
    plain(Path("art/blue.png"), (20, 40, 220))
    return tmp_path


def batch(call: Call, *arguments: object, content: str = "photos", styles: tuple[str, ...] = ("art",)) -> Said:
    return call("style-transfer", content, *styles, "-o", "out/", *arguments)


def made() -> list[str]:
    return sorted(path.name for path in Path("out").iterdir())


def test_all_pairs(call: Call) -> None:
    said = batch(call)
    assert (said.status, made()) == (0, PAIRS), said.err
    assert said.out.split() == [f"out/{name}" for name in PAIRS]
    assert "4 pictures in" in said.err
    for name in PAIRS:
        colour = (200, 40, 20) if "red" in name else (20, 40, 220)
        assert np.abs(pixels(Path("out") / name).mean(axis=(0, 1)) - colour).max() < 6
        (recipe,) = read_recipe(Path("out") / name).recipes
        assert Path(recipe.options["content"]["path"]).stem == name[0]
    assert call("reproduce", "out/b--red.png", "-o", "again.png").status == 0


def test_a_folder_on_one_side(call: Call) -> None:
    assert batch(call, styles=("art/red.png",)).status == 0
    assert made() == ["a--red.png", "b--red.png"]
    shutil.rmtree("out")
    assert batch(call, content="photos/b.jpg").status == 0
    assert made() == ["b--blue.png", "b--red.png"]
    shutil.rmtree("out")
    assert batch(call, styles=("art/red.png:3", "art/blue.png")).status == 0
    assert made() == ["a--red+blue.png", "b--red+blue.png"]
    assert SEEN[-1].weights == [0.75, 0.25]
    shutil.rmtree("out")
    assert batch(call, content="photos/a.png", styles=("art/red.png",)).status == 0
    assert made() == ["a--red.png"]


def test_what_is_there_is_not_made_again(call: Call) -> None:
    assert batch(call).status == 0
    before = {name: (Path("out") / name).stat().st_mtime_ns for name in PAIRS}
    Path("out/a--red.png").unlink()
    SEEN.clear()
    said = batch(call)
    assert said.status == 0 and "1 picture in" in said.err and "3 were there already" in said.err
    assert len(SEEN) == 1 and made() == PAIRS
    assert all((Path("out") / name).stat().st_mtime_ns == before[name] for name in PAIRS if name != "a--red.png")


def test_what_is_there_and_was_made_otherwise_is_refused(call: Call) -> None:
    assert batch(call, "--seed", 1).status == 0
    for others in (["--strength", 0.5], ["--seed", 2], ["--set", "lift=0.1"], ["--size", 30]):
        line = call.refused("style-transfer", "photos", "art", "-o", "out/", *others)
        assert "out/a--blue.png: exists" in line and "--force" in line
    photo(Path("photos/b.jpg"), seed=8)
    assert "out/b--blue.png: exists" in call.refused("style-transfer", "photos", "art", "-o", "out/")
    assert batch(call, "--force", "--strength", 0.5).status == 0
    assert read_recipe(Path("out/a--red.png")).recipes[0].options["strength"] == 0.5


def test_one_that_fails_is_named_and_the_rest_goes_on(call: Call) -> None:
    Path("photos/aa.png").write_text("no picture")
    plain(Path("art/clear.png"), (9, 9, 9, 0))  # found out only when it is decoded
    said = batch(call)
    assert said.status == 1
    assert made() == PAIRS
    assert "photos/aa.png" in said.err and "a--clear.png: not made" in said.err and "art/clear.png: transparent" in said.err
    assert "4 pictures in" in said.err and "3 failed" in said.err
    assert "Traceback" not in said.err


def test_a_method_that_fails_on_one(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    real = toy_style.mean_style

    def sometimes(job: Any, options: Any, watch: Any) -> Any:
        if job.styles[0].pixels[0].mean() > 0.5 and job.content.mean() > 0.2 and len(SEEN) < 2:
            SEEN.append(job)
            raise RuntimeError("numbers ran out\nmore lines")
        return real(job, options, watch)

    monkeypatch.setattr(toy_style, "mean_style", sometimes)
    said = batch(call, "--json")
    assert said.status == 1
    facts = json.loads(said.out)
    assert facts["failed"] == {"a--red.png": "RuntimeError: numbers ran out"}
    assert [Path(file).name for file in facts["files"]] == [name for name in PAIRS if name != "a--red.png"]


def test_ctrl_c_and_going_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    real = toy_style.mean_style

    def stopping(job: Any, options: Any, watch: Any) -> Any:
        stop = len(SEEN) == 1  # in the second
        return real(job, options.model_copy(update={"stop_at": 3 if stop else None}), watch)

    monkeypatch.setattr(toy_style, "mean_style", stopping)
    said = batch(call, "--seed", 4)
    assert said.status == 130
    assert said.err.count("\n") == 1 and "out/a--red.png holds what there was at step 3 of 4" in said.err
    assert made() == PAIRS[:2]
    monkeypatch.setattr(toy_style, "mean_style", real)
    said = batch(call, "--seed", 4)
    assert said.status == 0 and "3 pictures in" in said.err and "1 was there already" in said.err
    assert made() == PAIRS
    assert read_recipe(Path("out/a--red.png")).recipes[0].options["interrupted"] is None


def test_the_contact_sheet(call: Call) -> None:
    Path("photos/aa.png").write_text("no picture")
    said = batch(call, "--sheet", "out/sheet.png")
    assert said.status == 1 and "out/sheet.png" in said.out
    sheet = pixels(Path("out/sheet.png")).astype(int)
    side = sheet.shape[1] // 4, sheet.shape[0] // 3

    def middle(column: int, row: int) -> np.ndarray:
        left, top = column * side[0] + side[0] // 2, row * side[1] + side[1] // 2 - 8
        return sheet[top - 8 : top + 8, left - 8 : left + 8].mean(axis=(0, 1))

    assert np.abs(middle(0, 1) - (20, 40, 220)).max() < 6 and np.abs(middle(0, 2) - (200, 40, 20)).max() < 6
    for column in (1, 3):
        assert np.abs(middle(column, 1) - (22, 42, 222)).max() < 9
        assert np.abs(middle(column, 2) - (202, 42, 22)).max() < 9
    assert (middle(2, 1) == 255).all() and (middle(0, 0) == 255).all()
    assert len(read_recipe(Path("out/sheet.png")).recipes) == 4
    assert "is a contact sheet of 4 pictures" in call.refused("reproduce", "out/sheet.png")


def test_the_sheet_has_those_that_were_there(call: Call) -> None:
    assert batch(call).status == 0
    said = batch(call, "--sheet", "s.png")
    assert said.status == 0 and said.out == "s.png\n"
    assert len(read_recipe(Path("s.png")).recipes) == 4


def test_contents_through_a_run(call: Call) -> None:
    make_run(Path("run"))
    assert batch(call, styles=("run",)).status == 0
    assert made() == ["a--run.png", "b--run.png"]


def test_a_run_that_was_trained_anew_makes_them_again(call: Call) -> None:
    make_run(Path("run"))
    assert batch(call, styles=("run",)).status == 0
    assert "2 were there" in batch(call, styles=("run",)).err
    shutil.rmtree("run")
    make_run(Path("run"), seed=1)
    said = batch(call, styles=("run",))
    assert said.status == 2 and "out/a--run.png: exists" in said.err


def test_what_does_not_go_with_folders(call: Call) -> None:
    Path("empty").mkdir()
    plain(Path("m.png"), (255,))
    out = ["-o", "out/"]
    assert "-o out/" in call.refused("style-transfer", "photos", "art", "-o", "out")
    assert "-o o.png/" in call.refused("style-transfer", "photos", "art", "-o", "o.png")
    assert "empty: no pictures" in call.refused("style-transfer", "empty", "art", *out)
    assert "empty: no pictures" in call.refused("style-transfer", "photos", "empty", *out)
    assert "give it alone" in call.refused("style-transfer", "photos", "art", "art/red.png", *out)
    assert "belongs to one content" in call.refused("style-transfer", "photos", "art", "--mask", "m.png", *out)
    for folder in ("photos", "art", "art/"):
        assert "would be taken next time" in call.refused("style-transfer", "photos", "art", "-o", folder)
    assert not Path("out").exists()


def test_names_are_unique() -> None:
    names = _names(
        ["p/a.png", "p/a.jpg", "p/B.png", "p/b.jpg", "p/x--y.png", "p/x.png"], [[("s/z.png", 1.0)], [("s/y--z.png", 1.0)]]
    )
    assert len(set(map(str.casefold, names.values()))) == 12
    assert names[0, 0] == "a.png--z.png" and names[1, 0] == "a.jpg--z.png"
    assert {names[4, 0], names[5, 1]} == {"x--y--z.png", "x--y--z-2.png"}
