"""A piece as a score in MusicXML, with the recipe inside. music21 (the extra `bach`) is imported when it is needed."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, unescape

from artgen.errors import UsageError
from artgen.files import atomic_write, check_writable
from artgen.media.recipe import FORMAT, FileRecipes, Recipe, carried_recipes, read_bytes, to_json
from artgen.music.piece import Piece

SUFFIXES = (".musicxml", ".mxl")
INSIDE = "score.musicxml"  # the score in an .mxl file, which is a ZIP archive
CONTAINER = f"""<?xml version="1.0" encoding="UTF-8"?>
<container><rootfiles><rootfile full-path="{INSIDE}" media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>
"""
BLOCK = '    <miscellaneous>\n      <miscellaneous-field name="{}">{}</miscellaneous-field>\n    </miscellaneous>\n  '
LARGEST = 1 << 28  # bytes of a score that is unpacked; more is an attack


def write_musicxml(piece: Piece, out: Path | str, recipes: Sequence[Recipe], force: bool = False) -> Path:
    """Writes a piece as MusicXML, plain or packed (.mxl), by the name's end; returns the file.

    The same piece and recipes make the same bytes with the same music21: dates and random names are left out.
    See `artgen.media.score.to_score` for what a score keeps of a piece.
    Raises UsageError as `check_musicxml`, if the piece has no notes, and as `artgen.files.atomic_write`.
    """
    if not recipes:
        raise ValueError("no recipe")
    check_musicxml(out, force)
    if not len(piece.notes):
        raise UsageError(f"{piece.name or 'the piece'}: has no notes to write a score of")
    plain = _musicxml(piece)
    text = to_json(recipes, score_sha256=hashlib.sha256(plain).hexdigest()).encode("utf-8", "replace").decode()
    block = BLOCK.format(FORMAT, escape(text))
    score = plain.replace(b"</identification>", block.encode() + b"</identification>", 1)
    atomic_write(Path(out), _packed(score) if Path(out).suffix.lower() == ".mxl" else score, force)
    return Path(out)


def check_musicxml(out: Path | str, force: bool = False) -> None:
    """Raises what `write_musicxml` would about the place and about what is installed."""
    if Path(out).suffix.lower() not in SUFFIXES:
        raise UsageError(f"{out}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if importlib.util.find_spec("music21") is None:
        raise UsageError(f"{out}: MusicXML needs music21: pip install 'artgen[bach]'")
    check_writable(Path(out), force)


def read_recipe(path: Path) -> FileRecipes:
    """The recipes of a MusicXML file. It is unchanged if all of its text is: a program that saves it again writes another.

    Raises UsageError if there is no such file, or it is no MusicXML, or carries no recipe. Needs no music21.
    """
    data = read_bytes(path)
    if data.startswith(b"PK"):
        data = _unpacked(data, path)
    if b"<score-partwise" not in data and b"<score-timewise" not in data:
        raise UsageError(f"{path}: not a MusicXML file, or damaged")
    before, field, rest = data.partition(f'<miscellaneous-field name="{FORMAT}">'.encode())
    text, end, after = rest.partition(b"</miscellaneous-field>")
    carried = unescape(text.decode("utf-8", "replace")) if field and end else None
    recipes, digest = carried_recipes(carried, path, "score_sha256")
    opened, closed = (part.encode() for part in BLOCK.format(FORMAT, "\0").split("\0"))
    plain = (before + field).removesuffix(opened) + (end + after).removeprefix(closed)
    return FileRecipes(recipes, unchanged=digest == hashlib.sha256(plain).hexdigest())


def _musicxml(piece: Piece) -> bytes:
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    from artgen.media.score import to_score

    text: bytes = GeneralObjectExporter(to_score(piece)).parse()
    text = re.sub(rb"\s*<encoding-date>[^<]*</encoding-date>", b"", text)
    return re.sub(rb'\s*<creator type="composer">Music21</creator>', b"", text)


def _packed(score: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("META-INF/container.xml", CONTAINER.encode()), (INSIDE, score)):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # its date is fixed: 1980
    return out.getvalue()


def _unpacked(data: bytes, path: Path) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            scores = [entry for entry in archive.infolist() if entry.filename == INSIDE and entry.file_size <= LARGEST]
            return archive.read(scores[0]) if scores else b""
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, zlib.error):
        raise UsageError(f"{path}: not a MusicXML file, or damaged") from None
