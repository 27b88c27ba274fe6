"""`artgen interpolate`: a walk from sample to sample."""

from __future__ import annotations

from typing import Annotated

import typer

from artgen.cli.common import CheckpointOption, DeviceOption, ForceOption, JsonOption, SetOption, tell
from artgen.cli.picture_options import BackgroundOption, GuidanceOption, SamplerOption, StepsOption, TruncationOption


def interpolate(
    run: Annotated[str, typer.Argument(help="The run folder that `artgen train` made.")],
    seeds: Annotated[str, typer.Option("--seeds", help="The samples to walk through, such as 1,2,3,4.")],
    loop: Annotated[
        bool, typer.Option("--loop", help="Back to the first at the end, so that it can be shown for ever.")
    ] = False,
    frames: Annotated[int | None, typer.Option("--frames", help="Pictures from seed to seed. Default: 24.")] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="Pictures a second. Default: 24.")] = None,
    ease: Annotated[bool, typer.Option("--ease", help="Linger at each seed.")] = False,
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="The class, or one for each seed: NAME,NAME,…. Default: the run's, or the first."),
    ] = None,
    truncation: TruncationOption = None,
    sampler: SamplerOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scale: Annotated[
        int | None, typer.Option("--scale", help="Enlarge so many times. Default: 1; MP4: to 256 pixels or more.")
    ] = None,
    resample: Annotated[str | None, typer.Option("--resample", help="How to enlarge: lanczos (default) or nearest.")] = None,
    background: BackgroundOption = None,
    set_: SetOption = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="FILE.mp4, FILE.gif, FILE.png (animated), or FOLDER/.")] = None,
    force: ForceOption = False,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk from sample to sample: a video, an animation, or frames."""
    from artgen.cli.interpolating import parse_seeds
    from artgen.cli.making import parse_changes, start_making
    from artgen.media.places import is_folder

    walk = parse_seeds(seeds)
    out = None if out == "-" else out
    report = start_making(
        "interpolate",
        run,
        n=1,
        seed=walk[0],
        given={"truncation": truncation, "sampler": sampler, "steps": steps, "guidance": guidance},
        asked={
            "seeds": walk,
            "loop": loop,
            "frames": frames,
            "fps": fps,
            "ease": ease,
            "classes": class_name.split(",") if class_name else None,
            "scale": scale,
            "resample": resample,
            "background": background,
            "apart": out is not None and is_folder(out),
        },
        changes=parse_changes(set_ or []),
        out=[] if out is None else [out],
        force=force,
        checkpoint=checkpoint,
        device=device or "auto",
    )
    tell(as_json, report, str(report.files[0].parent if len(report.files) > 1 else report.files[0]))
