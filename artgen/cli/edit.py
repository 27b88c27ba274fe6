"""`artgen edit`: a picture, or a sample, changed with a trained run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from artgen.cli.common import CheckpointOption, DeviceOption, ForceOption, JsonOption, SetOption, tell
from artgen.cli.picture_options import (
    BackgroundOption,
    ClassOption,
    ColumnsOption,
    GuidanceOption,
    PaddingOption,
    SamplerOption,
    StepsOption,
    TruncationOption,
)


def edit(
    run: Annotated[str, typer.Argument(help="The run folder that `artgen train` made.")],
    picture: Annotated[str | None, typer.Argument(help="The picture to edit. Without one, a sample of the seed.")] = None,
    project: Annotated[bool, typer.Option("--project", help="Find the picture among those that the run can make.")] = False,
    project_steps: Annotated[int | None, typer.Option("--project-steps", help="Steps of the search. Default: 200.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="With --project: the picture and what was found, side by side.")
    ] = False,
    directions: Annotated[
        bool, typer.Option("--directions", help="A sheet of what moving along each direction does, from -3 to 3.")
    ] = False,
    count: Annotated[int | None, typer.Option("--count", help="How many directions the sheet has. Default: 8.")] = None,
    direction: Annotated[
        list[str] | None, typer.Option("--direction", help="Move along a direction: 2=1.5. May be given again.")
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask",
            help="Paint anew where this picture is white, or transparent if any of it is. Size: the picture's or the run's.",
        ),
    ] = None,
    outpaint: Annotated[
        float | None,
        typer.Option("--outpaint", help="Shrink the picture to this share of the side, and paint a border around it."),
    ] = None,
    strength: Annotated[
        float | None, typer.Option("--strength", help="Variations of the picture: 0 the same, 1 new ones.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many variants.")] = 1,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same pictures. Default: a new one.")
    ] = None,
    class_name: ClassOption = None,
    truncation: TruncationOption = None,
    sampler: SamplerOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    columns: ColumnsOption = None,
    padding: PaddingOption = None,
    background: BackgroundOption = None,
    set_: SetOption = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="FILE.png, or FOLDER/ for a file of each variant.")] = None,
    force: ForceOption = False,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a picture, or a sample, with a trained run.

    One of --project, --directions, --direction, --mask, --outpaint and --strength. With a picture, --directions and --direction begin from its projection, else from a sample of --seed.
    """
    from artgen.cli.edit_call import choose_action, hash_of, parse_moves
    from artgen.cli.making import parse_changes, start_making

    moves = parse_moves(direction or [])
    asked: dict[str, Any] = {
        "action": choose_action(project, directions, moves, mask, outpaint, strength, picture, n, compare),
        "picture": picture,
        "picture_sha256": hash_of(picture),
        "mask": mask,
        "mask_sha256": hash_of(mask),
        "project_steps": project_steps,
        "compare": compare,
        "count": count,
        "moves": moves,
        "outpaint": outpaint,
        "strength": strength,
        "columns": columns,
        "padding": padding,
        "background": background,
    }
    report = start_making(
        "edit",
        run,
        n=n,
        seed=seed,
        given={
            "class_name": class_name,
            "truncation": truncation,
            "sampler": sampler,
            "steps": steps,
            "guidance": guidance,
        },
        asked=asked,
        changes=parse_changes(set_ or []),
        out=[out] if out not in (None, "-") else [],
        force=force,
        checkpoint=checkpoint,
        device=device or "auto",
    )
    tell(as_json, report)
