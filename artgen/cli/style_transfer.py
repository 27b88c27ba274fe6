"""`artgen style-transfer`: a picture in the style of others."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from artgen.cli.common import DeviceOption, ForceOption, JsonOption, tell

COLOURS = ("luminance", "statistics")  # what --preserve-color may be followed by


class Command(TyperCommand):
    """Lets --preserve-color stand alone, for which Typer has no words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = []
        for arg, after in zip(args, [*args[1:], ""], strict=True):
            named.append(f"{arg}={COLOURS[0]}" if arg == "--preserve-color" and after not in COLOURS else arg)
        return super().parse_args(ctx, named)


def style_transfer(
    content: Annotated[str, typer.Argument(help="The picture whose layout is kept, or a folder of them.")],
    styles: Annotated[
        list[str],
        typer.Argument(
            metavar="STYLE",
            help="The picture whose style is taken; several with weights, such as a.jpg:2 b.jpg:1; a folder of pictures, each in turn; or a run that `artgen train` made.",
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", help="FILE.png, .jpg, .webp or .tif, or FOLDER/ for <content>--<style>.png.")
    ],
    method: Annotated[
        str | None, typer.Option("--method", help="patch (default, needs no weights) or gatys (with --weights).")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Pixels of the longest side. Default: the content's, at most 512.")
    ] = None,
    content_strength: Annotated[
        str, typer.Option("--content", help="How much of the layout stays: hint, loose, normal, close, exact, or 0 to 1.")
    ] = "normal",
    strength: Annotated[float, typer.Option("--strength", help="How much style: 0 (the content as it is) to 1.")] = 1.0,
    style_scale: Annotated[
        float, typer.Option("--style-scale", help="Size of brush strokes: longest side of the style, in those of the result.")
    ] = 1.0,
    preserve_color: Annotated[
        str | None,
        typer.Option(
            "--preserve-color",
            metavar="[luminance|statistics]",
            help="Keep the content's colours: of each pixel (luminance, which need not be said), or their mean and spread.",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask", help="Where the style goes: white in this picture, of the content's size. One for each style, in order."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option("--init", help="What it begins from: content, noise or a picture. Default: the method's choice."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="More is slower and finer. Default: the method's own.")] = None,
    tile: Annotated[bool, typer.Option("--tile", help="Seamless: the result goes on over its borders.")] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same picture. Default: a new one.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="An option of the method: key=value.")] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", help="gatys: weights of VGG-19 or SqueezeNet, .pth, .safetensors or .npz.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="gatys: take VGG-19's weights, fetched once (575 MB) and checked.")
    ] = False,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="Where STYLE is a run: best (default), latest, or a step.")
    ] = None,
    preview: Annotated[
        str | None, typer.Option("--preview", help="A picture that is written anew every few seconds while it grows.")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="A contact sheet of all results: contents across, styles down.")
    ] = None,
    force: ForceOption = False,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a picture in the style of others.

    CONTENT and STYLE may be folders: then all pairs are made, into OUT/. Ctrl-C writes what there is so far.
    """
    from artgen.cli.styling import start_styling

    report = start_styling(
        content,
        styles,
        asked={
            "method": method,
            "size": size,
            "content_strength": content_strength,
            "strength": strength,
            "style_scale": style_scale,
            "preserve_color": preserve_color,
            "init": init,
            "steps": steps,
            "tile": tile,
            "masks": mask or [],
        },
        changes=set_ or [],
        weights=weights,
        download=download,
        checkpoint=checkpoint,
        out=out,
        preview=preview,
        sheet=sheet,
        seed=seed,
        force=force,
        device=device or "auto",
    )
    tell(as_json, report)
    if report.status:
        raise typer.Exit(report.status)
