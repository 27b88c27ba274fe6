"""The rules of a form, and the same rules for a whole vocabulary at once."""

from __future__ import annotations

import unicodedata

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgen.errors import UsageError
from artgen.lm.config import TextSampleConfig
from artgen.lm.constraints import NEVER, Constraint
from artgen.lm.form import Form, Place, Violation

CPU = torch.device("cpu")


def is_complete(form: Form, text: str) -> bool:
    try:
        return form.complete(form.read(text)[0])
    except Violation:
        return False


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("秦川雄帝宅，\n函谷壯皇居。", True),
        ("秦川雄帝宅\n函谷壯皇居", True),
        ("秦川雄帝宅！”\n函谷壯皇居。", True),
        ("秦川雄帝宅，\n函谷壯皇居。\n", True),  # its last line end is cut off
        ("秦川雄帝宅，\n", False),
        ("秦川雄帝宅，", False),
        ("秦川雄帝，\n函谷壯皇居。", False),  # too short
        ("秦川雄帝宅秦，\n函谷壯皇居秦。", False),  # 6 is not allowed
        ("秦川雄帝宅，\n函谷壯皇居函谷。", False),  # 5, then 7
        ("秦川雄帝宅，，，\n函谷壯皇居。", False),
        ("秦川，雄帝宅\n函谷壯皇居。", False),
        ("秦川雄帝宅，x\n函谷壯皇居。", False),
        ("秦川雄帝宅，\n\n函谷壯皇居。", False),
        ("秦川雄帝 ，\n函谷壯皇居。", False),
        ("秦川雄帝宅秦川\n函谷壯皇居函谷。", True),
    ],
)
def test_lines_of_a_set_length(text: str, complete: bool) -> None:
    assert is_complete(Form(lines=2, lengths=[5, 7]), text) is complete


@pytest.mark.parametrize(
    ("text", "complete"),
    [("a\nb", True), ("a b.\n  c", True), ("a", False), ("a\n", False), ("a\n\nb", False), ("a \nb", False), ("a\n b ", False)],
)
def test_lines_of_any_length(text: str, complete: bool) -> None:
    assert is_complete(Form(lines=2), text) is complete


@pytest.mark.parametrize(("text", "complete"), [("lo\nOk", True), ("Lo\nok", True), ("lo\nak", False), ("lo", False)])
def test_an_acrostic_sets_the_number_of_lines_and_ignores_case(text: str, complete: bool) -> None:
    assert is_complete(Form(acrostic="L o"), text) is complete


def test_lines_beyond_the_acrostic_begin_with_anything() -> None:
    assert is_complete(Form(acrostic="ab", lines=3), "a\nb\nz")


def test_rules_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="lines: 2 are too few for the acrostic 'abc', expected 3"):
        Form(acrostic="abc", lines=2)
    with pytest.raises(UsageError, match="whitespace"):
        Form(acrostic=" ")


# ---------------------------------------------------------------- all tokens at once

LETTERS = "abAB ,.\n春"
forms = st.builds(
    Form,
    lines=st.none() | st.integers(3, 4),
    lengths=st.none() | st.lists(st.integers(1, 5), min_size=1, max_size=2),
    allowed=st.none() | st.just("abAB ,."),
    acrostic=st.none() | st.sampled_from(["a", "ab", "bA b"]),
)
vocabularies = st.lists(st.text(LETTERS, min_size=1, max_size=7), max_size=60).map(lambda pieces: list("abAB \n.") + pieces)


@settings(max_examples=150, deadline=None)
@given(form=forms, pieces=vocabularies, text=st.text(LETTERS, max_size=12))
def test_the_vocabulary_is_simulated_as_text_is_read(form: Form, pieces: list[str], text: str) -> None:
    place = Place()
    for char in text:  # some place that a text can reach
        try:
            place = form.step(place, char)
        except Violation:
            continue
        if place.done:
            return
    constraint = Constraint(form, pieces, end_id=None, device=CPU)
    needs = constraint._compute_needs(place)[0].tolist()
    for piece, got in zip(pieces, needs, strict=True):
        try:
            after, kept = form.read(piece, place)
        except Violation:
            assert got == NEVER, piece
            continue
        foreign = form.allowed is not None and not form.allowed.issuperset(piece)
        if foreign and kept < len(piece):
            assert got == NEVER  # masked, although what is foreign would be cut off
        else:
            assert got == form.needs(after), piece


