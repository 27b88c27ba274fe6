"""Runs the command line in this process."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from artgen.cli.main import main


class Said(NamedTuple):
    status: int
    out: str
    err: str


class Call:
    """`artgen` with these arguments, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Said:
        self.monkeypatch.setattr(sys, "argv", ["artgen", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, *self.capsys.readouterr())

    def refused(self, *arguments: object, status: int = 2) -> str:
        """The one line that a wrong call gets."""
        said = self(*arguments)
        assert said.status == status, said
        assert said.out == ""
        assert said.err.startswith("artgen: ")
        assert said.err.count("\n") == 1
        return said.err.removeprefix("artgen: ").strip()
