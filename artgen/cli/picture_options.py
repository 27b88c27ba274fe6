"""Options that the commands for pictures share."""

from __future__ import annotations

from typing import Annotated

import typer


def _none_for_none(value: str | None) -> str | None:
    return None if value == "none" else value


ClassOption = Annotated[str | None, typer.Option("--class", help="Pictures: of this class. Default: all classes in turn.")]
TruncationOption = Annotated[
    float | None, typer.Option("--truncation", help="Pictures: below 1 plainer and surer, 0 the mean of all, above 1 wilder.")
]
StepsOption = Annotated[int | None, typer.Option("--steps", help="Pictures of a flow: steps from noise to picture.")]
SamplerOption = Annotated[str | None, typer.Option("--sampler", help="Pictures of a flow: euler, heun, dpm++ or rk4.")]
GuidanceOption = Annotated[
    float | None, typer.Option("--guidance", help="Pictures of a flow: above 1 past what the class asks for.")
]
AvoidCopiesOption = Annotated[
    bool,
    typer.Option(
        "--avoid-copies",
        help="Pictures: make anew what is nearer to a training picture than real pictures are to each other.",
    ),
]
OwnDataOption = Annotated[
    list[str] | None,
    typer.Option("--data", help="With --avoid-copies: where the training pictures are now, if they were moved."),
]
ColumnsOption = Annotated[
    int | None, typer.Option("--columns", help="Pictures side by side on a sheet. Default: as many as rows, or one more.")
]
PaddingOption = Annotated[int | None, typer.Option("--padding", help="Pixels around each picture of a sheet. Default: 2.")]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        "--background",
        callback=_none_for_none,
        help='Laid under pictures and sheets: none (transparent stays so; white in an MP4), white, black, grey or "#rrggbb".',
    ),
]
