"""The judge of classes, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from artgen.errors import UsageError
from artgen.metrics.classes import class_accuracy


def test_the_nearest_real_picture_decides_and_chance_is_the_share_of_the_class() -> None:
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    labels = np.array([0, 0, 0, 1])
    samples = torch.tensor([[0.2], [9.0], [8.0], [1.4]])
    found = class_accuracy(samples, np.array([0, 1, 0, 1]), real, labels)
    assert found.samples.value == 0.5 and (found.samples.n, found.samples.n_real) == (4, 4)
    assert found.chance == pytest.approx((0.75 + 0.25 + 0.75 + 0.25) / 4)
    assert found.real == 0.75  # the only one of class 1 has no other of its class


def test_pictures_drawn_blindly_are_right_as_often_as_chance_says() -> None:
    rng = np.random.default_rng(0)
    real, labels = torch.from_numpy(rng.normal(size=(300, 8))), rng.choice(3, 300, p=[0.6, 0.3, 0.1])
    blind = class_accuracy(torch.from_numpy(rng.normal(size=(3000, 8))), np.arange(3000) % 3, real, labels)
    assert blind.samples.value == pytest.approx(blind.chance, abs=0.03)
    assert blind.samples.low < blind.samples.value < blind.samples.high


def test_a_class_without_any_real_picture_is_never_right() -> None:
    found = class_accuracy(torch.zeros(2, 1), np.array([2, 0]), torch.zeros(3, 1), np.array([0, 0, 0]))
    assert found.samples.value == 0.5 and found.chance == 0.5


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(UsageError, match="0 samples and 3 real pictures are too few"):
        class_accuracy(torch.zeros(0, 1), np.zeros(0, int), torch.zeros(3, 1), np.zeros(3, int))
    with pytest.raises(ValueError, match="2 samples and 3 real pictures, but 1 and 3 classes"):
        class_accuracy(torch.zeros(2, 1), np.zeros(1, int), torch.zeros(3, 1), np.zeros(3, int))
