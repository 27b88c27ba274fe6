"""What a person sees while it trains: a bar on a terminal, now and then a line in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm


class Progress:
    """Counts steps. On a terminal a tqdm bar; elsewhere one plain line at most every `interval` seconds."""

    def __init__(
        self,
        total: int,
        start: int = 0,
        unit: str = "examples",
        units_per_step: int = 1,
        stream: TextIO | None = None,
        interval: float = 15.0,
        quiet: bool = False,
    ) -> None:
        self.total, self.done, self.start = total, start, start
        self.unit, self.units_per_step = unit, units_per_step
        self.stream = stream or sys.stderr
        self.interval = interval
        self.quiet = quiet
        self.begun = self.last_line = time.monotonic()
        self.window = (self.begun, start)
        self.figures: dict[str, float] = {}
        self.bar = None
        if not quiet and self.stream.isatty():
            self.bar = tqdm(total=total, initial=start, file=self.stream, unit="step", dynamic_ncols=True, smoothing=0.1)

    def advance(self, figures: dict[str, float] | None = None) -> None:
        """One more step; `figures` are shown beside it."""
        self.done += 1
        if figures:
            self.figures.update(figures)
        if self.bar is not None:
            self.bar.update(1)
            if figures:
                self.bar.set_postfix_str(f"{self._shown()}, {self.rate():,.0f} {self.unit}/s", refresh=False)
        elif not self.quiet and (time.monotonic() - self.last_line > self.interval or self.done == self.total):
            self.last_line = time.monotonic()
            left = "" if self.done == self.total else f", {duration(self.seconds_left())} left"
            self.note(f"step {self.done:,}/{self.total:,}  {self._shown()}  {self.rate():,.0f} {self.unit}/s{left}")

    def note(self, text: str) -> None:
        """A line above the bar."""
        if self.quiet:
            return
        if self.bar is not None:
            self.bar.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room above the bar for lines that others print."""
        if self.bar is None:
            yield
        else:
            with self.bar.external_write_mode(file=self.stream):
                yield

    def rate(self) -> float:
        """Units per second so far, validation and saving included."""
        elapsed = max(1e-9, time.monotonic() - self.begun)
        return (self.done - self.start) * self.units_per_step / elapsed

    def window_rate(self) -> float:
        """Units per second since this was last asked."""
        now = time.monotonic()
        since, done = self.window
        self.window = (now, self.done)
        return (self.done - done) * self.units_per_step / max(1e-9, now - since)

    def seconds_left(self) -> float:
        done = self.done - self.start
        return (self.total - self.done) * (time.monotonic() - self.begun) / done if done else float("nan")

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def _shown(self) -> str:
        return "  ".join(f"{name} {value:.4g}" for name, value in self.figures.items())


def duration(seconds: float) -> str:
    """0.4 s, 45 s, 2 min 5 s, 3 h 12 min."""
    if seconds < 9.5:
        return f"{max(seconds, 0.01):.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
