"""Every kind of bad input gets one line, the right status, and leaves no half-made folder."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.helpers import artgen, one_line, small_config


def refused(tmp_path: Path, *args: object, status: int = 2, out: str = "run") -> str:
    before = sorted(p.name for p in tmp_path.iterdir())
    said = one_line(artgen("train", *args, "--out", tmp_path / out, cwd=tmp_path), status)
    assert not (tmp_path / out).exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == before, "something was left behind"
    return said


CONFIGS = {
    "empty": ("", "is empty"),
    "not YAML": ("family: [text.gpt\nmodel: 3", "not YAML"),
    "a list": ("- family: text.gpt", "not a config"),
    "no family": ("train: {steps: 3}", "family: missing"),
    "unknown family": ("family: text.gtp", "did you mean 'text.gpt'"),
    "unknown key": ("family: text.gpt\ntrain: {step: 3}", "train.step: unknown key, did you mean 'steps'"),
    "wrong type": ("family: text.gpt\nmodel: {n_layers: six}", "model.n_layers"),
    "heads": ("family: text.gpt\nmodel: {d_model: 100, n_heads: 8}", "d_model 100 is not a multiple of n_heads 8"),
    "negative": ("family: text.gpt\ntrain: {steps: -1}", "train.steps"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_bad_configs(tmp_path: Path, name: str) -> None:
    text, expected = CONFIGS[name]
    (tmp_path / "bad.yaml").write_text(text)
    said = refused(tmp_path, tmp_path / "bad.yaml")
    assert expected in said
    assert "bad.yaml" in said


def test_missing_config_names_the_nearest_recipe(tmp_path: Path) -> None:
    assert "text/gtp" in refused(tmp_path, "text/gtp")


def test_bad_overrides(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    assert "did you mean 'steps'" in refused(tmp_path, config, "--set", "train.stesp=5")
    assert "train.steps" in refused(tmp_path, config, "--set", "train.steps=many")
    assert "key=value" in refused(tmp_path, config, "--set", "train.steps")


def test_bad_data(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin-1") * 400)
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "folder").mkdir()
    assert "nowhere.txt" in refused(tmp_path, config, "--data", "nowhere.txt")
    assert "empty" in refused(tmp_path, config, "--data", "empty.txt")
    assert "byte 3" in refused(tmp_path, config, "--data", "latin.txt")
    assert "binary.txt" in refused(tmp_path, config, "--data", "binary.txt")
    assert "33" in refused(tmp_path, config, "--data", "short.txt")
    assert "folder" in refused(tmp_path, config, "--data", "folder")
    assert "nothing-*.txt" in refused(tmp_path, config, "--data", "nothing-*.txt")


def test_cuda_where_there_is_none(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert "no CUDA here" in refused(tmp_path, small_config(tmp_path), "--device", "cuda")
    assert "device.accelerator" in refused(tmp_path, small_config(tmp_path), "--device", "gpu")


@pytest.mark.skipif(
    sys.platform == "win32" or (os.geteuid() != 0 and shutil.which("unshare") is None), reason="needs a way to lock a folder"
)
def test_a_read_only_folder(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    if os.geteuid() == 0:
        drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        if shutil.which("setpriv") is None:
            pytest.skip("root can write everywhere, and setpriv is not here to step down")
        for folder in (tmp_path, *tmp_path.parents[:3]):  # pytest's, and that of one of its processes
            folder.chmod(folder.stat().st_mode | 0o055)
    else:
        drop = []
    env = {**os.environ, "ARTGEN_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    command = [*drop, sys.executable, "-m", "artgen", "train", str(config), "--out", str(locked / "run")]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    if "Permission denied" in result.stderr and "artgen" not in result.stderr:
        pytest.skip("another user cannot run this Python")
    assert "read-only" in one_line(result, 1)
    assert list(locked.iterdir()) == []


def test_a_full_disk_in_training_keeps_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file-size limit stands in for a full disk: the weights of the second save do not fit under it."""
    config = small_config(tmp_path)
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "from artgen.cli.main import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "train", str(config), "--out", str(tmp_path / "run")],
        env={**os.environ, "ARTGEN_CACHE": str(tmp_path / "cache")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert os.strerror(errno.EFBIG) in result.stderr.splitlines()[-1]
    folder = tmp_path / "run" / "checkpoints"
    assert not folder.exists() or not list(folder.iterdir())


def test_damaged_and_foreign_checkpoints(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    run = tmp_path / "run"
    assert artgen("train", config, "--out", run).returncode == 0
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    weights = newest / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    said = one_line(artgen("sample", run, "--checkpoint", "latest"), 1)
    assert "model.safetensors: damaged" in said
    weights.write_bytes(b"\x00" * len(whole))
    assert "SHA-256" in one_line(artgen("sample", run, "--checkpoint", "latest"), 1)
    weights.unlink()
    assert "missing" in one_line(artgen("sample", run, "--checkpoint", "latest"), 1)
    assert "not a run" in one_line(artgen("sample", tmp_path), 2)
    assert "no such run" in one_line(artgen("sample", tmp_path / "nowhere"), 2)
    settings = run / "config.yaml"
    settings.write_text(settings.read_text().replace("d_model: 32", "d_model: 64"))
    assert "was config.yaml changed?" in one_line(artgen("sample", run, "--checkpoint", "20"), 1)


def test_a_prompt_that_leaves_the_vocabulary(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    run = tmp_path / "run"
    assert artgen("train", config, "--out", run, "--set", "train.steps=5").returncode == 0
    said = one_line(artgen("sample", run, "--prompt", "The owl 春 sees"), 2)
    assert "春" in said
    assert "春" in one_line(artgen("sample", run, "--acrostic", "春夏"), 2)
