"""`artgen style-transfer` as it is installed, on small pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_main import imported_by
from tests.cli.toy_style import photo, pixels, plain
from tests.e2e.helpers import ARTGEN, artgen, one_line

SIDE = 64
FAST = ("--set", "steps=6")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photo with a square in it, and a painting of stripes."""
    content = np.full((SIDE, SIDE, 3), (40, 60, 90), np.uint8)
    content[16:48, 16:48] = (220, 200, 160)
    Image.fromarray(content).save(tmp_path / "photo.png")
    x, y = np.meshgrid(np.arange(80), np.arange(72))
    stripes = 0.5 + 0.5 * np.sin((x + y) / 3)[..., None]
    painting = stripes * (230, 60, 30) + (1 - stripes) * (20, 120, 40)
    Image.fromarray(painting.astype(np.uint8)).save(tmp_path / "painting.png")
    return tmp_path


def test_one_picture_and_the_same_again(folder: Path) -> None:
    done = artgen("style-transfer", "photo.png", "painting.png", "-o", "out.png", "--seed", 1, "--json", *FAST, cwd=folder)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["files"] == ["out.png"] and facts["method"] == "patch" and facts["seed"] == 1
    made = pixels(folder / "out.png").astype(float)
    assert made.shape == (SIDE, SIDE, 3)
    # Its colours are nearer to the painting's than to the photo's: red and green, no blue.
    assert made[..., 2].mean() < 70 < pixels(folder / "photo.png")[..., 2].mean()
    shown = artgen("show", "out.png", cwd=folder)
    assert "style.patch" in shown.stdout and "painting.png" in shown.stdout
    again = artgen("reproduce", "out.png", cwd=folder)
    assert again.returncode == 0 and "identical" in again.stdout, again.stderr
    plain(folder / "painting.png", (1, 2, 3))
    assert "painting.png: is not the file" in one_line(artgen("reproduce", "out.png", "--force", cwd=folder), 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_writes_what_there_is(folder: Path, number: signal.Signals) -> None:
    call = ["style-transfer", "photo.png", "painting.png", "-o", "out.png", "--preview", "p.png", "--steps", "100000"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    work = subprocess.Popen([*ARTGEN, *call], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "p.png").exists() and time.monotonic() < deadline and work.poll() is None:
        time.sleep(0.1)
    work.send_signal(number)
    out, err = work.communicate(timeout=60)
    assert (work.returncode, out) == (130, "out.png\n"), err
    assert err.startswith("interrupted: out.png holds what there was at step ") and err.count("\n") == 1
    assert pixels(folder / "out.png").shape == (SIDE, SIDE, 3)
    assert "was interrupted at step" in one_line(artgen("reproduce", "out.png", cwd=folder), 2)
    assert sorted(path.name for path in folder.iterdir()) == ["out.png", "p.png", "painting.png", "photo.png"]


def test_all_pairs_with_a_sheet(folder: Path) -> None:
    photo(folder / "photos" / "one.png", 48, 40, seed=1)
    photo(folder / "photos" / "two.jpg", 40, 48, seed=2)
    (folder / "photos" / "three.png").write_bytes(b"")
    said = artgen("style-transfer", "photos", "painting.png", "-o", "made/", "--sheet", "sheet.png", *FAST, cwd=folder)
    assert said.returncode == 1 and "photos/three.png" in said.stderr
    assert sorted(path.name for path in (folder / "made").iterdir()) == ["one--painting.png", "two--painting.png"]
    assert pixels(folder / "made/one--painting.png").shape == (40, 48, 3)
    assert (folder / "sheet.png").is_file()


def test_a_mistake_is_told_before_torch_is_imported(folder: Path) -> None:
    photo_, painting, out = folder / "photo.png", folder / "painting.png", ["-o", folder / "o.png"]
    (folder / "empty.png").write_bytes(b"")
    for arguments in (
        [photo_, folder / "nowhere.jpg", *out],
        [folder / "empty.png", painting, *out],
        [photo_, painting, "-o", folder / "nowhere" / "o.png"],
        [photo_, painting, *out, "--method", "gatys"],
        [photo_, painting, *out, "--set", "nothing=1"],
        [photo_, painting, *out, "--mask", painting],
    ):
        status, modules = imported_by("style-transfer", *arguments)
        assert (status, "torch" in modules) == (2, False), arguments


def test_the_help_imports_nothing_slow() -> None:
    status, modules = imported_by("style-transfer", "--help")
    assert status == 0 and not modules & {"torch", "numpy", "tokenizers"}
