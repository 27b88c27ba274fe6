"""Batches are functions of seed and step; shares make up the whole; nothing is read twice or left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from artgen.families.base import Share
from artgen.lm.batches import RandomCrops, Streams, held_out_crops

TEXT = np.arange(1000, dtype=np.uint16)  # token i is i, so that a crop says where it is from
KINDS = {"crops": RandomCrops, "streams": Streams}
WHOLE = Share()


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_depends_on_seed_and_step_alone(kind: str) -> None:
    one, other = (KINDS[kind](TEXT, context=16, batch_size=8, seed=5) for _ in range(2))
    late = [other.batch(step, WHOLE) for step in (40, 7, 3)]  # in any order, as a resumed run asks
    for step, batch in zip((40, 7, 3), late, strict=True):
        for earlier in range(step):
            one.batch(earlier, WHOLE)
        assert torch.equal(one.batch(step, WHOLE), batch)


@pytest.mark.parametrize("n_shares", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_shares_make_up_the_batch(kind: str, n_shares: int) -> None:
    batches = KINDS[kind](TEXT, context=16, batch_size=8, seed=5)
    for step in (0, 1, 30):
        shares = [batches.batch(step, Share(index, n_shares)) for index in range(n_shares)]
        assert {len(share) for share in shares} == {8 // n_shares}
        assert torch.equal(torch.cat(shares), batches.batch(step, WHOLE))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_a_piece_of_the_text_with_the_token_after_it(kind: str) -> None:
    batches = KINDS[kind](TEXT, context=16, batch_size=8, seed=5)
    for step in range(20):
        batch = batches.batch(step, WHOLE)
        assert batch.dtype == torch.int64
        assert batch.shape == (8, 17)
        assert torch.equal(batch, batch[:, :1] + torch.arange(17))


def test_crops_come_from_everywhere_and_differ_with_seed_and_step() -> None:
    text = np.arange(20, dtype=np.uint16)
    crops = RandomCrops(text, context=16, batch_size=64, seed=1)
    assert set(crops.batch(0, WHOLE)[:, 0].tolist()) == {0, 1, 2, 3}, "the first and the last place among them"
    wide = RandomCrops(TEXT, 16, 8, seed=1)
    assert not torch.equal(wide.batch(0, WHOLE), wide.batch(1, WHOLE))
    assert not torch.equal(wide.batch(0, WHOLE), RandomCrops(TEXT, 16, 8, seed=2).batch(0, WHOLE))


def test_a_text_of_one_crop() -> None:
    crops = RandomCrops(TEXT[:17], context=16, batch_size=3, seed=0)
    assert crops.batch(9, WHOLE).tolist() == [list(range(17))] * 3
    streams = Streams(TEXT[:18], context=16, batch_size=1, seed=0)
    assert {int(streams.batch(step, WHOLE)[0, 0]) for step in range(40)} == {0, 1}


def test_a_stream_goes_on_where_it_stopped() -> None:
    streams = Streams(TEXT, context=16, batch_size=4, seed=5)
    for step in range(3 * streams.steps_per_pass):
        if not streams.begins(step + 1):
            before, after = streams.batch(step, WHOLE), streams.batch(step + 1, WHOLE)
            assert torch.equal(after[:, 0], before[:, -1])


def test_streams_begin_a_pass_at_another_place_and_read_nearly_all() -> None:
    streams = Streams(TEXT, context=16, batch_size=4, seed=5)
    n = streams.steps_per_pass
    assert [step for step in range(4 * n) if streams.begins(step)] == [0, n, 2 * n, 3 * n]
    firsts = [int(streams.batch(turn * n, WHOLE)[0, 0]) for turn in range(8)]
    assert firsts[0] == 0
    assert len(set(firsts)) > 2
    read = torch.cat([streams.batch(step, WHOLE)[:, 1:].flatten() for step in range(n)])
    assert len(read.unique()) == len(read), "a token was read twice in a pass"
    assert len(TEXT) - len(read) <= 4 * 17 + 4


@pytest.mark.parametrize("length", range(69, 130))
def test_streams_of_any_length_stay_in_the_text(length: int) -> None:
    streams = Streams(TEXT[:length], context=16, batch_size=4, seed=length)
    for step in range(6 * streams.steps_per_pass):
        assert int(streams.batch(step, WHOLE).max()) < length


def test_too_little_text_for_so_many_streams() -> None:
    with pytest.raises(ValueError, match="68 tokens are too few for 4 streams of 16"):
        Streams(TEXT[:68], context=16, batch_size=4, seed=0)


# ---------------------------------------------------------------- what is held out


def scored(n_tokens: int, n_shares: int = 1, limit: int = 1000, batch_size: int = 3) -> list[int]:
    """The targets that count, each checked to follow its input."""
    found = []
    for index in range(n_shares):
        for inputs, targets in held_out_crops(TEXT[:n_tokens], 10, batch_size, Share(index, n_shares), limit):
            assert inputs.shape == targets.shape
            assert inputs.shape[1] == 10
            assert len(inputs) <= batch_size
            counts = targets != -100
            assert torch.equal(inputs[counts] + 1, targets[counts])
            found += targets[counts].tolist()
    return found


@pytest.mark.parametrize("n_shares", [1, 2, 3])
@pytest.mark.parametrize("n_tokens", [2, 10, 11, 12, 99, 100, 101, 102])
def test_every_token_but_the_first_is_scored_once(n_tokens: int, n_shares: int) -> None:
    assert sorted(scored(n_tokens, n_shares)) == list(range(1, n_tokens))


def test_a_limit_takes_crops_from_the_whole_text_alike_however_shared() -> None:
    few = scored(1000, limit=5)
    assert len(few) == 49  # the last crop is 9 long
    assert (min(few), max(few)) == (1, 999)
    gaps = np.diff(few)
    assert gaps.max() < 300
    assert sorted(scored(1000, n_shares=2, limit=5)) == few


def test_every_second_crop_can_begin_with_a_document() -> None:
    tokens = np.array([1, 2, 3, 0, 4, 5, 6, 7, 0, 8, 9, 0, 1, 1, 1, 1, 0, 2], dtype=np.uint16)
    crops = RandomCrops(tokens, context=4, batch_size=64, seed=3, end_id=0)
    batch = crops.batch(5, Share())
    assert {tuple(row.tolist()) for row in batch[::2]} == {(0, 4, 5, 6, 7), (0, 8, 9, 0, 1), (0, 1, 1, 1, 1)}
    assert len({tuple(row.tolist()) for row in batch[1::2]}) > 8
    halves = [crops.batch(5, Share(i, 2)) for i in range(2)]
    assert torch.equal(torch.cat(halves), batch)
    assert len(RandomCrops(tokens[:3], context=2, batch_size=2, seed=3, end_id=0).batch(0, Share())) == 2
