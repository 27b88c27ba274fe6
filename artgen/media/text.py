"""Texts as files: UTF-8, with the recipe in a side-car, so that the text itself stays clean."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from artgen.errors import UsageError
from artgen.files import atomic_write_all, check_writable
from artgen.media.places import check_places, is_folder, make_folder, work_files
from artgen.media.recipe import FileRecipes, Recipe, from_json, read_bytes, to_json

SUFFIX = ".txt"
SEPARATOR = "----"  # a line of its own between the works in one file


def write_text(works: Sequence[str], out: Path | str, recipes: Sequence[Recipe], force: bool = False) -> list[Path]:
    """Writes works and their side-cars; returns the text files.

    out: a file, which gets all works, with a line `----` between them; or a folder (it exists, or its name ends with a
    slash), which gets a file for each: 0001.txt, 0002.txt, …. A folder that does not exist is made, its parent is not.
    recipes: one for each work.

    All files are written in full before the first gets its name. Raises as `artgen.files.atomic_write`.
    """
    if len(works) != len(recipes):
        raise ValueError(f"{len(works)} works and {len(recipes)} recipes")
    if not works:
        raise ValueError("no works to write")
    if is_folder(out):
        make_folder(Path(out))
        parts = [([work], [recipe]) for work, recipe in zip(works, recipes, strict=True)]
    else:
        parts = [(list(works), list(recipes))]
    texts = dict(zip(work_files(out, len(works), SUFFIX), parts, strict=True))

    contents: dict[Path, bytes | str] = {}
    for path, (whole, made) in texts.items():
        data = f"\n{SEPARATOR}\n".join(work.removesuffix("\n") for work in whole).encode("utf-8", "replace") + b"\n"
        contents[path] = data
        contents[sidecar(path)] = to_json(made, file=path.name, sha256=hashlib.sha256(data).hexdigest())
    atomic_write_all(contents, force)
    return list(texts)


def check_out(out: Path | str, n_works: int, force: bool = False) -> None:
    """Raises what `write_text` would about the place, for work that takes long and would else find out at its end."""
    check_places(out, n_works, SUFFIX, force)
    for path in work_files(out, n_works, SUFFIX):
        if path.parent.is_dir():
            check_writable(sidecar(path), force)


def read_recipe(path: Path) -> FileRecipes:
    """The recipes of a text file, one for each work in it, found in its side-car.

    Raises UsageError if there is no such file, or no side-car, or the side-car is not one.
    """
    data = read_bytes(path)
    beside = sidecar(path)
    if not beside.exists():
        raise UsageError(f"{path}: carries no recipe: there is no {beside.name} beside it")
    recipes, facts = from_json(read_bytes(beside), beside)
    if "sha256" not in facts:
        raise UsageError(f"{beside}: damaged recipe: sha256: missing")
    return FileRecipes(recipes, unchanged=facts["sha256"] == hashlib.sha256(data).hexdigest())


def sidecar(path: Path) -> Path:
    """Where the recipe of a text file stands: poem.txt.recipe.json."""
    return path.with_name(path.name + ".recipe.json")
