"""`artgen sample`: new work from a trained run: text, pictures or music."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from artgen.cli.common import CheckpointOption, DeviceOption, ForceOption, JsonOption, SetOption, note, tell
from artgen.cli.music_options import (
    FormatOption,
    InstrumentOption,
    KeyOption,
    RangeOption,
    SoundFontOption,
    TempoOption,
)
from artgen.cli.picture_options import (
    AvoidCopiesOption,
    BackgroundOption,
    ClassOption,
    ColumnsOption,
    GuidanceOption,
    OwnDataOption,
    PaddingOption,
    SamplerOption,
    StepsOption,
    TruncationOption,
)


def sample(
    run: Annotated[str, typer.Argument(help="The run folder that `artgen train` made.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many samples.")] = 1,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same samples. Default: a new one.")
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="Text to continue; - reads it from standard input.")] = None,
    prompt_file: Annotated[str | None, typer.Option("--prompt-file", help="A file with the text to continue.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="The most tokens of a sample.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Text, music: 0: the likeliest always; 1: as the model believes.")
    ] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", help="Text, music: draw from the k likeliest; 0: all.")] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Text, music: draw from the likeliest that make up this probability.")
    ] = None,
    min_p: Annotated[
        float | None, typer.Option("--min-p", help="Text: leave out tokens below this share of the likeliest one's.")
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option("--repetition-penalty", help="Above 1: avoid what was said.")
    ] = None,
    stop: Annotated[list[str] | None, typer.Option("--stop", help="End a sample before this text. May be given again.")] = None,
    lines: Annotated[int | None, typer.Option("--lines", help="Exactly so many lines.")] = None,
    line_length: Annotated[
        str | None, typer.Option("--line-length", help="Characters in a line, such as 7 or 5,7 for either.")
    ] = None,
    allowed: Annotated[str | None, typer.Option("--allowed", help="The only characters that may appear.")] = None,
    acrostic: Annotated[
        str | None, typer.Option("--acrostic", help="Line i begins with the i-th character of this word.")
    ] = None,
    class_name: ClassOption = None,
    truncation: TruncationOption = None,
    sampler: SamplerOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    avoid_copies: AvoidCopiesOption = False,
    data: OwnDataOption = None,
    grid: Annotated[bool, typer.Option("--grid", help="All pictures on one sheet, -o FILE.png.")] = False,
    columns: ColumnsOption = None,
    padding: PaddingOption = None,
    background: BackgroundOption = None,
    bars: Annotated[int | None, typer.Option("--bars", help="Music: bars of a piece, the primer's among them.")] = None,
    tempo: TempoOption = None,
    key: KeyOption = None,
    primer: Annotated[str | None, typer.Option("--primer", help="Music: a MIDI file to go on from.")] = None,
    instrument: InstrumentOption = None,
    play_range: RangeOption = None,
    soundfont: SoundFontOption = None,
    format_: FormatOption = None,
    set_: SetOption = None,
    out: Annotated[
        list[str] | None,
        typer.Option(
            "--out",
            "-o",
            help="A file, or FOLDER/ for one file each. Music: .mid, .wav, .flac, .png (piano roll) or .musicxml; may be given again. "
            "Default, for text alone: the terminal (-).",
        ),
    ] = None,
    force: ForceOption = False,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make new work with a trained run."""
    from artgen.cli.making import parse_changes, start_making
    from artgen.cli.sampling import read_prompt

    given: dict[str, Any] = {
        "prompt": read_prompt(prompt, prompt_file),
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "stop": stop or None,
        "lines": lines,
        "line_length": line_length.split(",") if line_length else None,
        "allowed": allowed,
        "acrostic": acrostic,
        "class_name": class_name,
        "truncation": truncation,
        "sampler": sampler,
        "steps": steps,
        "guidance": guidance,
        "avoid_copies": avoid_copies or None,
        "bars": bars,
        "tempo": tempo,
        "key": key,
        "primer": primer,
        "instrument": instrument or None,
        "play_range": play_range,
    }
    asked = {
        "grid": grid or None,
        "data": data or None,
        "columns": columns,
        "padding": padding,
        "background": background,
        "soundfont": soundfont,
        "format": format_,
    }
    places = [] if out in (None, ["-"]) else list(out or [])
    to_terminal = not places and not as_json
    report = start_making(
        "sample",
        run,
        n=n,
        seed=seed,
        given=given,
        asked=asked,
        changes=parse_changes(set_ or []),
        out=places,
        force=force,
        checkpoint=checkpoint,
        device=device or "auto",
        stream=_print_first if to_terminal else None,
    )
    if to_terminal:
        _print_rest([str(made.work) for made in report.samples])
        note(report.summary())
    else:
        tell(as_json, report)


def _print_first(index: int, text: str) -> None:
    """The first sample as it grows; the others, made beside it, follow when they are done."""
    if index == 0:
        sys.stdout.write(text)
        sys.stdout.flush()


def _print_rest(works: list[str]) -> None:
    from artgen.media.text import SEPARATOR

    sys.stdout.write("" if works[0].endswith("\n") else "\n")
    for work in works[1:]:
        print(SEPARATOR)
        print(work.removesuffix("\n"))
