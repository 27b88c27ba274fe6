"""Runs of music families for scripts/bench/music.py: trained by the recipes as they are, or given."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common import ROOT, artgen

CONFIGS = ROOT / "configs" / "music"


@dataclass(frozen=True)
class MusicRun:
    """A trained run."""

    path: Path
    steps: int
    best_step: int
    seconds: float  # of training, as its last checkpoint says; without the start of Python

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "path": self.path.name}

    def open(self) -> Any:
        """Its best checkpoint on the CPU."""
        from artgen.engine.run import open_trained

        return open_trained(self.path, "best", "cpu")


@dataclass(frozen=True)
class MusicRuns:
    """Runs by the name of their recipe: those given, those that a call before left in the work folder, or new ones."""

    work: Path
    data: Mapping[str, Path]
    given: Mapping[str, Path]

    def get(self, name: str) -> MusicRun:
        path = self.given.get(name, self.work / name)
        if not (path / "checkpoints" / "best.json").exists() or not _finished(path):
            if name in self.given:
                raise SystemExit(f"--run {name}={path}: is not a finished run")
            shutil.rmtree(path, ignore_errors=True)  # of a call that was broken off
            print(f"  training {name}", flush=True)
            artgen("train", CONFIGS / f"{name}.yaml", "--data", self.data[name], "--out", path)
        return _run(path)


def _finished(path: Path) -> bool:
    from artgen.engine.run import choose_checkpoint, open_run

    run, config = open_run(path)
    return choose_checkpoint(run, "latest").step >= config.train.steps or config.train.patience > 0


def _run(path: Path) -> MusicRun:
    from artgen.engine.run import choose_checkpoint, open_run

    run, _ = open_run(path)
    latest, best = choose_checkpoint(run, "latest"), choose_checkpoint(run, "best")
    return MusicRun(path, latest.step, best.step, float(latest.state["seconds"]))
