"""`artgen evaluate`: how good, how varied, how original."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.common import DeviceOption, JsonOption, emit


def evaluate(
    run: Annotated[Path, typer.Argument(help="The run folder that `artgen train` made.")],
    data: Annotated[
        list[str] | None, typer.Option("--data", help="What to score. Default: the held-out part of what the run learned from.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="How many samples to judge.")] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of the samples.")] = 0,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride", min=1, help="Tokens from window to window; fewer is slower and exacter. Default: half the context."
        ),
    ] = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="best, latest, or a step.")] = "best",
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a trained run: likelihood, variety, and whether it copies."""
    from artgen.config import resolve_paths
    from artgen.engine.run import open_trained

    trained = open_trained(run, checkpoint, device or "auto")
    paths = resolve_paths(type(trained.config.data), {"path": data}, Path.cwd())["path"] if data else None  # type: ignore[attr-defined]
    card = trained.family.evaluate(trained.networks, trained.run.data, paths, n_samples=samples, seed=seed, stride=stride)
    facts = {"run": str(run), "checkpoint_step": trained.checkpoint.step, **card.as_dict()}
    emit(as_json, facts, card.as_text())
