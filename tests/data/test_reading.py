"""Files to text: pieces, UTF-8, byte offsets, JSON records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgen.data.reading import read_chunks
from artgen.data.transforms import Tally
from artgen.errors import UsageError
from tests.data.helpers import read


@given(text=st.text(alphabet=st.sampled_from("aé春𝄞\n\r\ufeff"), max_size=40), size=st.integers(1, 9))
def test_pieces_of_any_size_are_the_text(tmp_path_factory: pytest.TempPathFactory, text: str, size: int) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_bytes(text.encode())
    pieces = list(read_chunks(path, "pieces.txt", size=size))
    assert "".join(pieces) == text.encode().decode("utf-8-sig").replace("\r\n", "\n")
    assert all(pieces)


def test_pieces_end_at_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\nthree\nfour")
    assert list(read_chunks(path, "a.txt", size=6)) == ["one\n", "two\n", "three\n", "four"]


def test_every_byte_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("春\n".encode() * 100)
    counted: list[int] = []
    list(read_chunks(path, "a.txt", counted.append, size=7))
    assert sum(counted) == 400


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1000])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9 au lait", "byte 3 (0xe9)"),
        ("春夏".encode() + b"\xff", "byte 6 (0xff)"),
        ("春夏".encode() + b"\xe6\x98A", "byte 6 (0xe6)"),
        (b"\xef\xbb\xbfabc\x80", "byte 6 (0x80)"),
        (b"ab\r\ncd\r\n\xc3(", "byte 8 (0xc3)"),
        ("春夏".encode()[:-1], "ends inside a character, at byte 3"),
        (b"abc\x00def", "byte 3 is NUL"),
    ],
)
def test_what_is_not_utf8_is_named_by_its_byte(tmp_path: Path, data: bytes, said: str, size: int) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="^the file: ") as caught:
        list(read_chunks(path, "the file", size=size))
    assert said in str(caught.value)


def test_a_conversion_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match="iconv -f LATIN1 -t UTF-8"):
        read(tmp_path / "latin.txt")
    (tmp_path / "wide.txt").write_bytes("a text".encode("utf-16"))
    with pytest.raises(UsageError, match="is UTF-16.*iconv -f UTF-16 -t UTF-8"):
        read(tmp_path / "wide.txt")


# ---------------------------------------------------------------- JSON

POEMS = [
    {"title": "Dawn", "lines": ["first", "second"], "about": {"by": "Ann", "year": 1900}},
    {"title": "Dusk", "lines": ["third"], "about": {"by": "Bob", "year": 1901}},
]


def as_json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_fields_of_records(tmp_path: Path) -> None:
    path = as_json(tmp_path / "poems.json", POEMS)
    assert read(path, field="title") == ["Dawn", "Dusk"]
    assert read(path, field="lines") == ["first\nsecond", "third"]
    assert read(path, field="about.by") == ["Ann", "Bob"]


def test_records_in_other_shapes(tmp_path: Path) -> None:
    by_name = as_json(tmp_path / "mapping.json", {"a": POEMS[0], "b": POEMS[1]})
    assert read(by_name, field="title") == ["Dawn", "Dusk"]
    assert read(as_json(tmp_path / "one.json", POEMS[0]), field="about.by") == ["Ann"]
    assert read(as_json(tmp_path / "strings.json", ["one", "two"])) == ["one", "two"]
    assert read(as_json(tmp_path / "dotted.json", [{"a.b": "text"}]), field="a.b") == ["text"]
    lines = tmp_path / "poems.jsonl"
    lines.write_text("\n".join(json.dumps(poem) for poem in POEMS) + "\n\n")
    assert read(lines, field="title") == ["Dawn", "Dusk"]


def test_line_separators_inside_strings_do_not_cut_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"t": "one\u2028two"}\n{"t": "three\\r\\nfour"}', encoding="utf-8")
    assert read(path, field="t") == ["one\u2028two", "three\nfour"]


def test_records_without_the_field_are_counted(tmp_path: Path) -> None:
    path = as_json(tmp_path / "a.json", [{"t": "one"}, {"u": "two"}, {"t": 3}, {"t": None}, "four", {"t": ["five"]}])
    tally = Tally()
    assert read(path, field="t", tally=tally) == ["one", "five"]
    assert tally.without_field == 4
    assert tally.in_words() == "4 records without the field"


@pytest.mark.parametrize("value", [POEMS, POEMS[0], {"a": POEMS[0]}])
def test_the_fields_there_are_are_named(tmp_path: Path, value: object) -> None:
    path = as_json(tmp_path / "a.json", value)
    with pytest.raises(UsageError, match=r"a\.json: which field .*data\.field.*fields with text: title, lines, about\.by$"):
        read(path)
    with pytest.raises(UsageError, match=r"a\.json: no record has text in the field 'txt'; .*title, lines, about\.by$"):
        read(path, field="txt")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '[{"t": "x"},\n {"t" "y"}]', r"a\.json:2:7: not JSON: expecting ':'"),
        ("a.json", '{"t": "x"}\n{"t": "y"}', r"a\.json:2:1: not JSON: extra data; .*\.jsonl"),
        ("a.jsonl", '{"t": "x"}\n\n{"t": ', r"a\.jsonl:3:\d+: not JSON"),
        ("a.json", "3", r"a\.json: holds 3, expected a list"),
        ("a.json", "[" * 200_000, r"a\.json: JSON .* nested too deeply"),
        ("a.json", f'[{{"t": "x", "n": {"9" * 5000}}}]', r"a\.json: JSON with a number too long"),
        ("a.json", '[{"t": "half \\ud83d"}]', r"a\.json: has half a character, \\ud83d"),
        ("a.json", '[{"n": 1}]', "there is no field with text"),
    ],
)
def test_bad_json(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read(tmp_path / name, field="t")
    assert "\n" not in str(caught.value)
