"""A piece as a picture: a piano roll in systems, with bars, beats, the keys' names, and a colour for each part."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artgen.errors import UsageError, counted
from artgen.media.pianoroll_layout import BAR_NUMBERS, GAP, MARGIN, Layout, depths_of, lay_out
from artgen.media.picture import write_pictures
from artgen.media.recipe import Recipe
from artgen.music.instruments import SHARPS, instrument_name, pitch_name
from artgen.music.keys import key_name
from artgen.music.piece import Piece

Colour = tuple[int, int, int]

# Neighbours differ in lightness as well as in hue, for those who see no hue and for grey printers.
PALETTE: tuple[Colour, ...] = (
    (27, 79, 158),
    (242, 146, 29),
    (17, 138, 112),
    (140, 20, 62),
    (83, 179, 232),
    (116, 70, 190),
    (163, 172, 32),
    (110, 62, 24),
    (236, 122, 176),
    (74, 84, 98),
)
PAPER, SHADE, INK, SOFT = (255, 255, 255), (241, 243, 247), (38, 42, 50), (122, 129, 141)
ROW_LINE, OCTAVE_LINE, BEAT_LINE, BAR_LINE = (231, 234, 239), (205, 210, 219), (222, 226, 233), (150, 157, 169)
KEY_WHITE, KEY_BLACK = (252, 252, 250), (48, 52, 60)

QUIET = 0.4  # opacity of a note of velocity 1; one of 127 has 1


def piano_roll(piece: Piece) -> Image.Image:
    """The roll of a piece as RGB: time to the right, in as many systems as it takes, pitch upwards; drums stand below by name.

    A louder note is less pale. Of parts that play the same key at once, the shorter note lies
    within the longer one. A piece that is too long for HEIGHT is drawn
    smaller, and beyond that without its end, which the picture says. Raises UsageError if the piece has no notes.
    """
    if not len(piece.notes):
        raise UsageError(f"{piece.name or 'the piece'}: has no notes to draw")
    layout = lay_out(piece)
    playing = [number for number in range(len(piece.parts)) if (piece.notes["part"] == number).any()]
    colours = {number: PALETTE[i % len(PALETTE)] for i, number in enumerate(playing)}
    width = max(layout.left + layout.width + 2 * MARGIN, 640)
    legend, header = _legend(piece, playing, width)
    system = BAR_NUMBERS + layout.roll + GAP
    image = Image.new("RGB", (width, header + system * len(layout.systems) + MARGIN - GAP), PAPER)
    pen = ImageDraw.Draw(image)
    _draw_header(pen, piece, layout, legend, colours, width)
    depths = depths_of(piece)
    bar = 1
    for i, bars in enumerate(layout.systems):
        top = header + i * system + BAR_NUMBERS
        _draw_grid(pen, piece, layout, bars, top, bar)
        _draw_notes(pen, piece, layout, bars, top, colours, depths)
        bar += len(bars) - 1
    return image


def write_piano_roll(piece: Piece, out: Path | str, recipes: Sequence[Recipe], force: bool = False) -> Path:
    """`piano_roll` as a PNG file that carries the recipes. Raises as `artgen.media.picture.write_pictures`."""
    return write_pictures([np.asarray(piano_roll(piece))], out, recipes, force)[0]


# ---------------------------------------------------------------- drawing


def _legend(piece: Piece, playing: list[int], width: int) -> tuple[list[tuple[int, int, int, str]], int]:
    """(left, top, part, text) of each part's entry, and where the systems begin."""
    font = _font(15)
    entries, left, top = [], MARGIN, 66
    for number in playing:
        part = piece.parts[number]
        instrument = "drums" if part.is_drum else instrument_name(part.program)
        name = " ".join(part.name.split())[:40]
        text = f"{name}, {instrument}" if name and name.lower() != instrument.lower() else name or instrument
        needs = 24 + math.ceil(font.getlength(text)) + 28
        if left > MARGIN and left + needs > width - MARGIN:
            left, top = MARGIN, top + 24
        entries.append((left, top, number, text))
        left += needs
    return entries, top + 34


def _draw_header(
    pen: ImageDraw.ImageDraw,
    piece: Piece,
    layout: Layout,
    legend: list[tuple[int, int, int, str]],
    colours: dict[int, Colour],
    width: int,
) -> None:
    facts = [counted(layout.n_bars, "bar")]
    if layout.n_bars_left_out:
        facts = [f"bars 1 to {layout.n_bars:,} of {layout.n_bars + layout.n_bars_left_out:,}"]
    _, beats, unit = piece.meters[0]
    facts += [f"{beats}/{unit}" + (" and others" if len(piece.meters) > 1 else "")]
    if piece.keys:
        _, tonic, minor = piece.keys[0]
        facts += [key_name(tonic, minor)]
    facts += [f"tempo {piece.tempos[0][1]:.0f}" + (" and others" if len(piece.tempos) > 1 else "")]
    seconds = round(piece.seconds(piece.end))
    facts += [f"{seconds // 60}:{seconds % 60:02}"]
    said = "   ".join(facts)
    pen.text((MARGIN, 22), said if not piece.name else " ".join(piece.name.split())[:60], INK, _font(22))
    if piece.name:
        pen.text((width - MARGIN, 44), said, SOFT, _font(15), anchor="rs")
    for left, top, number, text in legend:
        pen.rounded_rectangle((left, top + 1, left + 15, top + 16), 4, colours[number])
        pen.text((left + 24, top + 15), text, INK, _font(15), anchor="ls")


