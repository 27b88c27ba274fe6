"""lightweight-gan, run in its own environment by lightweight_gan_on_cpu.py, for scripts/bench/image.py."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from image_runs import write_training_part

SCRIPT = Path(__file__).parent / "lightweight_gan_on_cpu.py"
BATCH = 10  # its own default


@dataclass(frozen=True)
class Peer:
    """The peer on the training part of a set of pictures."""

    python: Path | None  # of an environment that has lightweight-gan
    out: Path | None  # what a run that was made before has written
    work: Path

    def trained(self, pictures: Any, minutes: Sequence[float], n_samples: int) -> bool:
        """Trains it, unless that was done; whether there is something to score."""
        if self.out is None and self.python is None:
            return False
        if self.out is None and not all(self._facts(m).exists() for m in minutes):
            times = ",".join(f"{m:g}" for m in minutes)
            self._call(pictures, "--out", self._out, "--minutes", times, "--samples", n_samples)
        return True

    def facts(self, minutes: float) -> dict[str, Any]:
        """Steps, seconds and parameters of a run."""
        found: dict[str, Any] = json.loads(self._facts(minutes).read_text())
        return found

    def samples(self, minutes: float, n: int) -> dict[str, np.ndarray]:
        """Of the generator (G) and of its moving average (GE): uint8 [n, height, width, 3]."""
        return {name: np.load(self._out / f"{name}-{minutes:g}.npy")[:n] for name in ("G", "GE")}

    def speed(self, pictures: Any, steps: int) -> tuple[float, int]:
        """(pictures/s in training, parameters of both networks)."""
        found = self._call(pictures, "--out", self.work / "lightweight-gan-speed", "--steps", steps)
        return found["pictures_per_second"], sum(found["parameters"].values())

    @property
    def _out(self) -> Path:
        return self.out or self.work / "lightweight-gan"

    def _facts(self, minutes: float) -> Path:
        return self._out / f"facts-{minutes:g}.json"

    def _call(self, pictures: Any, *arguments: object) -> dict[str, Any]:
        """Runs the script; gives its last line."""
        folder = write_training_part(pictures, self.work / "lightweight-gan-pictures")
        call = [self.python, SCRIPT, "--pictures", folder, "--batch", BATCH, *arguments]
        done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"lightweight-gan failed:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return found
