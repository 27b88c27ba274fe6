"""Whether a picture in the style of a painting is pieced together from it: the largest square that stands in both, verbatim.

Every window of 8 x 8 pixels of the result, at every fourth pixel, is looked for in the style, at every pixel, as it is and
mirrored; where it is found, larger windows around it are compared at the same offset, side by side with the sides of SIDES.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # pixels
STRIDE = 4  # pixels of the result: a copy of 11 pixels or more has an 8 x 8 window on this grid wherever it lies
TOLERANCE = 0.25  # root mean square difference over the style's deviation in the window; between paintings: see `verbatim`
CONTRAST = 0.03  # deviation of a window, 0 to 1: what is flatter looks like everything that is flat
COVERED = 16  # pixels: the side of the windows that the share is of
DIMENSIONS = 24  # principal components of a window's 192 numbers by which it is looked for
NEAREST = 4  # places of the style that are looked at for each window
BAND = 1.25  # windows are compared in bands of the deviation, each so many times the one before
BLOCK = 128  # windows of the result that are compared at a time
LARGEST_BATCH = 1 << 23  # numbers


@dataclass(frozen=True)
class Verbatim:
    """The largest square of the result that stands in the style, and how much of the result such squares cover."""

    side: int  # pixels; 0: none
    share: float  # of the result, that lies in verbatim windows of 16 x 16
    place: tuple[int, int] | None = None  # row and column of the square's upper left corner in the result
    source: tuple[int, int] | None = None  # in the style, mirrored left for right if `mirrored`
    mirrored: bool = False


@dataclass(frozen=True)
class _Matches:
    """n windows of the result with places of the style: int64 [n] each; which: 0 the style, 1 the style mirrored."""

    row: Tensor
    column: Tensor
    which: Tensor
    style_row: Tensor
    style_column: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, chosen: Tensor | slice) -> _Matches:
        return _Matches(*(values[chosen] for values in self._all()))

    def moved(self, rows: Tensor, columns: Tensor) -> _Matches:
        return _Matches(self.row + rows, self.column + columns, self.which, self.style_row + rows, self.style_column + columns)

    def _all(self) -> tuple[Tensor, ...]:
        return self.row, self.column, self.which, self.style_row, self.style_column

    def distinct(self, cell: int) -> _Matches:
        """One for each offset and each square of `cell` pixels of the result: the others lead to the same windows."""
        offsets = (self.style_row - self.row, self.style_column - self.column, self.which)
        keys = torch.stack([*offsets, self.row // cell, self.column // cell], dim=1)
        unique, group = keys.unique(dim=0, return_inverse=True)
        first = torch.full((len(unique),), len(self)).scatter_reduce(0, group, torch.arange(len(self)), "amin")
        return self[first]


def verbatim(result: Tensor, style: Tensor, tolerance: float = TOLERANCE) -> Verbatim:
    """What of the style [3, any, any] stands in the result [3, h, w] as it is, both 0 to 1.

    Two windows are the same where the root mean square of their difference is at most `tolerance` of the style's deviation
    within the window (of all channels, about each channel's mean): what rounding to 8 bits or a fine JPEG does is less.
    Windows with a deviation under 0.03 are passed over: plain ground is like plain ground anywhere. The side is the largest
    of SIDES for which some window of the result matches; 0 where not even 8 x 8 pixels do, or a picture is smaller. 8 x 8 are
    looked for at every fourth pixel alone.

    The tolerance, 0.25: of 24 pairs of four paintings and three photographs that have nothing to do with each other (384
    pixels) the nearest windows of 8 pixels differ by 0.31 to 0.59, those of 16 by 0.35 to 0.72. A photograph in a
    painting's colours can have a square of 8 by chance (1 of 12); one of 12 or more none had.
    """
    result, style = result.detach().cpu().float(), style.detach().cpu().float()
    smaller = min(*result.shape[1:], *style.shape[1:])
    if smaller < SIDES[0]:
        return Verbatim(0, 0.0)
    both = torch.stack([style, style.flip(2)])  # [2, 3, H, W]
    found = _search(result, both, tolerance)
    best: _Matches | None = None
    side, covered = 0, torch.zeros(result.shape[1:], dtype=torch.bool)
    for smaller_side, larger in zip((SIDES[0], *SIDES), SIDES, strict=False):
        if larger > smaller or len(found) == 0:
            break
        found, errors = _grown(result, both, found, smaller_side, larger)
        found, errors = found[errors <= tolerance], errors[errors <= tolerance]
        if len(found) == 0:
            break
        side, best = larger, found[errors.argmin()[None]]
        if larger == COVERED:
            covered = _covered(found, covered)
        if larger >= COVERED:
            found = found.distinct(larger // 4)
    if best is None:
        return Verbatim(0, 0.0)
    row, column, which, style_row, style_column = (int(values) for values in best._all())
    return Verbatim(side, float(covered.float().mean()), (row, column), (style_row, style_column), bool(which))


# ---------------------------------------------------------------- 8 x 8 pixels


def _search(result: Tensor, both: Tensor, tolerance: float) -> _Matches:
    """Places of the style that may be the same as windows of the result, by their principal components.

    An orthonormal projection makes no distance larger, so no match is lost, but where a window has more than NEAREST. Windows
    are compared with places of a deviation like theirs, and sorted by the first component: what differs too much in these
    needs no look at the rest.
    """
    axes, mean = _components(both[0])
    windows, deviation = _described(result[None], axes, mean, STRIDE)
    places, style_deviation = _described(both, axes, mean, 1)
    index, style_index = _sorted(windows, deviation), _sorted(places, style_deviation)
    rows, columns = [], []
    low = CONTRAST * (1 - tolerance)  # |a - b| <= t d(b) in root mean squares, so (1 - t) d(b) <= d(a) <= (1 + t) d(b)
    while low <= float(deviation.max()):
        high = low * BAND
        band = index[(deviation[index] >= low) & (deviation[index] < high)]
        alike = style_deviation[style_index]
        there = style_index[(alike >= max(CONTRAST, low / (1 + tolerance))) & (alike <= high / max(1 - tolerance, 0.1))]
        if len(band) and len(there):
            reach = tolerance / max(1 - tolerance, 0.1) * (both.shape[1] * SIDES[0] ** 2) ** 0.5 * deviation[band]
            row, column = _near(windows[band], places[there], reach)
            rows.append(band[row])
            columns.append(there[column])
        low = high
    if not rows:
        return _Matches(*torch.zeros(5, 0, dtype=torch.long))
    at, of = torch.cat(rows), torch.cat(columns)
    across = (result.shape[2] - SIDES[0]) // STRIDE + 1
    height, width = (size - SIDES[0] + 1 for size in both.shape[2:])
    which, place = of // (height * width), of % (height * width)
    return _Matches(at // across * STRIDE, at % across * STRIDE, which, place // width, place % width)


def _near(windows: Tensor, places: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (number of a window, number of a place) that lie no farther apart than the window's reach, at most NEAREST for each
    window. windows [n, 24] and places [m, 24], both sorted by their first number; reach [n]."""
    squares, keys = places.square().sum(dim=1), places[:, 0].contiguous()
    limits = reach.square() - windows.square().sum(dim=1) + 1e-4  # in what follows a window's own square is left out
    rows, columns = [], []
    for begin in range(0, len(windows), BLOCK):
        block, far, limit = (values[begin : begin + BLOCK] for values in (windows, reach, limits))
        ends = torch.stack([(block[:, 0] - far).min(), (block[:, 0] + far).max()])
        low, high = (int(i) for i in torch.searchsorted(keys, ends))
        if low == high:
            continue
        distance = torch.addmm(squares[low:high], block, places[low:high].T, alpha=-2)
        some = (distance.amin(dim=1) <= limit).nonzero()[:, 0]
        values, at = distance[some].topk(min(NEAREST, high - low), dim=1, largest=False)
        which, rank = (values <= limit[some, None]).nonzero().T
        rows.append(begin + some[which])
        columns.append(low + at[which, rank])
    if not rows:
        return torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    return torch.cat(rows), torch.cat(columns)


def _components(style: Tensor) -> tuple[Tensor, Tensor]:
    """(axes [24, 3, 8, 8] of length 1, orthogonal; mean [3, 1, 1]): along which the style's windows differ most."""
    mean = style.mean(dim=(1, 2), keepdim=True)
    windows = F.unfold((style - mean)[None], SIDES[0], stride=1 + min(style.shape[1:]) // 128)[0]
    _, axes = torch.linalg.eigh((windows @ windows.T).double())
    return axes.flip(1)[:, :DIMENSIONS].T.float().reshape(-1, 3, SIDES[0], SIDES[0]), mean


def _described(pictures: Tensor, axes: Tensor, mean: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """(components [windows, 24], deviation [windows]) of pictures [n, 3, h, w], in order of picture, row and column."""
    described = F.conv2d(pictures - mean, axes, stride=stride)
    deviation = _deviation(pictures, SIDES[0])[:, ::stride, ::stride]
    return described.permute(0, 2, 3, 1).reshape(-1, len(axes)), deviation.flatten()


def _sorted(described: Tensor, deviation: Tensor) -> Tensor:
    """Numbers of the windows that are not plain, by their first component."""
    some = (deviation >= CONTRAST / 2).nonzero()[:, 0]
    return some[described[some, 0].argsort()]


# ---------------------------------------------------------------- larger


def _grown(result: Tensor, both: Tensor, found: _Matches, side: int, larger: int) -> tuple[_Matches, Tensor]:
    """For each match of a side the best window of the larger side around it at the same offset, and its error; those that fit."""
    steps = larger - side
    matches, errors = [], []
    for part in _parts(found, 8 * (2 * larger) ** 2):
        row_range, column_range = _room(part, result, both, steps, side)
        offsets = torch.arange(2 * larger - side) - steps
        own = _crop(result[None], torch.zeros_like(part.which), part.row, part.column, offsets)
        other = _crop(both, part.which, part.style_row, part.style_column, offsets)
        error = _boxes((own - other).square().sum(dim=1), larger).clamp(min=0) / (3 * larger**2)
        deviation = _deviation(other, larger)
        relative = (error.sqrt() / deviation.clamp(min=1e-9)).masked_fill(deviation < CONTRAST, torch.inf)
        starts = torch.arange(steps + 1) - steps
        inside = [(starts >= low[:, None]) & (starts <= high[:, None]) for low, high in (row_range, column_range)]
        relative = relative.masked_fill(~(inside[0][:, :, None] & inside[1][:, None]), torch.inf)
        best, at = relative.flatten(1).min(dim=1)
        matches.append(part.moved(at // (steps + 1) - steps, at % (steps + 1) - steps))
        errors.append(best)
    error = torch.cat(errors)
    grown = _Matches(*(torch.cat(values) for values in zip(*(match._all() for match in matches), strict=True)))
    return grown[error.isfinite()], error[error.isfinite()]


def _parts(found: _Matches, numbers: int) -> Iterator[_Matches]:
    size = max(1, LARGEST_BATCH // numbers)
    for begin in range(0, len(found), size):
        yield found[slice(begin, begin + size)]


def _room(part: _Matches, result: Tensor, both: Tensor, steps: int, side: int) -> list[tuple[Tensor, Tensor]]:
    """How far the upper left corner may move, (lowest, highest) of rows and of columns, so that both windows stay inside."""
    room = []
    for own, other, axis in ((part.row, part.style_row, -2), (part.column, part.style_column, -1)):
        low = -own.minimum(other)
        last = (result.shape[axis] - own).minimum(both.shape[axis] - other) - side - steps
        room.append((low.clamp(min=-steps), last.clamp(max=0)))
    return room


def _crop(pictures: Tensor, which: Tensor, row: Tensor, column: Tensor, offsets: Tensor) -> Tensor:
    """Squares of pictures [n, 3, h, w] around places, [k, 3, offsets, offsets]; beyond the border the border again."""
    rows = (row[:, None] + offsets).clamp(0, pictures.shape[2] - 1)[:, None, :, None]
    columns = (column[:, None] + offsets).clamp(0, pictures.shape[3] - 1)[:, None, None, :]
    return pictures[which[:, None, None, None], torch.arange(3)[:, None, None], rows, columns]


def _deviation(pictures: Tensor, side: int) -> Tensor:
    """[n, 3, h, w] -> [n, h', w']: of each window of that side, of all channels about each one's mean."""
    centred = pictures - pictures.mean(dim=(2, 3), keepdim=True)
    mean = _boxes(centred, side) / side**2
    square = _boxes(centred.square(), side) / side**2
    return (square - mean.square()).mean(dim=1).clamp(min=0).sqrt()


def _boxes(maps: Tensor, side: int) -> Tensor:
    """Sums over all windows of that side, [..., h, w] -> [..., h - side + 1, w - side + 1]."""
    sums = F.pad(maps.double().cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    across = sums[..., side:] - sums[..., :-side]
    return (across[..., side:, :] - across[..., :-side, :]).to(maps.dtype)


def _covered(found: _Matches, covered: Tensor) -> Tensor:
    """[h, w] with the windows of 16 x 16 filled in."""
    corners = torch.zeros(covered.shape)
    corners[found.row, found.column] = 1
    padded = F.pad(corners[None, None], (COVERED - 1, 0, COVERED - 1, 0))
    return F.max_pool2d(padded, COVERED, stride=1)[0, 0] > 0
