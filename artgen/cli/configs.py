"""`artgen configs`: the recipes that come with artgen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artgen.cli.common import ForceOption, JsonOption, emit


def configs(
    name: Annotated[str | None, typer.Argument(help="Print this recipe, such as text/gpt.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of all configs, for editors.")] = False,
    copy: Annotated[Path | None, typer.Option("--copy", help="Write the recipe to this file, to change it.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the recipes that come with artgen, print or copy one."""
    from artgen.errors import UsageError
    from artgen.recipes import describe, find_recipe, recipes

    if schema:
        from artgen.config import json_schema

        emit(True, json_schema(), "")
    elif name is not None:
        text = find_recipe(name).read_text(encoding="utf-8")
        if copy is None:
            emit(as_json, {"name": name, "yaml": text}, text.rstrip("\n"))
        else:
            from artgen.files import atomic_write

            atomic_write(copy, text, force)
            emit(as_json, {"name": name, "file": str(copy)}, str(copy))
    elif copy is not None:
        raise UsageError("--copy: name the recipe too, such as artgen configs text/gpt --copy mine.yaml")
    else:
        found = {key: describe(path) for key, path in recipes().items()}
        emit(as_json, found, "\n".join(f"{key:<20}{line}" for key, line in found.items()))
