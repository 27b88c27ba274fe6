"""Strokes as they were painted: a picture laid anew with those patches of the paintings that are nearest to its own.

Statistics alone say which strokes there are, not that a stroke is one long thing. Here each patch of the picture looks for the patch
of a painting that is like it, and also like what the content has there in light and dark (Hertzmann et al. 2001, "Image analogies",
section 3.1; Granot et al. 2022, "Drop the GAN", algorithm 1). Patches overlap, and the mean of what they say is the new picture.

Where the search goes: a few random places, then what the neighbours found, moved by as much as they are apart (Barnes et al. 2009,
"PatchMatch", section 3.2). A neighbour's place is taken even if it is a little worse (Ashikhmin 2001): so whole strokes come over.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.style.edges import luminance
from artgen.style.sliced import patches_of

SIDE, STRIDE = 8, 2  # of patches, pixels, and from one to the next
COMPONENTS = 32  # principal components by which patches are compared
LEARNED_FROM = 8000  # patches
PLACES = 2048  # of the paintings at which each patch looks first
REACHES = (4, 1, 2, 1)  # of neighbours, in patches, round by round
COHERENCE = 1.075  # how much farther a place may be that goes on from the next neighbour's
BLOCK, HALO = 256, 8  # patches of a side that are searched for at a time, and what is looked at around them
LARGEST, WINDOWS, WINDOW = 600_000, 3, 256  # pixels of a painting that is used whole; of others windows across, and their side
CHUNK = 4096  # patches that are compared with all places at once


@dataclass(frozen=True)
class Sheet:
    """Where the patches of one piece of a painting are in the list of all: `columns` to a row, from `first` on."""

    first: int
    rows: int
    columns: int
    pixel: int  # its first pixel in the list of all pixels


class Atlas:
    """All patches of some paintings [3, h, w], 0 to 1, each at least SIDE pixels. weights: how often each is looked at first."""

    def __init__(self, paintings: Sequence[Tensor], weights: Sequence[float], guide: float, generator: torch.Generator) -> None:
        self.guide, self.generator, self.device = guide, generator, paintings[0].device
        self.sheets: list[Sheet] = []
        pieces = [_pieces(painting, generator) for painting in paintings]
        planes = [self.described(piece, luminance(piece)[None]) for piece in itertools.chain(*pieces)]
        learned = torch.cat([patches_of(each, SIDE, max(1, LEARNED_FROM // len(planes)), generator) for each in planes])
        centred = learned - learned.mean(dim=0)
        components = torch.linalg.eigh(centred.T @ centred)[1][:, -COMPONENTS:]
        self.kernels = components.T.reshape(-1, len(planes[0]), SIDE, SIDE)
        keys, first, pixel = [], 0, 0
        for plane in planes:
            rows, columns = plane.shape[1] - SIDE + 1, plane.shape[2] - SIDE + 1
            self.sheets.append(Sheet(first, rows, columns, pixel))
            keys.append(F.conv2d(plane[None], self.kernels)[0].flatten(1).T)
            first, pixel = first + rows * columns, pixel + plane[0].numel()
        self.keys = torch.cat(keys)
        self.pixels = torch.cat([plane[:3].flatten(1) for plane in planes], dim=1)
        self.table = torch.tensor([[s.first, s.rows, s.columns, s.pixel] for s in self.sheets], device=self.device)
        self.places = self._places([w / len(parts) for w, parts in zip(weights, pieces, strict=True) for _ in parts])

    def described(self, picture: Tensor, light: Tensor) -> Tensor:
        """What is compared: colours, and light and dark of what should be there, [4, h, w]."""
        return torch.cat([picture, self.guide * light])

    def _places(self, shares: Sequence[float]) -> Tensor:
        """Some of all patches, at random, of each sheet its share: what every patch is compared with first."""
        found = []
        for sheet, share in zip(self.sheets, shares, strict=True):
            count = max(1, round(PLACES * share / sum(shares)))
            found.append(sheet.first + torch.randint(sheet.rows * sheet.columns, (count,), generator=self.generator))
        return torch.cat(found).to(self.device)

    def moved(self, index: Tensor, down: int, across: int) -> tuple[Tensor, Tensor]:
        """The patches so many pixels further, and whether there are such."""
        first, rows, columns, _ = self._sheet(index)
        row = (index - first) // columns + down
        column = (index - first) % columns + across
        there = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return torch.where(there, first + row * columns + column, index), there

    def cut(self, index: Tensor) -> Tensor:
        """Colours of patches [m]: [3 * SIDE * SIDE, m], as `fold` takes them."""
        first, _, columns, pixel = self._sheet(index)
        width = columns + SIDE - 1
        corner = pixel + (index - first) // columns * width + (index - first) % columns
        offsets = torch.arange(SIDE, device=index.device)
        inside = (offsets[:, None] * width + corner)[:, None] + offsets[None, :, None]  # [rows, columns, m]
        return torch.stack([plane[inside] for plane in self.pixels]).flatten(0, 2)

    def _sheet(self, index: Tensor) -> tuple[Tensor, ...]:
        if len(self.sheets) == 1:
            return tuple(self.table[0])
        number = torch.bucketize(index, self.table[:, 0].contiguous(), right=True) - 1
        return tuple(self.table[number].unbind(1))


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
    light = luminance(layout)[None]
    bell = _bell().to(picture)
    for top, left in itertools.product(range(0, counts[0], BLOCK), range(0, counts[1], BLOCK)):
        inner = [(first, min(first + BLOCK, count)) for first, count in zip((top, left), counts, strict=True)]
        outer = [(max(0, a - HALO), min(count, b + HALO)) for (a, b), count in zip(inner, counts, strict=True)]
        rows, columns = (
            _beyond(start + STRIDE * a, STRIDE * (b - a - 1) + SIDE, side, seamless).to(picture.device)
            for start, (a, b), side in zip(begin, outer, (height, width), strict=True)
        )
        if wanted is not None and not wanted[rows][:, columns].any():
            continue
        here = atlas.described(picture[:, rows][:, :, columns], light[:, rows][:, :, columns])
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
    keys = atlas.keys[atlas.places]
    half = 0.5 * keys.square().sum(dim=1)
    best = torch.cat([atlas.places[(part @ keys.T).sub_(half).argmax(dim=1)] for part in wanted.split(CHUNK)])
    distance = (atlas.keys[best] - wanted).square_().sum(dim=1)
    for reach in REACHES:
        slack = COHERENCE if reach == 1 else 1.0
        for down, across in ((0, reach), (0, -reach), (reach, 0), (-reach, 0)):
            neighbour = torch.roll(best.view(shape), (down, across), (0, 1)).flatten()
            candidate, there = atlas.moved(neighbour, down * STRIDE, across * STRIDE)
            its = (atlas.keys[candidate] - wanted).square_().sum(dim=1)
            take = there & (candidate != best) & (its < slack * distance)
            best, distance = torch.where(take, candidate, best), torch.where(take, its, distance)
    return best.view(shape)


def _pieces(painting: Tensor, generator: torch.Generator) -> list[Tensor]:
    """A painting whole, or of a large one windows, spread evenly and at random."""
    height, width = painting.shape[1:]
    if height * width <= LARGEST:
        return [painting]
    found = []
    for row, column in itertools.product(range(WINDOWS), repeat=2):
        window = []
        for place, side in ((row, height), (column, width)):
            first = int((place + float(torch.rand((), generator=generator))) / WINDOWS * max(1, side - WINDOW))
            window.append(slice(first, first + WINDOW))
        found.append(painting[:, window[0], window[1]])
    return found


def _beyond(first: int, count: int, side: int, seamless: bool) -> Tensor:
    """Rows or columns from `first` on, which may lie beyond a border: mirrored, or at the other side."""
    place = torch.arange(first, first + count)
    if seamless:
        return place % side
    period = max(1, 2 * (side - 1))
    place = place.remainder(period)
    return torch.minimum(place, period - place)


def _bell() -> Tensor:
    """What a patch has to say about each of its pixels: most in its middle. [SIDE * SIDE]"""
    offset = torch.arange(SIDE) - (SIDE - 1) / 2
    weight = torch.exp(-offset.square() / (2 * (SIDE / 4) ** 2))
    return (weight[:, None] * weight[None]).flatten()
