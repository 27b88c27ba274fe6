"""KID, FID, precision and recall against loops in float64 and where the answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics import estimate as module
from artgen.metrics.distribution import fid, frechet_distance, kid, manifold
from tests.metrics.drawn import gaussian

# ---------------------------------------------------------------- KID


def kid_by_loops(x: Tensor, y: Tensor) -> float:
    def kernel(a: Tensor, b: Tensor) -> float:
        return (sum(p * q for p, q in zip(a.tolist(), b.tolist(), strict=True)) / len(a) + 1) ** 3

    m, n = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (m * n)


def test_kid_is_the_formula() -> None:
    x, y = gaussian(12, 5), gaussian(9, 5, seed=1) * 2 + 1
    found = kid(x, y)
    assert found.value == pytest.approx(kid_by_loops(x, y), rel=1e-12)
    assert found.low < found.value < found.high
    assert (found.n, found.n_real) == (12, 9)


def test_kid_of_one_source_is_around_zero_and_its_interval_holds_it() -> None:
    inside, values = 0, []
    for seed in range(20):
        found = kid(gaussian(100, 8, seed), gaussian(60, 8, 1000 + seed), replicates=200)
        inside += found.low <= 0 <= found.high
        values.append(found.value)
    assert inside >= 18
    assert min(values) < 0 < max(values)


def test_kid_grows_as_the_source_moves_away() -> None:
    x, y = gaussian(200, 8), gaussian(200, 8, seed=1)
    near, far = kid(x + 0.5, y), kid(x + 1, y)
    assert 0 < near.low < near.high < far.low


def test_kid_over_all_pictures_is_the_mean_over_all_subsets() -> None:
    x, y = gaussian(5, 3), gaussian(5, 3, seed=1) + 1
    of_subsets = [kid_by_loops(x[[i, j]], y[[k, m]]) for j in range(5) for i in range(j) for m in range(5) for k in range(m)]
    assert kid(x, y).value == pytest.approx(sum(of_subsets) / len(of_subsets), rel=1e-12)


def test_kid_is_the_same_every_time_and_for_float32() -> None:
    x, y = gaussian(30, 4), gaussian(20, 4, seed=1)
    assert kid(x, y) == kid(x, y) == kid(x.numpy(), y.numpy())
    assert kid(x.float(), y.float()).value == pytest.approx(kid(x, y).value, abs=1e-5)


# ---------------------------------------------------------------- FID


def covariance(x: Tensor) -> Tensor:
    d = x.shape[1]
    means = [sum(row[i] for row in x.tolist()) / len(x) for i in range(d)]
    found = [
        [sum((row[i] - means[i]) * (row[j] - means[j]) for row in x.tolist()) / (len(x) - 1) for j in range(d)]
        for i in range(d)
    ]
    return torch.tensor(found, dtype=torch.float64)


def fid_by_definition(x: Tensor, y: Tensor) -> float:
    """The root of the product of covariances from its eigenvalues, which are real and not negative."""
    sigma_x, sigma_y = covariance(x), covariance(y)
    root = torch.linalg.eigvals(sigma_x @ sigma_y).real.clamp(min=0).sqrt().sum()
    return float((x.mean(0) - y.mean(0)).square().sum() + sigma_x.trace() + sigma_y.trace() - 2 * root)


def test_fid_is_the_formula() -> None:
    x, y = gaussian(40, 6) @ gaussian(6, 6, seed=2), gaussian(25, 6, seed=1) + 0.5
    assert fid(x, y).value == pytest.approx(fid_by_definition(x, y), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(4, 5), (4, 40), (40, 4), (2, 2)])
def test_fid_of_fewer_pictures_than_features_is_the_formula(n: int, m: int) -> None:
    x, y = gaussian(n, 10), gaussian(m, 10, seed=1) * 2 + 1
    assert fid(x, y).value == pytest.approx(fid_by_definition(x, y), rel=1e-6)


def test_fid_of_covariances_that_share_no_direction_is_the_sum_of_their_traces() -> None:
    x, y = torch.zeros(50, 6, dtype=torch.float64), torch.zeros(60, 6, dtype=torch.float64)
    x[:, :2], y[:, 3:5] = gaussian(50, 2), gaussian(60, 2, seed=1)
    means = (x.mean(0) - y.mean(0)).square().sum()
    assert frechet_distance(x, y) == pytest.approx(float(means + x.var(0).sum() + y.var(0).sum()), rel=1e-12)


def test_fid_of_a_shifted_and_scaled_set_is_the_closed_form() -> None:
    x = gaussian(500, 12)
    shift = gaussian(1, 12, seed=1)[0]
    assert frechet_distance(x + shift, x) == pytest.approx(float(shift.square().sum()), rel=1e-9)
    # Σ_y = 9 Σ_x, so (Σ_x Σ_y)^½ = 3 Σ_x and tr(Σ_x + 9 Σ_x - 6 Σ_x) = 4 tr Σ_x.
    centred = x - x.mean(0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * float(x.var(0).sum()), rel=1e-9)


def test_fid_of_equal_sets_is_zero_in_any_order_of_the_pictures() -> None:
    x = gaussian(30, 50)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-9)


def test_the_interval_of_fid_lies_around_it() -> None:
    found = fid(gaussian(80, 5), gaussian(60, 5, seed=1) + 2)
    assert found.low < found.value < found.high
    assert found == fid(gaussian(80, 5), gaussian(60, 5, seed=1) + 2)


# ---------------------------------------------------------------- precision and recall


def manifold_by_loops(x: Tensor, y: Tensor, k: int, k_coverage: int) -> dict[str, float]:
    def distance(a: Tensor, b: Tensor) -> float:
        return float((a - b).norm())

    def radius(points: Tensor, i: int, nth: int) -> float:
        return sorted(distance(points[i], points[j]) for j in range(len(points)) if j != i)[nth - 1]

    m, n = len(x), len(y)
    return {
        "precision": sum(any(distance(a, y[j]) <= radius(y, j, k) for j in range(n)) for a in x) / m,
        "recall": sum(any(distance(b, x[i]) <= radius(x, i, k) for i in range(m)) for b in y) / n,
        "density": sum(distance(a, y[j]) <= radius(y, j, k_coverage) for a in x for j in range(n)) / (k_coverage * m),
        "coverage": sum(any(distance(a, y[j]) <= radius(y, j, k_coverage) for a in x) for j in range(n)) / n,
    }


def test_the_manifold_figures_are_the_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    x, y = gaussian(15, 3) * 1.5, gaussian(11, 3, seed=1)
    found = manifold(x, y, k=2, k_coverage=3)
    for name, expected in manifold_by_loops(x, y, 2, 3).items():
        figure = getattr(found, name)
        assert figure.value == pytest.approx(expected), name
        assert figure.low <= figure.value <= figure.high
        assert (figure.n, figure.n_real) == (15, 11), name


def test_samples_of_the_real_source_lie_among_real_pictures_and_far_ones_do_not() -> None:
    real = gaussian(300, 4)
    same = manifold(gaussian(300, 4, seed=1), real)
    assert same.precision.value > 0.8 and same.recall.value > 0.8 and same.coverage.value > 0.8
    assert same.density.value == pytest.approx(1, abs=0.15)
    far = manifold(gaussian(300, 4, seed=1) + 20, real)
    assert [f.value for f in (far.precision, far.recall, far.density, far.coverage)] == [0, 0, 0, 0]


def test_samples_of_one_kind_are_precise_and_have_little_recall() -> None:
    found = manifold(gaussian(300, 4, seed=1) * 0.1, gaussian(300, 4))
    assert found.precision.value > 0.95 and found.recall.value < 0.1 and found.coverage.value < 0.3


# ---------------------------------------------------------------- what cannot be compared


def test_too_few_pictures_are_refused_in_one_line() -> None:
    for figure in (kid, fid):
        with pytest.raises(UsageError, match="1 samples are too few to compare, 2 or more"):
            figure(gaussian(1, 3), gaussian(5, 3))
    with pytest.raises(UsageError, match="5 real pictures are too few to compare, 6 or more"):
        manifold(gaussian(9, 3), gaussian(5, 3))


def test_vectors_of_two_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 4 numbers"):
        kid(gaussian(5, 3), gaussian(5, 4))
