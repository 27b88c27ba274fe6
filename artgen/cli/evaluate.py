"""`artgen evaluate`: how good, how varied, how original; of a picture, how near a style, and what is left of the content."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from artgen.cli.common import DeviceOption, ForceOption, JsonOption, SetOption, emit


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(help="The run folder that `artgen train` made; with --content and --style a picture in that style."),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="What to score (text, music) and to compare with (pictures, music). Default: the held-out part of what the run "
            "learned from, of pictures all of it.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=0, help="How many samples to judge. Default: 20 texts, 256 pictures, 50 pieces."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of the samples.")] = 0,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride",
            min=1,
            help="Text: tokens from window to window; fewer is slower and exacter. Default: half the context.",
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="Pictures: a weights file of SqueezeNet or Inception v3, by whose features they are also compared (KID, FID, "
            "precision, recall). Nothing is downloaded.",
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs", help="Pictures: write the samples nearest to training pictures, beside them, to this PNG file."
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Pictures: how many are made together; fewer needs less memory.")
    ] = None,
    content: Annotated[
        Path | None, typer.Option("--content", help="Style transfer: the picture that the result was made of.")
    ] = None,
    style: Annotated[
        list[Path] | None,
        typer.Option("--style", help="Style transfer: the picture whose style it has; several: --style before each."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            help="Style transfer: a weights file of SqueezeNet or VGG-19, by whose features styles and contents are also compared.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            min=16,
            help="Style transfer: pixels of the longer side to compare at. Default: the result's, at most 1,024.",
        ),
    ] = None,
    style_size: Annotated[
        int | None,
        typer.Option("--style-size", min=16, help="Style transfer: pixels of the styles' longer side. Default: the result's."),
    ] = None,
    set_: SetOption = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="best, latest, or a step.")] = "best",
    device: DeviceOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score a trained run, or a result of style transfer: quality, variety, and whether it copies."""
    of_runs: dict[str, Any] = {"data": data, "samples": samples, "stride": stride, "features": features, "pairs": pairs}
    of_runs |= {"batch": batch, "set": set_}
    of_style = {"content": content, "style": style, "weights": weights, "size": size, "style-size": style_size}
    if content is not None and style:
        _refuse(of_runs, "of runs alone; of style transfer there are", of_style)
        from artgen.cli.evaluate_style import StyleQuestion, evaluate_style

        evaluate_style(StyleQuestion(run, content, style, weights, size, style_size, seed, device or "auto"), as_json)
        return
    _refuse(of_style, "of style transfer, which needs both --content and --style; of runs there are", of_runs)

    from artgen.cli.making import parse_changes, sample_options
    from artgen.engine.run import open_run

    _, config = open_run(run)  # a mistake in the call is told before torch is imported
    options = sample_options(config, parse_changes(set_ or []))
    given: dict[str, Any] = {"stride": stride, "features": features, "pairs": pairs, "batch": batch, "force": force or None}
    given = {name: value for name, value in given.items() if value is not None}
    _check_files(features, pairs, force)

    from artgen.config import resolve_paths
    from artgen.engine.run import open_trained
    from artgen.registry import family_class

    family = family_class(config.family)
    _check_options(config.family, given, family.evaluation_options)
    trained = open_trained(run, checkpoint, device or "auto")
    trained.family.config = trained.config.model_copy(update={"sample": options})
    paths = resolve_paths(type(trained.config.data), {"path": data}, Path.cwd())["path"] if data else None  # type: ignore[attr-defined]
    n_samples = family.evaluated if samples is None else samples
    card = trained.family.evaluate(trained.networks, trained.run.data, paths, n_samples=n_samples, seed=seed, **given)
    facts = {"run": str(run), "checkpoint_step": trained.checkpoint.step, **card.as_dict()}
    emit(as_json, facts, card.as_text())


def _refuse(options: dict[str, Any], why: str, valid: dict[str, Any]) -> None:
    """Raises UsageError at the first option that was given."""
    from artgen.errors import UsageError

    for option, value in options.items():
        if value is not None and value != []:
            raise UsageError(f"--{option}: {why} {', '.join(f'--{other}' for other in valid)}")


def _check_files(features: Path | None, pairs: Path | None, force: bool) -> None:
    """Raises UsageError where a file is not there, or cannot be written."""
    from artgen.errors import UsageError
    from artgen.files import check_writable

    if features is not None and not features.is_file():
        what = "is a folder" if features.is_dir() else "no such file"
        raise UsageError(f"--features {features}: {what}, expected a weights file of SqueezeNet or Inception v3")
    if pairs is not None:
        if pairs.suffix.lower() != ".png":
            raise UsageError(f"--pairs {pairs}: expected a name that ends in .png")
        check_writable(pairs, force)


def _check_options(name: str, given: dict[str, Any], valid: tuple[str, ...]) -> None:
    """Raises UsageError at the first option that the family has no use for."""
    from artgen.errors import UsageError

    for option in given:
        if option not in valid:
            has = ", ".join(f"--{other}" for other in valid) or "none of its kind"
            raise UsageError(f"--{option}: {name} has no use for it; its own options are {has}")
