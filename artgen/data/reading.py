"""Files to text: UTF-8 in pieces, however large the file, and the records of JSON. Imports no torch."""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from artgen.data.transforms import Tally
from artgen.errors import UsageError

CHUNK = 4 << 20  # bytes read in one go
FIELDS_SHOWN = 12
RECORDS_LOOKED_AT = 100  # for the names of fields in a message

Advance = Callable[[int], object]


def _ignore(n_bytes: int) -> None:
    pass


# ---------------------------------------------------------------- plain text


def read_chunks(path: Path, name: str, advance: Advance = _ignore, size: int = CHUNK) -> Iterator[str]:
    """The text of a UTF-8 file in pieces of about `size` bytes that end at line ends where there are any.

    A byte order mark is dropped, CRLF becomes LF. name: what messages call the file. advance: called with the number of
    bytes of each read. Raises UsageError with the byte offset of what is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0  # of the next byte in the file
    begun = False  # its first character was read
    held = ""  # what follows the last line end
    try:
        with path.open("rb") as file:
            while data := file.read(size):
                check_binary(data, offset, name)
                text = _decode(decoder, data, offset, name)
                if text and not begun:
                    text = text.removeprefix("\ufeff")
                    begun = True
                offset += len(data)
                advance(len(data))
                text = _unix(held + text)
                cut = text.rfind("\n") + 1
                if not cut:  # a very long line; only a CR must wait, for its LF may come next
                    cut = len(text) - text.endswith("\r")
                held = text[cut:]
                if cut:
                    yield text[:cut]
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror or error}") from None
    _decode(decoder, b"", offset, name)
    if held:
        yield held


def check_binary(data: bytes, offset: int, name: str) -> None:
    """Raises UsageError if these bytes, from `offset` of the file on, are not those of any UTF-8 text worth learning."""
    if offset == 0 and data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UsageError(f"{name}: is UTF-16, expected UTF-8: convert it first, with iconv -f UTF-16 -t UTF-8")
    if b"\0" in data:
        at = offset + data.index(0)
        raise UsageError(f"{name}: not text: byte {at} is NUL (a picture or another binary file?), expected UTF-8 text")


def _decode(decoder: codecs.IncrementalDecoder, data: bytes, offset: int, name: str) -> str:
    """`data` and what the decoder holds back as text; no data is the end of the file."""
    waiting = len(decoder.getstate()[0])  # the beginning of a character, at the end of what was read before
    try:
        return decoder.decode(data, final=not data)
    except UnicodeDecodeError as error:
        at = offset - waiting + error.start
        convert = "convert it first, for example with iconv -f LATIN1 -t UTF-8"
        if not data:
            raise UsageError(
                f"{name}: ends inside a character, at byte {at}: it was cut short, or is not UTF-8; {convert}"
            ) from None
        raise UsageError(f"{name}: not UTF-8 at byte {at} (0x{error.object[error.start]:02x}): {convert}") from None


def _unix(text: str) -> str:
    """CRLF as LF. Looking for a single CR first is several times faster where there is none."""
    return text.replace("\r\n", "\n") if "\r" in text else text


# ---------------------------------------------------------------- JSON


def read_records(path: Path, name: str, advance: Advance = _ignore, lines: bool | None = None) -> Iterator[Any]:
    """The top-level values of a JSON file (one), or of a file of JSON lines.

    lines: whether each line is a value; None: it is so if the first line is a whole value by itself, and no list.
    Lines are streamed, other JSON is read whole. Raises UsageError with the line of what is not JSON.
    """
    chunks = read_chunks(path, name, advance)
    if lines is None:
        first = next(chunks, "")
        lines = _is_value(first.strip().partition("\n")[0])
        chunks = itertools.chain([first], chunks)
    if not lines:
        yield _parse("".join(chunks), name)
        return
    for number, line in enumerate(_lines(chunks), start=1):
        if line.strip():
            yield _parse(line, name, number)


def json_documents(values: Iterable[Any], name: str, field: str | None, tally: Tally) -> Iterator[str]:
    """The text of every record in the top-level values of a JSON file.

    A value may be a record, or a list or mapping of records. A record is a mapping, whose `field` is the text (a string, or
    a list of strings, which are lines), or, without `field`, a string. Records without text there are counted in `tally`.
    Raises UsageError, with the fields that there are, if `field` is needed, or is in no record.
    """
    found = False
    without: list[Any] = []  # a few records without text there
    for value in values:
        records = _records_in(value, field, name)
        for record in records:
            text = _text_at(record, field) if field is not None else record if isinstance(record, str) else None
            if text is not None:
                found = True
                yield _checked(text, name)
            elif field is None:
                raise UsageError(f"{name}: which field holds the text? data.field is not set; {_fields_in_words(records)}")
            else:
                tally.without_field += 1
                if len(without) < RECORDS_LOOKED_AT:
                    without.append(record)
    if without and not found:
        raise UsageError(f"{name}: no record has text in the field {field!r}; {_fields_in_words(without)}")


def _records_in(value: Any, field: str | None, name: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        # {"1": {"text": …}, "2": {"text": …}} holds records, {"text": …, "author": {…}} is one.
        holds_records = value and all(isinstance(item, dict) for item in value.values())
        return list(value.values()) if holds_records and (field is None or _text_at(value, field) is None) else [value]
    if isinstance(value, str):
        return [value]
    raise UsageError(f"{name}: holds {json.dumps(value)[:40]}, expected a list of records or of strings")


def _text_at(record: Any, field: str) -> str | None:
    """The text in a field, a.b for one inside another; None if there is none."""
    if not isinstance(record, dict):
        return None
    if field in record:
        return _as_text(record[field])
    value = record
    for key in field.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return _as_text(value)


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return None


def _checked(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise UsageError(f"{name}: has half a character, \\u{code:04x}, in {text[: error.start][-20:]!r}…") from None
    return _unix(text)


def _fields(record: Any, prefix: str = "") -> Iterator[str]:
    """The names of the fields that hold text."""
    if isinstance(record, dict):
        for key, value in record.items():
            if isinstance(value, dict):
                yield from _fields(value, f"{prefix}{key}.")
            elif value and _as_text(value) is not None:
                yield prefix + key


def _fields_in_words(records: list[Any]) -> str:
    names = list(dict.fromkeys(name for record in records[:RECORDS_LOOKED_AT] for name in _fields(record)))
    if not names:
        return "there is no field with text"
    return f"fields with text: {', '.join(names[:FIELDS_SHOWN])}" + (", …" if len(names) > FIELDS_SHOWN else "")


def _lines(chunks: Iterable[str]) -> Iterator[str]:
    """Lines without their ends. Not str.splitlines(), which would also cut at U+2028 inside a string."""
    held: list[str] = []
    for chunk in chunks:
        first, *others = chunk.split("\n")
        held.append(first)
        for line in others:
            yield "".join(held)
            held = [line]
    yield "".join(held)


def _parse(text: str, name: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        hint = (
            "; is it one record a line? then its name must end in .jsonl" if line is None and error.msg == "Extra data" else ""
        )
        where = f"{name}:{line or error.lineno}:{error.colno}"
        raise UsageError(f"{where}: not JSON: {error.msg[0].lower()}{error.msg[1:]}{hint}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits; lists in lists in lists
        raise UsageError(f"{name}{f':{line}' if line else ''}: JSON with a number too long or nested too deeply") from None


def _is_value(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False
