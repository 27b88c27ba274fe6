"""A photograph of any size through the network: in strips where that can be, so that little more than the picture is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.families.style_fast.config import REDUCTION
from artgen.families.style_fast.network import HALO, StyleNet, Wanted, without_detail
from artgen.style.job import Watch, unwatched

STRIP = 1 << 18  # pixels that go through the outer layers at a time
TICKS = 3  # of work for a strip that is painted, against one on the way in


@dataclass(frozen=True)
class Strip:
    """Rows top to bottom of a picture, which are seen as rows `seen`, of which those from `first` on are the strip's own."""

    top: int
    bottom: int
    seen: Tensor
    first: int


def paint(
    network: StyleNet,
    content: Tensor,
    recolor: Callable[[Tensor], Tensor],
    noise: Tensor,
    wanted: Wanted,
    wrap: bool = False,
    watch: Watch = unwatched,
    pixels: int = STRIP,
) -> Tensor:
    """[3, h, w], 0 to 1, on the CPU, of content [3, h, w], whose sides are multiples of 4.

    recolor: gives rows of the content [3, rows, w] the style's colours. noise: [noise, h / 4, w / 4]. pixels: of a strip; the result
    is the same whatever they are. Only what lies between the outer layers is in memory for the whole picture.
    """
    device = wanted.styles.device
    height, width = content.shape[1:]
    strips = list(_strips(height, width, wrap, pixels))
    of = len(strips) * (1 + TICKS)
    coloured = recolor(content)
    result = without_detail(coloured[None], wrap)[0]
    picture = result.clone

    def tell(done: int) -> None:
        watch(done, of, picture)

    x: Tensor | None = None
    for number, strip in enumerate(strips):
        seen = coloured[:, strip.seen].to(device)[None]
        part = _rows(network.head(seen, wrap), strip, REDUCTION)
        if x is None:
            x = part.new_empty(1, part.shape[1], height // REDUCTION, width // REDUCTION).to(memory_format=torch.channels_last)
        x[:, :, strip.top // REDUCTION : strip.bottom // REDUCTION] = part
        tell(number + 1)
    assert x is not None
    del coloured
    x = network.body(x, noise.to(device)[None], wanted, wrap)
    for number, strip in enumerate(strips):
        seen = x[:, :, strip.seen[::REDUCTION].to(device) // REDUCTION]
        added = network.tail(seen, wanted, wrap)
        own = added[0, :, strip.first : strip.first + strip.bottom - strip.top]
        result[:, strip.top : strip.bottom] += own.float().cpu()
        tell(len(strips) + TICKS * (number + 1))
    return result.clamp_(0, 1)


def to_multiple(content: Tensor, wrap: bool) -> Tensor:
    """[3, h, w] with sides that are multiples of 4: mirrored beyond the right and the lower border; wrap: made a little larger."""
    height, width = content.shape[1:]
    down, right = -height % REDUCTION, -width % REDUCTION
    if not (down or right):
        return content
    if wrap:
        from artgen.style.resizing import resize

        return resize(content, (height + down, width + right), seamless=True).clamp_(0, 1)
    return F.pad(content[None], (0, right, 0, down), "reflect")[0]


def from_multiple(made: Tensor, height: int, width: int, wrap: bool) -> Tensor:
    """Back to the size that `to_multiple` was given."""
    if made.shape[1:] == (height, width):
        return made
    if wrap:
        from artgen.style.resizing import resize

        return resize(made, (height, width), seamless=True).clamp_(0, 1)
    return made[:, :height, :width].contiguous()


def _strips(height: int, width: int, wrap: bool, pixels: int) -> Iterator[Strip]:
    rows = max(1, pixels // width // REDUCTION) * REDUCTION
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        if bottom - top == height and wrap:  # as a whole, which goes on by itself
            yield Strip(top, bottom, torch.arange(height), 0)
        elif wrap:
            yield Strip(top, bottom, torch.arange(top - HALO, bottom + HALO) % height, HALO)
        else:
            first = max(0, top - HALO)
            yield Strip(top, bottom, torch.arange(first, min(height, bottom + HALO)), top - first)


def _rows(maps: Tensor, strip: Strip, reduction: int) -> Tensor:
    """A strip's own rows of maps that are that much smaller."""
    first = strip.first // reduction
    return maps[:, :, first : first + (strip.bottom - strip.top) // reduction]
