"""A piece of music as a sequence of events, and back. Imports no torch.

After REMI (Huang and Yang 2020, "Pop Music Transformer: Beat-based Modeling and Generation of Expressive Pop Piano Compositions",
section 3): bars and places in them are events of their own, so that a network sees the meter. A piece is

    START { BAR [METER] { POSITION { [PART] PITCH DURATION [VELOCITY] } } } END

BAR says how many bars still come after it (16 stands for more), so that a network knows where a piece is to end. METER stands
where it changes. POSITION is a step of the bar; the notes that begin there go by part, and from low to high. PART stands where the
run has several, before the first note of a position and before one of another part. VELOCITY stands where levels are learned.
The pitches of drums are events of their own, so that a piece is transposed by adding to its pitch events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from artgen.music.piece import Part, Piece

AHEAD = 16  # bars that still come, from which on they are not counted
LONGEST_BAR = 24  # quarter notes; a meter with longer bars is read as 4/4
MOST_BEATS = 255  # of a bar, that MIDI can say
MOST_DURATIONS = 512  # the most frequent ones; of others the nearest is taken
START, END = 0, 1

Tokens = NDArray[np.int32]
"""Numbers of events in an EventVocabulary: [time]."""


class Meter(NamedTuple):
    """What a bar is: so many beats of a unit (4 a quarter, 8 an eighth), cut off after so many steps (0: whole)."""

    beats: int
    unit: int
    cut: int = 0

    def length(self, steps: int) -> int:
        """Steps of a bar, on a grid of `steps` to a quarter note."""
        return self.cut or self.beats * 4 * steps // self.unit


class Bar(NamedTuple):
    """From one step of the piece to another, in a meter."""

    begin: int
    end: int
    meter: Meter


class EventFacts(BaseModel):
    """What there is to say in the events of a run: events.json in its data folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    steps: PositiveInt  # to a quarter note
    drums: tuple[bool, ...]  # of each part, whether it is drums
    chords: tuple[PositiveInt, ...]  # of each part, the most notes that ever begin at once
    loudness: tuple[PositiveInt, ...]  # of each part, its mean velocity
    meters: tuple[tuple[PositiveInt, PositiveInt, int], ...]  # as Meter
    durations: tuple[PositiveInt, ...]  # in steps, ascending
    velocities: PositiveInt  # levels
    bars: tuple[PositiveInt, ...] = Field(min_length=1)  # of each piece

    @model_validator(mode="after")
    def _is_whole(self) -> EventFacts:
        if not self.drums or not len(self.drums) == len(self.chords) == len(self.loudness):
            raise ValueError("drums, chords and loudness are not of the same parts")
        if not self.durations or list(self.durations) != sorted(set(self.durations)):
            raise ValueError("durations are not ascending")
        if not self.meters or any(_usable(*meter[:2], self.steps) != meter[:2] or meter[2] < 0 for meter in self.meters):
            raise ValueError("meters that have no whole number of steps")
        return self

    @classmethod
    def of(cls, pieces: Iterable[Piece], parts: Sequence[Part], steps: int, velocities: int) -> EventFacts:
        """What stands in pieces that have these parts (`artgen.music.family.in_known_parts`)."""
        durations: Counter[int] = Counter()
        meters: Counter[Meter] = Counter()
        chords = [1] * len(parts)
        loudness = np.zeros((len(parts), 2), dtype=np.int64)  # sum, number
        lengths = []
        for piece in pieces:
            notes = on_grid(piece, steps)
            durations.update(notes[:, DURATION].tolist())
            bars = bars_of(piece, steps, last_step(notes))
            meters.update(bar.meter for bar in bars)
            lengths.append(max(1, len(bars)))
            together, count = np.unique(notes[:, [ONSET, PART]], axis=0, return_counts=True)
            for (_, part), most in zip(together.tolist(), count.tolist(), strict=True):
                chords[part] = max(chords[part], most)
            np.add.at(loudness, notes[:, PART], np.stack([notes[:, VELOCITY], np.ones(len(notes), dtype=np.int64)], axis=1))
        mean = np.where(loudness[:, 1] > 0, loudness[:, 0] / np.maximum(1, loudness[:, 1]), 80)
        return cls(
            steps=steps,
            drums=tuple(part.is_drum for part in parts),
            chords=tuple(chords),
            loudness=tuple(np.clip(mean, 1, 127).round().astype(int).tolist()),
            meters=tuple((*meter,) for meter in sorted(meters, key=lambda meter: (-meters[meter], meter))) or ((4, 4, 0),),
            durations=tuple(sorted(duration for duration, _ in durations.most_common(MOST_DURATIONS))) or (steps,),
            velocities=velocities,
            bars=tuple(sorted(lengths)) or (1,),
        )


