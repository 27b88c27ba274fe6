"""Times in words, and the bar."""

from __future__ import annotations

import io

import pytest

from artgen.engine.progress import Progress, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.01 s"),
        (0.42, "0.42 s"),
        (3.27, "3.3 s"),
        (9.6, "10 s"),
        (45.2, "45 s"),
        (125, "2 min 5 s"),
        (11520, "3 h 12 min"),
    ],
)
def test_a_duration_is_never_nothing(seconds: float, words: str) -> None:
    assert duration(seconds) == words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_others_print_stands_above_the_bar_and_not_in_it() -> None:
    terminal = Terminal()
    progress = Progress(10, stream=terminal)
    with progress.aside():
        terminal.write("expects to take long\n")
    progress.close()
    before = terminal.getvalue().partition("expects to take long\n")[0]
    assert before.endswith("\r"), "the bar was not wiped off first"
