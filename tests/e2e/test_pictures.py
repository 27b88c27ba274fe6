"""Pictures through the installed `artgen`: three small trainings, and what is made with them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from artgen.media.reading import read_recipe
from tests.e2e.helpers import artgen, one_line

Call = Callable[..., "subprocess.CompletedProcess[str]"]

MODELS: dict[str, dict[str, Any]] = {
    "gan": {"latent": 16, "width": 4, "max_width": 16},
    "flow": {"channels": [8, 16], "blocks": 1, "attention": [8], "n_heads": 2, "d_time": 16},
    "vae": {"latent": 16, "channels": [8, 8, 16]},
}
SIZE = 32


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each family, a picture and a mask."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, model in MODELS.items():
        config = {
            "family": f"image.{name}",
            "data": {
                "path": ["geometric", "truchet"],
                "size": SIZE,
                "classes": True,
                "channels": "rgba" if name == "gan" else "rgb",
                "demo": {"count": 12},
            },
            "model": model,
            "train": {"steps": 3, "batch_size": 4, "validate_every": 3, "checkpoint_every": 3, "preview_every": 3},
            "device": {"accelerator": "cpu", "precision": "32", "threads": 1},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        ok(run_in(folder, "train", f"{name}.yaml", "--out", f"runs/{name}"))
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(folder / "picture.png")
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 15:35] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder


@pytest.fixture
def call(home: Path) -> Call:
    return lambda *arguments: run_in(home, *arguments)


def run_in(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return artgen(*arguments, cwd=folder, env={"ARTGEN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"})


def ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def again(call: Call, home: Path, name: str) -> None:
    """`reproduce` makes the same bytes."""
    copy = f"again-{name}"
    assert ok(call("reproduce", name, "-o", copy)) == f"{copy}: identical, byte for byte\n"
    assert (home / copy).read_bytes() == (home / name).read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_sheet_of_every_family_is_made_again(call: Call, home: Path, name: str) -> None:
    # Batches of 4, so that the last one is not full.
    report = json.loads(
        ok(call("sample", f"runs/{name}", "-n", 6, "--grid", "--set", "batch=4", "--seed", 1, "-o", f"{name}.png", "--json"))
    )
    assert [sample["class"] for sample in report["samples"]] == ["geometric", "truchet"] * 3
    with Image.open(home / f"{name}.png") as sheet:
        assert sheet.size == (3 * (SIZE + 2) + 2, 2 * (SIZE + 2) + 2)
        assert sheet.mode == ("RGBA" if name == "gan" else "RGB")
    again(call, home, f"{name}.png")


def test_a_walk_as_a_film(call: Call, home: Path) -> None:
    pytest.importorskip("av")
    assert ok(call("interpolate", "runs/gan", "--seeds", "1,2,3", "--loop", "--frames", 3, "-o", "walk.mp4")) == "walk.mp4\n"
    assert read_recipe(home / "walk.mp4").recipes[0].options["loop"] is True
    again(call, home, "walk.mp4")


def test_a_walk_through_classes_as_frames(call: Call, home: Path) -> None:
    arguments = ["--frames", 3, "--steps", 2, "--class", "geometric,truchet", "-o", "frames/"]
    ok(call("interpolate", "runs/flow", "--seeds", "1,2", *arguments))
    assert sorted(path.name for path in (home / "frames").iterdir()) == [f"000{i}.png" for i in range(1, 5)]
    assert ok(call("reproduce", "frames/0003.png", "-o", "third.png")).endswith("identical, byte for byte\n")


def test_painting_with_a_flow(call: Call, home: Path) -> None:
    done = call(
        "edit", "runs/flow", "picture.png", "--mask", "mask.png", "--steps", 2, "--class", "truchet", "-o", "painted.png"
    )
    ok(done)
    assert "picture.png has 50 x 40 pixels; the run works at 32 x 32" in done.stderr
    with Image.open(home / "picture.png") as image:  # the middle square, as the run's data are cut
        square = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS, (5, 0, 45, 40)))
    painted = np.asarray(Image.open(home / "painted.png"))
    changed = (painted != square).any(axis=2)
    assert changed[10:22, 10:22].mean() > 0.9
    assert not changed[:7].any() and not changed[25:].any() and not changed[:, :7].any() and not changed[:, 25:].any()
    again(call, home, "painted.png")


@pytest.mark.parametrize("name", ["gan", "vae", "flow"])
def test_a_picture_is_found_in_every_family(call: Call, home: Path, name: str) -> None:
    made = call(
        "edit", f"runs/{name}", "picture.png", "--project", "--project-steps", 5, "--compare", "-o", f"{name}-found.png"
    )
    ok(made)
    assert "root mean square error 0." in made.stderr
    again(call, home, f"{name}-found.png")


def test_directions_of_a_gan(call: Call, home: Path) -> None:
    ok(call("edit", "runs/gan", "--directions", "--count", 2, "--seed", 1, "-o", "directions.png"))
    with Image.open(home / "directions.png") as sheet:
        assert sheet.size == (7 * 66 + 2, 2 * (66 + 16) + 2)
    ok(call("edit", "runs/gan", "--direction", "2=3", "--seed", 1, "-o", "moved.png"))
    ok(call("edit", "runs/gan", "--direction", "2=0", "--seed", 1, "-o", "unmoved.png"))
    assert (np.asarray(Image.open(home / "moved.png")) != np.asarray(Image.open(home / "unmoved.png"))).any()


def test_what_a_family_cannot_do_is_told(call: Call) -> None:
    said = one_line(call("edit", "runs/gan", "picture.png", "--mask", "mask.png", "-o", "x.png"), 2)
    assert said == "artgen: image.gan cannot paint into a picture; image.flow can"
    assert "give -o FILE.png" in one_line(call("sample", "runs/gan"), 2)
    assert "did you mean 'truchet'?" in one_line(call("sample", "runs/gan", "--class", "truche", "-o", "x.png"), 2)
