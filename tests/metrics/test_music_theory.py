"""Keys, silence, dissonance and the rules of four-part writing, on bars worked out by hand and against loops."""

from __future__ import annotations

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.metrics.music_keys import PROFILES, Key, Profile, estimate_key, pitch_class_weights
from artgen.metrics.music_theory import (
    crossings,
    dissonance,
    empty_bars,
    parallels,
    part_ranges,
    piece_figures,
    voice_figures,
    voice_ranges,
    wide_spacing,
)
from artgen.music.piece import Part, Piece, make_notes
from tests.metrics.music_real import as_piece, chorales

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)


def tune(rows: list[tuple[float, float, int]], **facts: object) -> Piece:
    return Piece(make_notes([(onset, duration, pitch, 80, 0) for onset, duration, pitch in rows]), **facts)  # type: ignore[arg-type]


def random_voices(length: int, seed: int = 0) -> np.ndarray:
    voices = np.random.default_rng(seed).integers(48, 60, (length, 4))
    voices[np.random.default_rng(seed + 1).random((length, 4)) < 0.1] = -1
    return voices


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize(("scale", "minor"), [(MAJOR, False), (MINOR, True)])
@pytest.mark.parametrize("tonic", range(12))
def test_a_scale_with_a_long_tonic_triad_has_its_key(tonic: int, scale: tuple[int, ...], minor: bool, profile: Profile) -> None:
    weights = np.zeros(12)
    for degree, step in enumerate(scale):
        weights[(tonic + step) % 12] = 2.0 if degree in (0, 2, 4) else 1.0
    found = estimate_key(weights, profile)
    assert found is not None and (found.tonic, found.minor) == (tonic, minor)


def test_clarity_is_the_correlation_and_the_margin_the_lead() -> None:
    weights = np.random.default_rng(0).random(12)
    table = {
        (tonic, minor): np.corrcoef(np.roll(PROFILES["krumhansl-kessler"][minor], tonic), weights)[0, 1]
        for tonic in range(12)
        for minor in (0, 1)
    }
    best, second = sorted(table.values())[-1:-3:-1]
    found = estimate_key(weights, "krumhansl-kessler")
    assert found is not None and table[found.tonic, int(found.minor)] == best
    assert (found.clarity, found.margin) == pytest.approx((best, best - second))
    own = estimate_key(np.array(PROFILES["temperley"][1]), "temperley")
    assert own is not None and own.clarity == pytest.approx(1.0) and str(own) == "C minor"


def test_a_key_moves_with_the_piece_and_counts_durations_not_drums() -> None:
    piece = tune([(0, 3, 60), (3, 1, 62), (4, 1, 64), (5, 2, 67), (7, 1, 69)])
    assert pitch_class_weights(piece).tolist() == [3, 0, 1, 0, 1, 0, 0, 2, 0, 1, 0, 0]
    moved = estimate_key(pitch_class_weights(piece.transposed(5)))
    assert moved is not None and (moved.tonic, moved.minor) == (5, False)
    drums = Piece(piece.notes, (Part(is_drum=True),))
    assert pitch_class_weights(drums).sum() == 0


@pytest.mark.parametrize("weights", [np.zeros(12), np.full(12, 0.1)])
def test_nothing_and_everything_have_no_key(weights: np.ndarray) -> None:
    assert estimate_key(weights) is None


# ---------------------------------------------------------------- pieces


def test_empty_bars_are_those_in_which_nothing_sounds() -> None:
    assert empty_bars(tune([(0, 1, 60), (12, 1, 60)])) == (2, 4)
    assert empty_bars(tune([(0, 9, 60), (12, 1, 60)])) == (0, 4)  # a held note sounds into the third bar
    assert empty_bars(tune([(0, 8, 60), (12, 1, 60)])) == (1, 4)  # and ends with the second
    assert empty_bars(tune([(3, 1, 60), (6, 1, 60)], meters=((0.0, 3, 4),))) == (1, 3)
    assert empty_bars(tune([])) == (0, 0)


def test_dissonance_is_weighted_by_how_long_pairs_sound() -> None:
    # C and E for 4; F# joins for the last 1 (a tritone with C, a second with E); then a minor ninth for 2.
    piece = tune([(0, 4, 60), (0, 4, 64), (3, 1, 66), (4, 2, 60), (4, 2, 73)])
    assert dissonance(piece) == pytest.approx((1 + 2, 4 + 1 + 1 + 2))
    assert dissonance(tune([(0, 1, 60), (1, 1, 61)])) == (0, 0)  # one after the other
    assert dissonance(tune([])) == (0, 0)


def test_dissonance_is_that_of_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(3)
    rows = [(float(rng.integers(0, 40)) / 4, float(rng.integers(1, 9)) / 4, int(rng.integers(40, 80))) for _ in range(60)]
    harsh = total = 0.0
    for i, (a, long_a, p) in enumerate(rows):
        for b, long_b, q in rows[:i]:
            together = max(0.0, min(a + long_a, b + long_b) - max(a, b))
            total += together
            harsh += together * (abs(p - q) % 12 in (1, 6, 11))
    assert dissonance(tune(rows)) == pytest.approx((harsh, total))


def test_ranges_are_of_parts_and_voices() -> None:
    notes = make_notes([(0, 1, 60, 80, 0), (1, 1, 72, 80, 0), (0, 1, 36, 80, 1)])
    assert part_ranges(Piece(notes, (Part(), Part(is_drum=True), Part()))) == [(60, 72), None, None]
    assert voice_ranges([np.array([[70, 60, 50, -1]]), np.array([[65, -1, 55, -1]])]) == [(65, 70), (60, 60), (50, 55), None]


