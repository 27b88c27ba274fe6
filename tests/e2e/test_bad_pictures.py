"""Training on pictures that are missing, broken, hostile or few: one line each, and what can be used is used. And resuming."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.e2e.helpers import artgen, one_line

MODELS: dict[str, dict[str, Any]] = {
    "gan": {"latent": 8, "width": 4, "max_width": 8},
    "flow": {"channels": [8, 16], "blocks": 1, "attention": [], "n_heads": 2, "d_time": 8},
}


def config_at(folder: Path, family: str = "gan", **train: Any) -> Path:
    raw = {
        "family": f"image.{family}",
        "data": {"size": 32, "demo": {"count": 12}},
        "model": MODELS[family],
        "train": {"steps": 2, "batch_size": 4, "validate_every": 2, "checkpoint_every": 2, "preview_every": 2, **train},
        "device": {"accelerator": "cpu", "precision": "32", "threads": 1},
    }
    path = folder / f"{family}.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def drawing(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(path)


def huge_png(path: Path, side: int = 30_000) -> None:
    """A file of some bytes that says it has side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(1000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b""))


def broken(folder: Path) -> dict[str, str]:
    """Files that cannot be used, by name, and what is said of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    drawing(folder / "whole.jpg", 1)
    (folder / "half.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:700])
    (folder / "whole.jpg").unlink()
    huge_png(folder / "huge.png")
    return {"text.png": "", "empty.png": "", "half.jpg": "", "huge.png": "900,000,000"}


def train(folder: Path, *arguments: object) -> Any:
    return artgen("train", *arguments, cwd=folder, env={"ARTGEN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"})


def refused(folder: Path, *arguments: object, status: int = 2) -> str:
    return one_line(train(folder, config_at(folder), "--out", "run", *arguments), status)


def test_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty: no pictures" in refused(tmp_path, "--data", "empty")
    assert "nowhere: no such" in refused(tmp_path, "--data", "nowhere")
    assert not (tmp_path / "run").exists()


def test_one_picture(tmp_path: Path) -> None:
    drawing(tmp_path / "one" / "only.png", 0)
    assert "one: one picture, expected at least 3" in refused(tmp_path, "--data", "one")


@pytest.mark.parametrize("name", ["text.png", "empty.png", "half.jpg", "huge.png"])
def test_a_broken_file_alone(tmp_path: Path, name: str) -> None:
    said = broken(tmp_path / "set")[name]
    line = refused(tmp_path, "--data", f"set/{name}")
    assert name in line
    assert said in line


def test_strict_refuses_what_else_is_skipped(tmp_path: Path) -> None:
    broken(tmp_path / "set")
    for number in range(4):
        drawing(tmp_path / "set" / f"{number}.png", number)
    assert "data.strict refuses broken files" in refused(tmp_path, "--data", "set", "--set", "data.strict=true")


def test_a_size_that_the_network_cannot_have(tmp_path: Path) -> None:
    assert "data.size: 48 does not fit this network, expected a power of two: 32 or 64" in refused(
        tmp_path, "--set", "data.size=48"
    )
    line = one_line(train(tmp_path, config_at(tmp_path, "flow"), "--set", "data.size=50"), 2)
    assert "expected a multiple of 4: 48 or 52" in line


def test_an_unknown_drawn_set_names_those_there_are(tmp_path: Path) -> None:
    assert "truchet" in refused(tmp_path, "--data", "trucet")


def test_three_pictures_among_broken_ones_and_odd_names(tmp_path: Path) -> None:
    """They are trained on, with what was skipped named, and a warning of what to expect."""
    names = broken(tmp_path / "set")
    for number, name in enumerate(["a b c.png", "山水.png", "deep/er/été.png"]):
        drawing(tmp_path / "set" / name, number)
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set", target_is_directory=True)
    frames = [Image.fromarray(np.full((40, 40), value, np.uint8)) for value in range(0, 250, 5)]
    frames[0].save(tmp_path / "set" / "film.gif", save_all=True, append_images=frames[1:] * 10)
    done = train(tmp_path, config_at(tmp_path), "--data", "set", "--out", "run")
    assert done.returncode == 0, done.stderr
    for name in names:
        assert name in done.stderr
    assert "4 pictures are very few: expect repetitions" in done.stderr
    assert (tmp_path / "run" / "previews" / "step-00000002.png").is_file()


@pytest.mark.parametrize("family", MODELS)
def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, family: str) -> None:
    config = config_at(tmp_path, family, steps=4, keep=5, ema=0.9)
    half = train(tmp_path, config, "--out", "half", "--set", "train.steps=2", "--set", "train.schedule.name=constant")
    assert half.returncode == 0, half.stderr
    same = train(tmp_path, config, "--out", "same", "--set", "train.schedule.name=constant")
    assert same.returncode == 0, same.stderr
    rest = train(tmp_path, "half", "--resume", "--set", "train.steps=4")
    assert rest.returncode == 0, rest.stderr
    for name in ("model", "ema", "optimizer"):
        found = [
            (tmp_path / run / "checkpoints" / "step-00000004" / f"{name}.safetensors").read_bytes() for run in ("same", "half")
        ]
        assert found[0] == found[1]
