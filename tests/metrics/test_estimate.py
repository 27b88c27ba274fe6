"""Bootstrap and sums over pairs, against loops."""

from __future__ import annotations

import pytest
import torch

from artgen.metrics import estimate as module
from artgen.metrics.estimate import (
    Estimate,
    as_vectors,
    counts,
    estimate,
    estimate_mean,
    estimate_ratio,
    mean_over_own_pairs,
    mean_over_pairs,
    resamplings,
    squared_distances,
)
from tests.metrics.drawn import gaussian


def test_the_first_row_is_the_pictures_and_the_others_are_draws() -> None:
    chosen = resamplings(7, 100, torch.Generator().manual_seed(0))
    assert chosen.shape == (101, 7)
    assert chosen[0].tolist() == list(range(7))
    assert set(chosen[1:].flatten().tolist()) == set(range(7))
    for row, found in zip(chosen.tolist(), counts(chosen).tolist(), strict=True):
        assert found == [row.count(i) for i in range(7)]


def test_the_interval_of_a_mean_is_that_of_the_textbook() -> None:
    values = gaussian(4000, 1)[:, 0] * 3 + 5
    found = estimate_mean(values, replicates=2000)
    half = 1.96 * float(values.std()) / 4000**0.5
    assert found.value == pytest.approx(float(values.mean()))
    assert found.low == pytest.approx(found.value - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.value + half, abs=0.1 * half)
    assert (found.n, found.n_real) == (4000, 0)


def test_an_interval_can_be_moved_onto_the_figure_and_leaves_out_what_is_not_defined() -> None:
    values = torch.tensor([1.0, *torch.linspace(2.0, 4.0, 101).tolist(), torch.nan])
    found = estimate(values, 10, 20)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 2.05, 3.95))
    centred = estimate(values, 10, 20, centred=True)
    assert (centred.value, centred.low, centred.high) == pytest.approx((1.0, 0.05, 1.95))


def test_an_estimate_reads_well() -> None:
    found = Estimate(0.123456, 0.1, 0.15, 2000, 128)
    assert str(found) == "0.1235 (0.1 to 0.15, of 2,000 against 128)"
    assert str(Estimate(1.0, 0.5, 2.0, 3)) == "1 (0.5 to 2, of 3)"
    assert found.as_dict() == {"value": 0.123456, "low": 0.1, "high": 0.15, "n": 2000, "n_real": 128}


def test_means_over_pairs_are_those_of_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 3)  # several blocks, the last one smaller
    x, y = gaussian(7, 4), gaussian(5, 4, seed=1)
    generator = torch.Generator().manual_seed(0)
    chosen_x, chosen_y = resamplings(7, 6, generator), resamplings(5, 6, generator)
    across = mean_over_pairs(x, counts(chosen_x), y, counts(chosen_y), squared_distances)
    within = mean_over_own_pairs(x, counts(chosen_x), squared_distances)
    for row in range(7):
        pairs = [float((x[i] - y[j]).square().sum()) for i in chosen_x[row] for j in chosen_y[row]]
        assert float(across[row]) == pytest.approx(sum(pairs) / len(pairs), rel=1e-12)
        own = [float((x[i] - x[j]).square().sum()) for i in chosen_x[row] for j in chosen_x[row] if i != j]
        assert float(within[row]) == pytest.approx(sum(own) / len(own), rel=1e-12)


def test_distances_of_equal_vectors_are_not_negative() -> None:
    x = gaussian(50, 20) * 1e-3 + 1e3
    found = squared_distances(x, x)
    assert float(found.min()) >= 0
    assert float(found.diagonal().max()) < 1e-12


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (torch.zeros(3), "expected [n, d]"),
        (torch.zeros(3, 0), "expected [n, d]"),
        (torch.tensor([[1.0, torch.nan]]), "not finite"),
    ],
)
def test_what_is_no_table_of_vectors_is_refused(vectors: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[").replace("]", r"\]")):
        as_vectors(vectors)


def test_a_ratio_is_of_sums_and_is_resampled_in_pairs() -> None:
    numerators, denominators = torch.tensor([1.0, 6.0, 0.0]), torch.tensor([2.0, 3.0, 5.0])
    found = estimate_ratio(numerators, denominators, n_real=4, replicates=50, seed=1)
    chosen = resamplings(3, 50, torch.Generator().manual_seed(1))
    values = [float(numerators[row].double().sum() / denominators[row].double().sum()) for row in chosen]
    assert found == estimate(torch.tensor(values, dtype=torch.float64), 3, 4)
    assert found.value == pytest.approx(0.7)
