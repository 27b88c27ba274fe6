"""`artgen show`: how a file was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.common import JsonOption, emit


def show(
    file: Annotated[Path, typer.Argument(help="A file that artgen wrote, or a run folder.")],
    as_json: JsonOption = False,
) -> None:
    """Print how a file was made, or what a run is."""
    from artgen.engine.run import RunFolder

    if RunFolder(file).holds_run():
        from artgen.cli.training import describe_run

        facts = describe_run(file)
        emit(as_json, facts, "\n".join(f"{key:<18}{value}" for key, value in facts.items() if not isinstance(value, dict)))
        return
    from artgen.media.reading import read_recipe

    found = read_recipe(file)
    recipe, others = found.recipes[0], len(found.recipes) - 1
    rows = [
        ("file", f"{file}" if found.unchanged else f"{file} (the file was changed since)"),
        ("made by", f"artgen {recipe.version}, {recipe.command}"),
        ("run", f"{recipe.run} ({recipe.family})"),
        ("checkpoint", recipe.checkpoint),
        ("seed", f"{recipe.seed}, sample {recipe.index}" + (f" and {others} more" if others else "")),
        ("device", recipe.device + (f", torch {recipe.torch}" if recipe.torch else "")),
        *([("threads", recipe.threads)] if recipe.threads else []),
        *((f"  {key}", repr(value)) for key, value in recipe.options.items() if value not in (None, [], "")),
        ("note", recipe.licence),
    ]
    text = "\n".join(f"{label:<22}{value}" for label, value in rows)
    emit(as_json, {"file": str(file), "unchanged": found.unchanged, "recipes": [r.to_dict() for r in found.recipes]}, text)