class EventVocabulary:
    """The events of a run as numbers from 0 to n_vocab - 1: one range for each kind."""

    def __init__(self, facts: EventFacts) -> None:
        self.facts = facts
        self.steps = facts.steps
        self.known_meters = [Meter(*meter) for meter in facts.meters]
        self._lengths = np.array(facts.durations)
        self.n_vocab = 2  # START, END
        self.bars = self._next(AHEAD + 1)  # by how many still come
        self.meters = self._next(len(facts.meters))
        self.positions = self._next(max(meter.length(facts.steps) for meter in self.known_meters))
        self.parts = self._next(len(facts.drums) if len(facts.drums) > 1 else 0)
        self.pitches = self._next(128 if not all(facts.drums) else 0)
        self.drums = self._next(128 if any(facts.drums) else 0)
        self.durations = self._next(len(facts.durations))
        self.velocities = self._next(facts.velocities if facts.velocities > 1 else 0)

    def _next(self, size: int) -> range:
        self.n_vocab += size
        return range(self.n_vocab - size, self.n_vocab)

    def encode(self, piece: Piece) -> Tokens:
        """The events of a whole piece that has the run's parts, put on the grid: [time].

        Of what the run has never seen the nearest is taken: of durations the nearest one, of meters that with the most similar
        bars; of a larger chord than ever the lowest notes.
        """
        notes = self._known(on_grid(piece, self.steps))
        bars = bars_of(piece, self.steps, last_step(notes), self.known_meters)
        return np.array([START, *self._events(notes, bars, len(bars)), END], dtype=np.int32)

    def bars_in(self, piece: Piece) -> int:
        """The bars of a piece, as the run reads it."""
        return len(bars_of(piece, self.steps, last_step(on_grid(piece, self.steps)), self.known_meters))

    def encode_beginning(self, piece: Piece, bars: int) -> Tokens:
        """The events of the beginning of a piece of so many bars: [time]."""
        notes = on_grid(piece, self.steps)
        own = bars_of(piece, self.steps, last_step(notes), self.known_meters)
        return np.array([START, *self._events(self._known(notes), own, bars)], dtype=np.int32)

    def level(self, velocity: int) -> int:
        """Of loudness, from 0."""
        return (velocity - 1) * self.facts.velocities // 127

    def velocity(self, level: int | None, part: int) -> int:
        """The middle of a level; without levels the part's mean."""
        if level is None:
            return self.facts.loudness[part]
        return round(1 + 126 * (level + 0.5) / self.facts.velocities)

    def _known(self, notes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Notes whose durations and chords the run knows."""
        at = np.searchsorted(self._lengths, notes[:, DURATION]).clip(1, max(1, len(self._lengths) - 1))
        near = self._lengths[np.stack([at - 1, np.minimum(at, len(self._lengths) - 1)])]
        better = np.abs(near - notes[:, DURATION]).argmin(axis=0)
        notes = notes.copy()
        notes[:, DURATION] = np.take_along_axis(near, better[None], axis=0)[0]
        group = (np.diff(notes[:, [ONSET, PART]], axis=0) != 0).any(axis=1)
        first = np.concatenate([[0], np.flatnonzero(group) + 1]) if len(notes) else np.zeros(0, dtype=np.int64)
        place = np.arange(len(notes)) - np.repeat(first, np.diff(np.append(first, len(notes))))
        return notes[place < np.array(self.facts.chords)[notes[:, PART]]]

    def _events(self, notes: NDArray[np.int64], bars: Sequence[Bar], n_bars: int) -> list[int]:
        """notes: rows as `on_grid` gives them, known ones; n_bars: those of the whole piece."""
        events: list[int] = []
        rows = notes.tolist()
        i = 0
        before: Meter | None = None
        for number, bar in enumerate(bars):
            events.append(self.bars[min(AHEAD, n_bars - 1 - number)])
            if bar.meter != before or before.cut:
                events.append(self.meters[self.known_meters.index(bar.meter)])
            before = bar.meter
            position = part = -1
            while i < len(rows) and rows[i][ONSET] < bar.end:
                onset, own_part, pitch, duration, velocity = rows[i]
                if onset - bar.begin != position:
                    position, part = onset - bar.begin, -1
                    events.append(self.positions[position])
                if own_part != part and self.parts:
                    events.append(self.parts[own_part])
                part = own_part
                events.append((self.drums if self.facts.drums[part] else self.pitches)[pitch])
                events.append(self.durations[int(np.searchsorted(self._lengths, duration))])
                if self.velocities:
                    events.append(self.velocities[self.level(velocity)])
                i += 1
        return events


# ---------------------------------------------------------------- notes and bars on a grid

ONSET, PART, PITCH, DURATION, VELOCITY = range(5)


def on_grid(piece: Piece, steps: int) -> NDArray[np.int64]:
    """Rows of (onset, part, pitch, duration, velocity), times in steps, sorted: [n, 5].

    Of notes that are the same but for their length the longest is kept.
    """
    notes = piece.quantised(steps).notes
    columns = [
        np.round(notes["onset"] * steps),
        notes["part"],
        notes["pitch"],
        np.round(notes["duration"] * steps),
        notes["velocity"],
    ]
    rows = np.stack([column.astype(np.int64) for column in columns], axis=1)
    rows = rows[np.lexsort((-rows[:, DURATION], rows[:, PITCH], rows[:, PART], rows[:, ONSET]))]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows[:, [ONSET, PART, PITCH]], axis=0) != 0).any(axis=1)
    return rows[new]


def last_step(notes: NDArray[np.int64]) -> int:
    """Where the last of the rows ends."""
    return int((notes[:, ONSET] + notes[:, DURATION]).max(initial=0))


def bars_of(piece: Piece, steps: int, end: int, known: Sequence[Meter] = ()) -> list[Bar]:
    """The bars from step 0 until `end`, on a grid of `steps` to a quarter note. A change of meter begins a new bar.

    known: the meters that can be said, if not all; for another one that with the most similar length stands in.
    """
    changes: dict[int, tuple[int, int]] = {}
    for quarter, beats, unit in piece.meters:
        changes[int(np.floor(quarter * steps + 0.5))] = _usable(beats, unit, steps)
    places = sorted(changes)
    bars: list[Bar] = []
    at = begin = 0
    while begin < end:
        while at + 1 < len(places) and places[at + 1] <= begin:
            at += 1
        meter = Meter(*changes[places[at]])
        if at + 1 < len(places) and places[at + 1] < begin + meter.length(steps):
            meter = meter._replace(cut=places[at + 1] - begin)
        if known and meter not in known:
            length = meter.length(steps)
            meter = min(known, key=lambda other: (abs(other.length(steps) - length), other.cut > 0))
        bars.append(Bar(begin, begin + meter.length(steps), meter))
        begin = bars[-1].end
    return bars


def _usable(beats: int, unit: int, steps: int) -> tuple[int, int]:
    """A meter whose bars are whole numbers of steps: this one, or twice it, 4 times it, …; else 4/4."""
    for times in (1, 2, 4, 8, 16, 32):
        if beats * times > MOST_BEATS or beats * times * 4 > LONGEST_BAR * unit:
            break
        if beats * times * 4 * steps % unit == 0:
            return beats * times, unit
    return 4, 4
