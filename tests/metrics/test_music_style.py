"""Histograms of hand-made bars, and the overlap of sets of them, against loops."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.metrics.music_histograms import NOTE_VALUES, histograms, tables
from artgen.metrics.music_style import style_overlap, style_share
from artgen.music.piece import Part, Piece, make_notes, sort_notes
from tests.metrics.music_real import as_piece, chorales


def piece(rows: list[tuple[float, float, int, int]], **facts: object) -> Piece:
    parts = tuple(Part() for _ in range(1 + max((part for *_, part in rows), default=0)))
    return Piece(make_notes([(onset, long, pitch, 80, part) for onset, long, pitch, part in rows]), **{"parts": parts, **facts})  # type: ignore[arg-type]


def random_pieces(n: int, seed: int, scale: tuple[int, ...] = (0, 2, 4, 5, 7, 9, 11)) -> list[Piece]:
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(n):
        onsets = np.cumsum(rng.choice([0.5, 1.0, 2.0], 30))
        pitches = [60 + scale[rng.integers(len(scale))] + 12 * int(rng.integers(2)) for _ in onsets]
        pieces.append(piece([(float(at), 0.5, pitch, 0) for at, pitch in zip(onsets, pitches, strict=True)]))
    return pieces


def found(counts: np.ndarray) -> dict[int, float]:
    return {int(at): float(counts[at]) for at in np.flatnonzero(counts)}


def test_histograms_of_two_bars() -> None:
    # C E G B over a held C that ends with the third quarter note; then an octave and a half up in the second bar of 3/4.
    rows = [(0, 1, 60, 0), (1, 1, 64, 0), (2, 0.5, 67, 0), (2.5, 0.3, 71, 0), (3.0, 1, 89, 0), (0, 3, 48, 1)]
    counts = histograms(piece(rows, meters=((0.0, 3, 4),)))
    assert found(counts["pitch_class"]) == pytest.approx({0: 4, 4: 1, 5: 1, 7: 0.5, 11: 0.3})
    assert found(counts["scale_degree"]) == pytest.approx({0: 4, 4: 1, 5: 1, 7: 0.5, 11: 0.3})
    assert found(counts["interval"]) == {4 + 13: 2, 3 + 13: 1, 26: 1}
    values = {NOTE_VALUES[at]: count for at, count in found(counts["duration"]).items()}
    assert values == {1: 3, 1 / 2: 1, 1 / 3: 1, 3: 1}
    assert found(counts["onset"]) == {0: 3, 12: 1, 24: 1, 30: 1}
    assert found(counts["chord"]) == {0: 2, 1 << 3: 1, 1 << 6: 1}  # octave, third, fifth, one note alone
    assert found(counts["density"]) == {5: 1, 1: 1}


def test_scale_degrees_do_not_change_with_the_key_and_drums_do_not_count() -> None:
    for original in random_pieces(5, 0):
        moved = histograms(original.transposed(5))
        own = histograms(original)
        assert moved["scale_degree"] == pytest.approx(own["scale_degree"])
        assert moved["pitch_class"] == pytest.approx(np.roll(own["pitch_class"], 5))
        drums = np.array([(0.0, 9.0, 36, 80, 1)], dtype=original.notes.dtype)
        beaten = replace(
            original, notes=sort_notes(np.concatenate([original.notes, drums])), parts=(Part(), Part(is_drum=True))
        )
        assert all((histograms(beaten)[name] == count).all() for name, count in own.items())


def test_chords_are_those_of_a_loop_over_beats() -> None:
    rng = np.random.default_rng(2)
    rows = [(float(rng.integers(0, 30)) / 4, float(rng.integers(1, 12)) / 4, int(rng.integers(40, 80)), 0) for _ in range(25)]
    wanted: dict[int, float] = {}
    for beat in range(12):
        sounding = [pitch for onset, long, pitch, _ in rows if onset <= beat < onset + long]
        if sounding:
            chord = sum(1 << (above - 1) for above in {(pitch - min(sounding)) % 12 for pitch in sounding} - {0})
            wanted[chord] = wanted.get(chord, 0) + 1
    assert found(histograms(piece(rows))["chord"]) == wanted


def test_a_piece_without_notes_has_zeros() -> None:
    assert not any(counts.any() for counts in histograms(Piece(make_notes([]))).values())
    assert tables([Piece(make_notes([]))] * 2)["interval"].shape == (2, 27)


def test_pooled_overlap_is_that_of_a_loop() -> None:
    ours, theirs = random_pieces(4, 0), random_pieces(5, 1, (0, 3, 6))
    result = style_overlap(ours, theirs, replicates=20)
    for name in result.pooled:
        p, q = (sum(histograms(each)[name] for each in pieces) for pieces in (ours, theirs))
        wanted = sum(min(a / p.sum(), b / q.sum()) for a, b in zip(p, q, strict=True))  # type: ignore[union-attr, arg-type, misc]
        assert result.pooled[name].value == pytest.approx(wanted)
    assert result.pooled_mean.value == pytest.approx(np.mean([each.value for each in result.pooled.values()]))
    assert (result.pooled_mean.n, result.pooled_mean.n_real) == (4, 5)
    assert result.figures()["pooled_chord"] == result.pooled["chord"] and len(result.figures()) == 3 * (1 + len(result.pooled))


def test_overlap_of_distances_is_that_of_kernels_summed_by_loops() -> None:
    ours, theirs = random_pieces(4, 0), random_pieces(6, 1, (0, 2, 3, 7))
    result = style_overlap(ours, theirs, replicates=20)
    for name in ("pitch_class", "interval", "onset"):
        a, b = ([histograms(each)[name] / histograms(each)[name].sum() for each in pieces] for pieces in (ours, theirs))
        intra = [float(np.linalg.norm(b[i] - b[j])) for i in range(6) for j in range(i)]
        own = [float(np.linalg.norm(a[i] - a[j])) for i in range(4) for j in range(i)]
        inter = [float(np.linalg.norm(x - y)) for x in a for y in b]

        def density(at: float, distances: list[float]) -> float:
            width = float(np.std(distances, ddof=1)) * len(distances) ** -0.2
            return sum(math.exp(-(((at - d) / width) ** 2) / 2) for d in distances) / (
                len(distances) * width * math.sqrt(2 * math.pi)
            )

        places = np.linspace(-1, 3, 4001)
        for kind, others in ((result.distances, inter), (result.variety, own)):
            area = sum(min(density(at, intra), density(at, others)) for at in places) * (places[1] - places[0])
            assert kind[name].value == pytest.approx(area, abs=0.005)


def test_the_same_set_overlaps_wholly_and_other_keys_do_not() -> None:
    pieces = random_pieces(12, 0)
    own = style_overlap(pieces, pieces, replicates=50)
    assert own.pooled_mean.value == pytest.approx(1.0) and own.variety_mean.value == pytest.approx(1.0)
    assert own.distances_mean.value > 0.85  # every sample is at no distance from one real piece: itself
    moved = style_overlap([each.transposed(6) for each in pieces], pieces, replicates=50)
    assert moved.pooled["pitch_class"].value < 0.6
    assert moved.pooled["scale_degree"].value == pytest.approx(1.0)
    assert moved.pooled["pitch_class"].low < moved.pooled["pitch_class"].value < moved.pooled["pitch_class"].high


def test_pieces_taken_several_times_lack_variety_whatever_the_other_figures_say() -> None:
    pieces = random_pieces(60, 0)
    training, held_out, different = pieces[:20], pieces[20:40], pieces[40:]
    share = {n: style_share(different[:n] * (20 // n), training, held_out, replicates=50) for n in (1, 4, 20)}
    assert share[1].variety["pitch_class"].value < 0.05  # no distance between any two
    assert share[1].variety["chord"].value == pytest.approx(1)  # nor between any two real pieces, which have no chords
    assert share[1].variety_mean.value < share[4].variety_mean.value < share[20].variety_mean.low
    assert share[4].variety_mean.high < share[4].distances_mean.low  # what the paper's figure alone would not show


def test_one_sample_has_no_variety_to_measure() -> None:
    pieces = random_pieces(4, 0)
    assert math.isnan(style_overlap(pieces[:1], pieces[1:], replicates=10).variety_mean.value)


def test_a_share_is_a_quotient_of_overlaps_of_equal_sizes() -> None:
    training, held_out, samples = random_pieces(6, 0), random_pieces(7, 1), random_pieces(6, 2, (0, 1, 2, 3))
    share = style_share(samples, training, held_out, replicates=20)  # as many training pieces as samples: no draw
    ours, theirs = style_overlap(samples, held_out, replicates=20), style_overlap(training, held_out, replicates=20)
    for name, value in share.figures().items():
        assert value.value == pytest.approx(ours.figures()[name].value / theirs.figures()[name].value)
    large = style_share(samples, random_pieces(60, 3), held_out, replicates=20)
    assert large.pooled_mean.value == pytest.approx(share.pooled_mean.value, abs=0.1)


def test_too_little_to_compare_is_refused() -> None:
    pieces = random_pieces(3, 0)
    drums = Piece(pieces[0].notes, (Part(is_drum=True),))
    with pytest.raises(UsageError, match="there are no samples"):
        style_overlap([], pieces)
    with pytest.raises(UsageError, match="1 real pieces are too few to compare, 2 are needed"):
        style_overlap(pieces, pieces[:1])
    with pytest.raises(UsageError, match="the samples have no notes but drums'"):
        style_overlap([drums], pieces)
    with pytest.raises(UsageError, match="1 held-out pieces are too few"):
        style_share(pieces, pieces, pieces[:1])
    with pytest.raises(UsageError, match="there are no training pieces"):
        style_share(pieces, [], pieces)


def test_chorales_are_in_the_style_of_chorales_and_random_notes_are_not() -> None:
    training, test = ([as_piece(voices) for voices in chorales(split)] for split in ("train", "test"))
    real = style_share(test[:30], training[:60], test[30:], replicates=50)
    assert 0.9 < real.pooled_mean.value < 1.1 and 0.9 < real.distances_mean.value < 1.1
    rng = np.random.default_rng(0)
    noisy = []
    for each in test[:30]:
        notes = each.notes.copy()
        notes["pitch"] += rng.integers(-2, 3, len(notes)).astype(np.int16)
        noisy.append(replace(each, notes=sort_notes(notes)))
    noise = style_share(noisy, training[:60], test[30:], replicates=50)
    assert noise.pooled_mean.high < 0.85 and noise.distances_mean.high < 0.85
