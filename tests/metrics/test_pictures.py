"""Pictures are read, flattened onto white and resized as they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from artgen.metrics import pictures as module
from artgen.metrics.pictures import as_rgb, check_same_size, in_batches, pixel_vectors, resize
from tests.metrics.drawn import noise, shapes


def test_transparency_lies_on_the_background() -> None:
    rgba = np.array([[[[10, 20, 30, 255], [10, 20, 30, 0], [100, 0, 255, 51]]]], dtype=np.uint8)
    assert as_rgb(rgba).tolist() == [[[[10, 20, 30], [255, 255, 255], [224, 204, 255]]]]
    assert as_rgb(rgba, (0, 0, 0)).tolist() == [[[[10, 20, 30], [0, 0, 0], [20, 0, 51]]]]


def test_grey_pictures_get_three_equal_channels() -> None:
    grey = noise(2, 5)[..., :1]
    assert torch.equal(as_rgb(grey), torch.from_numpy(grey).repeat(1, 1, 1, 3))


def test_memory_mapped_pictures_are_read_in_batches(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = noise(10, 8)
    np.save(tmp_path / "pictures.npy", pictures)
    mapped = np.load(tmp_path / "pictures.npy", mmap_mode="r")
    assert [len(batch) for batch in in_batches(mapped, 4)] == [4, 4, 2]
    monkeypatch.setattr(module, "LARGEST_BATCH", 2 * 8 * 8 * 3)
    batches = list(in_batches(mapped, 4))
    assert [len(batch) for batch in batches] == [2] * 5
    assert torch.equal(torch.cat(batches), torch.from_numpy(pictures))


def test_a_smaller_picture_is_an_average_not_a_choice_of_pixels() -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    pictures = torch.from_numpy(np.repeat(board[None, :, :, None], 3, axis=3).astype(np.uint8))
    small = resize(pictures, 8, 8)
    assert small.shape == (1, 3, 8, 8)
    assert float((small - 127.5).abs().max()) < 1
    assert torch.equal(resize(pictures, 64, 64), pictures.permute(0, 3, 1, 2).float())
    large = resize(pictures, 100, 90)
    assert large.shape == (1, 3, 100, 90) and 0 <= float(large.min()) and float(large.max()) <= 255


def test_the_distance_of_pixel_vectors_is_the_root_mean_square_difference() -> None:
    a, b = shapes(1, 16), shapes(1, 16, seed=1)
    expected = np.sqrt(np.mean((a.astype(float) - b) ** 2)) / 255
    assert float((pixel_vectors(a, 16) - pixel_vectors(b, 16)).norm()) == pytest.approx(expected, rel=1e-5)
    assert pixel_vectors(a[:0], 16).shape == (0, 768)


@pytest.mark.parametrize(
    "pictures",
    [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 8, 8, 2), np.uint8), np.zeros((1, 0, 8, 3), np.uint8)],
)
def test_what_are_no_pictures_is_refused(pictures: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        list(in_batches(pictures)) and as_rgb(pictures)


def test_sets_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[8, 8\] and \[9, 9\] pixels"):
        check_same_size(noise(1, 8), noise(1, 9))
