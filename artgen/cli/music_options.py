"""Options that the commands for music share."""

from __future__ import annotations

from typing import Annotated

import typer

TempoOption = Annotated[
    float | None, typer.Option("--tempo", help="Music: quarter notes a minute. Default: as the pieces learned from.")
]
KeyOption = Annotated[
    str | None, typer.Option("--key", help='Music: such as G, "F# minor" or "Bb major". Default: whatever comes.')
]
InstrumentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument",
        help="Music: a General MIDI name or number, for all parts; given again, one for each part. Default: as learned.",
    ),
]
RangeOption = Annotated[
    str | None,
    typer.Option(
        "--play-range",
        help="Music: lowest and highest pitch, such as G3-A7, or an instrument or voice, such as violin or alto.",
    ),
]
SoundFontOption = Annotated[
    str | None,
    typer.Option(
        "--soundfont", help="Music: the SoundFont (.sf2) that plays .wav and .flac. Default: the small one of pretty_midi."
    ),
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="Music: what the files of a folder end in, such as .wav. Default: .mid.")
]
MusicOutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--out",
        "-o",
        help="FILE.mid, .wav, .flac, .png (piano roll) or .musicxml, or FOLDER/ for a file each. May be given again.",
    ),
]
