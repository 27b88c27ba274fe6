"""Batches of piano rolls: excerpts of random pieces, transposed by chance. Pure functions of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from artgen.families.base import Share
from artgen.metrics.music_likelihood import N_PITCHES, Frames
from artgen.music.frames import Roll


class FrameBatch(NamedTuple):
    """Excerpts, shorter ones padded at their end."""

    keys: Tensor  # uint8 [rows, time, 88]: 1 where a key sounds
    phase: Tensor  # int64 [rows, time]: place in the bar
    length: Tensor  # int64 [rows]: frames that are not padding
    begins: Tensor  # bool [rows]: whether the excerpt begins with the piece


class RandomRolls:
    """Excerpts of `context` frames at most. A long piece is taken more often; one excerpt in two begins with its piece."""

    def __init__(self, rolls: Sequence[Roll], context: int, batch_size: int, seed: int, transpose: tuple[int, int]) -> None:
        self.rolls, self.context, self.batch_size, self.seed = rolls, context, batch_size, seed
        self.share = np.array([len(roll) for roll in rolls], dtype=np.float64)
        self.share /= self.share.sum()
        self.shifts = [shifts(roll.keys, transpose) for roll in rolls]

    def batch(self, step: int, share: Share) -> FrameBatch:
        """The rows of this share; the same global batch however it is shared out."""
        generator = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        chosen = generator.choice(len(self.rolls), self.batch_size, p=self.share)
        places, moves, from_start = generator.random((3, self.batch_size))
        rows: list[tuple[Roll, int, int]] = []
        for i, place, move, start in zip(chosen, places, moves, from_start, strict=True):
            roll, last = self.rolls[i], max(0, len(self.rolls[i]) - self.context)
            begin = 0 if start < 0.5 else int(place * (last + 1))
            semitones = self.shifts[i]
            rows.append((roll, begin, semitones[int(move * len(semitones))]))
        size = self.batch_size // share.count
        return padded(rows[share.index * size : (share.index + 1) * size], self.context)


def held_out_rolls(rolls: Sequence[Roll], rows: int, share: Share) -> Iterator[FrameBatch]:
    """Whole pieces, so many at a time, those of like length together; each process gets every count-th batch."""
    order = sorted(range(len(rolls)), key=lambda i: len(rolls[i]))
    groups = [order[i : i + rows] for i in range(0, len(order), rows)]
    for group in groups[share.index :: share.count]:
        yield padded([(rolls[i], 0, 0) for i in group], max(len(rolls[i]) for i in group))


def padded(excerpts: Sequence[tuple[Roll, int, int]], most: int) -> FrameBatch:
    """Excerpts (roll, first frame, semitones up) of at most so many frames, as long as the longest of them."""
    lengths = [min(most, len(roll) - begin) for roll, begin, _ in excerpts]
    keys = np.zeros((len(excerpts), max(lengths), N_PITCHES), dtype=np.uint8)
    phase = np.zeros((len(excerpts), max(lengths)), dtype=np.int64)
    for row, ((roll, begin, semitones), length) in enumerate(zip(excerpts, lengths, strict=True)):
        keys[row, :length] = transposed(roll.keys[begin : begin + length], semitones)
        phase[row, :length] = roll.phase[begin : begin + length]
    return FrameBatch(
        torch.from_numpy(keys),
        torch.from_numpy(phase),
        torch.tensor(lengths),
        torch.tensor([begin == 0 for _, begin, _ in excerpts]),
    )


def shifts(keys: Frames, transpose: tuple[int, int]) -> range:
    """By how many semitones frames can be moved, within `transpose` and without leaving the 88 keys."""
    used = np.flatnonzero(keys.any(axis=0))
    if not len(used):
        return range(1)
    return range(max(transpose[0], -int(used[0])), min(transpose[1], N_PITCHES - 1 - int(used[-1])) + 1)


def transposed(keys: Frames, semitones: int) -> Frames:
    """Frames [time, 88] moved up; `shifts` says how far they can be."""
    return np.roll(keys, semitones, axis=1)
