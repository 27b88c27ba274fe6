"""A score card: figures with their units and what they are to be compared with, for a terminal and for scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Figure:
    """One measured number. `key` is its name in JSON; `compare` says what is normal."""

    key: str
    label: str
    value: float | int | None
    unit: str = ""
    compare: str = ""


@dataclass
class ScoreCard:
    """What an evaluation found."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)  # texts to read below the figures
    details: dict[str, Any] = field(default_factory=dict)  # for JSON alone

    def add(self, key: str, label: str, value: float | int | None, unit: str = "", compare: str = "") -> None:
        self.figures.append(Figure(key, label, value, unit, compare))

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.title, **{f.key: f.value for f in self.figures}, **self.details}

    def as_text(self) -> str:
        width = max(len(f.label) for f in self.figures)
        rows = [f"{f.label:<{width}}  {_shown(f.value):>10} {f.unit:<14}{f.compare}".rstrip() for f in self.figures]
        return "\n".join([self.title, *rows, *("\n" + page for page in self.pages)])


def _shown(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
