"""The longest copied spans against brute force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artgen.metrics import copying
from artgen.metrics.copying import EXCERPT, GRAM, copy_report

texts = st.text("ab", max_size=40) | st.text("abcdefgh\n春", max_size=30)


def longest_by_force(text: str, source: str) -> int:
    return max((n for n in range(len(text) + 1) for i in range(len(text) - n + 1) if text[i : i + n] in source), default=0)


def shared_by_force(text: str, source: str) -> float | None:
    grams = [text[i : i + GRAM] for i in range(len(text) - GRAM + 1)]
    return sum(gram in source for gram in grams) / len(grams) if grams else None


def cut(text: str, sizes: list[int]) -> Iterator[str]:
    for size in sizes:
        yield text[:size]
        text = text[size:]
    yield text


@settings(max_examples=300, deadline=None)
@given(
    samples=st.lists(texts, max_size=4),
    source=st.text("ab", max_size=120) | st.text("abcdefgh\n春", max_size=120),
    quoted=st.booleans(),
    sizes=st.lists(st.integers(0, 9), max_size=6),
    block_size=st.sampled_from([1, 2, 3, 7, 16, 1000]),
)
@example(samples=["abcdefghijkl"], source="xxabcdefghijklxx", quoted=False, sizes=[8], block_size=1)
def test_against_brute_force(samples: list[str], source: str, quoted: bool, sizes: list[int], block_size: int) -> None:
    if quoted and samples:
        source = source[:50] + samples[0][3:] + source[50:]
    report = copy_report(samples, cut(source, sizes), block_size=block_size)
    assert report.training_characters == len(source)
    for text, found in zip(samples, report.samples, strict=True):
        assert found.n_characters == len(text)
        assert found.longest_length == longest_by_force(text, source)
        assert found.shared == pytest.approx(shared_by_force(text, source))
        span = found.longest
        if span is not None:
            end = span.offset + len(span.text)
            assert text[span.start : span.start + len(span.text)] == span.text
            assert source[span.offset : end] == span.text
            assert span.before == source[max(0, span.offset - EXCERPT) : span.offset]
            assert span.after == source[end : end + EXCERPT]


def test_chance_hits_in_the_table_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "the quick brown fox jumps over the lazy dog, then it sleeps. " * 20
    samples = ["a quick brown fix jumps", "nothing at all like it", "zzzz"]
    expected = copy_report(samples, [source], block_size=64)
    monkeypatch.setattr(copying, "TABLE_BITS", 3)  # almost every n-gram is a hit
    assert copy_report(samples, [source], block_size=64) == expected
    assert [found.longest_length for found in expected.samples] == [longest_by_force(text, source) for text in samples]


def test_held_out_text_is_measured_in_the_same_lengths() -> None:
    source, held_out = "abcdefgh" * 10, "abcdXefghX" * 10
    report = copy_report(["abcdefgha", "xx", "b" * 30], [source], held_out)
    assert [found.n_characters for found in report.held_out] == [9, 2, 30]
    assert [found.longest_length for found in report.held_out] == [
        longest_by_force(held_out[:9], source),
        longest_by_force(held_out[49:51], source),
        longest_by_force(held_out[70:], source),
    ]
    figures = report.figures()
    assert figures["samples_longest"] == 9
    assert figures["samples_mean_longest"] == pytest.approx((9 + 0 + 1) / 3)
    assert figures["samples_shared"] == pytest.approx((1 + 0) / 2)


def test_worst_are_the_longest_first() -> None:
    report = copy_report(["ab", "abcd", "", "abc"], ["zzabcdzz"])
    assert [number for number, _ in report.worst(3)] == [1, 3, 0]
    assert copy_report([], ["abc"]).figures()["samples_longest"] is None


@pytest.mark.parametrize("block_size", [1, 7, 1000])
def test_copied_words_stand_before_longer_rules_and_margins(block_size: int) -> None:
    source = f"Title\n{'*' * 30}\n\n{' ' * 20}the quick brown fox\n{'-' * 25}春眠不觉晓处处闻啼鸟。\n"
    samples = ["*" * 30 + "\n", "a quick brown fix, and " + "-" * 25, " " * 20, "说，春眠不觉晓处处闻啼鸟" + "*" * 20]
    report = copy_report(samples, [source], block_size=block_size)
    assert [found.longest_length for found in report.samples] == [31, 25, 20, 20], (
        "the longest span is the longest, of whatever"
    )
    assert report.figures()["samples_longest"] == 31
    spans = {number: found.wordiest for number, found in report.worst(4)}
    assert [span.text if span else None for span in spans.values()] == [
        " quick brown f",
        "春眠不觉晓处处闻啼鸟",
        "*" * 30 + "\n",
        " " * 20,
    ]
    assert [span.letters if span else None for span in spans.values()] == [11, 10, 0, 0]
    words = spans[1]
    assert words is not None
    assert source[words.offset :].startswith(words.text)
    assert words.after.startswith("ox\n---")


def test_a_span_planted_in_shakespeare_is_found_with_its_place() -> None:
    path = Path(__file__).parents[3] / "shared/data/tinyshakespeare/input.txt"
    if not path.exists():
        pytest.skip("needs ../shared/data/tinyshakespeare")
    text = path.read_text(encoding="utf-8")
    source, held_out = text[:1_000_000], text[1_000_000:]
    samples = [held_out[begin : begin + 500] for begin in range(0, 10_000, 1000)]
    samples[4] = samples[4][:200] + "#" + source[654_321:654_400] + "#" + samples[4][281:]
    report = copy_report(samples, (source[i : i + 3001] for i in range(0, len(source), 3001)), held_out[10_000:])
    number, found = report.worst(1)[0]
    assert number == 4
    assert found.longest is not None
    assert (found.longest.offset, found.longest.start, len(found.longest.text)) == (654_321, 201, 79)
    assert found.longest.after == source[654_400 : 654_400 + EXCERPT]
    for text, each in zip(samples[:2], report.samples[:2], strict=True):
        assert each.shared == pytest.approx(shared_by_force(text, source))
        n = each.longest_length
        assert not any(text[i : i + n + 1] in source for i in range(len(text) - n))
