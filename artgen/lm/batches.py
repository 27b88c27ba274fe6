"""Batches of a token stream: random crops for networks that attend, parallel streams for networks that recur.

Both are pure functions of (seed, step), so that a resumed run and a run of several processes see the same data.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from artgen.families.base import Share

Tokens = np.ndarray


class RandomCrops:
    """Crops of `context` tokens from random places of the training tokens.

    end_id: every second crop begins at this token, which ends a document and so stands before the next one. A sample without
    a prompt begins just so; a crop from anywhere nearly always begins inside a document.
    """

    def __init__(self, tokens: Tokens, context: int, batch_size: int, seed: int, end_id: int | None = None) -> None:
        self.windows = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)
        self.batch_size, self.seed = batch_size, seed
        self.places = None if end_id is None else np.flatnonzero(tokens[: len(self.windows)] == end_id)
        if self.places is not None and not len(self.places):
            self.places = None  # one document fills it all

    def batch(self, step: int, share: Share) -> Tensor:
        """[rows of this share, context + 1] int64; the same global batch however it is shared out."""
        generator = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        places = generator.integers(len(self.windows), size=self.batch_size)
        if self.places is not None:
            places[::2] = self.places[generator.integers(len(self.places), size=len(places[::2]))]
        return torch.from_numpy(self.windows[places[_rows(self.batch_size, share)]].astype(np.int64))


class Streams:
    """The training tokens as `batch_size` parallel streams that are read on from step to step (truncated back-propagation
    with carried state: Mikolov et al. 2010). Every pass begins at another offset, so that crops do not repeat."""

    def __init__(self, tokens: Tokens, context: int, batch_size: int, seed: int) -> None:
        self.tokens, self.context, self.batch_size, self.seed = tokens, context, batch_size, seed
        self.length = (len(tokens) - 1) // batch_size
        self.steps_per_pass = max(1, (self.length - 1) // context)
        if self.length < context + 1:
            raise ValueError(f"{len(tokens)} tokens are too few for {batch_size} streams of {context}")

    def begins(self, step: int) -> bool:
        """Whether the streams start anew at this step, so that the carried state must be dropped."""
        return step % self.steps_per_pass == 0

    def batch(self, step: int, share: Share) -> Tensor:
        """[rows of this share, context + 1] int64; row r continues row r of the step before."""
        turn, position = divmod(step, self.steps_per_pass)
        spare = len(self.tokens) - (self.length * (self.batch_size - 1) + self.steps_per_pass * self.context + 1)
        offset = int(np.random.Generator(np.random.Philox(key=[self.seed, turn])).integers(spare + 1)) if turn else 0
        starts = offset + np.arange(self.batch_size)[_rows(self.batch_size, share)] * self.length + position * self.context
        index = starts[:, None] + np.arange(self.context + 1)
        return torch.from_numpy(self.tokens[index].astype(np.int64))


def held_out_crops(tokens: Tokens, context: int, batch_size: int, share: Share, limit: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring crops of the held-out tokens as (inputs, targets), at most `limit` of them, evenly spread.

    targets are -100 where there is nothing to score (the padding of the last crop).
    """
    n_crops = max(1, -(-(len(tokens) - 1) // context))
    chosen = np.unique(np.linspace(0, n_crops - 1, min(n_crops, limit)).astype(np.int64))
    mine = chosen[share.index :: share.count]
    for begin in range(0, len(mine), batch_size):
        crops = [
            np.asarray(tokens[i * context : (i + 1) * context + 1], dtype=np.int64) for i in mine[begin : begin + batch_size]
        ]
        inputs = np.zeros((len(crops), context), dtype=np.int64)
        targets = np.full((len(crops), context), -100, dtype=np.int64)
        for row, crop in enumerate(crops):
            inputs[row, : len(crop) - 1] = crop[:-1]
            targets[row, : len(crop) - 1] = crop[1:]
        yield torch.from_numpy(inputs), torch.from_numpy(targets)


def _rows(batch_size: int, share: Share) -> slice:
    size = batch_size // share.count
    return slice(share.index * size, (share.index + 1) * size)
