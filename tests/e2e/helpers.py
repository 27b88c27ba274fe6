"""Runs the installed `artgen` as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

ARTGEN = [sys.executable, "-m", "artgen"]

TEXT = "".join(f"{i}. The {a} {b} sees a {c}.\n" for i, (a, b, c) in enumerate(
    (a, b, c) for a in ("old", "red", "small", "wise") for b in ("fox", "owl", "hen", "cat") for c in ("moon", "river", "stone", "tree")
))  # fmt: skip


def artgen(*args: object, cwd: Path | None = None, stdin: str | None = None, env: dict[str, str] | None = None,
           timeout: float = 120) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """One call, its output captured."""
    full = {**os.environ, "OMP_NUM_THREADS": "2", **(env or {})}
    return subprocess.run(
        [*ARTGEN, *map(str, args)], cwd=cwd, input=stdin, env=full, timeout=timeout, capture_output=True, text=True, check=False
    )


def small_config(folder: Path, family: str = "text.gpt", **changes: object) -> Path:
    """A config that trains in a second, and the text it learns from."""
    (folder / "text.txt").write_text(TEXT * 4, encoding="utf-8")
    model: dict[str, object] = {"n_layers": 2, "d_model": 32, "context": 32}
    if family == "text.gpt":
        model["n_heads"] = 2
    config = {
        "family": family,
        "data": {"path": ["text.txt"]},
        "model": model,
        "train": {
            "steps": 30,
            "batch_size": 8,
            "validate_every": 10,
            "checkpoint_every": 10,
            "preview_every": 30,
            "log_every": 5,
        },
        "device": {"accelerator": "cpu", "precision": "32"},
        **changes,
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def one_line(result: subprocess.CompletedProcess[str], status: int) -> str:
    """The error line of a failed call, checked to be the only one and to have the right status."""
    said = result.stderr.strip().splitlines()
    assert result.returncode == status, result.stderr
    assert len(said) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return said[0]
