"""What the subcommands share: options, the two ways to report, and numbers in words."""

from __future__ import annotations

import json
import math
import sys
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
CheckpointOption = Annotated[str, typer.Option("--checkpoint", help="best, latest, or a step.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value of the run's sample section for this call, such as line_length=null."),
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]


def emit(as_json: bool, facts: Any, text: str) -> None:
    """A command's result on standard output: `facts` as JSON, or `text` for a person. From one process of several only."""
    from artgen.engine.launch import global_rank

    if global_rank() == 0:
        print(json.dumps(_without_nan(facts), ensure_ascii=False, indent=1, default=str) if as_json else text, flush=True)


def _without_nan(value: Any) -> Any:
    """JSON has no word for what is not a finite number but null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def note(text: str) -> None:
    """A remark for a person, on standard error, so that a pipe gets results only."""
    print(text, file=sys.stderr, flush=True)


def size(n_bytes: float) -> str:
    """1.2 MB, 3 GB."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def tell(as_json: bool, report: Any, files: str | None = None) -> None:
    """What a command made: its files on standard output, or the report as JSON; a summary on standard error.

    files: instead of a line for each.
    """
    emit(as_json, report.as_dict(), "\n".join(map(str, report.files)) if files is None else files)
    if not as_json:
        note(report.summary())