def _draw_grid(pen: ImageDraw.ImageDraw, piece: Piece, layout: Layout, bars: list[float], top: int, number: int) -> None:
    """Keys, rows, beats, bars and their numbers of a system."""
    left = MARGIN + layout.left
    right = left + round((bars[-1] - bars[0]) * layout.quarter)
    for row in layout.rows:
        y = top + row.top
        if row.drum:
            pen.rectangle((left, y, right, y + layout.height - 1), SHADE if row.pitch % 2 else PAPER)
            name = _drum_name(row.pitch)
            if layout.height >= 10:
                pen.text((left - 8, y + layout.height / 2), name, SOFT, _font(layout.height - 1), anchor="rm")
            continue
        black = len(SHARPS[row.pitch % 12]) > 1
        pen.rectangle((left, y, right, y + layout.height - 1), SHADE if black else PAPER)
        if row.pitch % 12 in (0, 5):  # below C and F lies another white key
            pen.line((left, y + layout.height - 1, right, y + layout.height - 1), ROW_LINE if row.pitch % 12 else OCTAVE_LINE)
        _draw_key(pen, row.pitch, black, left, y, layout.height)
    panels = [[row for row in layout.rows if row.drum == drum] for drum in (False, True)]
    spans = [(top + rows[0].top, top + rows[-1].top + layout.height) for rows in panels if rows]
    for i, (begin, end) in enumerate(pairwise(bars)):
        x = left + round((begin - bars[0]) * layout.quarter)
        beat = 4 / _meter(piece, begin)[1]
        n_beats = math.ceil((end - begin) / beat - 1e-9)
        for high, low in spans:
            if beat * layout.quarter >= 8:
                for k in range(1, n_beats):
                    at = x + round(k * beat * layout.quarter)
                    pen.line((at, high, at, low), BEAT_LINE)
            pen.line((x, high, x, low), BAR_LINE)
        every = max(1, math.ceil(34 / ((end - begin) * layout.quarter)))
        if i % every == 0:
            pen.text((x + 1, top - 6), str(number + i), SOFT, _font(13), anchor="ls")
    for high, low in spans:
        pen.rectangle((left, high - 1, right, low), outline=BAR_LINE)


def _draw_key(pen: ImageDraw.ImageDraw, pitch: int, black: bool, left: int, y: int, height: int) -> None:
    begin, end = left - 30, left - 1
    pen.rectangle((begin, y, end, y + height - 1), KEY_WHITE)
    if black:
        pen.line((begin, y + height // 2, end, y + height // 2), OCTAVE_LINE)
        pen.rectangle((begin, y + 1, begin + 18, y + height - 2), KEY_BLACK)
    elif pitch % 12 in (0, 5):
        pen.line((begin, y + height - 1, end, y + height - 1), OCTAVE_LINE)
    pen.line((begin - 1, y, begin - 1, y + height - 1), BAR_LINE)
    if pitch % 12 == 0:
        pen.text((begin - 6, y + height / 2), pitch_name(pitch), INK, _font(13), anchor="rm")
    elif not black and height >= 10:
        pen.text((begin - 6, y + height / 2), pitch_name(pitch), (168, 174, 184), _font(10), anchor="rm")


def _draw_notes(
    pen: ImageDraw.ImageDraw,
    piece: Piece,
    layout: Layout,
    bars: list[float],
    top: int,
    colours: dict[int, Colour],
    depths: list[int],
) -> None:
    rows = {(row.pitch, row.drum): row.top for row in layout.rows}
    left = MARGIN + layout.left
    begins, ends = piece.notes["onset"], piece.notes["onset"] + piece.notes["duration"]
    shown = np.flatnonzero((begins < bars[-1] - 1e-9) & (ends > bars[0] + 1e-9)).tolist()
    for at in sorted(shown, key=lambda i: depths[i]):
        note = piece.notes[at]
        part = int(note["part"])
        x = left + round((max(float(begins[at]), bars[0]) - bars[0]) * layout.quarter)
        until = left + round((min(float(ends[at]), bars[-1]) - bars[0]) * layout.quarter) - 2
        y = top + rows[int(note["pitch"]), piece.parts[part].is_drum]
        inset = min(depths[at] * max(1, layout.height // 5), (layout.height - 3) // 2)
        high, low = y + inset, y + layout.height - 2 - inset
        full = colours[part]
        opacity = QUIET + (1 - QUIET) * int(np.clip(note["velocity"], 1, 127)) / 127
        box = (x + 1, high, max(until, x + 2), low)
        fill, edge = _mixed(full, PAPER, opacity), _mixed(full, INK, 0.8)
        radius = min(3, (box[2] - box[0]) // 2 - 1, (low - high) // 2 - 1)
        continued = begins[at] < bars[0] - 1e-9
        if radius > 0:
            pen.rounded_rectangle(box, radius, fill, edge, corners=(not continued, True, True, not continued))
        else:
            pen.rectangle(box, fill, edge if low - high > 2 else None)
        if not continued and box[2] - box[0] >= 6:  # where it is struck
            pen.line((box[0] + 1, high + 1, box[0] + 1, max(low - 1, high + 1)), edge)


def _meter(piece: Piece, quarter: float) -> tuple[int, int]:
    at = bisect_right([meter[0] for meter in piece.meters], quarter + 1e-9) - 1
    _, beats, unit = piece.meters[max(at, 0)]
    return beats, unit


def _drum_name(pitch: int) -> str:
    from pretty_midi.constants import DRUM_MAP

    return str(DRUM_MAP[pitch - 35]) if 0 <= pitch - 35 < len(DRUM_MAP) else f"drum {pitch}"


def _mixed(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(one * share + two * (1 - share)) for one, two in zip(colour, other, strict=True))
    return red, green, blue


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