@settings(max_examples=200, deadline=None)
@given(form=forms, text=st.text(LETTERS, max_size=14))
def test_needs_is_the_fewest_characters_that_complete_a_text(form: Form, text: str) -> None:
    place = Place()
    for char in text:
        try:
            place = form.step(place, char)
        except Violation:
            continue
        if place.done:
            break
    # Breadth first: all places that one more character of LETTERS can reach, and so on.
    reached, steps = {place}, 0
    while not any(form.complete(each) for each in reached):
        following = set()
        for each in reached:
            for char in LETTERS:
                try:
                    following.add(form.step(each, char))
                except Violation:
                    continue
        reached, steps = following, steps + 1
    assert form.needs(place) == steps


# ---------------------------------------------------------------- before anything is made


def compile(options: TextSampleConfig, pieces: list[str | None]) -> Constraint | None:
    return Constraint.compile(options, pieces, None, CPU)


def test_no_constraint_without_rules() -> None:
    assert compile(TextSampleConfig(), list("ab")) is None


@pytest.mark.parametrize(
    ("rules", "pieces", "message"),
    [
        ({"acrostic": "春a"}, [*"ab\n", None], "acrostic: the vocabulary has no '春'"),
        ({"acrostic": "ab", "allowed": "a"}, [*"ab\n"], "acrostic: the vocabulary has no 'b' that is allowed"),
        ({"acrostic": ".", "line_length": [3]}, [*"ab.\n"], "acrostic: '.' is punctuation"),
        ({"lines": 2}, [*"ab"], "lines: the vocabulary has no line end"),
        ({"line_length": [2]}, [*" .,\n"], "the vocabulary has no character to fill a line with"),
        ({"allowed": "xyz"}, [*"ab"], "allowed: the vocabulary has none of these characters"),
        ({"allowed": "xyz", "lines": 1}, [*"ab\n"], "allowed: the vocabulary has no character that is allowed"),
    ],
)
def test_what_a_vocabulary_cannot_write_is_refused(rules: dict, pieces: list[str | None], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compile(TextSampleConfig(**rules), pieces)


@pytest.mark.parametrize(
    ("rules", "prompt", "message"),
    [
        ({"lines": 2}, "a\n\nb", "prompt: line 2 .* it is empty"),
        ({"lines": 1}, "a\nb", "prompt: goes on after 1 lines"),
        ({"lines": 2, "line_length": [3, 5]}, "abcd\n", "prompt: line 1 .* it has 4 characters, expected 3 or 5"),
        ({"lines": 2, "line_length": [2, 5]}, "ab.\nabc", "prompt: line 2 .* it has more than 2 characters"),
        ({"acrostic": "ab"}, "b", "prompt: line 1 .* begins with 'b', the acrostic wants 'a'"),
        ({"allowed": "ab"}, "abc", "prompt: line 1 .* 'c' is not among the allowed characters"),
    ],
)
def test_a_prompt_that_breaks_the_form_is_refused(rules: dict, prompt: str, message: str) -> None:
    constraint = compile(TextSampleConfig(**rules), [*"abcd.\n"])
    assert constraint is not None
    with pytest.raises(UsageError, match=message):
        constraint.start(prompt, 100)


def test_too_few_tokens_are_refused_with_the_number_that_is_enough() -> None:
    constraint = compile(TextSampleConfig(lines=4, line_length=[7, 5]), [*"ab\n"])
    assert constraint is not None
    with pytest.raises(UsageError, match="max_tokens: 22 are too few .* expected 23 or more"):
        constraint.start("", 22)
    constraint.start("", 4 * 5 + 3)


def test_marks_are_the_unicode_punctuation() -> None:
    form = Form(lengths=[1])
    for code in range(0x3100):
        char = chr(code)
        if unicodedata.category(char).startswith("P"):
            assert form.read("a" + char)[0].marks == 1
