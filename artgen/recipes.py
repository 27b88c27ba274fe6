"""The recipes (configs) that come with artgen. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from artgen.errors import UsageError, did_you_mean


def recipes_folder() -> Path:
    """configs/ in the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    return next(folder for folder in (package / "configs", package.parent / "configs") if folder.is_dir())


def recipes() -> dict[str, Path]:
    """Name, such as `text/gpt`, -> YAML file."""
    root = recipes_folder()
    return {str(path.relative_to(root).with_suffix("")).replace("\\", "/"): path for path in sorted(root.rglob("*.yaml"))}


def describe(path: Path) -> str:
    """A recipe's first comment line."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def find_recipe(name: str) -> Path:
    """The YAML that a call names: a file, or one of the recipes, with or without configs/ and .yaml."""
    path = Path(name)
    if path.is_file():
        return path
    known = recipes()
    short = name.removeprefix("configs/").removesuffix(".yaml")
    if short in known and not path.exists():
        return known[short]
    if path.is_dir():
        raise UsageError(f"{name}: is a folder, expected a YAML config (or a run, with --resume)")
    raise UsageError(f"{name}: no such config file or recipe, {did_you_mean(short, known)}")
