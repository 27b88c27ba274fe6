"""Who watches while a picture is made: the bar, the preview, and Ctrl-C. Imports no torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from artgen.cli.common import note
from artgen.engine.progress import duration
from artgen.engine.signals import Signals

if TYPE_CHECKING:
    from torch import Tensor

LINE_SECONDS = 15.0  # between lines where there is no terminal
KNOWN = 0.05  # of the work, before which nobody can tell what is left: it begins with what is done once
PREVIEW_SECONDS = 3.0  # between previews, …
PREVIEW_SHARE = 0.1  # … which take no more of the time than this


class Interrupted(Exception):
    """The work was asked to stop; `picture` is what there was, [3, height, width]."""

    def __init__(self, done: int, of: int, picture: Tensor) -> None:
        super().__init__(f"step {done} of {of}")
        self.done, self.of, self.picture = done, of, picture


class Watcher:
    """An artgen.style.job.Watch. Raises Interrupted once a signal was caught."""

    def __init__(
        self, title: str, signals: Signals, preview: Callable[[Tensor, int, int], None] | None, bar: tqdm[Any] | None
    ) -> None:
        self.title, self.signals, self.preview, self.bar = title, signals, preview, bar
        self.begun = self.last_line = time.monotonic()
        self.next_preview = self.begun

    def __call__(self, done: int, of: int, picture: Callable[[], Tensor]) -> None:
        if self.signals.caught is not None and done < of:
            raise Interrupted(done, of, picture())
        now = time.monotonic()
        if self.bar is not None:
            self.bar.total = of
            self.bar.update(done - self.bar.n)
        elif now - self.last_line > LINE_SECONDS and 0 < done < of:
            self.last_line = now
            left = (now - self.begun) * (of - done) / done
            told = f", {duration(left)} left" if done >= KNOWN * of else ""
            note(f"{self.title}: step {done:,} of {of:,}{told}")
        if self.preview is not None and now >= self.next_preview and done < of:
            self.preview(picture(), done, of)
            took = time.monotonic() - now
            self.next_preview = time.monotonic() + max(PREVIEW_SECONDS, took / PREVIEW_SHARE)


@contextmanager
def watching(title: str, signals: Signals, preview: Callable[[Tensor, int, int], None] | None = None) -> Iterator[Watcher]:
    """A Watcher with a bar on a terminal, where the work takes longer than a second; elsewhere with a line now and then."""
    if not sys.stderr.isatty():
        yield Watcher(title, signals, preview, None)
        return
    bar: tqdm[Any]
    with tqdm(total=None, unit="step", desc=title, leave=False, delay=1, dynamic_ncols=True) as bar:
        yield Watcher(title, signals, preview, bar)
