"""Nats per frame: the literature's mean, and two models whose figures can be worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.metrics.music_likelihood import (
    IndependentPitches,
    RepeatedFrames,
    as_frames,
    frame_likelihood,
    in_common_key,
    pitch_nats,
)
from tests.metrics.drawn import shared


def random_frames(lengths: list[int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random((length, 88)) < 0.05 for length in lengths]


def test_the_mean_is_over_frames_and_leaves_out_the_first_of_each_piece() -> None:
    frames = [as_frames([[60], [60, 64], []]), as_frames([[60], [62]])]
    found = frame_likelihood([np.array([10.0, 1.0, 3.0]), np.array([20.0, 8.0])], frames)
    assert found.per_frame.value == pytest.approx((1 + 3 + 8) / 3)
    assert found.with_first.value == pytest.approx((10 + 1 + 3 + 20 + 8) / 5)
    assert found.per_piece.value == pytest.approx(((1 + 3) / 2 + 8) / 2)
    assert found.per_note == pytest.approx((1 + 3 + 8) / 3)  # 60, 64 and 62 sound in the frames that count
    assert (found.n_frames, found.n_notes, found.per_frame.n) == (3, 3, 2)


def test_a_coin_for_every_pitch_takes_88_bits() -> None:
    frames = random_frames([4])[0]
    assert pitch_nats(np.zeros((4, 88)), frames) == pytest.approx([88 * math.log(2)] * 4)


def test_nats_of_logits_are_those_of_a_loop_and_do_not_overflow() -> None:
    frames = random_frames([3])[0]
    logits = np.random.default_rng(1).normal(0, 3, (3, 88))
    for time in range(3):
        wanted = 0.0
        for pitch in range(88):
            p = 1 / (1 + math.exp(-logits[time, pitch]))
            wanted -= math.log(p if frames[time, pitch] else 1 - p)
        assert pitch_nats(logits, frames)[time] == pytest.approx(wanted)
    sure = np.full((1, 88), -1000.0)
    assert pitch_nats(sure, np.zeros((1, 88), bool)).tolist() == [0.0]
    assert pitch_nats(sure, np.arange(88)[None] == 5).tolist() == [1000.0]


def test_the_baselines_are_their_shares_by_loops() -> None:
    training, test = random_frames([7, 5, 9]), random_frames([6], seed=1)[0]
    independent, repeated = IndependentPitches.fit(training), RepeatedFrames.fit(training)
    for time in range(6):
        alone = following = 0.0
        for pitch in range(88):
            rows = [bool(frame[pitch]) for piece in training for frame in piece]
            p = (sum(rows) + 0.5) / (len(rows) + 1)
            alone -= math.log(p if test[time, pitch] else 1 - p)
            if time:
                state = test[time - 1, pitch]
                after = [
                    bool(now[pitch])
                    for piece in training
                    for before, now in zip(piece[:-1], piece[1:], strict=True)
                    if before[pitch] == state
                ]
                p = (sum(after) + 0.5) / (len(after) + 1)
            following -= math.log(p if test[time, pitch] else 1 - p)
        assert independent.nats(test)[time] == pytest.approx(alone)
        assert repeated.nats(test)[time] == pytest.approx(following)


def test_frames_are_made_of_pitches_and_every_fourth_step() -> None:
    steps = [[21, 108], [60], [], [-1, 61.0], [62]]
    assert [(np.flatnonzero(row) + 21).tolist() for row in as_frames(steps)] == [[21, 108], [60], [], [61], [62]]
    assert [(np.flatnonzero(row) + 21).tolist() for row in as_frames(steps, every=4)] == [[21, 108], [62]]
    assert as_frames([]).shape == (0, 88)


@pytest.mark.parametrize(("tonic", "up"), [(0, 12), (1, 11), (7, 17), (6, 6), (11, 13)])
def test_a_common_key_is_reached_upwards(tonic: int, up: int) -> None:
    moved = in_common_key(as_frames([[40, 60]]), tonic)
    assert (np.flatnonzero(moved[0]) + 21).tolist() == [40 + up, 60 + up]
    assert (tonic + up) % 12 == 0
    with pytest.raises(UsageError, match="too high"):
        in_common_key(as_frames([[108]]), tonic)


@pytest.mark.parametrize("pitch", [20, 109, 60.5])
def test_what_is_on_no_piano_is_refused(pitch: float) -> None:
    with pytest.raises(UsageError, match=f"pitch {pitch} is on no piano, expected 21 to 108"):
        as_frames([[pitch]])


def test_nothing_to_predict_is_refused() -> None:
    with pytest.raises(UsageError, match="no pieces"):
        frame_likelihood([], [])
    with pytest.raises(UsageError, match="piece 2 has 1 frames, 2 are needed"):
        frame_likelihood([np.ones(2), np.ones(1)], random_frames([2, 1]))
    with pytest.raises(ValueError, match="differ"):
        frame_likelihood([np.ones(2)], random_frames([3]))


def test_the_chorales_have_the_literatures_scale() -> None:
    pieces = json.loads(shared("jsb-chorales/jsb-chorales-16th.json").read_text())
    frames = {split: [as_frames(piece, every=4) for piece in pieces[split]] for split in ("train", "test")}
    assert (sum(map(len, frames["train"])), sum(map(len, frames["test"]))) == (13807, 4725)  # as JSB_Chorales.mat has
    for model, nats in ((IndependentPitches, 11.485), (RepeatedFrames, 10.750)):
        fitted = model.fit(frames["train"])
        found = frame_likelihood([fitted.nats(piece) for piece in frames["test"]], frames["test"])
        assert found.per_frame.value == pytest.approx(nats, abs=0.001)
