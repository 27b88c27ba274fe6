"""Piano rolls as strings of pitches, as `network.Polyphony` reads them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from artgen.families.music_polyphony.network import NEXT
from artgen.music.frame_batches import FrameBatch


class Strings(NamedTuple):
    """Strings of tokens [rows, n], shorter ones padded at their end."""

    tokens: Tensor  # int64
    frame: Tensor  # int64: which frame a token belongs to
    slot: Tensor  # int64: the how manieth token of its frame it is; 0 is NEXT
    phase: Tensor  # int64: the frame's place in the bar
    first: Tensor  # bool: whether it is the first of a piece
    target: Tensor  # int64: the token that comes next
    real: Tensor  # bool: whether it is no padding


def as_strings(batch: FrameBatch) -> Strings:
    """Every frame as NEXT and its pitches from the lowest up; the last target of a row is NEXT."""
    rows, time, _ = batch.keys.shape
    device = batch.keys.device
    sounds = torch.cat((batch.keys.new_ones(rows, time, 1), batch.keys), dim=2).bool()
    sounds &= (torch.arange(time, device=device) < batch.length[:, None])[..., None]
    row, frame, token = sounds.nonzero(as_tuple=True)  # in the order of the strings
    begin = torch.searchsorted(row, torch.arange(rows, device=device))
    place = torch.arange(len(row), device=device) - begin[row]
    n = int(place.max()) + 1
    empty = torch.zeros(rows, n, dtype=torch.int64, device=device)

    def spread(values: Tensor) -> Tensor:
        return empty.to(values.dtype).index_put((row, place), values)

    tokens, real = spread(token), spread(torch.ones_like(token)).bool()
    frames = spread(frame)
    index = torch.arange(n, device=device).expand(rows, n)
    slot = index - torch.where(tokens == NEXT, index, 0).cummax(dim=1).values
    return Strings(
        tokens=tokens,
        frame=frames,
        slot=slot * real,
        phase=batch.phase.gather(1, frames),
        first=(index == 0) & batch.begins[:, None],
        target=torch.cat((tokens[:, 1:], torch.zeros_like(tokens[:, :1])), dim=1),
        real=real,
    )
