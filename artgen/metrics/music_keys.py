"""The key of a piece and how clear it is: the algorithm of Krumhansl and Schmuckler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from artgen.music.keys import key_name
from artgen.music.piece import Piece

Profile = Literal["krumhansl-kessler", "temperley"]

# How much each pitch class belongs to a key, from its tonic up by semitones: (major, minor).
PROFILES: dict[Profile, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # Listeners' ratings: Krumhansl and Kessler 1982, "Tracing the dynamic changes in perceived tonal organization in a spatial
    # representation of musical keys"; the numbers are in Krumhansl 1990, "Cognitive foundations of musical pitch", table 2.1.
    "krumhansl-kessler": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    # Shares of segments of a harmony textbook (Kostka and Payne) with that pitch class: Temperley 2007, "Music and probability".
    "temperley": (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
}

DEFAULT: Profile = "temperley"  # right on the tonic of 87 % of the 382 chorales of the JSB set, Krumhansl and Kessler's of 80 %


@dataclass(frozen=True)
class Key:
    """The key that fits best."""

    tonic: int  # pitch class, 0 is C
    minor: bool
    clarity: float  # correlation with its profile, at most 1
    margin: float  # how much less the next best key correlates

    def __str__(self) -> str:
        return key_name(self.tonic, self.minor)


def estimate_key(weights: NDArray[np.floating], profile: Profile = DEFAULT) -> Key | None:
    """The major or minor key whose profile correlates best (Pearson) with how long each pitch class sounds, [12].

    Krumhansl 1990, chapter 4; with Temperley's profile clarity comes out higher, so compare figures of one profile only. None where nothing sounds, or all pitch classes equally long: no key is nearer than another.
    """
    centred = np.asarray(weights, dtype=np.float64) - np.mean(weights, dtype=np.float64)
    if np.linalg.norm(centred) <= 1e-12 * max(1.0, float(np.abs(weights).max())):
        return None
    correlations = _profiles(profile) @ (centred / np.linalg.norm(centred))
    order = np.argsort(-correlations, kind="stable")
    best = int(order[0])
    margin = float(correlations[best] - correlations[order[1]])
    return Key(best % 12, best >= 12, float(correlations[best]), margin)


def pitch_class_weights(piece: Piece) -> NDArray[np.float64]:
    """How long each pitch class sounds, in quarter notes, without drums: [12]."""
    notes = sounding_notes(piece)
    return np.bincount(notes["pitch"] % 12, notes["duration"], 12).astype(np.float64)


def sounding_notes(piece: Piece) -> NDArray[np.void]:
    """The notes that have a pitch: all but the drums'."""
    drums = np.array([part.is_drum for part in piece.parts], dtype=bool)
    return piece.notes[~drums[piece.notes["part"]]]


def _profiles(name: Profile) -> NDArray[np.float64]:
    """[24, 12], each centred and of length 1: the major keys from C up, then the minor ones."""
    rows = np.array([np.roll(profile, tonic) for profile in PROFILES[name] for tonic in range(12)])
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
