"""Strokes as they were painted: a picture laid anew with those patches of the paintings that are nearest to its own.

Statistics alone say which strokes there are, not that a stroke is one long thing. Here each patch of the picture looks for the patch
of a painting that is like it, and also like what the content has there in light and dark (Hertzmann et al. 2001, "Image analogies",
section 3.1; Granot et al. 2022, "Drop the GAN", algorithm 1). Patches overlap, and the mean of what they say is the new picture.

Where the search goes: a few random places, then what the neighbours found, moved by as much as they are apart (Barnes et al. 2009,
"PatchMatch", section 3.2). A neighbour's place is taken even if it is a little worse (Ashikhmin 2001): so whole strokes come over.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.style.edges import luminance
from artgen.style.pyramid import beyond
from artgen.style.sliced import patches_of

SIDE, STRIDE = 8, 2  # of patches, pixels, and from one to the next
COMPONENTS = 32  # principal components by which patches are compared
LEARNED_FROM = 8000  # patches
PLACES = 2048  # of the paintings at which each patch looks first
REACHES = (4, 1, 2, 1)  # of neighbours, in patches, round by round
COHERENCE = 1.075  # how much farther a place may be that goes on from the next neighbour's
BLOCK, HALO = 256, 8  # patches of a side that are searched for at a time, and what is looked at around them
LARGE = 600_000  # pixels of a painting from which on every second patch of every second row is kept, in half precision
CHUNK = 4096  # patches that are compared with all places at once


class Atlas:
    """All patches of some paintings [3, h, w], 0 to 1, each at least SIDE pixels. weights: how often each is looked at first."""

    def __init__(self, paintings: Sequence[Tensor], weights: Sequence[float], guide: float, generator: torch.Generator) -> None:
        self.guide, self.generator, self.device = guide, generator, paintings[0].device
        self.kernels = self._components(paintings)
        steps = [STRIDE if painting[0].numel() > LARGE else 1 for painting in paintings]
        keys: list[Tensor] = []
        counts: list[int] = []
        sheets, pixel = [], 0
        for painting, step in zip(paintings, steps, strict=True):
            rows, columns = ((side - SIDE) // step + 1 for side in painting.shape[1:])
            sheets.append((sum(counts), rows, columns, pixel, painting.shape[2], step))
            counts.append(rows * columns)
            pixel += painting[0].numel()
            keys += [each.half() if max(steps) > 1 else each for each in self._keys(painting, step)]
        self.keys, self.pixels = torch.cat(keys), torch.cat([painting.flatten(1) for painting in paintings], dim=1)
        # Of each painting: its first patch in the list of all, rows and columns of patches, its first pixel in the list of all,
        # pixels to a row, and from one patch to the next.
        self.sheets = torch.tensor(sheets, device=self.device)
        self.places = self._places(counts, weights)

    def _keys(self, painting: Tensor, step: int) -> Iterator[Tensor]:
        """What patches are compared by, [patches, COMPONENTS], band by band."""
        for top in range(0, painting.shape[1] - SIDE + 1, BLOCK):
            band = painting[:, top : top + BLOCK + SIDE - step]
            yield F.conv2d(self.described(band, luminance(band))[None], self.kernels, stride=step)[0].flatten(1).T

    def _components(self, paintings: Sequence[Tensor]) -> Tensor:
        """[COMPONENTS, 4, SIDE, SIDE]: what patches differ in most."""
        learned = []
        for painting in paintings:
            patches = patches_of(painting, SIDE, max(1, LEARNED_FROM // len(paintings)), self.generator)
            each = patches.view(-1, 3, SIDE, SIDE)
            learned.append(self.described(each, luminance(each)).flatten(1))
        patches = torch.cat(learned)
        centred = patches - patches.mean(dim=0)
        return torch.linalg.eigh(centred.T @ centred)[1][:, -COMPONENTS:].T.reshape(-1, 4, SIDE, SIDE)

    def described(self, picture: Tensor, light: Tensor) -> Tensor:
        """What is compared: colours [..., 3, h, w], and light and dark of what should be there [..., h, w] -> [..., 4, h, w]."""
        return torch.cat([picture, self.guide * light[..., None, :, :]], dim=-3)

    def _places(self, counts: Sequence[int], weights: Sequence[float]) -> Tensor:
        """Some of all patches, at random, of each painting its share: what every patch is compared with first."""
        found, first = [], 0
        for count, weight in zip(counts, weights, strict=True):
            some = max(1, round(PLACES * weight / sum(weights)))
            found.append(first + torch.randint(count, (some,), generator=self.generator))
            first += count
        return torch.cat(found).to(self.device)

    def moved(self, index: Tensor, down: int, across: int) -> tuple[Tensor, Tensor]:
        """The patches that lie so many strides further in the painting, and whether there are such."""
        first, rows, columns, _, _, step = self._sheet(index)
        row = (index - first) // columns + down * STRIDE // step
        column = (index - first) % columns + across * STRIDE // step
        there = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return torch.where(there, first + row * columns + column, index), there

    def cut(self, index: Tensor) -> Tensor:
        """Colours of patches [m]: [3 * SIDE * SIDE, m], as `fold` takes them."""
        first, _, columns, pixel, width, step = self._sheet(index)
        corner = pixel + ((index - first) // columns * width + (index - first) % columns) * step
        offsets = torch.arange(SIDE, device=index.device)
        inside = (offsets[:, None] * width + corner)[:, None] + offsets[None, :, None]  # [rows, columns, m]
        return torch.stack([plane[inside] for plane in self.pixels]).flatten(0, 2)

    def _sheet(self, index: Tensor) -> tuple[Tensor, ...]:
        """What is known of the paintings that patches are of."""
        if len(self.sheets) == 1:
            return tuple(self.sheets[0])
        number = torch.bucketize(index, self.sheets[:, 0].contiguous(), right=True) - 1
        return tuple(self.sheets[number].unbind(1))


def relaid(picture: Tensor, layout: Tensor, atlas: Atlas, seamless: bool, wanted: Tensor | None = None) -> Tensor:
    """The picture [3, h, w] made of patches of the atlas, guided by the light and dark of the layout [3, h, w].

    wanted: [h, w]; where it is 0 in the whole of a block, nothing is searched and the picture stays.
    """
    height, width = picture.shape[1:]
    origin = [int(torch.randint(STRIDE, (1,), generator=atlas.generator)) for _ in range(2)]
    begin = origin if seamless else [place - SIDE + 1 for place in origin]
    counts = [-(-(side if seamless else side + SIDE - 1) // STRIDE) for side in (height, width)]
    margin = SIDE + STRIDE
    total = picture.new_zeros(4, height + 2 * margin, width + 2 * margin)
    light = luminance(layout)
    bell = _bell().to(picture)
    for top, left in itertools.product(range(0, counts[0], BLOCK), range(0, counts[1], BLOCK)):
        inner = [(first, min(first + BLOCK, count)) for first, count in zip((top, left), counts, strict=True)]
        outer = [(max(0, a - HALO), min(count, b + HALO)) for (a, b), count in zip(inner, counts, strict=True)]
        rows, columns = (
            beyond(start + STRIDE * a, STRIDE * (b - a - 1) + SIDE, side, seamless).to(picture.device)
            for start, (a, b), side in zip(begin, outer, (height, width), strict=True)
        )
        if wanted is not None and not wanted[rows][:, columns].any():
            continue
        here = atlas.described(picture[:, rows][:, :, columns], light[rows][:, columns])
        found = _search(here, atlas)
        found = found[inner[0][0] - outer[0][0] :, inner[1][0] - outer[1][0] :]
        found = found[: inner[0][1] - inner[0][0], : inner[1][1] - inner[1][0]]
        size = (STRIDE * (found.shape[0] - 1) + SIDE, STRIDE * (found.shape[1] - 1) + SIDE)
        votes = atlas.cut(found.flatten()).view(3, SIDE * SIDE, -1)
        votes = torch.cat([votes * bell[:, None], bell[:, None].expand(1, -1, found.numel())])
        corner = [margin + start + STRIDE * a for start, (a, _) in zip(begin, inner, strict=True)]
        total[:, corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] += F.fold(
            votes.flatten(0, 1)[None], size, SIDE, stride=STRIDE
        )[0]
    if seamless:  # what went over the border comes in at the other side
        total[:, margin : 2 * margin] += total[:, height + margin :]
        total[:, :, margin : 2 * margin] += total[:, :, width + margin :]
    votes, count = total[:, margin : margin + height, margin : margin + width].split([3, 1])
    return torch.where(count > 0, votes / count.clamp_min(1e-6), picture)


def _search(here: Tensor, atlas: Atlas) -> Tensor:
    """Which patch of the atlas is laid where: [rows, columns] of patches of `here` [4, h, w]."""
    described = F.conv2d(here[None], atlas.kernels, stride=STRIDE)[0]
    shape = described.shape[1:]
    wanted = described.flatten(1).T.contiguous()
    keys = atlas.keys[atlas.places].float()
    half = 0.5 * keys.square().sum(dim=1)
    best = torch.cat([atlas.places[(part @ keys.T).sub_(half).argmax(dim=1)] for part in wanted.split(CHUNK)])
    distance = (atlas.keys[best] - wanted).square_().sum(dim=1)
    for reach in REACHES:
        slack = COHERENCE if reach == 1 else 1.0
        for down, across in ((0, reach), (0, -reach), (reach, 0), (-reach, 0)):
            neighbour = torch.roll(best.view(shape), (down, across), (0, 1)).flatten()
            candidate, there = atlas.moved(neighbour, down, across)
            its = (atlas.keys[candidate] - wanted).square_().sum(dim=1)
            take = there & (candidate != best) & (its < slack * distance)
            best, distance = torch.where(take, candidate, best), torch.where(take, its, distance)
    return best.view(shape)


def _bell() -> Tensor:
    """What a patch has to say about each of its pixels: most in its middle. [SIDE * SIDE]"""
    offset = torch.arange(SIDE) - (SIDE - 1) / 2
    weight = torch.exp(-offset.square() / (2 * (SIDE / 4) ** 2))
    return (weight[:, None] * weight[None]).flatten()
