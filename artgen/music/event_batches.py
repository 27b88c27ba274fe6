"""Batches of events: excerpts of random pieces, transposed by chance. Pure functions of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artgen.families.base import Share
from artgen.music.events import Tokens

NONE = -100  # a target that is not scored


class EventBatch(NamedTuple):
    """Excerpts, shorter ones padded at their end."""

    inputs: Tensor  # int64 [rows, time]
    targets: Tensor  # int64 [rows, time]: the events that follow; NONE in the padding
    n_scored: float  # targets of an average share of the global batch, so that every event of it weighs the same


class RandomExcerpts:
    """Excerpts of `context` events and the one after them, as far as the pieces are so long.

    Every second one begins with its piece, as a sample does; the others at any event, as what a network with a limited context
    reads of a long sample. A piece is taken as often as it has excerpts in it, so that every event is learned from alike.
    """

    def __init__(
        self,
        pieces: Sequence[Tokens],
        shifts: Sequence[range],
        pitches: range,
        context: int,
        batch_size: int,
        seed: int,
    ) -> None:
        """shifts: by how many semitones each piece can be transposed; pitches: the events that this moves."""
        self.pieces, self.shifts, self.pitches = pieces, shifts, pitches
        self.context, self.batch_size, self.seed = context, batch_size, seed
        self.lengths = np.array([len(piece) - 1 for piece in pieces])  # targets
        weight = np.maximum(1.0, self.lengths / context)
        self.share = weight / weight.sum()

    def batch(self, step: int, share: Share) -> EventBatch:
        """The rows of this share; the same global batch however it is shared out."""
        generator = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        chosen = generator.choice(len(self.pieces), self.batch_size, p=self.share)
        place, move, start = generator.random((3, self.batch_size))
        later = np.maximum(0, self.lengths[chosen] - self.context)
        begins = np.where(start < 0.5, 0, (place * (later + 1)).astype(np.int64))
        sizes = np.minimum(self.context, self.lengths[chosen] - begins)
        size = self.batch_size // share.count
        excerpts = []
        for i, begin, at in zip(
            *(x[share.index * size : (share.index + 1) * size] for x in (chosen, begins, move)), strict=True
        ):
            shifts = self.shifts[i]
            excerpt = self.pieces[i][begin : begin + self.context + 1]
            excerpts.append(transposed(excerpt, shifts[int(at * len(shifts))], self.pitches))
        return EventBatch(*padded(excerpts, int(sizes.max())), n_scored=int(sizes.sum()) / share.count)


def transposed(events: Tokens, semitones: int, pitches: range) -> Tokens:
    """Events whose pitches are moved; drums stay."""
    return np.where((events >= pitches.start) & (events < pitches.stop), events + semitones, events)


def held_out_excerpts(pieces: Sequence[Tokens], context: int, rows: int, share: Share, limit: int) -> Iterator[EventBatch]:
    """Excerpts of held-out pieces such that every event but the first of a piece is a target once; each process gets a part.

    An excerpt begins half a context after the one before, and scores what that did not: events have half a context to look back
    at, if the piece has it. At most about `limit` events are scored, in excerpts evenly spread over the pieces.
    """
    excerpts: list[tuple[Tokens, int]] = []  # events, and how many of the targets were scored before
    hop = max(1, context // 2)
    for piece in pieces:
        scored = min(context, len(piece) - 1)
        excerpts.append((piece[: scored + 1], 0))
        while scored < len(piece) - 1:
            end = min(scored + hop, len(piece) - 1)
            excerpts.append((piece[end - context : end + 1], context - (end - scored)))
            scored = end
    total = sum(len(events) - 1 - skip for events, skip in excerpts)
    kept = max(1, min(len(excerpts), len(excerpts) * limit // max(1, total)))
    chosen = np.unique(np.linspace(0, len(excerpts) - 1, kept).astype(np.int64))
    groups = [chosen[i : i + rows] for i in range(0, len(chosen), rows)]
    for group in groups[share.index :: share.count]:
        inputs, targets = padded([excerpts[i][0] for i in group], max(len(excerpts[i][0]) - 1 for i in group))
        for row, i in enumerate(group):
            targets[row, : excerpts[i][1]] = NONE
        yield EventBatch(inputs, targets, n_scored=float((targets != NONE).sum()))


def padded(excerpts: Sequence[NDArray[np.integer]], time: int) -> tuple[Tensor, Tensor]:
    """(inputs, targets) [rows, time] of excerpts of at most time + 1 events."""
    inputs = np.zeros((len(excerpts), time), dtype=np.int64)
    targets = np.full((len(excerpts), time), NONE, dtype=np.int64)
    for row, excerpt in enumerate(excerpts):
        inputs[row, : len(excerpt) - 1] = excerpt[:-1]
        targets[row, : len(excerpt) - 1] = excerpt[1:]
    return torch.from_numpy(inputs), torch.from_numpy(targets)
