"""Family name -> classes, found by looking at folders, without importing any family.

`text.gpt` is the package `artgen/families/text_gpt`. It has `config.py`, which defines `CONFIG`, a RunConfig subclass, and
imports no torch; and `family.py`, which defines `FAMILY`, an `artgen.families.base.Family`.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artgen.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from artgen.config import RunConfig
    from artgen.families.base import Family


@cache
def family_names() -> list[str]:
    """Every family there is, sorted."""
    root = Path(__file__).parent / "families"
    return sorted(folder.parent.name.replace("_", ".", 1) for folder in root.glob("*/config.py"))


def _module(name: str, part: str, where: str) -> Any:
    if name not in family_names():
        prefix = f"{where}: " if where else ""
        raise UsageError(f"{prefix}family: there is no {name!r}, {did_you_mean(name, family_names())}")
    return importlib.import_module(f"artgen.families.{name.replace('.', '_')}.{part}")


def config_class(name: str, where: str = "") -> type[RunConfig]:
    """The config class of a family; `where` begins the message if there is none of that name."""
    found: type[RunConfig] = _module(name, "config", where).CONFIG
    return found


def family_class(name: str, where: str = "") -> type[Family]:
    """The family itself. Imports torch."""
    found: type[Family] = _module(name, "family", where).FAMILY
    return found
