"""Planted copies are found, real pictures are not called copies, and the search equals one by loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from artgen.errors import UsageError
from artgen.metrics.picture_copying import (
    Search,
    are_copies,
    are_too_near,
    copy_report,
    feature_nearness,
    held_out_to_calibrate_on,
    nearest,
    nearness,
    side_by_side,
    working_size,
)
from tests.metrics.drawn import gaussian, noise, photograph, shapes

TRAINING, HELD_OUT = shapes(60, 64), shapes(40, 64, seed=1)


def moved(pictures: np.ndarray, down: int, right: int) -> np.ndarray:
    """Content moved down and to the right, edges repeated."""
    height, width = pictures.shape[1:3]
    rows, columns = np.clip(np.arange(height) - down, 0, height - 1), np.clip(np.arange(width) - right, 0, width - 1)
    return pictures[:, rows][:, :, columns]


def grainy(pictures: np.ndarray, deviation: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(pictures + rng.normal(0, deviation, pictures.shape), 0, 255).round().astype(np.uint8)


COPIES = {
    "exact": (TRAINING[:12], False, (0, 0)),
    "mirrored": (TRAINING[:12, :, ::-1], True, (0, 0)),
    "shifted": (moved(TRAINING[:12], 2, -1), False, (-2, 1)),
    "noisy": (grainy(TRAINING[:12], 6), False, (0, 0)),
    "mirrored, shifted and noisy": (grainy(moved(TRAINING[:12, :, ::-1], -2, 2), 6), True, (2, -2)),
}

# ---------------------------------------------------------------- the search


def nearest_by_loops(picture: np.ndarray, training: np.ndarray, max_shift: int) -> tuple[float, int, bool, int, int]:
    height, width = picture.shape[:2]
    middle = picture[max_shift : height - max_shift, max_shift : width - max_shift].astype(float)
    found = []
    for index, other in enumerate(training.astype(float)):
        for mirrored in (False, True):
            turned = other[:, ::-1] if mirrored else other
            for down in range(-max_shift, max_shift + 1):
                for right in range(-max_shift, max_shift + 1):
                    rows = slice(max_shift + down, height - max_shift + down)
                    columns = slice(max_shift + right, width - max_shift + right)
                    difference = np.sqrt(np.mean((middle - turned[rows, columns]) ** 2)) / 255
                    found.append((float(difference), index, mirrored, down, right))
    return min(found)


@pytest.mark.parametrize(("height", "width", "max_shift"), [(16, 16, 2), (20, 17, 3), (16, 16, 0)])
def test_the_search_is_exhaustive_over_shifts_and_mirroring(height: int, width: int, max_shift: int) -> None:
    training = shapes(8, 20)[:, :height, :width]
    pictures = np.concatenate([shapes(5, 20, seed=1)[:, :height, :width], training[2:3, :, ::-1]])
    found = nearest(pictures, training, max_shift)
    for i, picture in enumerate(pictures):
        distance, index, mirrored, down, right = nearest_by_loops(picture, training, max_shift)
        assert float(found.distance[i]) == pytest.approx(distance, abs=1e-12)
        assert (int(found.index[i]), bool(found.mirrored[i])) == (index, mirrored)
        assert found.shift[i].tolist() == [down, right]


@pytest.mark.parametrize("kind", COPIES)
def test_every_planted_copy_is_found_with_its_original(kind: str) -> None:
    copies, mirrored, shift = COPIES[kind]
    samples = np.concatenate([HELD_OUT[:20], copies])
    report = copy_report(samples, TRAINING, HELD_OUT[20:], replicates=50)
    assert sorted(report.copies) == list(range(20, 32))
    assert set(report.worst(12)) == set(range(20, 32))
    assert report.samples.index[20:].tolist() == list(range(12))
    assert report.samples.mirrored[20:].tolist() == [mirrored] * 12
    assert report.samples.shift[20:].tolist() == [list(shift)] * 12
    assert report.distance.share.value >= 12 / 32 and report.relative.share.value >= 12 / 32


def test_copies_of_large_pictures_are_found_at_a_smaller_size() -> None:
    assert working_size(300, 150) == (64, 32) and working_size(48, 64) == (48, 64) and working_size(1, 3000) == (1, 64)
    training = shapes(12, 200)
    report = copy_report(moved(training[:3], 5, -5), training, shapes(12, 200, seed=1), replicates=10)
    assert sorted(report.copies) == [0, 1, 2] and report.samples.index.tolist() == [0, 1, 2]


def test_a_picture_is_not_its_own_neighbour_when_left_out() -> None:
    found = nearest(TRAINING, TRAINING, leave_one_out=True)
    assert all(int(index) != i for i, index in enumerate(found.index))
    for i in range(0, 60, 20):
        others = np.delete(TRAINING, i, axis=0)
        assert float(found.distance[i]) == pytest.approx(float(nearest(TRAINING[i : i + 1], others).distance), abs=1e-12)


# ---------------------------------------------------------------- the score


def test_real_pictures_are_normal() -> None:
    for held_out in (HELD_OUT, None):
        report = copy_report(shapes(60, 64, seed=2), TRAINING, held_out, replicates=200)
        assert report.copies == []
        for figures in (report.distance, report.relative):
            assert figures.share.low <= 0.05 <= figures.share.high
            assert figures.ratio.low <= 1 <= figures.ratio.high
            assert figures.ratio.value == pytest.approx(1, abs=0.25)
            assert figures.share.n == 60
    assert report.calibrated_on == "60 training pictures, each against the others"


def test_blurred_and_empty_pictures_are_near_but_not_relatively_and_no_copies() -> None:
    blurred = shapes(40, 64, seed=2).reshape(40, 4, 16, 4, 16, 3).mean(axis=(2, 4)).repeat(16, 1).repeat(16, 2).astype(np.uint8)
    empty = np.full((5, 64, 64, 3), TRAINING.mean().astype(np.uint8))
    report = copy_report(np.concatenate([blurred, empty]), TRAINING, HELD_OUT, replicates=50)
    assert report.copies == []
    assert report.relative.share.value <= 0.05
    assert report.samples.relative[40:].tolist() == [1] * 5


def test_copies_are_found_where_the_set_has_the_picture_many_times_or_there_is_one_picture() -> None:
    crowd = np.concatenate([TRAINING, TRAINING[:1].repeat(20, axis=0)])
    report = copy_report(np.concatenate([HELD_OUT[:5], grainy(TRAINING[:1], 2)]), crowd, HELD_OUT[5:], replicates=10)
    assert report.copies == [5]
    report = copy_report(np.concatenate([HELD_OUT[:5], TRAINING[:1]]), TRAINING[:1], HELD_OUT[5:], replicates=10)
    assert report.copies == [5] and float(report.samples.relative[5]) == 0


def test_nearness_is_the_share_below_the_quantile_and_the_ratio_of_medians() -> None:
    normal = torch.linspace(1, 2, 101)
    found = nearness(torch.tensor([0.5, 1.0, 1.04, 1.06, 1.2]), normal)
    assert found.share.value == pytest.approx(3 / 5)
    assert found.ratio.value == pytest.approx(1.04 / 1.5)
    assert (found.share.n, found.share.n_real) == (5, 101)
    assert found.share.low < found.share.value <= found.share.high and found.ratio.low < found.ratio.value < found.ratio.high


def test_features_that_lie_on_training_features_are_near() -> None:
    training, held_out = gaussian(80, 6), gaussian(50, 6, seed=1)
    near = feature_nearness(training[:30] + 0.05, training, held_out)
    assert near.share.value == 1 and near.ratio.value < 0.3
    for normal in (held_out, None):
        same = feature_nearness(gaussian(60, 6, seed=2), training, normal)
        assert same.share.low <= 0.05 <= same.share.high and same.ratio.value == pytest.approx(1, abs=0.2)
    distances = [min(float((a - b).norm()) for b in training) for a in held_out]
    medians = feature_nearness(held_out, training, gaussian(2, 6, seed=3) * 0 + training[0] + 1)
    assert medians.ratio.value == pytest.approx(
        float(np.median(distances)) / float((training - training[0] - 1).norm(dim=1).min())
    )


def test_the_same_pictures_give_the_same_report() -> None:
    a, b = (copy_report(HELD_OUT[:9], TRAINING, replicates=20) for _ in range(2))
    assert a.distance == b.distance and a.relative == b.relative and torch.equal(a.samples.relative, b.samples.relative)


# ---------------------------------------------------------------- the page


def test_the_page_shows_sample_original_and_difference() -> None:
    samples = np.concatenate([moved(TRAINING[:1, :, ::-1], 2, 1), HELD_OUT[:1]])
    report = copy_report(samples, TRAINING, HELD_OUT[1:], replicates=2)
    page = side_by_side(samples, TRAINING, report.samples, report.worst(2), gap=3)
    assert page.dtype == np.uint8 and page.shape == (3 + 2 * 67, 3 + 3 * 67, 3)
    assert np.array_equal(page[3:67, 3:67], samples[0])
    middle = slice(4, 60)
    assert np.array_equal(page[3:67, 70:134][middle, middle], samples[0][middle, middle])  # the training picture as it fits
    assert not page[3:67, 137:201][middle, middle].any()
    assert page[70:134, 137:201].max() > 50
    assert (page[:3] == 255).all() and (page[:, :3] == 255).all() and (page[67:70] == 255).all()


def test_the_page_shows_large_pictures_as_they_are_and_needs_a_pair() -> None:
    training = shapes(5, 130)
    found = nearest(moved(training[3:4], 4, 0), training)
    page = side_by_side(moved(training[3:4], 4, 0), training, found, [0], gap=2)
    assert page.shape == (2 + 132, 2 + 3 * 132, 3)
    assert page[10:120, 2 + 2 * 132 + 10 : 2 + 2 * 132 + 120].mean() < 3
    with pytest.raises(ValueError, match="no pairs"):
        side_by_side(training, training, found, [])


def test_a_crop_of_a_photograph_is_found_among_others_of_it() -> None:
    cat = photograph("content/chelsea.png")[0]
    squares = np.stack([cat[y : y + 60, x : x + 60] for y in range(0, 240, 40) for x in range(0, 240, 40)])
    copy = cat[82:142, 119:179]  # of the square at 80, 120
    report = copy_report(copy[None], squares, photograph("content/rocket.jpg")[:, :60, :60], replicates=2)
    assert int(report.samples.index[0]) == 2 * 6 + 3
    assert report.samples.shift[0].tolist() == [2, -1]
    assert float(report.samples.distance[0]) == 0 and report.copies == [0]


# ---------------------------------------------------------------- what cannot be compared


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[64, 64\] and \[32, 32\] pixels"):
        copy_report(HELD_OUT, shapes(5, 32))
    with pytest.raises(ValueError, match="too small for shifts of 4"):
        nearest(noise(3, 8), noise(3, 8))
    with pytest.raises(UsageError, match="0 samples and 60 training pictures"):
        copy_report(HELD_OUT[:0], TRAINING)
    with pytest.raises(UsageError, match="no held-out pictures"):
        copy_report(HELD_OUT, TRAINING, HELD_OUT[:0])
    with pytest.raises(UsageError, match="2 training pictures are too few to calibrate on themselves"):
        copy_report(HELD_OUT, TRAINING[:2])
    with pytest.raises(UsageError, match="2 training pictures are too few to calibrate on themselves"):
        feature_nearness(gaussian(5, 3), gaussian(2, 3))


# ---------------------------------------------------------------- which samples are too near


def test_too_near_is_what_the_share_counts_and_every_copy() -> None:
    search = Search(TRAINING)
    normal, found = search.normal(HELD_OUT), search.nearest(np.concatenate([shapes(200, 64, seed=2), TRAINING[:5]]))
    report = copy_report(np.concatenate([shapes(200, 64, seed=2), TRAINING[:5]]), TRAINING, HELD_OUT, replicates=10)
    assert torch.equal(found.relative, report.samples.relative) and torch.equal(normal.relative, report.normal.relative)
    near = are_too_near(found, normal)
    assert 5 < int(near.sum()) < 40 and near[200:].all()
    assert float(near.double().mean()) == pytest.approx(report.relative.share.value)
    assert sorted(report.copies) == are_copies(found, normal).nonzero().flatten().tolist()


def test_a_picture_that_is_there_many_times_is_too_near_though_no_nearer_to_one_than_to_others() -> None:
    many = np.concatenate([np.repeat(TRAINING[:1], 12, axis=0), TRAINING[1:]])
    search = Search(many)
    found = search.nearest(grainy(TRAINING[:1], 2))
    assert float(found.relative[0]) > 0.9 and are_too_near(found, search.normal(HELD_OUT)).tolist() == [True]


def test_what_is_no_nearer_than_the_others_is_never_too_near() -> None:
    """Where few pictures make the scale, even its 5 % quantile can be 1."""
    search = Search(TRAINING)
    far = search.nearest(noise(1, 64))
    ones = search.nearest(noise(3, 64, seed=1))
    assert far.relative.tolist() == [1.0] and ones.relative.tolist() == [1.0] * 3
    assert are_too_near(far, ones).tolist() == [False]


def test_fifty_held_out_pictures_make_the_scale_fewer_do_not_unless_there_is_nothing_else() -> None:
    assert held_out_to_calibrate_on(noise(60, 16), fifty := noise(50, 16)) is fifty
    assert held_out_to_calibrate_on(noise(60, 16), noise(49, 16)) is None
    assert held_out_to_calibrate_on(noise(4, 16), five := noise(5, 16)) is five
    assert held_out_to_calibrate_on(noise(2, 16), one := noise(1, 16)) is one  # two cannot be calibrated on themselves
