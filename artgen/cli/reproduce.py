"""`artgen reproduce`: make a file again from the recipe it carries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.common import DeviceOption, ForceOption, JsonOption, emit


def reproduce(
    file: Annotated[Path, typer.Argument(help="A file that artgen wrote.")],
    run: Annotated[Path | None, typer.Option("--run", help="Where the run folder is now, if it was moved.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", help="Pictures made with --avoid-copies: where the training pictures are now, if they were moved."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write. Default: FILE's name with -again.")
    ] = None,
    force: ForceOption = False,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a file again, byte for byte, from its recipe."""
    from artgen.cli.reproducing import start_reproducing

    report = start_reproducing(file, run, out, force, device, data)
    emit(as_json, report.as_dict(), report.as_text())
    if not report.identical:
        raise typer.Exit(1)
