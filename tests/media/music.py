"""Small pieces that the tests of sound, picture and score share."""

from __future__ import annotations

from artgen.media.recipe import Recipe
from artgen.music.piece import Part, Piece, make_notes


def recipe(index: int = 0, prompt: str = "春, \0 and \n") -> Recipe:
    return Recipe("sample", "music.rnn", "runs/bach", "ab" * 32, seed=7, index=index, options={"prompt": prompt, "none": None})


def piece_of(*rows: tuple[float, float, int], tempo: float = 120.0, program: int = 0, is_drum: bool = False) -> Piece:
    """A piece of one part from (onset, duration, pitch)."""
    notes = make_notes([(onset, duration, pitch, 90, 0) for onset, duration, pitch in rows])
    return Piece(notes, (Part("", program, is_drum),), ((0.0, tempo),))


def four_parts() -> Piece:
    """Two bars of four voices in G major that share a pitch and tie over the bar."""
    voices = [
        [(0, 1, 67), (1, 1, 69), (2, 1, 71), (3, 2, 72), (5, 1, 71), (6, 2, 67)],
        [(0, 2, 62), (2, 2, 62), (4, 2, 64), (6, 2, 62)],
        [(0, 1, 59), (1, 1, 60), (2, 2, 62), (4, 2, 60), (6, 2, 59)],
        [(0, 2, 43), (2, 1.5, 55), (3.5, 0.5, 54), (4, 2, 48), (6, 2, 43)],
    ]
    rows = [
        (float(on), float(length), pitch, 80 + 5 * part, part)
        for part, voice in enumerate(voices)
        for on, length, pitch in voice
    ]
    names = [("Soprano", 52), ("Alto", 40), ("Tenor", 68), ("Bass", 70)]
    parts = tuple(Part(name, program) for name, program in names)
    return Piece(make_notes(rows), parts, ((0.0, 100.0),), keys=((0.0, 7, False),), name="Chorale")
