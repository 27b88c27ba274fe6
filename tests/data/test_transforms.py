"""What is done to documents, whole and in pieces of any size."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgen.data.text_config import FormConfig
from artgen.data.transforms import (
    Piece,
    Tally,
    break_lines,
    cut_stanzas,
    drop_blank,
    drop_duplicates,
    has_form,
    keep_forms,
    line_length,
    remove,
    split_documents,
    transform,
)
from tests.data.helpers import config, in_pieces, joined

documents_ = st.lists(st.text(alphabet="ab。 \n-", max_size=30), max_size=4)
sizes = st.integers(1, 12)


@given(documents=documents_, size=sizes, separator=st.sampled_from(["-", "\n\n", "aa", "aba", "\n-\n"]))
def test_separators(documents: list[str], size: int, separator: str) -> None:
    expected = [part for document in documents for part in document.split(separator)]
    assert joined(split_documents(in_pieces(documents, size), separator)) == expected


@given(documents=documents_, size=sizes)
def test_breaking_lines(documents: list[str], size: int) -> None:
    expected = []
    for document in documents:
        broken = re.sub(r"([。b])[ ]*", r"\1\n", document)
        expected.append("\n".join(line for line in broken.split("\n") if line.strip()))
    assert joined(break_lines(in_pieces(documents, size), "。b")) == expected


def test_breaking_lines_of_a_poem() -> None:
    poem = "西陸蟬聲唱，南冠客思侵。\n那堪玄鬢影，來對白頭吟。"
    broken = joined(break_lines([Piece(poem, True)], "，。"))
    assert broken == ["西陸蟬聲唱，\n南冠客思侵。\n那堪玄鬢影，\n來對白頭吟。"]
    assert joined(break_lines([Piece("One. Two.  Three]", True)], ".]")) == ["One.\nTwo.\nThree]"]


@given(documents=documents_, size=sizes)
def test_removing(documents: list[str], size: int) -> None:
    expected = [document.replace("a", "").replace("\n", "") for document in documents]
    assert joined(remove(in_pieces(documents, size), "a\na")) == expected


@given(documents=documents_, size=sizes, n_lines=st.integers(1, 3))
def test_stanzas(documents: list[str], size: int, n_lines: int) -> None:
    expected, left_over = [], 0
    for document in documents:
        lines = [line for line in document.split("\n") if line.strip()]
        whole = len(lines) // n_lines
        expected += ["\n".join(lines[i * n_lines : (i + 1) * n_lines]) for i in range(whole)]
        left_over += len(lines) % n_lines
    tally = Tally()
    assert joined(cut_stanzas(in_pieces(documents, size), n_lines, tally)) == expected
    assert tally.leftover_lines == left_over


@given(documents=documents_, size=sizes)
def test_blank_documents_are_dropped(documents: list[str], size: int) -> None:
    assert joined(drop_blank(in_pieces(documents, size))) == [document for document in documents if document.strip()]


@given(documents=documents_, size=sizes)
def test_duplicates(documents: list[str], size: int) -> None:
    tally = Tally()
    assert joined(drop_duplicates(in_pieces(documents, size), tally)) == list(dict.fromkeys(documents))
    written = [document for document in documents if document.strip()]
    assert tally.duplicates == len(written) - len(set(written))


@pytest.mark.parametrize(
    ("line", "length"),
    [
        ("秦川雄帝宅，", 5),
        ("「離宮百雉餘。」", 5),
        ("白日依山盡，黃河入海流。", 11),  # in the middle it counts
        ("  two words!?", 9),
        ("\u3000春眠不覺曉\u3000", 5),
        ("1+1=2", 5),  # symbols are no punctuation
        ("…", 0),
        ("", 0),
    ],
)
def test_the_length_of_a_line(line: str, length: int) -> None:
    assert line_length(line) == length


FIVE = "春眠不覺曉，\n處處聞啼鳥。\n夜來風雨聲，\n花落知多少。"
SEVEN = "朝辭白帝彩雲間，\n千里江陵一日還。\n兩岸猿聲啼不住，\n輕舟已過萬重山。"


@pytest.mark.parametrize(
    ("poem", "kept"),
    [
        (FIVE, True),
        (SEVEN, True),
        (FIVE + "\n", True),
        (FIVE.replace("曉", ""), False),  # one line is shorter
        (FIVE[:13] + "\n" + SEVEN[:17], False),  # both lengths are allowed, but not together
        (FIVE.rsplit("\n", 1)[0], False),  # three lines
        (FIVE.replace("\n", "\n\n"), False),
        ("\n".join(["六個字的一行"] * 4), False),
    ],
)
def test_forms(poem: str, kept: bool) -> None:
    assert has_form(poem, FormConfig()) is kept
    tally = Tally()
    assert joined(keep_forms(in_pieces([poem, " \n"], 3), FormConfig(), tally)) == [poem] * kept
    assert tally.misshapen == (not kept)


def test_other_forms() -> None:
    assert has_form("ab\ncd", FormConfig(n_lines=[2, 3], line_lengths=[2]))
    assert not has_form("ab\ncd", FormConfig(n_lines=[3], line_lengths=[2]))


def test_all_of_it_in_order() -> None:
    """Lines are broken before stanzas are cut, marks removed before forms are looked at, duplicates dropped last."""
    asked = config(
        "-",
        break_lines_after="，。",
        remove="“，。",
        stanza_lines=2,
        form={"n_lines": [2], "line_lengths": [5]},
        deduplicate=True,
    )
    tally = Tally()
    text = "“秦川雄帝宅，函谷壯皇居。綺殿千尋起，離宮百雉餘。連甍遙，飛觀迥。餘。"
    assert joined(transform(in_pieces([text, " ", text[:13]], 4), asked, tally)) == [
        "秦川雄帝宅\n函谷壯皇居",
        "綺殿千尋起\n離宮百雉餘",
    ]
    assert tally == Tally(misshapen=1, duplicates=1, leftover_lines=1)
    assert tally.in_words() == "1 line too few for a stanza, 1 document not of the form, 1 duplicate"
