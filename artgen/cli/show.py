"""`artgen show`: how a file was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

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
        ("run", f"{recipe.run} ({recipe.family})") if recipe.run else ("family", recipe.family),
        *([("checkpoint", recipe.checkpoint)] if recipe.checkpoint else []),
        ("seed", f"{recipe.seed}, sample {recipe.index}" + (f" and {others} more" if others else "")),
        ("device", recipe.device + (f", torch {recipe.torch}" if recipe.torch else "")),
        *([("threads", recipe.threads)] if recipe.threads else []),
        *((f"  {key}", repr(value)) for key, value in _flat(recipe.options).items() if value not in (None, [], "")),
        ("note", recipe.licence),
    ]
    width = max(22, *(len(label) + 2 for label, _ in rows))
    text = "\n".join(f"{label:<{width}}{value}" for label, value in rows)
    emit(as_json, {"file": str(file), "unchanged": found.unchanged, "recipes": [r.to_dict() for r in found.recipes]}, text)


def _flat(options: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Options within options by names such as `styles.1.path`, lists of them counted from 1."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            value = {str(number): item for number, item in enumerate(value, 1)}
        if isinstance(value, dict):
            flat.update(_flat(value, f"{above}{key}."))
        else:
            flat[above + key] = value
    return flat
