"""Generative art that artgen draws itself: the demo sets. Needs numpy and Pillow only.

Each set is a function of a random generator and a size. What is drawn does not depend on the size, only how finely: a
picture of 64 pixels is the small version of the one of 256. Edges are smooth because everything is drawn several times as
large and averaged.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from artgen.data.demo_canvas import Canvas, Floats, Generator, Pixels, Rgb, choose_palette, lightness
from artgen.data.demo_geometric import geometric


def draw_picture(name: str, seed: int, index: int, size: int) -> Pixels:
    """Picture number `index` of a demo set, [size, size, 3]."""
    return DRAWERS[name](np.random.default_rng([seed, index, *name.encode()]), size)


# ---------------------------------------------------------------- harmonographs


def harmonograph(rng: Generator, size: int) -> Pixels:
    """The curve of a pen that four damped pendulums move, in ink that changes its colour on the way: [size, size, 3].

    x(t) = sum of a sin(f t + p) exp(-d t) over two pendulums, y(t) likewise; frequencies are close to small whole numbers.
    """
    palette = choose_palette(rng)
    ratios = ((1, 1), (1, 2), (1, 2), (2, 3), (2, 3), (3, 4), (1, 3), (2, 5))
    first, second = ratios[int(rng.random() * len(ratios))]
    turns = (18 + 12 * rng.random()) / (first + second) ** 0.7
    frequencies = np.array([first, second, second, first]) + rng.normal(0, 0.012, 4)
    phases = rng.random(4) * 2 * np.pi
    phases[2] = phases[0] + np.pi / 2 + rng.normal(0, 0.35)  # open curves: at the same phase all would lie on a diagonal
    amplitudes = np.array([1.0, 0.8 * rng.random() ** 2, 1.0, 0.8 * rng.random() ** 2])
    fade = 0.8 + 1.0 * rng.random()  # how many times e the swing loses in all

    def curve(time: Floats) -> Floats:
        swings = amplitudes[:, None] * np.sin(2 * np.pi * turns * frequencies[:, None] * time + phases[:, None])
        return np.stack([swings[0] + swings[1], swings[2] + swings[3]], 1) * np.exp(-fade * time)[:, None]

    draft_time = np.linspace(0, 1, 8000)
    draft = curve(draft_time)
    low, high = draft.min(0), draft.max(0)
    stretch = 0.86 / (high - low)
    drawn = np.cumsum(np.hypot(*(np.diff(draft, axis=0, prepend=draft[:1]) * stretch).T))
    even = np.linspace(0, drawn[-1], int(1.3 * drawn[-1] * _ink_side(size)))
    time = np.interp(even, drawn, draft_time)  # so that the pen leaves the same ink everywhere, however fast it is
    points = 0.5 + (curve(time) - (low + high) / 2) * stretch

    inks = [colour for colour in palette.colours if abs(lightness(colour) - lightness(palette.paper)) > 0.25]
    inks = [*inks[:2], palette.ink][: 2 + int(rng.random() * 2)]
    stops = np.linspace(0, 1, len(inks))
    colours = np.stack([np.interp(time, stops, [ink[channel] for ink in inks]) for channel in range(3)], 1)
    return _ink(points, colours, palette.paper, 0.011, size)


def _ink_side(size: int) -> int:
    """Side of the raster that ink is laid on, a multiple of the picture's."""
    return size * max(2, 256 // size)


def _ink(curve: Floats, colours: Floats, paper: Rgb, width: float, size: int) -> Pixels:
    """A curve [n, 2] drawn in ink of colours [n, 3]: where it crosses itself the ink is denser.

    Every point leaves the area that it covers, its step times the width, in the pixel where it is.
    """
    side = _ink_side(size)
    scale = side // size
    step = np.gradient(curve, axis=0)
    length = np.hypot(*step.T)
    normal = np.stack([-step[:, 1], step[:, 0]], 1) / np.maximum(length, 1e-12)[:, None]
    copies = max(1, round(width * side))
    coverage, ink = np.zeros(side * side), np.zeros((3, side * side))
    for offset in (np.arange(copies) + 0.5) / copies - 0.5:
        place = np.clip(((curve + offset * width * normal) * side).astype(np.int64), 0, side - 1)
        cell = place[:, 1] * side + place[:, 0]
        area = length * (width / copies) * side**2
        coverage += np.bincount(cell, area, side * side)
        for channel in range(3):
            ink[channel] += np.bincount(cell, area * colours[:, channel], side * side)
    opacity = 1 - np.exp(-2.2 * coverage)
    mean = ink / np.maximum(coverage, 1e-12)
    out = np.array(paper)[:, None] * (1 - opacity) + mean * opacity
    fine = out.reshape(3, size, scale, size, scale).mean((2, 4))
    return np.rint(fine.transpose(1, 2, 0)).astype(np.uint8)


# ---------------------------------------------------------------- flow fields


def flow_field(rng: Generator, size: int) -> Pixels:
    """Ribbons that follow a smooth field of directions and keep clear of each other: [size, size, 3]."""
    palette = choose_palette(rng)
    canvas = Canvas(size, palette.paper)
    waves = rng.normal(0, 1, (4, 2)) * 0.75
    shifts, heights = rng.random(4) * 2 * np.pi, rng.normal(0, 1, 4)
    heights *= (0.8 + 1.4 * rng.random()) / np.abs(heights).sum()
    base = rng.random() * 2 * np.pi

    n, steps, step = 900, 46, 0.011
    starts = _spread(rng, n) * 1.2 - 0.1
    halves = []  # of every ribbon the points on both sides of its start, [steps, n, 2], and what is across it there
    for direction in (step, -step):
        path, across = np.empty((2, steps, n, 2))
        places = starts
        for i in range(steps):
            angle = base + np.sin(2 * np.pi * places @ waves.T + shifts) @ heights * np.pi
            along = np.stack([np.cos(angle), np.sin(angle)], 1)
            path[i], across[i] = places, along[:, ::-1] * (-1, 1)
            places = places + direction * along
        halves.append((path, across))

    widest = 0.03 + 0.055 * rng.random()
    widths = np.maximum(np.sort(widest * rng.random(n) ** 2)[::-1], 0.013)
    lengths = np.maximum(6, (0.35 + 0.65 * rng.random(n)) * steps)
    inks = [*palette.colours, palette.ink]
    shares = np.cumsum([0.5**i for i in range(len(inks))])
    colours = np.searchsorted(shares, rng.random(n) * shares[-1])
    room = Room()
    for i in range(n):
        half, ends = int(lengths[i]), int(widths[i] / 2 / step)  # round ends reach further
        if not room.reach(halves[0][0][:1, i], halves[0][1][:1, i], widths[i]):
            continue
        forth, back = (max(1, room.reach(path[:half, i], across[:half, i], widths[i]) - ends) for path, across in halves)
        if (forth + back) * step < max(0.08, 1.2 * widths[i]):
            continue
        ribbon, across = (np.concatenate([halves[1][k][back - 1 : 0 : -1, i], halves[0][k][:forth, i]]) for k in (0, 1))
        room.take(ribbon, across, widths[i])
        canvas.polygon(
            np.concatenate([ribbon + across * widths[i] / 2, (ribbon - across * widths[i] / 2)[::-1]]), inks[colours[i]]
        )
        for x, y in (ribbon[0], ribbon[-1]):
            canvas.disc(x, y, widths[i] / 2, inks[colours[i]])
    return canvas.pixels()


def _spread(rng: Generator, n: int) -> Floats:
    """[n, 2] places, even but in no order: a sequence of the golden ratio's kind, shuffled."""
    steps = np.array([0.7548776662466927, 0.5698402909980532])
    places = (rng.random(2) + np.arange(n)[:, None] * steps) % 1
    return places[np.argsort(rng.random(n))]


class Room:
    """A map of what is drawn on, of the picture and a margin around it. Ribbons are points and unit vectors across, [n, 2]."""

    CELLS, MARGIN, GAP = 128, 0.2, 0.004

    def __init__(self) -> None:
        self.taken = np.zeros((self.CELLS, self.CELLS), dtype=bool)

    def reach(self, ribbon: Floats, across: Floats, width: float) -> int:
        """How many of the points of a ribbon come before the first that has no room."""
        x, y = self._cells(ribbon, across, width)
        blocked = self.taken[y, x].any(1)
        return int(blocked.argmax()) if blocked.any() else len(ribbon)

    def take(self, ribbon: Floats, across: Floats, width: float) -> None:
        for points in (ribbon, (ribbon[1:] + ribbon[:-1]) / 2):  # or the map would have holes where the ribbon bends
            x, y = self._cells(points, across[: len(points)], width)
            self.taken[y, x] = True

    def _cells(self, ribbon: Floats, across: Floats, width: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The cells from one side of the ribbon to the other, [n, k]."""
        reach = width / 2 + self.GAP
        offsets = np.linspace(-reach, reach, int(2 * reach * self.CELLS) + 2)
        scale = self.CELLS / (1 + 2 * self.MARGIN)
        cells = ((ribbon[:, None] + offsets[:, None] * across[:, None] + self.MARGIN) * scale).astype(np.int64)
        return np.clip(cells[..., 0], 0, self.CELLS - 1), np.clip(cells[..., 1], 0, self.CELLS - 1)


# ---------------------------------------------------------------- Truchet tiles


def truchet(rng: Generator, size: int) -> Pixels:
    """Truchet tiles of several sizes whose bands flow into each other: [size, size, 3].

    After Christopher Carlson, Multi-Scale Truchet Patterns, Bridges 2018: every tile reaches over its edges with discs a
    third of its side around the corners, and the colours change places from one size to the next.
    """
    palette = choose_palette(rng)
    mask = Canvas(size, (0, 0, 0))
    n = 2 + int(rng.random() * 2)
    only_arcs = rng.random() < 0.75
    tiles = [(column / n, row / n) for row in range(n) for column in range(n)]
    side = 1 / n
    for level, share in enumerate((0.62, 0.4, 0.0)):
        split = [tile for tile in tiles if rng.random() < share]
        colours = ((255,) * 3, (0,) * 3) if level % 2 else ((0,) * 3, (255,) * 3)
        for x, y in tiles:
            _tile(rng, mask, x, y, side, colours, only_arcs)
        side /= 2
        tiles = [(x + dx, y + dy) for x, y in split for dx in (0, side) for dy in (0, side)]

    grounds = [palette.paper, palette.ink, *palette.colours]
    ground = grounds[0] if rng.random() < 0.6 else grounds[int(rng.random() * len(grounds))]
    bands = [colour for colour in grounds if abs(lightness(colour) - lightness(ground)) > 0.22]
    bands = [bands[i] for i in np.argsort(rng.random(len(bands)))][:2]
    angle = rng.random() * 2 * np.pi
    way = np.linspace(-0.5, 0.5, size)
    way = np.clip(0.5 + np.cos(angle) * way[None, :] + np.sin(angle) * way[:, None], 0, 1)[..., None]
    ink = np.array(bands[0]) * (1 - way) + np.array(bands[-1]) * way
    opacity = mask.pixels()[..., :1] / 255
    return np.rint(np.array(ground) * (1 - opacity) + ink * opacity).astype(np.uint8)


def _tile(rng: Generator, mask: Canvas, x: float, y: float, side: float, colours: tuple[Rgb, Rgb], only_arcs: bool) -> None:
    ground, band = colours
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    middles = [(x + side / 2, y), (x + side, y + side / 2), (x + side / 2, y + side), (x, y + side / 2)]
    mask.polygon(corners, ground)
    for middle_x, middle_y in middles:
        mask.disc(middle_x, middle_y, side / 6, band)
    choice = rng.random()
    turn = int(rng.random() * 2)
    low, high = side / 3, 2 * side / 3
    if only_arcs or choice < 0.5:
        for corner in (turn, turn + 2):
            mask.sector(*corners[corner], high, 90 * corner, 90 * corner + 90, band)
    elif choice < 0.68:
        if turn or choice < 0.56:
            mask.polygon([(x, y + low), (x + side, y + low), (x + side, y + high), (x, y + high)], band)
        if not turn or choice < 0.56:
            mask.polygon([(x + low, y), (x + high, y), (x + high, y + side), (x + low, y + side)], band)
    elif choice < 0.84:
        mask.polygon(corners, band)
    for corner_x, corner_y in corners:
        mask.disc(corner_x, corner_y, side / 3, ground)


DRAWERS: dict[str, Callable[[Generator, int], Pixels]] = {
    "geometric": geometric,
    "harmonographs": harmonograph,
    "flow-fields": flow_field,
    "truchet": truchet,
}
