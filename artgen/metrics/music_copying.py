"""Whether samples copy melodies: the longest span of notes of each that stands in a training piece, in any key.

Two notes in a row are an interval; a span of n notes is n - 1 intervals in a row, so that transposition does not matter.
With rhythm, the time from each note to the next has to be the same as well. All lines of all pieces are sorted by what
follows each note (a suffix array, made by doubling: Manber and Myers 1993, "Suffix arrays: a new method for on-line string
searches"): the training note whose continuation is most like that of a sample's note stands next to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artgen.errors import UsageError
from artgen.metrics.estimate import REPLICATES, Estimate, estimate, resamplings
from artgen.metrics.music_melody import Line, melody_lines
from artgen.music.piece import Piece

GRID = 12  # steps to a quarter note at which rhythms are compared
QUANTILES = (0.5, 0.9, 1.0)

Work = Piece | Sequence[Line]


@dataclass(frozen=True)
class MelodicSpan:
    """The longest span of one piece, and a place where it stands in the training set."""

    notes: int  # 0 where no two notes in a row stand there
    of: int  # notes of the line that it is in
    line: int  # of the piece, counted from 0 over `melody_lines`
    note: int  # of the line, from 0
    bar: int  # of the piece, from 1
    training_piece: int  # from 0
    training_line: int
    training_note: int
    training_bar: int


@dataclass(frozen=True)
class Copies:
    """The longest spans of samples, and of real pieces that were not trained on, which show what is normal."""

    samples: list[MelodicSpan]
    held_out: list[MelodicSpan]
    excess: Estimate | None  # median of the samples' notes minus that of the held-out pieces'; None without any

    def worst(self, n: int = 5) -> list[tuple[int, MelodicSpan]]:
        """(sample number, span) of the n longest, the longest first."""
        order = sorted(range(len(self.samples)), key=lambda number: -self.samples[number].notes)
        return [(number, self.samples[number]) for number in order[:n]]

    def figures(self) -> dict[str, float | None]:
        """Notes of the spans: samples_median, samples_q90, samples_longest and the same of held_out; None where there is none."""
        figures: dict[str, float | None] = {}
        for name, spans in (("samples", self.samples), ("held_out", self.held_out)):
            found = np.quantile([span.notes for span in spans], QUANTILES) if spans else [None] * 3
            for quantile, value in zip(("median", "q90", "longest"), found, strict=True):
                figures[f"{name}_{quantile}"] = None if value is None else float(value)
        return figures


@dataclass(frozen=True)
class MelodicCopying:
    """With pitch intervals alone, and with rhythm. The first is never shorter; shared steps and arpeggios make it long."""

    intervals: Copies
    rhythm: Copies


def melodic_copying(
    samples: Sequence[Work],
    training: Sequence[Work],
    held_out: Sequence[Work] = (),
    match_length: bool = True,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> MelodicCopying:
    """The longest span of each sample's lines that stands in a line of the training set: pieces, or lines of theirs.

    match_length: longer lines have longer spans by chance. So each line of the held-out pieces is cut to the median length of
        the samples' longest lines.
    Raises UsageError where there are no samples, or no training piece has a melody.
    """
    if not samples:
        raise UsageError("there are no samples to look for in the training pieces")
    ours, theirs, normal = ([_lines(work) for work in works] for works in (samples, training, held_out))
    if not any(lines for lines in theirs):
        raise UsageError("no training piece has a melody to look for")
    if match_length:
        longest = int(np.median([max(map(len, lines), default=0) for lines in ours]))
        normal = [[_cut(line, longest) for line in lines] for lines in normal]
    found = []
    for rhythm in (False, True):
        spans = longest_spans([*ours, *normal], theirs, rhythm)
        mine, others = spans[: len(ours)], spans[len(ours) :]
        found.append(Copies(mine, others, _excess(mine, others, replicates, seed)))
    return MelodicCopying(*found)


def longest_spans(works: Sequence[Sequence[Line]], training: Sequence[Sequence[Line]], rhythm: bool) -> list[MelodicSpan]:
    """The longest span of each of `works` that stands in a line of `training`.

    Notes of all lines stand in one array, each with what leads to the next note as its token, and the last of each line with
    a token of its own, which no span goes across. Time and memory grow as n log n of all notes.
    """
    lines = [
        (group, piece, number, line)
        for group, pieces in enumerate((training, works))
        for piece, of in enumerate(pieces)
        for number, line in enumerate(of)
    ]
    empty = MelodicSpan(0, 0, 0, 0, 0, 0, 0, 0, 0)
    found = [empty] * len(works)
    lines = [entry for entry in lines if len(entry[3])]
    if not lines:
        return found
    lengths = np.array([len(line) for *_, line in lines])
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    owner = np.repeat(np.arange(len(lines)), lengths)  # of each note, which line
    trained = np.repeat([group == 0 for group, *_ in lines], lengths)
    common, place = _common(_tokens([line for *_, line in lines], rhythm), trained)

    for number, (group, piece, index, line) in enumerate(lines):
        if group == 0:
            continue
        own = slice(starts[number], starts[number] + lengths[number])
        note = int(common[own].argmax())
        notes = int(common[own][note]) + 1
        if notes <= max(found[piece].notes, 1):
            continue
        there = int(place[own][note])
        _, other, other_index, other_line = lines[owner[there]]
        other_note = there - int(starts[owner[there]])
        found[piece] = MelodicSpan(
            notes,
            len(line),
            index,
            note,
            int(line.bar[note]),
            other,
            other_index,
            other_note,
            int(other_line.bar[other_note]),
        )
    return found


def _lines(work: Work) -> list[Line]:
    return melody_lines(work) if isinstance(work, Piece) else list(work)


def _cut(line: Line, n: int) -> Line:
    return Line(line.onset[:n], line.pitch[:n], line.bar[:n], line.name)


def _excess(samples: list[MelodicSpan], held_out: list[MelodicSpan], replicates: int, seed: int) -> Estimate | None:
    if not held_out:
        return None
    generator = torch.Generator().manual_seed(seed)
    medians = []
    for spans in (samples, held_out):
        notes = np.array([span.notes for span in spans], dtype=np.float64)
        medians.append(np.median(notes[resamplings(len(spans), replicates, generator).numpy()], axis=1))
    return estimate(torch.from_numpy(medians[0] - medians[1]), len(samples), len(held_out))


# ---------------------------------------------------------------- the search


def _tokens(lines: Sequence[Line], rhythm: bool) -> NDArray[np.int64]:
    """What leads from each note to the next, as a number from 1; the last note of each line has a number of its own."""
    steps = []
    for line in lines:
        step = np.zeros((len(line), 2), dtype=np.int64)
        step[:-1, 0] = line.intervals
        if rhythm:
            step[:-1, 1] = np.diff(np.floor(line.onset * GRID + 0.5))
        steps.append(step)
    rows = np.concatenate(steps)
    tokens = _ranks(rows[:, 0], rows[:, 1])
    ends = np.cumsum([len(line) for line in lines]) - 1
    tokens[ends] = tokens.max() + 1 + np.arange(len(ends))
    return tokens


def _common(tokens: NDArray[np.int64], trained: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each place: how many tokens from there on also stand in a row at a trained place, at the most, and at which.

    levels[k] ranks places by their next 2^k tokens: equal ranks, equal tokens. The last level ranks all, and its order is
    the suffix array, in which the best match is the nearest trained place before or after.
    """
    n = len(tokens)
    levels = [_ranks(tokens, np.zeros_like(tokens))]
    while levels[-1].max() < n:
        ahead = np.zeros(n, dtype=np.int64)
        reach = 1 << (len(levels) - 1)
        ahead[: max(0, n - reach)] = levels[-1][reach:]
        levels.append(_ranks(levels[-1], ahead))
    order = np.empty(n, dtype=np.int64)
    order[levels[-1] - 1] = np.arange(n)

    where = np.flatnonzero(trained[order])  # of the trained places in the order
    after = np.searchsorted(where, np.arange(n))
    best, place = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for side in (after - 1, after):
        there = (side >= 0) & (side < len(where))
        here, candidate = order[there], order[where[side[there]]]
        length = _common_length(levels, here, candidate)
        better = length > best[here]
        best[here[better]], place[here[better]] = length[better], candidate[better]
    return best, place


def _common_length(levels: list[NDArray[np.int64]], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many tokens from a and from b on are the same, for each pair of places."""
    n = len(levels[0])
    length = np.zeros(len(a), dtype=np.int64)
    for k in range(len(levels) - 1, -1, -1):
        at, bt = a + length, b + length
        inside = np.flatnonzero((at < n) & (bt < n))
        same = inside[levels[k][at[inside]] == levels[k][bt[inside]]]
        length[same] += 1 << k
    return length


def _ranks(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each pair stands among the different pairs, in order, from 1."""
    low = int(second.min())
    pairs = first * (int(second.max()) - low + 1) + (second - low)
    return np.unique(pairs, return_inverse=True)[1] + 1
