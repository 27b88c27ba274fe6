"""What is done to documents between reading and tokenizing. Imports no torch.

A document comes as pieces, so that one of any size can pass through. A transformation takes pieces and gives pieces; what
has to look at a whole document (`keep_forms`, `drop_duplicates`) holds one of them in memory, and no more.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from artgen.data.text_config import FormConfig, TextDataConfig


class Piece(NamedTuple):
    """A part of a document."""

    text: str
    ends: bool  # the document ends here


@dataclass
class Tally:
    """What was left out on the way."""

    without_field: int = 0  # JSON records
    misshapen: int = 0  # documents
    duplicates: int = 0  # documents
    leftover_lines: int = 0

    def in_words(self) -> str:
        """What was left out, "" if nothing was."""
        parts = [
            (self.without_field, "record without the field", "records without the field"),
            (self.leftover_lines, "line too few for a stanza", "lines too few for a stanza"),
            (self.misshapen, "document not of the form", "documents not of the form"),
            (self.duplicates, "duplicate", "duplicates"),
        ]
        return ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in parts if count)


def transform(pieces: Iterable[Piece], config: TextDataConfig, tally: Tally) -> Iterator[Piece]:
    """All that `config` asks for, in the order of its keys from `break_lines_after` on; blank documents are dropped."""
    if config.break_lines_after:
        pieces = break_lines(pieces, config.break_lines_after)
    if config.remove:
        pieces = remove(pieces, config.remove)
    if config.stanza_lines:
        pieces = cut_stanzas(pieces, config.stanza_lines, tally)
    if config.form:
        pieces = keep_forms(pieces, config.form, tally)
    if config.deduplicate:
        pieces = drop_duplicates(pieces, tally)
    return drop_blank(pieces)


def split_documents(pieces: Iterable[Piece], separator: str) -> Iterator[Piece]:
    """Documents end wherever `separator` stands; it belongs to none."""
    held = ""  # the end of the last piece, where a separator may have begun
    for text, ends in pieces:
        *whole, rest = (held + text).split(separator)
        for document in whole:
            yield Piece(document, True)
        cut = len(rest) if ends else max(0, len(rest) - len(separator) + 1)
        if cut or ends:
            yield Piece(rest[:cut], ends)
        held = rest[cut:]


def break_lines(pieces: Iterable[Piece], after: str) -> Iterator[Piece]:
    """A line ends after each character of `after`. Blank lines are dropped, and no line end is left at a document's end."""
    place = re.compile(f"([{re.escape(after)}])[^\\S\\n]*")  # with the spaces that would begin the next line
    begun = False  # the document has lines already
    for text, ends in whole_lines(pieces):
        lines = [line for line in place.sub(r"\1\n", text).split("\n") if line.strip()]
        if lines or ends:
            yield Piece("\n" * (begun and bool(lines)) + "\n".join(lines), ends)
        begun = not ends and (begun or bool(lines))


def remove(pieces: Iterable[Piece], characters: str) -> Iterator[Piece]:
    """The text without these characters."""
    for text, ends in pieces:
        for character in dict.fromkeys(characters):
            text = text.replace(character, "")
        yield Piece(text, ends)


def cut_stanzas(pieces: Iterable[Piece], n_lines: int, tally: Tally) -> Iterator[Piece]:
    """Each `n_lines` lines of a document become a document, blank lines not counted; the remainder is dropped."""
    lines: list[str] = []
    for text, ends in whole_lines(pieces):
        lines += [line for line in text.split("\n") if line.strip()]
        whole = len(lines) // n_lines * n_lines
        for begin in range(0, whole, n_lines):
            yield Piece("\n".join(lines[begin : begin + n_lines]), True)
        del lines[:whole]
        if ends:
            tally.leftover_lines += len(lines)
            lines.clear()


def keep_forms(pieces: Iterable[Piece], form: FormConfig, tally: Tally) -> Iterator[Piece]:
    """Only documents whose lines are of one length, where both number and length are among those of `form`."""
    for document in whole_documents(pieces):
        if has_form(document, form):
            yield Piece(document, True)
        elif document.strip():
            tally.misshapen += 1


def has_form(document: str, form: FormConfig) -> bool:
    """Whether all lines have the same length, and number and length are among those of `form`."""
    lines = document.strip("\n").split("\n")
    if len(lines) not in form.n_lines:
        return False
    lengths = {line_length(line) for line in lines}
    return len(lengths) == 1 and lengths.pop() in form.line_lengths


def line_length(line: str) -> int:
    """Characters of a line; punctuation (Unicode P*) and whitespace at its ends are not counted."""
    begin, end = 0, len(line)
    while begin < end and _is_margin(line[begin]):
        begin += 1
    while end > begin and _is_margin(line[end - 1]):
        end -= 1
    return end - begin


def drop_duplicates(pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    """Each document once, the first time it comes. Remembers 16 bytes of each; that two differ and have the same is less
    likely than a fault of the memory."""
    seen: set[bytes] = set()
    for document in whole_documents(pieces):
        digest = hashlib.blake2b(document.encode(), digest_size=16).digest()
        if digest in seen:
            tally.duplicates += bool(document.strip())
        else:
            seen.add(digest)
            yield Piece(document, True)


def drop_blank(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Only documents that have something in them beside whitespace."""
    blank: list[str] = []  # of a document that may turn out to have nothing else
    begun = False
    for text, ends in pieces:
        if begun or text.strip():
            if blank:
                text = "".join(blank) + text
                blank = []
            yield Piece(text, ends)
            begun = not ends
        elif ends:
            blank = []
        else:
            blank.append(text)


def whole_lines(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same text in pieces that end at line ends or with their document. Holds one line."""
    held: list[str] = []
    for text, ends in pieces:
        cut = len(text) if ends else text.rfind("\n") + 1
        if cut or ends:
            yield Piece("".join(held) + text[:cut], ends)
            held = []
        if cut < len(text):
            held.append(text[cut:])


def whole_documents(pieces: Iterable[Piece]) -> Iterator[str]:
    """Documents in one piece each."""
    parts: list[str] = []
    for text, ends in pieces:
        parts.append(text)
        if ends:
            yield "".join(parts)
            parts = []


@cache
def _is_margin(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith("P")
