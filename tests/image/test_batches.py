"""Batches: every picture once an epoch, the same for the same step, and in shares that make up the whole."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from artgen.families.base import Share
from artgen.image.batches import ShuffledPictures, to_pixels, to_signal, to_tensor

PIXELS = np.arange(10 * 4 * 4 * 3, dtype=np.uint16).astype(np.uint8).reshape(10, 4, 4, 3)
LABELS = np.arange(10)


def shuffled(batch_size: int = 4, flip: bool = False, seed: int = 0) -> ShuffledPictures:
    return ShuffledPictures(PIXELS, LABELS, batch_size, seed, flip)


def test_every_picture_is_shown_once_an_epoch() -> None:
    shown = torch.cat([shuffled().batch(step, Share())[1] for step in range(5)])  # two epochs of 10
    assert Counter(shown[:10].tolist()) == Counter(range(10)) == Counter(shown[10:].tolist())
    assert shown[:10].tolist() != shown[10:].tolist()


def test_labels_stay_with_their_pictures() -> None:
    pictures, labels = shuffled().batch(3, Share())
    for picture, label in zip(pictures, labels, strict=True):
        assert np.array_equal(picture.permute(1, 2, 0).numpy(), PIXELS[int(label)])


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    first, again, other = shuffled(flip=True), shuffled(flip=True), shuffled(flip=True, seed=1)
    assert torch.equal(first.batch(7, Share())[0], again.batch(7, Share())[0])
    assert not torch.equal(first.batch(7, Share())[0], other.batch(7, Share())[0])


def test_shares_make_up_the_whole() -> None:
    whole, labels = shuffled(8, flip=True).batch(5, Share())
    parts = [shuffled(8, flip=True).batch(5, Share(index, 4)) for index in range(4)]
    assert torch.equal(torch.cat([part[0] for part in parts]), whole)
    assert torch.equal(torch.cat([part[1] for part in parts]), labels)


def test_a_set_smaller_than_a_batch_is_shown_again() -> None:
    _, labels = shuffled(25).batch(0, Share())
    assert Counter(labels.tolist()).most_common()[-1][1] == 2


def test_flip_mirrors_about_half() -> None:
    mirrored = 0
    for step in range(40):
        pictures, labels = shuffled(10, flip=True).batch(step, Share())
        for picture, label in zip(pictures.permute(0, 2, 3, 1).numpy(), labels, strict=True):
            own = PIXELS[int(label)]
            assert np.array_equal(picture, own) or np.array_equal(picture, own[:, ::-1])
            mirrored += not np.array_equal(picture, own)
    assert 150 < mirrored < 250


def test_pixels_survive_the_way_through_signals() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    signal = to_signal(to_tensor(every))
    assert float(signal.min()) == -1.0
    assert float(signal.max()) == 1.0
    assert np.array_equal(to_pixels(signal), every)
    assert to_pixels(torch.tensor([[[[-3.0, 3.0]]]])).ravel().tolist() == [0, 255]