def test_figures_pool_pieces() -> None:
    pieces = [tune([(0, 1, 60), (0, 1, 61), (8, 4, 60)]), tune([(0, 3, 60), (0, 3, 64)])]
    found = piece_figures(pieces)
    assert found["empty_bars"].value == pytest.approx(1 / 4)
    assert found["dissonance"].value == pytest.approx(1 / 4)
    keys = [estimate_key(pitch_class_weights(piece)) for piece in pieces]
    assert all(isinstance(key, Key) for key in keys)
    assert found["key_clarity"].value == pytest.approx(np.mean([key.clarity for key in keys if key]))
    with pytest.raises(UsageError, match="no pieces"):
        piece_figures([])


# ---------------------------------------------------------------- four voices


@pytest.mark.parametrize(
    ("chords", "fifths", "octaves"),
    [
        ([[76, 67, 60, 48], [76, 69, 62, 50]], 2, 1),  # tenor and bass octaves, alto and each of them fifths
        ([[79, 76, 72, 60], [81, 76, 72, 62]], 1, 0),  # soprano and bass, an octave between
        ([[79, 76, 72, 60], [79, 76, 72, 60]], 0, 0),  # held
        ([[79, 76, 71, 60], [67, 76, 71, 62]], 0, 0),  # the same pitch classes, in contrary motion
        ([[79, 76, 71, 60], [80, 76, 71, 62]], 0, 0),  # into a diminished fifth
        ([[67, 64, 62, 60], [69, 64, -1, 62]], 1, 0),  # a silent voice takes no part
        ([[72, 53, 60, 36], [72, 50, 57, 36]], 1, 0),  # crossed voices are as far apart as they sound
        ([[60, 55, 52, 60], [62, 55, 52, 74]], 0, 1),  # a unison into an octave
    ],
)
def test_parallels_by_hand(chords: list[list[int]], fifths: int, octaves: int) -> None:
    found = parallels(np.array(chords))
    assert (found.fifths, found.octaves) == (fifths, octaves)


def test_parallels_are_those_of_a_loop() -> None:
    voices = random_voices(400)
    fifths, octaves, changes, places = 0, 0, 0, []
    for step in range(1, len(voices)):
        a, b = voices[step - 1].tolist(), voices[step].tolist()
        changes += a != b
        for i in range(4):
            for j in range(i + 1, 4):
                if min(a[i], a[j], b[i], b[j]) < 0 or a[i] == b[i] or a[j] == b[j] or (b[i] > a[i]) != (b[j] > a[j]):
                    continue
                before, after = abs(a[i] - a[j]) % 12, abs(b[i] - b[j]) % 12
                if before == after and before in (0, 7):
                    fifths, octaves = fifths + (before == 7), octaves + (before == 0)
                    places.append((step, i, j))
    found = parallels(voices)
    assert fifths > 2 and octaves > 2
    assert (found.fifths, found.octaves, found.changes, list(found.places)) == (fifths, octaves, changes, places)
    assert found.per_100 == pytest.approx(100 * (fifths + octaves) / changes)
    assert parallels(voices[:1]).per_100 == 0


def test_crossings_and_spacing_are_those_of_a_loop() -> None:
    voices = random_voices(300, seed=5)
    voices[:, 0] += 7
    crossed = both = wide = upper = 0
    for s, a, t, b in voices.tolist():
        pairs = [(high, low) for high, low in ((s, a), (a, t), (t, b)) if min(high, low) >= 0]
        both += bool(pairs)
        crossed += any(high < low for high, low in pairs)
        pairs = [(high, low) for high, low in ((s, a), (a, t)) if min(high, low) >= 0]
        upper += bool(pairs)
        wide += any(high - low > 12 for high, low in pairs)
    assert crossings(voices) == (crossed, both) and wide_spacing(voices) == (wide, upper) and wide > 0


def test_voice_figures_pool_pieces_and_refuse_other_shapes() -> None:
    pieces = [random_voices(100), random_voices(50, seed=9)]
    each = [parallels(piece) for piece in pieces]
    found = voice_figures(pieces)
    assert found["parallels"].value == pytest.approx(
        100 * sum(p.fifths + p.octaves for p in each) / sum(p.changes for p in each)
    )
    assert found["crossings"].value == pytest.approx(
        sum(crossings(p)[0] for p in pieces) / sum(crossings(p)[1] for p in pieces)
    )
    with pytest.raises(UsageError, match=r"piece 2 is \[3, 2\], expected \[time, 4\]"):
        voice_figures([pieces[0], np.zeros((3, 2), int)])
    with pytest.raises(UsageError, match="no pieces"):
        voice_figures([])


def test_bach_seldom_writes_parallels_and_chance_often() -> None:
    voices = chorales("test")
    bach = voice_figures(voices)
    assert 0.1 < bach["parallels"].value < 0.6
    assert bach["crossings"].value < 0.05 and bach["wide_spacing"].value < 0.05
    rng = np.random.default_rng(0)
    assert voice_figures([rng.permutation(piece) for piece in voices])["parallels"].value > 10
    pieces = piece_figures([as_piece(piece) for piece in voices])
    assert pieces["key_clarity"].value > 0.85 and 0.02 < pieces["dissonance"].value < 0.08
