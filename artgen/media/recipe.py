"""How a work was made, carried by the file that holds it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

import artgen
from artgen.errors import ArtgenError, UsageError

FORMAT = "artgen-recipe"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """All that making one work again takes, and what a finder of the file should know.

    There is no date in it: a work that is made again is the same file, byte for byte.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    command: str  # what was asked for: sample, style-transfer, …
    family: str  # text.gpt
    run: str  # name or path of the run folder
    checkpoint: str  # SHA-256 of the weights file, hexadecimal
    seed: int
    index: int = 0  # which of the samples of that seed
    n_samples: int = 1  # how many were made together: a batch of another size may differ in the last bits of a number
    options: dict[str, Any] = field(default_factory=dict)  # how it was sampled, JSON values
    device: str = "cpu"  # kind of device, on which alone the same bytes are promised: cpu, cuda, mps
    torch: str = ""  # its version, and …
    threads: int = 0  # … how many it took: another number of either may round otherwise; 0: not known
    licence: str = ""  # a note on the rights in the work or in what the model learned from
    created_by: str = ""  # who made it, if they said so
    version: str = artgen.__version__  # of artgen

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class FileRecipes:
    """What a file says about the works in it."""

    recipes: list[Recipe]  # one for each work, in order
    unchanged: bool = True  # whether the file is still as artgen wrote it


def to_json(recipes: Sequence[Recipe], **facts: str) -> str:
    """The recipes of a file as JSON text. facts: more about the file, which `from_json` gives back."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **facts,
        "recipes": [recipe.to_dict() for recipe in recipes],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def from_json(text: str | bytes, where: Path | str) -> tuple[list[Recipe], dict[str, str]]:
    """The recipes and the facts in what `to_json` wrote.

    Raises UsageError that begins with `where` if it is something else, damaged, or of a later artgen.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # ValueError is also what undecodable bytes raise
        raise UsageError(f"{where}: not a recipe: no valid JSON") from None
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise UsageError(f"{where}: not a recipe that artgen wrote")
    version = document.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise UsageError(
            f"{where}: a recipe of format {version!r}, this artgen ({artgen.__version__}) reads format {FORMAT_VERSION}"
        )
    try:
        recipes = _RECIPES.validate_python(document.pop("recipes", None))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in ("recipes", *problem["loc"]))
        raise UsageError(f"{where}: damaged recipe: {key}: {problem['msg'].lower()}") from None
    if not recipes:
        raise UsageError(f"{where}: damaged recipe: recipes: there is none")
    return recipes, {key: value for key, value in document.items() if isinstance(value, str)}


def carried_recipes(text: str | bytes | None, path: Path | str, digest: str) -> tuple[list[Recipe], str]:
    """The recipes that a file carries, and the fact of that name about what it held when it was written.

    Raises UsageError where text is None (nothing is carried), or as `from_json`, or where there is no such fact.
    """
    if text is None:
        raise UsageError(f"{path}: carries no recipe: artgen did not make it, or a program that changed it has dropped it")
    recipes, facts = from_json(text, path)
    if digest not in facts:
        raise UsageError(f"{path}: damaged recipe: {digest}: missing")
    return recipes, facts[digest]


def read_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises UsageError if there is none, ArtgenError if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, expected a file") from None
    except (OSError, ValueError) as error:
        raise ArtgenError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


_RECIPES = TypeAdapter(list[Recipe])
