"""Excerpts of pieces with something hidden in them: pure functions of seed and number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artgen.families.base import Share
from artgen.families.music_chorale.masks import Mask, held_out_masks, random_mask
from artgen.families.music_chorale.network import REST_ID
from artgen.families.music_chorale.voicing import N_VOICES, Voiced
from artgen.music.chorales import REST

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""ids int64 [n, steps, 4], attacks and masks bool [n, steps, 4], places int64 [n, steps, 3]: as the network takes them."""

EDGE = 0.15  # share of the excerpts that are a beginning, and as many an end: most others are of the middle


def to_ids(pitches: NDArray[np.int64], low: int) -> NDArray[np.int64]:
    """MIDI pitches as the network numbers them."""
    return np.where(pitches == REST, REST_ID, pitches - low + 1)


def to_pitches(ids: NDArray[np.int64], low: int) -> NDArray[np.int64]:
    """The other way round."""
    return np.where(ids == REST_ID, REST, ids + low - 1)


@dataclass(frozen=True)
class Excerpts:
    """Random excerpts of `context` steps, transposed; every step of the pieces is seen equally often but those of the ends."""

    pieces: Sequence[Voiced]
    shifts: Sequence[range]  # by how many semitones each can be transposed
    low: int  # pitch of id 1
    beyond: int  # id of what is after a piece's end
    context: int
    beat: int  # steps between places where excerpts begin
    seed: int

    def batch(self, step: int, batch_size: int, share: Share) -> Batch:
        """One share of the batch of `step`."""
        size = batch_size // share.count
        first = step * batch_size + share.index * size
        return stack([self.row(number) for number in range(first, first + size)], self.context, self.beyond)

    def row(self, number: int) -> tuple[NDArray[np.int64], Voiced, Mask]:
        """Ids of an excerpt, the excerpt itself and its mask."""
        generator = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        lengths = np.array([len(piece.pitches) for piece in self.pieces])
        chosen = int(generator.choice(len(lengths), p=lengths / lengths.sum()))
        piece, shifts = self.pieces[chosen], self.shifts[chosen]
        last = max(0, int(lengths[chosen]) - self.context)
        where = generator.random()
        begin = int(generator.integers(last // self.beat + 1)) * self.beat
        if where < EDGE:
            begin = 0
        elif where < 2 * EDGE:
            begin = last
        excerpt = cut(piece, begin, self.context)
        shift = int(generator.choice(np.array(shifts)))
        ids = to_ids(np.where(excerpt.pitches == REST, REST, excerpt.pitches + shift), self.low)
        return ids, excerpt, random_mask(len(ids), generator)


def held_out(
    pieces: Sequence[Voiced], low: int, beyond: int, context: int, rows: int, seed: int, share: Share
) -> Sequence[Batch]:
    """All of the pieces, in excerpts of `context` steps, each with the masks of `held_out_masks`; `rows` in a batch."""
    found = []
    for piece in pieces:
        for begin in range(0, len(piece.pitches), context):
            excerpt = cut(piece, begin, context)
            for mask in held_out_masks(len(excerpt.pitches), seed):
                found.append((to_ids(excerpt.pitches, low), excerpt, mask))
    batches = [found[begin : begin + rows] for begin in range(0, len(found), rows)]
    return [stack(batch, context, beyond) for batch in batches[share.index :: share.count]]


def cut(piece: Voiced, begin: int, length: int) -> Voiced:
    end = begin + length
    return Voiced(piece.pitches[begin:end], piece.attacks[begin:end], piece.places[begin:end])


def stack(rows: Sequence[tuple[NDArray[np.int64], Voiced, Mask]], context: int, beyond: int) -> Batch:
    """Rows of up to `context` steps as one batch; what is beyond the end of a row is masked nowhere."""
    shape = (len(rows), context, N_VOICES)
    ids = np.full(shape, beyond, dtype=np.int64)
    attacks, masks = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    places = np.zeros((len(rows), context, 3), dtype=np.int64)
    for i, (mine, excerpt, mask) in enumerate(rows):
        n = len(mine)
        ids[i, :n], attacks[i, :n], masks[i, :n], places[i, :n] = mine, excerpt.attacks, mask, excerpt.places
    return torch.from_numpy(ids), torch.from_numpy(attacks), torch.from_numpy(masks), torch.from_numpy(places)


def to_device(batch: Batch, device: torch.device) -> Batch:
    ids, attacks, masks, places = (part.to(device) for part in batch)
    return ids, attacks, masks, places
