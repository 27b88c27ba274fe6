"""`artgen train`: learn from a person's work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from artgen.cli.common import DeviceOption, JsonOption, emit, note


def train(
    config: Annotated[
        str, typer.Argument(help="A YAML config, the name of a recipe such as text/gpt, or with --resume a run.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="What to learn from: a file, folder, glob, - or a known set's name. May be given again."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a value of the config, such as train.steps=500.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder to make. Default: runs/<config's name>.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out from its newest checkpoint.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", help="The same as --set seed=N.")] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on your work, into a run folder."""
    from artgen.cli.training import start_training

    extra: dict[str, Any] = {}
    if data:
        extra["data"] = {"path": list(data)}
    if device:
        extra["device"] = {"accelerator": device}
    if seed is not None:
        extra["seed"] = seed
    report = start_training(config, set_ or [], extra, out, resume, say=note)
    emit(as_json, report.as_dict(), report.as_text())
    if report.signal:
        raise typer.Exit(128 + report.signal)
