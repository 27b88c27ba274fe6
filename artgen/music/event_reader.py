"""What may follow in a sequence of events, and the piece that it says. Imports no torch.

One reader serves both ways: it decodes the events of a piece, and tells a generator at each place which events there can be, so that
whatever a network's weights are, what it makes is a piece.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from artgen.music.events import AHEAD, END, START, EventVocabulary, Meter
from artgen.music.piece import Part, Piece, make_notes

NOTHING = range(0)


def decode(events: Iterable[int], vocabulary: EventVocabulary, parts: tuple[Part, ...]) -> Piece:
    """The piece that events say. Raises ValueError for one that cannot stand where it does."""
    reader = EventReader(vocabulary)
    for event in events:
        reader.push(int(event))
    return reader.piece(parts)


class EventReader:
    """Where a sequence of events is, and the notes that it has said so far."""

    def __init__(self, vocabulary: EventVocabulary, bars: int | None = None) -> None:
        """bars: those that the piece has to have; None: any number."""
        self.vocabulary = vocabulary
        self.bars = bars
        self.ended = False
        self.n_bars = 0
        self.notes: list[tuple[int, int, int, int, int | None]] = []  # onset and end in steps, pitch, part, level of loudness
        self._meters: list[tuple[int, Meter]] = []
        self._ahead: int | None = None  # bars that still come
        self._meter: Meter | None = None  # of this bar
        self._must_say_meter = True
        self._begin = self._end = 0  # of this bar, in steps
        self._position = self._part = self._pitch = -1
        self._n_together = 0  # notes of this part that begin at this position
        self._sounds_until = 0  # the latest end of a note
        self._follows: list[range] = [range(START, START + 1)]

    def allowed(self) -> NDArray[np.bool_]:
        """Which events may follow: [n_vocab]; none after the end."""
        mask = np.zeros(self.vocabulary.n_vocab, dtype=bool)
        for events in self._follows:
            mask[events.start : events.stop] = True
        return mask

    def push(self, event: int) -> None:
        """Reads an event. Raises ValueError if it cannot stand here."""
        if not any(event in events for events in self._follows):
            raise ValueError(f"event {event} cannot stand here, only one of {', '.join(map(str, self._follows)) or 'none'}")
        v = self.vocabulary
        if event == START:
            self._follows = [self._next_bars()]
        elif event == END:
            self.ended, self._follows = True, []
        elif event in v.bars:
            self._begin_bar(event - v.bars.start)
        elif event in v.meters:
            self._take_meter(v.known_meters[event - v.meters.start])
            self._follows = self._after_note()
        elif event in v.positions:
            self._position, self._part, self._n_together = event - v.positions.start, -1, 0
            if v.parts:
                self._follows = [v.parts]
            else:
                self._part = 0
                self._follows = [self._pitches(0)]
        elif event in v.parts:
            self._part, self._n_together = event - v.parts.start, 0
            self._follows = [self._pitches(self._part)]
        elif event in v.pitches or event in v.drums:
            self._pitch = event - (v.pitches if event in v.pitches else v.drums).start
            self._follows = [v.durations]
        elif event in v.durations:
            onset = self._begin + self._position
            end = onset + v.facts.durations[event - v.durations.start]
            self.notes.append((onset, end, self._pitch, self._part, None))
            self._n_together += 1
            self._sounds_until = max(self._sounds_until, end)
            self._follows = [v.velocities] if v.velocities else self._after_note()
        else:
            self.notes[-1] = (*self.notes[-1][:4], event - v.velocities.start)
            self._follows = self._after_note()

    @property
    def end(self) -> float:
        """Where the bar ends, in quarter notes."""
        return self._end / self.vocabulary.steps

    def piece(self, parts: tuple[Part, ...], first: int = 0) -> Piece:
        """The notes so far, those before the `first` left out. In a piece that has ended, none sounds beyond its last bar.

        parts: the run's.
        """
        steps = self.vocabulary.steps
        last = self._end if self.ended else self._sounds_until
        rows = [
            (onset / steps, (min(end, last) - onset) / steps, pitch, self.vocabulary.velocity(level, part), part)
            for onset, end, pitch, part, level in self.notes[first:]
        ]
        meters = tuple((begin / steps, meter.beats, meter.unit) for begin, meter in self._meters)
        return Piece(make_notes(rows), parts, meters=meters or ((0.0, 4, 4),))

    # ---- what follows

    def _begin_bar(self, ahead: int) -> None:
        self._ahead = ahead
        self.n_bars += 1
        self._begin, self._position = self._end, -1
        self._must_say_meter = self._meter is None or self._meter.cut > 0
        if self._must_say_meter:
            self._follows = [self.vocabulary.meters]
            return
        assert self._meter is not None
        self._end = self._begin + self._meter.length(self.vocabulary.steps)
        meters = self.vocabulary.meters
        now = meters.start + self.vocabulary.known_meters.index(self._meter)
        self._follows = [range(meters.start, now), range(now + 1, meters.stop), *self._after_note()]

    def _take_meter(self, meter: Meter) -> None:
        self._meter = meter
        self._meters.append((self._begin, meter))
        self._end = self._begin + meter.length(self.vocabulary.steps)

    def _after_note(self) -> list[range]:
        """What may follow a note or the beginning of a bar."""
        v = self.vocabulary
        follows = [v.positions[self._position + 1 : self._end - self._begin]]
        if self._position >= 0:
            if self._n_together < v.facts.chords[self._part]:
                follows.append(self._pitches(self._part)[self._pitch + 1 :])
            follows.append(v.parts[self._part + 1 :])
        if self._ahead:
            follows.append(self._next_bars())
        elif self._sounds_until > self._begin:  # else the last bar would be none
            follows.append(range(END, END + 1))
        return follows

    def _pitches(self, part: int) -> range:
        return self.vocabulary.drums if self.vocabulary.facts.drums[part] else self.vocabulary.pitches

    def _next_bars(self) -> range:
        """The BAR events that may come next, by how many bars come after them."""
        bars = self.vocabulary.bars
        if self.bars is not None:
            ahead = min(AHEAD, self.bars - 1 - self.n_bars)
            return bars[ahead : ahead + 1] if ahead >= 0 else NOTHING
        if self._ahead is None:
            return bars
        return bars[self._ahead - 1 : self._ahead + (self._ahead == AHEAD)]
