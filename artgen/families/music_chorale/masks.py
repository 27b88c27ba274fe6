"""What is hidden from the network, in training and when held-out pieces are scored. Imports no torch.

Training on every kind of mask is training an orderless NADE (Uria et al. 2014; Huang et al. 2017, section 3): a network that
can be asked for any place given any others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from artgen.families.music_chorale.voicing import N_VOICES

Mask = NDArray[np.bool_]
"""[steps, 4]: true where the network has to say what stands there."""

REGIONS = {"all": 0.25, "accompaniment": 0.6, "voices": 0.05, "span": 0.1}
"""How often all is to be completed, all but the soprano, one to three voices, or a span of time in some or all voices."""
WHOLE = {"all": 0.1, "accompaniment": 0.6, "voices": 0.4, "span": 0.4}
"""How often nothing of it is known, as at the beginning of filling in."""
REST = {"all": 0.45, "accompaniment": 0.25, "voices": 0.25, "span": 0.25}
"""How often it is known up to some place, as when it is filled in from the beginning on. Else a share of it, from none to all, alike."""
LENGTHS = (1, 2, 4, 8)
"""Steps that are hidden together. Single steps alone would be too easy: their neighbours are mostly the same note."""


def random_mask(n_steps: int, generator: np.random.Generator) -> Mask:
    """One mask of training, with one place at least."""
    kind = str(generator.choice(list(REGIONS), p=list(REGIONS.values())))
    region = _region(kind, n_steps, generator)
    chance = generator.random()
    if chance < WHOLE[kind]:
        return region
    if chance < WHOLE[kind] + REST[kind]:
        return _from_some_place_on(region, generator)
    return some_of(region, float(generator.random()), int(generator.choice(LENGTHS)), generator)


def some_of(region: Mask, share: float, length: int, generator: np.random.Generator) -> Mask:
    """About `share` of a region, in blocks of `length` steps of one voice; one place at least, if the region has any."""
    n_steps, n_voices = region.shape
    offset = int(generator.integers(length))  # blocks begin at every step alike
    chosen = generator.random((-(-(n_steps + offset) // length), n_voices))
    blocks = np.repeat(chosen, length, axis=0)[offset : offset + n_steps]
    mask: Mask = region & (blocks < share)
    if not mask.any() and region.any():
        lowest = np.where(region, blocks, 2.0).min()
        mask = region & (blocks == lowest)
    return mask


def held_out_masks(n_steps: int, seed: int) -> list[Mask]:
    """Two masks, always the same for the same seed: all but the soprano, and half of everything by blocks of two steps."""
    everything = np.ones((n_steps, N_VOICES), dtype=bool)
    half = some_of(everything, 0.5, 2, np.random.Generator(np.random.Philox(key=[seed, n_steps])))
    return [all_but(("soprano",), n_steps), half]


def all_but(keep: tuple[str, ...], n_steps: int) -> Mask:
    """Everything but these voices."""
    from artgen.families.music_chorale.config import VOICES

    return np.tile([voice not in keep for voice in VOICES], (n_steps, 1))


def _region(kind: str, n_steps: int, generator: np.random.Generator) -> Mask:
    region = np.ones((n_steps, N_VOICES), dtype=bool)
    if kind == "accompaniment":
        region[:, 0] = False
    elif kind == "voices":
        region[:] = _some_voices(int(generator.integers(1, N_VOICES)), generator)
    elif kind == "span":
        length = int(generator.integers(1, max(2, n_steps // 2 + 1)))
        begin = int(generator.integers(n_steps - length + 1))
        region[:begin] = region[begin + length :] = False
        region &= _some_voices(int(generator.choice([N_VOICES, *range(1, N_VOICES)], p=[0.55, 0.15, 0.15, 0.15])), generator)
    return region


def _from_some_place_on(region: Mask, generator: np.random.Generator) -> Mask:
    """What of a region is still to come when it is filled in step by step, at one step voice by voice; at least one place."""
    steps = np.flatnonzero(region.any(axis=1))
    now = int(generator.choice(steps))
    mask = region.copy()
    mask[:now] = False
    voices = np.flatnonzero(region[now])
    mask[now, generator.permutation(voices)[: int(generator.integers(len(voices)))]] = False
    return mask


def _some_voices(count: int, generator: np.random.Generator) -> Mask:
    mask = np.zeros(N_VOICES, dtype=bool)
    mask[generator.permutation(N_VOICES)[:count]] = True
    return mask
