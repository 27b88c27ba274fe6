"""What a teacher of harmony would look at first: key, silence, dissonance; for four voices ranges, crossings, spacing, parallels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artgen.errors import UsageError
from artgen.metrics.estimate import REPLICATES, Estimate, estimate_ratio
from artgen.metrics.music_keys import DEFAULT, Profile, estimate_key, pitch_class_weights, sounding_notes
from artgen.music.piece import Piece

Voices = NDArray[np.integer]  # [time, 4]: MIDI pitches of soprano, alto, tenor, bass on a grid, -1 for silence

OCTAVE = 12


def piece_figures(
    pieces: Sequence[Piece], profile: Profile = DEFAULT, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Estimate]:
    """Means over pieces, with the interval of resampled pieces.

    key_clarity: the mean of each piece's (`estimate_key`), pieces without a key left out.
    empty_bars: bars in which nothing sounds, as a share of all bars.
    dissonance: `dissonance` of all pieces together.
    Raises UsageError for no piece.
    """
    if not pieces:
        raise UsageError("there are no pieces to judge")
    keys = [estimate_key(pitch_class_weights(piece), profile) for piece in pieces]
    pairs: dict[str, list[tuple[float, float]]] = {
        "key_clarity": [(key.clarity, 1.0) if key else (0.0, 0.0) for key in keys],
        "empty_bars": [empty_bars(piece) for piece in pieces],
        "dissonance": [dissonance(piece) for piece in pieces],
    }
    return {name: _ratio(rows, 1.0, replicates, seed) for name, rows in pairs.items()}


def voice_figures(pieces: Sequence[Voices], replicates: int = REPLICATES, seed: int = 0) -> dict[str, Estimate]:
    """Rates over all pieces together, with the interval of resampled pieces: each piece voices [time, 4].

    parallel_fifths, parallel_octaves, parallels (both): per 100 chord changes, see `parallels`.
    crossings, wide_spacing: shares of steps, see `crossings` and `wide_spacing`.
    Raises UsageError for no piece or one that is not [time, 4].
    """
    if not pieces:
        raise UsageError("there are no pieces to judge")
    for number, voices in enumerate(pieces):
        if np.ndim(voices) != 2 or np.shape(voices)[1] != 4:
            raise UsageError(f"piece {number + 1} is {list(np.shape(voices))}, expected [time, 4]: soprano, alto, tenor, bass")
    found = [parallels(voices) for voices in pieces]
    hundred = {
        "parallel_fifths": [(each.fifths, each.changes) for each in found],
        "parallel_octaves": [(each.octaves, each.changes) for each in found],
        "parallels": [(each.fifths + each.octaves, each.changes) for each in found],
    }
    shares = {"crossings": [crossings(v) for v in pieces], "wide_spacing": [wide_spacing(v) for v in pieces]}
    return {name: _ratio(rows, 100.0, replicates, seed) for name, rows in hundred.items()} | {
        name: _ratio(rows, 1.0, replicates, seed) for name, rows in shares.items()
    }


def _ratio(rows: Sequence[tuple[float, float]], scale: float, replicates: int, seed: int) -> Estimate:
    table = torch.tensor(rows, dtype=torch.float64)
    return estimate_ratio(scale * table[:, 0], table[:, 1], replicates=replicates, seed=seed)


# ---------------------------------------------------------------- of pieces


def empty_bars(piece: Piece) -> tuple[int, int]:
    """(bars in which nothing sounds, drums neither; bars up to the last note's end)."""
    begins = np.array(piece.bars())
    onset, end = piece.notes["onset"], piece.notes["onset"] + piece.notes["duration"]
    # A bar is empty if every note that began before its end was over when it began.
    begun = np.searchsorted(np.sort(onset), begins[1:] - 1e-9)
    over = np.searchsorted(np.sort(end), begins[:-1] + 1e-9)
    return int((begun <= over).sum()), len(begins) - 1


def dissonance(piece: Piece) -> tuple[float, float]:
    """(quarter notes that pairs of notes sound together a minor second, tritone or major seventh apart, those that any two
    notes sound together): the quotient is the share of sounding pairs, weighted by how long they sound.

    Octaves between do not matter, so a minor ninth counts as well; notes of all parts but drums are paired.
    """
    notes = sounding_notes(piece)
    n = len(notes)
    times = np.concatenate([notes["onset"] + notes["duration"], notes["onset"]])
    order = np.argsort(times, kind="stable")  # ends before onsets of the same time, though no time passes between
    changes = np.zeros((2 * n, 12), dtype=np.int64)
    changes[np.arange(2 * n), np.tile(notes["pitch"] % 12, 2)] = np.repeat([-1, 1], n)
    sounding = changes[order].cumsum(axis=0)[:-1]  # [2n - 1, 12]: notes of each pitch class after each change
    lasts = np.diff(times[order])
    total = sounding.sum(axis=1)
    harsh = (sounding * (np.roll(sounding, -1, axis=1))).sum(axis=1) + (sounding[:, :6] * sounding[:, 6:]).sum(axis=1)
    return float(lasts @ harsh), float(lasts @ (total * (total - 1) / 2))


def part_ranges(piece: Piece) -> list[tuple[int, int] | None]:
    """(lowest, highest) pitch of every part; None of drums and of parts without a note."""
    found: list[tuple[int, int] | None] = []
    for number, part in enumerate(piece.parts):
        pitch = piece.notes["pitch"][piece.notes["part"] == number]
        found.append(None if part.is_drum or not len(pitch) else (int(pitch.min()), int(pitch.max())))
    return found


# ---------------------------------------------------------------- of four voices


@dataclass(frozen=True)
class Parallels:
    """How often two voices go on in parallel perfect intervals."""

    fifths: int
    octaves: int  # and unisons
    changes: int  # steps at which any voice's pitch differs from the step before: chord changes
    places: tuple[tuple[int, int, int], ...]  # (step reached, upper voice, lower voice), 0 is the soprano

    @property
    def per_100(self) -> float:
        """Both kinds per 100 chord changes; 0 where no chord changes."""
        return 100 * (self.fifths + self.octaves) / self.changes if self.changes else 0.0


def parallels(voices: Voices) -> Parallels:
    """Parallel fifths and octaves between any two of four voices, from each step to the next: voices [time, 4].

    Counted is a pair of voices that sound at both steps, both move, in the same direction, and are a perfect fifth (7
    semitones, octaves between or not) apart at both steps, or an octave or unison at both. A repeated or held note does not
    move; fifths in contrary motion, hidden ones and those with an ornament between are not counted. A diminished fifth is 6
    semitones and does not count. The finer the grid, the fewer: what moves at different steps is no parallel.
    """
    v = np.asarray(voices, dtype=np.int64)
    before, after = v[:-1], v[1:]
    changes = int((before != after).any(axis=1).sum())
    counts = {7: 0, 0: 0}
    places = []
    for upper in range(v.shape[1]):
        for lower in range(upper + 1, v.shape[1]):
            a, b = before[:, upper], before[:, lower]
            c, d = after[:, upper], after[:, lower]
            sound = (a >= 0) & (b >= 0) & (c >= 0) & (d >= 0)
            together = sound & (np.sign(c - a) * np.sign(d - b) > 0)
            for kind in counts:
                hits = together & (np.abs(a - b) % OCTAVE == kind) & (np.abs(c - d) % OCTAVE == kind)
                counts[kind] += int(hits.sum())
                places += [(int(step) + 1, upper, lower) for step in np.flatnonzero(hits)]
    return Parallels(counts[7], counts[0], changes, tuple(sorted(places)))


def crossings(voices: Voices) -> tuple[int, int]:
    """(steps at which a voice is above its upper neighbour, steps at which two voices sound)."""
    v = np.asarray(voices)
    sound = (v[:, :-1] >= 0) & (v[:, 1:] >= 0)
    return int((sound & (v[:, :-1] < v[:, 1:])).any(axis=1).sum()), int(sound.any(axis=1).sum())


def wide_spacing(voices: Voices) -> tuple[int, int]:
    """(steps at which soprano and alto or alto and tenor are more than an octave apart, steps at which either pair sounds).

    Tenor and bass may be as far apart as they like.
    """
    v = np.asarray(voices)[:, :3]
    sound = (v[:, :-1] >= 0) & (v[:, 1:] >= 0)
    return int((sound & (v[:, :-1] - v[:, 1:] > OCTAVE)).any(axis=1).sum()), int(sound.any(axis=1).sum())


def voice_ranges(pieces: Sequence[Voices]) -> list[tuple[int, int] | None]:
    """(lowest, highest) pitch of each voice over all pieces, None of one that never sounds."""
    v = np.concatenate([np.asarray(piece) for piece in pieces])
    return [(int(p.min()), int(p.max())) if len(p) else None for p in (voice[voice >= 0] for voice in v.T)]
