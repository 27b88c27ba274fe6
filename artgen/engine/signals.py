"""Signals as requests: finish the step, save, stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Signals:
    """What was caught."""

    caught: int | None = None


@contextmanager
def catch_signals() -> Iterator[Signals]:
    """The first SIGINT, SIGTERM or SIGUSR1 asks the loop to save and stop; a second SIGINT interrupts at once."""
    state = Signals()

    def handle(number: int, frame: object) -> None:
        if state.caught is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        state.caught = number

    names = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    previous = {}
    try:
        for name in names:
            previous[name] = signal.signal(name, handle)
    except ValueError:  # not the main thread: the embedding program owns the signals
        previous = {}
    try:
        yield state
    finally:
        for name, old in previous.items():
            signal.signal(name, old)
