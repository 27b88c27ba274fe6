"""Figures that a run leaves behind: metrics.jsonl, one JSON object a line, and TensorBoard events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from artgen.engine.run import RunFolder
from artgen.files import atomic_write


class Logbook:
    """Writes figures by step. `start` is the step a resumed run continues from: later lines are dropped first."""

    def __init__(self, run: RunFolder, start: int = 0) -> None:
        from tensorboardX import SummaryWriter

        _drop_after(run.metrics, start)
        self._file = run.metrics.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(run.events), purge_step=start or None, flush_secs=10)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """One line for `step` (counted from 1: the number of finished steps)."""
        self._file.write(json.dumps({"step": step, **figures}) + "\n")
        self._file.flush()
        for name, value in figures.items():
            self._events.add_scalar(name, value, step)

    def text(self, step: int, name: str, text: str) -> None:
        """A text sample for TensorBoard."""
        self._events.add_text(name, text, step)

    def close(self) -> None:
        self._file.close()
        self._events.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics.jsonl; a last line that a kill cut short is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def _drop_after(path: Path, step: int) -> None:
    """Removes lines of steps that a resumed run will do again."""
    if not path.exists():
        return
    kept = [line for line in read_metrics(path) if line["step"] <= step]
    atomic_write(path, "".join(json.dumps(line) + "\n" for line in kept), force=True)
