"""`artgen families`: the kinds of model there are."""

from __future__ import annotations

from artgen.cli.common import JsonOption, emit


def families(as_json: JsonOption = False) -> None:
    """List the kinds of model there are."""
    from artgen.registry import config_class, family_names

    found = {name: (config_class(name).__doc__ or "").strip().splitlines()[0] for name in family_names()}
    width = max(map(len, found)) + 2
    emit(as_json, found, "\n".join(f"{name:<{width}}{line}" for name, line in found.items()))
