"""A text much larger than the bound is tokenized within it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LINE = "A line of a long text, {:09}, with 春眠不覺曉 in it.\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module here")
@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
@pytest.mark.parametrize("blocks", [1, 4])
def test_memory_does_not_grow_with_the_text(tmp_path: Path, kind: str, blocks: int) -> None:
    """200 MB, of which bpe gets 30 as it takes long: a text held as str or as tokens would be 400 MB or more."""
    path = tmp_path / "large.txt"
    n_bytes = 30_000_000 if kind == "bpe" else 200_000_000
    with path.open("w", encoding="utf-8") as file:
        number = 0
        while file.tell() < n_bytes:
            file.writelines(LINE.format(number + i) for i in range(100_000))
            number += 100_000
    code = (
        "import resource, sys; from tests.data.helpers import config; from artgen.data.tokens import load_corpus\n"
        "corpus = load_corpus(config(sys.argv[1], tokenizer={'kind': sys.argv[2]}, split={'blocks': int(sys.argv[3])}))\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(corpus.n_characters, peak * (1 if sys.platform == 'darwin' else 1024))"
    )
    command = [sys.executable, "-c", code, str(path), kind, str(blocks)]
    n_characters, peak = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert n_characters == number * len(LINE.format(0))
    assert peak < (600 if kind == "bpe" else 300) * 2**20
