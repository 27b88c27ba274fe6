"""`artgen harmonize`: a melody gets three more voices, or a piece in four voices is written anew in part."""

from __future__ import annotations

from typing import Annotated

import typer

from artgen.cli.common import CheckpointOption, DeviceOption, ForceOption, JsonOption, SetOption, tell
from artgen.cli.music_options import FormatOption, InstrumentOption, MusicOutOption, SoundFontOption


def harmonize(
    melody: Annotated[str, typer.Argument(help="A MIDI file with a melody; or with four voices, for --replace and --bars.")],
    run: Annotated[str, typer.Option("--model", "-m", help="A run folder of music.chorale.")],
    voice: Annotated[
        str | None, typer.Option("--voice", help="Which voice the melody is: soprano (default), alto, tenor or bass.")
    ] = None,
    replace: Annotated[
        list[str] | None,
        typer.Option("--replace", help="Of a piece in four voices: write this one anew. May be given again. Default: all."),
    ] = None,
    bars: Annotated[
        str | None, typer.Option("--bars", help="Of a piece in four voices: write these bars anew, such as 5-8. Default: all.")
    ] = None,
    transpose: Annotated[
        int | None, typer.Option("--transpose", help="Move what is given by so many semitones first. Default: 0.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many versions.")] = 1,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same versions. Default: a new one.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="0: what is likeliest always; 1: as the model believes.")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option("--order", help="forward, likeliest, gibbs or confident. Default: the likeliest, then forward."),
    ] = None,
    tempo: Annotated[float | None, typer.Option("--tempo", help="Quarter notes a minute. Default: the melody's.")] = None,
    instrument: InstrumentOption = None,
    soundfont: SoundFontOption = None,
    format_: FormatOption = None,
    set_: SetOption = None,
    out: MusicOutOption = None,
    force: ForceOption = False,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a melody three more voices, or write a piece in four voices anew in part.

    What is given stays as it is: the melody, the voices that are not named by --replace, the bars outside of --bars.
    """
    from artgen.cli.harmonizing import parse_bars
    from artgen.cli.making import parse_changes, start_making

    report = start_making(
        "harmonize",
        run,
        n=n,
        seed=seed,
        given={"temperature": temperature, "order": order, "tempo": tempo, "instrument": instrument or None},
        asked={
            "melody": melody,
            "voice": voice,
            "replace": replace or None,
            "span": parse_bars(bars) if bars is not None else None,
            "transpose": transpose,
            "soundfont": soundfont,
            "format": format_,
        },
        changes=parse_changes(set_ or []),
        out=out or [],
        force=force,
        checkpoint=checkpoint,
        device=device or "auto",
    )
    tell(as_json, report)
