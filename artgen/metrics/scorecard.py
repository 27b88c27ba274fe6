"""A score card: figures with their units and what they are to be compared with, for a terminal and for scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from artgen.metrics.estimate import Estimate

Value = float | int | Estimate | None


@dataclass
class Figure:
    """One measured number, with its interval where it has one. `key` is its name in JSON; `compare` says what is normal."""

    key: str
    label: str
    value: Value
    unit: str = ""
    compare: str = ""


@dataclass
class ScoreCard:
    """What an evaluation found."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)  # texts to read below the figures
    details: dict[str, Any] = field(default_factory=dict)  # for JSON alone

    def add(self, key: str, label: str, value: Value, unit: str = "", compare: str = "") -> None:
        self.figures.append(Figure(key, label, value, unit, compare))

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.title, **{f.key: _plain(f.value) for f in self.figures}, **self.details}

    def as_text(self) -> str:
        width = max((len(f.label) for f in self.figures), default=0)
        intervals = [_interval(f.value) for f in self.figures]
        wide = max(map(len, intervals), default=0)
        wide += 2 if wide else 0
        rows = [
            f"{f.label:<{width}}  {_shown(f.value):>10} {interval:<{wide}}{f.unit:<14}{f.compare}".rstrip()
            for f, interval in zip(self.figures, intervals, strict=True)
        ]
        return "\n".join([self.title, *rows, *("\n" + page for page in self.pages)])


def _plain(value: Value) -> Any:
    return value.as_dict() if isinstance(value, Estimate) else value


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, Estimate):
        value = value.value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _interval(value: Value) -> str:
    """The interval, and of how many works, pictures or pieces: 0.0120 to 0.0210, 256 against 128."""
    if not isinstance(value, Estimate):
        return ""
    works = f"{value.n:,} against {value.n_real:,}" if value.n_real else f"{value.n:,}"
    return f"{value.low:.4f} to {value.high:.4f}, {works}"
