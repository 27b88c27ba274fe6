"""The methods of style transfer that need no run: name -> what it takes and where it is. Imports no torch."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from artgen.config import Section
from artgen.errors import UsageError, did_you_mean

DEFAULT = "patch"


@dataclass(frozen=True)
class Method:
    """One method, by the names of what is imported only when it is used.

    options: `module:class`, a Section, which imports no torch.
    function: `module:function`, called as function(job, options, watch), or where the method needs weights as
        function(job, network, options, watch); gives [3, height, width].
    needs_weights: whether it looks at pictures through a network whose weights the user gives.
    """

    options: str
    function: str
    needs_weights: bool = False

    def options_class(self) -> type[Section]:
        found: type[Section] = _find(self.options)
        return found

    def load(self) -> Any:
        """The function. Imports torch."""
        return _find(self.function)


METHODS: dict[str, Method] = {
    "patch": Method("artgen.style.options:PatchOptions", "artgen.style.patch:patch"),
    "gatys": Method("artgen.style.gatys_options:GatysOptions", "artgen.style.gatys:gatys", needs_weights=True),
}


def method_named(name: str, where: str = "--method") -> Method:
    """Raises UsageError that begins with `where` and names the nearest where there is none of that name."""
    if name not in METHODS:
        raise UsageError(f"{where} {name}: there is no such method, {did_you_mean(name, METHODS)}")
    return METHODS[name]


def _find(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
