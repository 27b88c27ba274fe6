"""What the style of a piece is measured by: histograms of its pitches, steps, rhythms and chords."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from artgen.metrics.music_keys import estimate_key, pitch_class_weights, sounding_notes
from artgen.metrics.music_melody import melody_lines
from artgen.music.piece import Piece

LARGEST_INTERVAL = 13  # semitones; wider ones count as this: more than an octave
NOTE_VALUES = (1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6, 8)  # in quarter notes
GRID = 12  # steps to a quarter note: sixteenths and triplets
LONGEST_BAR = 8  # quarter notes; what begins later in a bar counts as this
MOST_NOTES = 64  # in a bar

Histogram = NDArray[np.float64]


def histograms(piece: Piece) -> dict[str, Histogram]:
    """Counts, not shares, by name. Drums are left out everywhere; a piece without a note has zeros.

    pitch_class: quarter notes for which each pitch class sounds, [12].
    scale_degree: the same, from the tonic of the estimated key up; zeros where there is no key.
    interval: melodic intervals of each part's line (`melody_lines`), -13 to 13 semitones, [27].
    duration: notes by the nearest of NOTE_VALUES, in proportion, [16].
    onset: notes by where in their bar they begin, in twelfths of a quarter note, [97].
    chord: what sounds at each quarter note, as pitch classes above the lowest note: bit k is one k + 1 semitones up, octaves
        between do not matter; silence does not count, [2048].
    density: bars by how many notes begin in them, 0 to 64, [65].
    """
    return {name: count(piece) for name, count in FEATURES.items()}


def tables(pieces: Sequence[Piece]) -> dict[str, NDArray[np.float64]]:
    """The histograms of all pieces, by name: [pieces, bins]."""
    rows = [histograms(piece) for piece in pieces]
    return {name: np.stack([row[name] for row in rows]) for name in FEATURES}


def _scale_degrees(piece: Piece) -> Histogram:
    weights = pitch_class_weights(piece)
    key = estimate_key(weights)
    return np.roll(weights, -key.tonic) if key else np.zeros(12)


def _intervals(piece: Piece) -> Histogram:
    steps = np.concatenate([np.zeros(0, dtype=np.int64), *(line.intervals for line in melody_lines(piece))])
    return _counted(steps.clip(-LARGEST_INTERVAL, LARGEST_INTERVAL) + LARGEST_INTERVAL, 2 * LARGEST_INTERVAL + 1)


def _durations(piece: Piece) -> Histogram:
    values = np.log(NOTE_VALUES)
    durations = np.log(np.maximum(sounding_notes(piece)["duration"], 1e-6))
    return _counted(np.searchsorted((values[1:] + values[:-1]) / 2, durations), len(values))


def _onsets(piece: Piece) -> Histogram:
    onset, bars = sounding_notes(piece)["onset"], np.array(piece.bars())
    bar = bars[np.searchsorted(bars, onset + 1e-9, side="right") - 1]
    place = np.floor((onset - bar) * GRID + 0.5).astype(np.int64)
    return _counted(place.clip(0, GRID * LONGEST_BAR), GRID * LONGEST_BAR + 1)


def _chords(piece: Piece) -> Histogram:
    notes = sounding_notes(piece)
    first = np.ceil(notes["onset"] - 1e-9).astype(np.int64)  # the first and last quarter note at which each note sounds
    last = np.ceil(notes["onset"] + notes["duration"] - 1e-9).astype(np.int64) - 1
    lengths = np.maximum(last - first + 1, 0)
    beat = np.repeat(first - lengths.cumsum() + lengths, lengths) + np.arange(lengths.sum())
    pitch = np.repeat(notes["pitch"].astype(np.int64), lengths)
    beats, beat = np.unique(beat, return_inverse=True)
    bass = np.full(len(beats), 128)
    np.minimum.at(bass, beat, pitch)
    above = np.zeros((len(beats), 12), dtype=bool)
    above[beat, (pitch - bass[beat]) % 12] = True
    return _counted(above[:, 1:] @ (1 << np.arange(11)), 1 << 11)


def _densities(piece: Piece) -> Histogram:
    bars = np.array(piece.bars())
    if len(bars) < 2:
        return np.zeros(MOST_NOTES + 1)
    bar = np.searchsorted(bars, sounding_notes(piece)["onset"] + 1e-9, side="right") - 1
    return _counted(np.bincount(bar, minlength=len(bars) - 1).clip(max=MOST_NOTES), MOST_NOTES + 1)


def _counted(bins: NDArray[np.integer], n: int) -> Histogram:
    return np.bincount(bins, minlength=n).astype(np.float64)


FEATURES: dict[str, Callable[[Piece], Histogram]] = {
    "pitch_class": pitch_class_weights,
    "scale_degree": _scale_degrees,
    "interval": _intervals,
    "duration": _durations,
    "onset": _onsets,
    "chord": _chords,
    "density": _densities,
}
