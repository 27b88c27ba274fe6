"""distinct-n by hand."""

from __future__ import annotations

import pytest

from artgen.metrics.diversity import distinct


def test_characters() -> None:
    # Bigrams: ab, ba, ab | ba
    assert distinct(["abab", "ba"], "char", [1, 2, 3]) == {1: 2 / 6, 2: 2 / 4, 3: 2 / 2}


def test_words() -> None:
    texts = ["To be, or not to be", "don't-stop be"]
    # to/To differ; "don't-stop" is one word. Words: To be or not to be | don't-stop be
    assert distinct(texts, "word") == {1: 6 / 8, 2: 6 / 6, 3: 4 / 4, 4: 3 / 3}
    assert distinct(["la la la la"], "word") == {1: 1 / 4, 2: 1 / 3, 3: 1 / 2, 4: 1.0}


def test_nothing_to_count() -> None:
    assert distinct([], "char") == dict.fromkeys((1, 2, 3, 4))
    assert distinct(["", "ab"], "char", [2, 3]) == {2: 1.0, 3: None}
    with pytest.raises(ValueError, match="n is 0"):
        distinct(["a"], "char", [0])
