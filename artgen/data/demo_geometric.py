"""Geometric compositions, after the Bauhaus and the suprematists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import ImageChops

from artgen.data.demo_canvas import Canvas, Generator, Palette, Pixels, Point, Rgb, choose_palette, lightness

Bar = tuple[float, float, float, float, float]  # x, y, angle, length, width
Draft = tuple[float, list[Bar], tuple[float, float, float]]  # the axis' angle, bars, and the anchor: x, y, radius


def geometric(rng: Generator, size: int) -> Pixels:
    """Discs, bars, arcs and triangles in one of four orders, after the Bauhaus and the suprematists: [size, size, 3]."""
    palette = choose_palette(rng)
    canvas = Canvas(size, palette.paper)
    order = (_floating, _patchwork, _orbits, _arches)[int(rng.random() * 4)]
    order(rng, canvas, palette)
    return canvas.pixels()


def _floating(rng: Generator, canvas: Canvas, palette: Palette) -> None:
    """Bars along a slanting axis and across it, held by one heavy form; of several drafts the best balanced one."""
    drafts = [_draft(rng) for _ in range(12)]
    axis, bars, anchor = min(drafts, key=_imbalance)
    x, y, radius = anchor
    colours = palette.colours
    is_round = rng.random() < 0.6
    if is_round:
        canvas.disc(x, y, radius, colours[0])
        if rng.random() < 0.5:
            canvas.disc(x + radius * 0.18, y - radius * 0.18, radius * 0.45, palette.paper)
    else:
        canvas.polygon(_bar(x, y, axis, radius * 1.75, radius * 1.75), palette.ink)
    for i, (bar_x, bar_y, angle, length, width) in enumerate(bars):
        colour = palette.ink if is_round and i % 3 == 1 else colours[1 + i % (len(colours) - 1)]
        canvas.polygon(_bar(bar_x, bar_y, angle, length, width), colour)
    for _ in range(2):
        along = rng.random() * 0.7 + 0.15
        canvas.polygon(_bar(along, rng.random() * 0.7 + 0.15, axis, 0.5 + rng.random() * 0.5, 0.008), palette.ink)
    end_x, end_y, angle, length, _ = bars[0]
    reach = length / 2 + 0.07
    canvas.disc(end_x + reach * np.cos(angle), end_y + reach * np.sin(angle), 0.035 + 0.02 * rng.random(), colours[-1])


def _draft(rng: Generator) -> Draft:
    axis = (0.25 + 0.7 * rng.random()) * (1 if rng.random() < 0.5 else -1)
    bars = []
    across = np.linspace(-0.3, 0.3, 3 + int(rng.random() * 3)) + rng.normal(0, 0.03)
    for offset in across:
        along = rng.normal(0, 0.14)
        x = 0.5 + along * np.cos(axis) - offset * np.sin(axis)
        y = 0.5 + along * np.sin(axis) + offset * np.cos(axis)
        bars.append((x, y, axis, 0.22 + 0.42 * rng.random(), 0.02 + 0.075 * rng.random() ** 1.5))
    for _ in range(1 + int(rng.random() * 2)):
        x, y = 0.5 + rng.normal(0, 0.2, 2)
        bars.append((x, y, axis + np.pi / 2, 0.15 + 0.25 * rng.random(), 0.02 + 0.05 * rng.random()))
    x, y = 0.5 + rng.normal(0, 0.18, 2)
    return axis, bars, (x, y, 0.13 + 0.1 * rng.random())


def _imbalance(draft: Draft) -> float:
    """How far the centre of all weight is from the middle, and how much reaches over the edge."""
    _, bars, (x, y, radius) = draft
    weights = np.array([radius**2 * 3, *(length * width for *_, length, width in bars)])
    places = np.array([(x, y), *((bar[0], bar[1]) for bar in bars)])
    centre = (weights[:, None] * places).sum(0) / weights.sum()
    over = np.maximum(np.abs(places - 0.5) - 0.34, 0).sum()
    return float(np.hypot(*(centre - 0.5)) + over)


def _patchwork(rng: Generator, canvas: Canvas, palette: Palette) -> None:
    """A grid of cells, each one form on one ground."""
    n = 2 + int(rng.random() * 3)
    side = 1 / n
    every = (palette.paper, palette.ink, *palette.colours)
    previous: list[int] = [-1] * n
    for row in range(n):
        for column in range(n):
            ground = _other(rng, len(every), (previous[column], previous[column - 1] if column else -1))
            form = _other(rng, len(every), (ground,))
            while abs(lightness(every[form]) - lightness(every[ground])) < 0.12:
                form = _other(rng, len(every), (ground,))
            previous[column] = ground
            _cell(rng, canvas, column * side, row * side, side, every[ground], every[form])


def _cell(rng: Generator, canvas: Canvas, x: float, y: float, side: float, ground: Rgb, colour: Rgb) -> None:
    canvas.polygon([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], ground)
    turn = int(rng.random() * 4)
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    corner_x, corner_y = corners[turn]
    start = 90 * turn
    form = int(rng.random() * 8)
    if form <= 1:  # a quarter, or one in steps
        canvas.sector(corner_x, corner_y, side, start, start + 90, colour)
        if form == 1:
            canvas.sector(corner_x, corner_y, side * 2 / 3, start, start + 90, ground)
            canvas.sector(corner_x, corner_y, side / 3, start, start + 90, colour)
    elif form == 2:  # two halves
        for step in (0.0, 0.5):
            if turn % 2:
                canvas.sector(x + side * step, y + side / 2, side / 2, 270, 450, colour)
            else:
                canvas.sector(x + side / 2, y + side * step, side / 2, 0, 180, colour)
    elif form == 3:  # a leaf: where two quarters overlap
        leaf = canvas.blank()
        leaf.sector(corner_x, corner_y, side, start, start + 90, (255, 255, 255))
        opposite_x, opposite_y = corners[(turn + 2) % 4]
        other = canvas.blank()
        other.sector(opposite_x, opposite_y, side, start + 180, start + 270, (255, 255, 255))
        canvas.paste(colour, ImageChops.multiply(leaf.image, other.image).convert("L"))
    elif form == 4:  # a disc, or a ring
        canvas.disc(x + side / 2, y + side / 2, side * 0.42, colour)
        if turn % 2:
            canvas.disc(x + side / 2, y + side / 2, side * 0.2, ground)
    elif form == 5:  # half of it
        canvas.polygon([corners[turn], corners[(turn + 1) % 4], corners[(turn + 2) % 4]], colour)
    elif form == 6:  # stripes
        for i in range(3):
            begin = side * (2 * i + 0.5) / 6
            end = begin + side / 6
            if turn % 2:
                canvas.polygon([(x + begin, y), (x + end, y), (x + end, y + side), (x + begin, y + side)], colour)
            else:
                canvas.polygon([(x, y + begin), (x + side, y + begin), (x + side, y + end), (x, y + end)], colour)
    else:  # quarters that meet
        for i in (turn, turn + 2):
            canvas.sector(*corners[i % 4], side / 2, 90 * (i % 4), 90 * (i % 4) + 90, colour)


def _orbits(rng: Generator, canvas: Canvas, palette: Palette) -> None:
    """Concentric rings cut into halves of different colours, discs of coloured glass, and thin lines."""
    x, y = 0.5 + rng.normal(0, 0.07, 2)
    radius = 0.3 + 0.1 * rng.random()
    tilt = rng.random() * 360
    every = (*palette.colours, palette.ink, palette.paper)
    for ring in range(3 + int(rng.random() * 3)):
        reach = radius * (1 - ring / 5.5)
        for half in range(2):
            colour = every[(2 * ring + 3 * half + ring // 2) % len(every)]
            canvas.sector(x, y, reach, tilt + 180 * half, tilt + 180 * half + 180, colour)
    for i in range(2 + int(rng.random() * 3)):
        angle = rng.random() * 2 * np.pi
        distance = radius * (0.75 + 0.4 * rng.random())
        colour = palette.colours[(i + 1) % len(palette.colours)]
        canvas.glass_disc(x + distance * np.cos(angle), y + distance * np.sin(angle), 0.05 + 0.13 * rng.random() ** 1.5, colour)
    slant = np.radians(tilt)
    for offset in (0.0, *rng.normal(0, 0.12, 2)):
        canvas.polygon(
            _bar(x - offset * np.sin(slant), y + offset * np.cos(slant), slant, 0.75 + 0.4 * rng.random(), 0.008), palette.ink
        )


def _arches(rng: Generator, canvas: Canvas, palette: Palette) -> None:
    """A sun over nested arches, which stand on bands."""
    colours = palette.colours
    sun_x, sun_y = 0.2 + 0.6 * rng.random(), 0.14 + 0.2 * rng.random()
    canvas.disc(sun_x, sun_y, 0.07 + 0.09 * rng.random(), colours[0])
    floor = 0.72 + 0.16 * rng.random()
    count = 2 + int(rng.random() * 2)
    centres = (np.arange(count) + 0.5) / count + rng.normal(0, 0.04, count)
    for i, x in enumerate(centres[np.argsort(rng.random(count))]):
        outer = (0.24 + 0.14 * rng.random()) * (1.15 if count == 2 else 0.95)
        height = floor - (0.05 + 0.22 * rng.random())
        rings = 3 + int(rng.random() * 2)
        for ring in range(rings):
            reach = outer * (1 - ring / (rings + 0.4))
            colour = palette.paper if ring % 2 else (*colours[1:], palette.ink)[(i + ring // 2) % len(colours)]
            canvas.disc(x, height, reach, colour)
            canvas.polygon([(x - reach, height), (x + reach, height), (x + reach, 1.0), (x - reach, 1.0)], colour)
    edges = [floor, floor + (1 - floor) * (0.35 + 0.2 * rng.random()), 1.0]
    for i in range(2):
        canvas.polygon([(0, edges[i]), (1, edges[i]), (1, 1), (0, 1)], (palette.ink, colours[-1])[i])


def _bar(x: float, y: float, angle: float, length: float, width: float) -> list[Point]:
    along = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * width / 2
    return [(x + dx, y + dy) for dx, dy in (-along - across, along - across, along + across, across - along)]


def _other(rng: Generator, n: int, excluded: Sequence[int]) -> int:
    """One of n numbers that is not excluded."""
    allowed = [i for i in range(n) if i not in excluded]
    return allowed[int(rng.random() * len(allowed))]
