"""A piece as a picture: where its notes stand, in which colours, and how long pieces fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.media.pianoroll import PALETTE, piano_roll, write_piano_roll
from artgen.media.pianoroll_layout import HEIGHT, WIDTH, depths_of, lay_out
from artgen.media.reading import read_recipe
from artgen.music.piece import Part, Piece, make_notes
from tests.media.music import four_parts, piece_of, recipe

LEGEND_ENDS = 100  # pixels from the top


def near(piece: Piece, colour: tuple[int, int, int], tolerance: int = 90) -> np.ndarray:
    """Where the picture, below its legend, is nearly of a colour that is no grey: [n, (row, column)]."""
    pixels = np.asarray(piano_roll(piece)).astype(int)[LEGEND_ENDS:]
    distance = np.abs(pixels - colour).sum(axis=2)
    return np.argwhere((distance < tolerance) & (np.ptp(pixels, axis=2) > 40))


def lightness(colour: tuple[int, int, int]) -> float:
    """L* of CIELAB, 0 to 100."""
    linear = [(v / 255 / 12.92) if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return 116 * luminance ** (1 / 3) - 16


def test_a_later_note_is_further_right_and_a_higher_one_further_up() -> None:
    rows = [(0.0, 1.0, 60, 127, 0), (2.0, 1.0, 67, 127, 1)]
    piece = Piece(make_notes(rows), (Part("a"), Part("b")))
    layout = lay_out(piece)
    first, second = near(piece, PALETTE[0]), near(piece, PALETTE[1])
    assert second[:, 1].min() - first[:, 1].min() == pytest.approx(2 * layout.quarter, abs=1)
    assert first[:, 0].min() - second[:, 0].min() == pytest.approx(7 * layout.height, abs=1)
    assert np.ptp(first[:, 1]) == pytest.approx(layout.quarter, abs=4)


def test_a_softer_note_is_paler() -> None:
    def darkest(velocity: int) -> int:
        piece = Piece(make_notes([(0.0, 4.0, 60, velocity, 0)]))
        pixels = np.asarray(piano_roll(piece)).astype(int)[LEGEND_ENDS:]
        coloured = pixels[np.ptp(pixels, axis=2) > 40].sum(axis=1)
        values, counts = np.unique(coloured, return_counts=True)
        return int(values[counts.argmax()])  # the note's inside

    assert darkest(127) < darkest(64) < darkest(1)


def test_neighbouring_parts_differ_in_lightness() -> None:
    assert all(abs(lightness(one) - lightness(two)) > 10 for one, two in zip(PALETTE, PALETTE[1:], strict=False))
    assert len(set(PALETTE)) == len(PALETTE)


def test_every_part_has_a_colour_and_a_unison_shows_both() -> None:
    assert all(len(near(four_parts(), colour)) for colour in PALETTE[:4])
    rows = [(0.0, 2.0, 60, 100, 0), (0.0, 2.0, 60, 100, 1)]
    unison = Piece(make_notes(rows), (Part("a"), Part("b")))
    assert all(len(near(unison, colour)) for colour in PALETTE[:2])


def test_a_note_lies_within_longer_ones_of_other_parts_on_its_key() -> None:
    rows = [(0.0, 8.0, 60, 90, 0), (1.0, 1.0, 60, 90, 1), (1.0, 1.0, 60, 90, 2), (3.0, 1.0, 62, 90, 1), (5.0, 1.0, 60, 90, 0)]
    piece = Piece(make_notes(rows), (Part(), Part(), Part()))
    assert depths_of(piece) == [0, 1, 2, 0, 0]  # as sorted: the last is of the same part as the long one


def test_drums_and_keys_of_the_same_number_do_not_meet() -> None:
    rows = [(0.0, 4.0, 36, 90, 0), (0.0, 1.0, 36, 90, 1)]
    assert depths_of(Piece(make_notes(rows), (Part("Bass"), Part("Kit", 0, True)))) == [0, 0]


def test_long_pieces_go_on_in_the_next_system() -> None:
    piece = piece_of(*[(float(at), 1.0, 60 + at % 12) for at in range(100)])
    layout = lay_out(piece)
    assert len(layout.systems) > 1
    assert [bars[0] for bars in layout.systems[1:]] == [bars[-1] for bars in layout.systems[:-1]]
    assert all((len(bars) - 1) % 4 == 0 for bars in layout.systems[:-1])
    assert layout.systems[0][0] == 0 and layout.systems[-1][-1] == 100
    image = piano_roll(piece)
    assert image.width <= WIDTH and image.height <= HEIGHT


def test_a_note_across_systems_is_drawn_in_both() -> None:
    piece = piece_of((0, 100, 60))
    assert len(near(piece, PALETTE[0])) > 2 * 1000
    rows = near(piece, PALETTE[0])[:, 0]
    assert (np.diff(np.unique(rows)) > 50).sum() == len(lay_out(piece).systems) - 1


def test_hours_of_music_are_cut_and_say_so() -> None:
    piece = piece_of(*[(float(at), 1.0, 30 + at % 60) for at in range(16_000)])
    layout = lay_out(piece)
    assert layout.n_bars_left_out > 0 and layout.n_bars + layout.n_bars_left_out == 4000
    image = piano_roll(piece)
    assert image.width <= WIDTH and image.height <= HEIGHT


def test_bars_follow_the_meters_and_a_bar_too_long_is_cut() -> None:
    meters = ((0.0, 3, 4), (6.0, 6, 8), (9.0, 5, 4))
    piece = replace(piece_of((0, 14, 60)), meters=meters)
    assert lay_out(piece).systems == [[0, 3, 6, 9, 14]]
    endless = replace(piece_of((0, 400, 60)), meters=((0.0, 400, 4),))
    assert piano_roll(endless).width <= WIDTH


def test_drums_stand_below_the_keys() -> None:
    rows = [(0.0, 1.0, 60, 127, 0), (0.0, 1.0, 38, 127, 1), (1.0, 1.0, 90, 127, 1)]
    piece = Piece(make_notes(rows), (Part("a"), Part("kit", 0, True)))
    layout = lay_out(piece)
    assert [(row.pitch, row.drum) for row in layout.rows if row.drum] == [(90, True), (38, True)]
    assert near(piece, PALETTE[1])[:, 0].min() > near(piece, PALETTE[0])[:, 0].max()
    piano_roll(piece_of((0, 1, 38), is_drum=True))


@pytest.mark.parametrize("pitch", [0, 127])
def test_the_ends_of_the_keyboard_can_be_drawn(pitch: int) -> None:
    assert len(near(piece_of((0, 1, pitch)), PALETTE[0]))


def test_the_picture_carries_its_recipe_and_is_the_same_again(tmp_path: Path) -> None:
    out = write_piano_roll(four_parts(), tmp_path / "a.png", [recipe()])
    assert read_recipe(out).recipes == [recipe()]
    first = out.read_bytes()
    assert write_piano_roll(four_parts(), out, [recipe()], force=True).read_bytes() == first
    with pytest.raises(UsageError, match="exists"):
        write_piano_roll(four_parts(), out, [recipe()])


def test_a_piece_without_notes_is_not_drawn() -> None:
    with pytest.raises(UsageError, match="has no notes to draw"):
        piano_roll(piece_of())
