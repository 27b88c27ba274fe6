"""Real music for the tests of music metrics, from ../shared/data, in the few forms that they need."""

from __future__ import annotations

import json

import numpy as np
import pytest

from artgen.music.piece import Part, Piece, make_notes
from tests.metrics.drawn import shared

JSB = "jsb-chorales/Jsb16thSeparated.json"


def chorales(split: str) -> list[np.ndarray]:
    """Voices [time, 4] on a grid of 16th notes, -1 for silence; split: train, valid or test."""
    return [np.array(voices) for voices in json.loads(shared(JSB).read_text())[split]]


def as_piece(voices: np.ndarray, steps: int = 4) -> Piece:
    """A part for each voice; a pitch that lasts is one note."""
    rows = []
    for part, voice in enumerate(np.asarray(voices).T):
        edges = np.flatnonzero(np.diff(voice, prepend=-2, append=-2))
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if voice[begin] >= 0:
                rows.append((begin / steps, (end - begin) / steps, int(voice[begin]), 80, part))
    return Piece(make_notes(rows), tuple(Part(name) for name in ("soprano", "alto", "tenor", "bass")))


def nottingham(n: int | None = None) -> list[Piece]:
    """Tunes with chords, in the order of their names: melody and accompaniment are parts."""
    pretty_midi = pytest.importorskip("pretty_midi")
    pieces = []
    for path in sorted(shared("midi-nottingham").glob("*.mid"))[:n]:
        midi = pretty_midi.PrettyMIDI(str(path))
        rows = []
        for part, instrument in enumerate(midi.instruments):
            for note in instrument.notes:
                begin, end = (midi.time_to_tick(at) / midi.resolution for at in (note.start, note.end))
                rows.append((begin, end - begin, note.pitch, note.velocity, part))
        parts = tuple(Part(i.name, i.program, i.is_drum) for i in midi.instruments)
        meters = [
            (midi.time_to_tick(c.time) / midi.resolution, c.numerator, c.denominator) for c in midi.time_signature_changes
        ]
        if not meters or meters[0][0] > 0:
            meters.insert(0, (0.0, 4, 4))
        pieces.append(Piece(make_notes(rows), parts, meters=tuple(meters), name=path.stem).quantised(12))
    return pieces
