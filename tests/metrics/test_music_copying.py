"""The longest copied melodic span, against a search of all pairs of places, and on tunes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.metrics.music_copying import longest_spans, melodic_copying
from artgen.metrics.music_melody import Line, voice_lines
from artgen.music.piece import Part, Piece, make_notes
from tests.metrics.music_real import chorales

TUNE = [60, 62, 64, 65, 67, 60, 72, 59, 61, 66]
RHYTHM = [1.0, 0.5, 0.5, 1.0, 2.0, 1.0, 0.25, 0.75, 1.0, 1.0]


def tune(
    pitches: list[int], durations: list[float], part: int = 0, begin: float = 0.0
) -> list[tuple[float, float, int, int, int]]:
    onsets = np.cumsum([begin, *durations[:-1]]).tolist()
    return [(onset, long, pitch, 80, part) for onset, long, pitch in zip(onsets, durations, pitches, strict=True)]


def one(rows: list[tuple[float, float, int, int, int]], n_parts: int = 1) -> Piece:
    return Piece(make_notes(rows), tuple(Part() for _ in range(n_parts)))


def random_lines(lengths: list[int], seed: int) -> list[Line]:
    rng = np.random.default_rng(seed)
    return [
        Line(np.cumsum(rng.integers(1, 3, n)) / 4, 60 + np.cumsum(rng.integers(-1, 2, n)), np.ones(n, dtype=int))
        for n in lengths
    ]


def longest_by_force(a: Line, b: Line, rhythm: bool) -> int:
    def steps(line: Line) -> list[tuple[int, int]]:
        return [
            (int(line.pitch[i + 1] - line.pitch[i]), round((line.onset[i + 1] - line.onset[i]) * 12) if rhythm else 0)
            for i in range(len(line) - 1)
        ]

    x, y = steps(a), steps(b)
    best = 0
    for i in range(len(x)):
        for j in range(len(y)):
            n = 0
            while i + n < len(x) and j + n < len(y) and x[i + n] == y[j + n]:
                n += 1
            best = max(best, n)
    return best + 1 if best else 0


@pytest.mark.parametrize("rhythm", [False, True])
def test_spans_are_those_of_a_search_of_all_places(rhythm: bool) -> None:
    training = [random_lines([50, 30], 0), random_lines([1], 1), [], random_lines([80], 2)]
    works = [random_lines([40, 25], 3), random_lines([60], 4), [], random_lines([1, 2], 5), random_lines([7], 6)]
    works.append([training[3][0]])
    for work, span in zip(works, longest_spans(works, training, rhythm), strict=True):
        wanted = [longest_by_force(line, other, rhythm) for line in work for piece in training for other in piece]
        assert span.notes == max(wanted, default=0)
        if span.notes:
            here, there = work[span.line], training[span.training_piece][span.training_line]
            assert span.of == len(here)
            own, other = slice(span.note, span.note + span.notes), slice(span.training_note, span.training_note + span.notes)
            assert np.diff(here.pitch[own]).tolist() == np.diff(there.pitch[other]).tolist()
            assert len(here.pitch[own]) == len(there.pitch[other]) == span.notes
            if rhythm:
                assert np.diff(here.onset[own]).tolist() == np.diff(there.onset[other]).tolist()
    assert longest_spans(works, training, rhythm)[-1].notes == 80


def test_a_transposed_copy_is_found_with_its_bars() -> None:
    training = [one(tune([50, 51], [1, 1])), one(tune([70, *TUNE], [4.0, *RHYTHM]))]
    sample = one([*tune([90], [1], 0), *tune([40, 41, *[p + 5 for p in TUNE], 30], [4, 4, *RHYTHM, 1], 1)], 2)
    found = melodic_copying([sample], training)
    for copies in (found.intervals, found.rhythm):
        (span,) = copies.samples
        assert (span.notes, span.of, span.line, span.note, span.bar) == (10, 13, 1, 2, 3)
        assert (span.training_piece, span.training_line, span.training_note, span.training_bar) == (1, 0, 1, 2)
        assert copies.excess is None and copies.held_out == []


def test_another_rhythm_breaks_the_span_of_one_variant_only() -> None:
    other = [*RHYTHM[:6], 0.5, *RHYTHM[7:]]  # the seventh note is longer: notes 1 to 7 and 8 to 10 remain
    found = melodic_copying([one(tune(TUNE, other))], [one(tune(TUNE, RHYTHM))])
    assert found.intervals.samples[0].notes == 10
    assert found.rhythm.samples[0].notes == 7


def test_rhythms_are_compared_on_a_grid() -> None:
    late = [(onset + 0.02, *rest) for onset, *rest in tune(TUNE, RHYTHM)]
    assert melodic_copying([one(late)], [one(tune(TUNE, RHYTHM))]).rhythm.samples[0].notes == 10  # type: ignore[arg-type]


def test_no_span_goes_from_line_to_line_or_piece_to_piece() -> None:
    halves = [one(tune(TUNE[:5], RHYTHM[:5])), one(tune(TUNE[5:], RHYTHM[5:]))]
    assert melodic_copying([one(tune(TUNE, RHYTHM))], halves).intervals.samples[0].notes == 5
    parts = one([*tune(TUNE[:5], RHYTHM[:5]), *tune(TUNE[5:], RHYTHM[5:], 1)], 2)
    assert melodic_copying([one(tune(TUNE, RHYTHM))], [parts]).intervals.samples[0].notes == 5


def test_the_samples_are_compared_with_held_out_pieces_of_their_length() -> None:
    training = [one(tune(TUNE, RHYTHM))]
    samples = [one(tune(TUNE[:n], RHYTHM[:n])) for n in (4, 6, 6)]
    found = melodic_copying(samples, training, [training[0], one(tune([60, 90], [1, 1]))]).intervals
    assert [span.notes for span in found.samples] == [4, 6, 6]
    assert [span.notes for span in found.held_out] == [6, 0]
    assert found.excess is not None and (found.excess.value, found.excess.n, found.excess.n_real) == (6 - 3, 3, 2)
    assert found.figures() == pytest.approx(
        {
            "samples_median": 6,
            "samples_q90": 6,
            "samples_longest": 6,
            "held_out_median": 3,
            "held_out_q90": 5.4,
            "held_out_longest": 6,
        }
    )
    assert [number for number, _ in found.worst(2)] == [1, 2]
    whole = melodic_copying(samples, training, training, match_length=False)
    assert whole.intervals.held_out[0].notes == 10


def test_a_sample_without_a_melody_copies_nothing() -> None:
    drums = Piece(make_notes(tune(TUNE, RHYTHM)), (Part(is_drum=True),))
    empty = Piece(make_notes([]))
    found = melodic_copying([drums, empty], [one(tune(TUNE, RHYTHM))])
    assert [span.notes for span in found.intervals.samples] == [0, 0]


def test_nothing_to_compare_is_refused() -> None:
    piece = one(tune(TUNE, RHYTHM))
    with pytest.raises(UsageError, match="no samples"):
        melodic_copying([], [piece])
    with pytest.raises(UsageError, match="no training piece has a melody"):
        melodic_copying([piece], [Piece(make_notes([]))])


def test_bachs_own_chorales_share_melodies_and_copies_stand_out() -> None:
    training, test = ([voice_lines(voices) for voices in chorales(split)] for split in ("train", "test"))
    copied = [[Line(line.onset, line.pitch + 3, line.bar) for line in piece] for piece in training[:20]]
    found = melodic_copying(copied, training, test).rhythm
    assert all(span.notes == max(len(line) for line in work) for span, work in zip(found.samples, copied, strict=True))
    figures = found.figures()
    assert figures["held_out_median"] is not None and 5 < figures["held_out_median"] < 20
    assert found.excess is not None and found.excess.low > 20
