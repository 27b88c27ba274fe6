"""Logits processors against brute-force formulas in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from artgen.lm import processors as p
from artgen.lm.config import TextSampleConfig

NO_HISTORY = torch.zeros(4, 0, dtype=torch.int64)


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(scale=3, size=(4, 50)))


def probabilities(row: list[float]) -> list[float]:
    top = max(row)
    weights = [math.exp(x - top) for x in row]
    return [w / sum(weights) for w in weights]


def kept(logits: torch.Tensor) -> list[set[int]]:
    return [set(torch.isfinite(row).nonzero().flatten().tolist()) for row in logits]


def test_temperature_divides(logits: torch.Tensor) -> None:
    out = p.temperature(0.7)(logits, NO_HISTORY)
    for row, got in zip(logits.tolist(), out.tolist(), strict=True):
        assert got == pytest.approx([x / 0.7 for x in row], rel=1e-12)


def test_temperature_zero_keeps_the_first_of_the_likeliest() -> None:
    out = p.temperature(0.0)(torch.tensor([[1.0, 5.0, 5.0], [-math.inf, -2.0, -3.0]]), NO_HISTORY[:2])
    assert kept(out) == [{1}, {1}]


def test_a_tiny_temperature_overflows_nothing(logits: torch.Tensor) -> None:
    out = p.temperature(1e-40)(logits.float() * 1e4, NO_HISTORY)
    assert out.softmax(-1).isfinite().all()
    assert [len(row) for row in kept(out)] == [1] * 4


@pytest.mark.parametrize("k", [1, 7, 49, 50, 500])
def test_top_k_keeps_the_k_largest(logits: torch.Tensor, k: int) -> None:
    expected = [set(sorted(range(50), key=lambda i: -row[i])[:k]) for row in logits.tolist()]
    assert kept(p.top_k(k)(logits, NO_HISTORY)) == expected


def test_top_k_keeps_ties_of_the_kth() -> None:
    assert kept(p.top_k(2)(torch.tensor([[1.0, 3.0, 1.0, 0.0]]), NO_HISTORY[:1])) == [{0, 1, 2}]


@pytest.mark.parametrize("mass", [0.0, 0.05, 0.5, 0.9, 0.999])
def test_top_p_keeps_the_smallest_nucleus(logits: torch.Tensor, mass: float) -> None:
    for row, got in zip(logits.tolist(), kept(p.top_p(mass)(logits, NO_HISTORY)), strict=True):
        q = probabilities(row)
        order = sorted(range(50), key=lambda i: -q[i])
        size = next(n for n in range(1, 51) if sum(q[i] for i in order[:n]) >= mass)
        assert got == set(order[:size])


def test_top_p_takes_the_lower_id_of_ties() -> None:
    assert kept(p.top_p(0.5)(torch.zeros(1, 4, dtype=torch.float64), NO_HISTORY[:1])) == [{0, 1}]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.9, 1.0])
def test_min_p_drops_what_is_far_below_the_likeliest(logits: torch.Tensor, share: float) -> None:
    for row, got in zip(logits.tolist(), kept(p.min_p(share)(logits, NO_HISTORY)), strict=True):
        q = probabilities(row)
        assert got == {i for i in range(50) if q[i] >= share * max(q)}


@pytest.mark.parametrize("penalty", [0.5, 1.3])
def test_repetition_penalty_counts_a_token_once_and_heeds_the_sign(logits: torch.Tensor, penalty: float) -> None:
    history = torch.tensor([[3, 3, 5], [0, 49, 7], [1, 2, 1], [8, 8, 8]])
    out = p.repetition_penalty(penalty)(logits, history)
    for row, got, used in zip(logits.tolist(), out.tolist(), history.tolist(), strict=True):
        for token, (x, y) in enumerate(zip(row, got, strict=True)):
            expected = x if token not in used else x / penalty if x > 0 else x * penalty
            assert y == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("process", [p.temperature(0.0), p.temperature(2.0), p.top_k(3), p.top_p(0.3), p.min_p(0.5)])
def test_the_only_token_left_stays_and_no_other_comes_back(process: p.Processor) -> None:
    logits = torch.full((2, 6), -math.inf)
    logits[0, 4], logits[1, 0] = -7.0, 12.0
    before = logits.clone()
    assert kept(process(logits, NO_HISTORY[:2])) == [{4}, {0}]
    assert torch.equal(logits, before)
    penalised = p.repetition_penalty(1.5)(logits, torch.tensor([[4, 1], [0, 0]]))
    assert kept(penalised) == [{4}, {0}]


def test_what_is_off_is_not_in_the_chain() -> None:
    off = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
    assert p.processors(TextSampleConfig(**off)) == []
    on = {"temperature": 0.5, "top_k": 5, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1}
    assert len(p.processors(TextSampleConfig(**on))) == 5
    assert len(p.processors(TextSampleConfig(**{**on, "temperature": 0.0}))) == 2  # the rest could change nothing


def test_draw_follows_the_distribution() -> None:
    logits = torch.tensor([1.0, -math.inf, 0.0, 2.0, -math.inf])
    # Evenly spaced numbers in [0, 1) must fall on each token as often as its probability says.
    uniform = torch.arange(100_000, dtype=torch.float64) / 100_000
    tokens = p.draw(logits.expand(len(uniform), -1), uniform)
    got = torch.bincount(tokens, minlength=5).double() / len(uniform)
    assert got.tolist() == pytest.approx(logits.double().softmax(-1).tolist(), abs=2e-5)
    assert got[1] == 0
    assert got[4] == 0


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_draw_never_takes_a_token_that_is_ruled_out(uniform: float) -> None:
    logits = torch.full((1, 1000), -math.inf)
    logits[0, 500] = 3.0
    assert p.draw(logits, torch.tensor([uniform], dtype=torch.float64)).tolist() == [500]


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_draw_marks_rows_from_which_nothing_can_be_drawn(value: float) -> None:
    logits = torch.zeros(2, 5)
    logits[1] = value
    tokens = p.draw(logits, torch.tensor([0.0, 0.0], dtype=torch.float64))
    assert tokens.tolist() == [0, 5]
