"""Short ways to say what a text is read with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from artgen.data.sources import documents
from artgen.data.text_config import TextDataConfig
from artgen.data.transforms import Piece, Tally, whole_documents


def config(*paths: Path | str, **options: Any) -> TextDataConfig:
    return TextDataConfig(path=[str(path) for path in paths], **options)


def read(*paths: Path | str, tally: Tally | None = None, **options: Any) -> list[str]:
    """All documents, each whole."""
    return list(whole_documents(documents(config(*paths, **options), tally=tally)))


def in_pieces(documents: Iterable[str], size: int) -> list[Piece]:
    """Documents cut into pieces of `size` characters, wherever that is."""
    pieces = []
    for document in documents:
        for begin in range(0, max(1, len(document)), size):
            pieces.append(Piece(document[begin : begin + size], begin + size >= len(document)))
    return pieces


def joined(pieces: Iterable[Piece]) -> list[str]:
    return list(whole_documents(pieces))
