"""The events of a MIDI file as a piece of music: who plays which notes, and how long they sound. Imports no torch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from artgen.errors import UsageError
from artgen.media.midi_events import META, Event, MidiEvents
from artgen.music.piece import NOTE, Part, Piece, sort_notes

MOST_QUARTERS = 100_000  # 14 hours at 120 to the minute; a larger number is a damaged file
MOST_PARTS = 1_000
LONGEST_NAME = 200  # characters of a part's name
DRUMS = 9  # the channel that is drums
NAME, PORT, TEMPO, METER, KEY = 0x03, 0x21, 0x51, 0x58, 0x59  # kinds of meta events
SUSTAIN, SOUND_OFF, RESET, NOTES_OFF = 64, 120, 121, 123  # controllers
DOWN = 64  # of a pedal: this and more

T = TypeVar("T")

Channel = tuple[int, int]
"""Port and channel: what is set by an event of any track."""


def to_piece(midi: MidiEvents, where: str, name: str = "") -> Piece:
    """The piece that a player would play.

    Onset and duration are the ticks over the division. A part is what one track plays on one channel with one program; a track
    that sets no program has that which another one set for its channel. A note sounds until the pedal of its channel is up. The
    same pitch struck again in a part ends the note before; struck twice at once, it is one note. A note without an end lasts to
    the last event of its track, a note without a length one tick.

    Raises UsageError that begins with `where` if there are no notes, a tempo is 0, or there is too much of something.
    """
    reader = _Notes([_text(track, NAME) for track in midi.tracks])
    everything = [(tick, track, status, data) for track, events in enumerate(midi.tracks) for tick, status, data in events]
    # A program that is set at the tick of a note is meant for it, whichever track comes first; so is a port.
    everything.sort(key=lambda event: (event[0], event[2] != META, event[2] >> 4 != 0xC))
    for tick, track, status, data in everything:
        reader.take(tick, track, status, data)
    reader.finish_all([events[-1][0] if events else 0 for events in midi.tracks])
    if not reader.rows:
        raise UsageError(f"{where}: no notes in it")
    if len(reader.parts) > MOST_PARTS:
        raise UsageError(f"{where}: has {len(reader.parts):,} parts, expected at most {MOST_PARTS:,}")

    order = sorted(range(len(reader.parts)), key=lambda part: (list(reader.parts)[part][:2], part))
    new_number = np.argsort(order)
    ticks = np.array(reader.rows, dtype=np.int64)
    end = int((ticks[:, 0] + ticks[:, 1]).max())
    if end > MOST_QUARTERS * midi.division:
        raise UsageError(f"{where}: lasts {end // midi.division:,} quarter notes, expected at most {MOST_QUARTERS:,}")
    notes = np.empty(len(ticks), dtype=NOTE)
    notes["onset"], notes["duration"] = ticks[:, 0] / midi.division, ticks[:, 1] / midi.division
    notes["pitch"], notes["velocity"], notes["part"] = ticks[:, 2], ticks[:, 3], new_number[ticks[:, 4]]
    parts = [*reader.parts.values()]
    changes = _changes(midi, end, where)
    return Piece(sort_notes(notes), tuple(parts[i] for i in order), *changes, name=name)


# ---------------------------------------------------------------- notes


@dataclass
class _Sounding:
    """A note that has begun."""

    onset: int
    velocity: int
    part: int
    n_open: int = 1  # notes that began on this key and have not ended
    last_off: int = -1
    is_released: bool = False  # only the pedal holds it


@dataclass
class _Notes:
    """Follows the events of all tracks, in time."""

    track_names: list[str]
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)  # onset, duration, pitch, velocity, part; ticks
    parts: dict[tuple[int, int, int, int], Part] = field(default_factory=dict)  # by track, channel, port, program
    numbers: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)  # by track
    own_program: dict[tuple[int, Channel], int] = field(default_factory=dict)  # by track and channel
    program: dict[Channel, int] = field(default_factory=dict)
    pedal: set[Channel] = field(default_factory=set)  # where it is down
    sounding: dict[Channel, dict[tuple[int, int], _Sounding]] = field(default_factory=lambda: defaultdict(dict))
    held: dict[Channel, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))  # (track, pitch), released

    def take(self, tick: int, track: int, status: int, data: bytes) -> None:
        if status == META:
            if data[0] == PORT and len(data) > 1:
                self.ports[track] = data[1]
            return
        kind, channel = status >> 4, (self.ports.get(track, 0), status & 0xF)
        if kind == 0x9 and data[1]:
            self._on(tick, track, channel, data[0], data[1])
        elif kind in (0x8, 0x9):
            self._off(tick, track, channel, data[0])
        elif kind == 0xC:
            self.own_program[track, channel] = self.program[channel] = data[0]
        elif kind == 0xB:
            self._control(tick, channel, data[0], data[1])

    def finish_all(self, track_ends: list[int]) -> None:
        """Ends what no event has ended."""
        for channel, keys in self.sounding.items():
            for key, note in list(keys.items()):
                ended = note.last_off > note.onset and not note.is_released
                self._finish(channel, key, note.last_off if ended else track_ends[key[0]])

    def _on(self, tick: int, track: int, channel: Channel, pitch: int, velocity: int) -> None:
        key, part = (track, pitch), self._part(track, channel)
        note = self.sounding[channel].get(key)
        n_open = 1
        if note and note.onset == tick:
            note.velocity, note.n_open = max(note.velocity, velocity), note.n_open + 1
            return
        if note:
            ended = note.last_off > note.onset and not note.is_released  # its end came, and another was waited for in vain
            n_open += 0 if ended or note.is_released else note.n_open
            self._finish(channel, key, note.last_off if ended else tick)
        self.sounding[channel][key] = _Sounding(tick, velocity, part, n_open)

    def _off(self, tick: int, track: int, channel: Channel, pitch: int) -> None:
        key = (track, pitch)
        note = self.sounding[channel].get(key)
        if note is None or note.is_released:
            return
        note.n_open, note.last_off = note.n_open - 1, tick
        if note.n_open == 0:
            if channel in self.pedal and channel[1] != DRUMS:
                note.is_released = True
                self.held[channel].add(key)
            else:
                self._finish(channel, key, tick)

    def _control(self, tick: int, channel: Channel, number: int, value: int) -> None:
        if number == SUSTAIN and value >= DOWN:
            self.pedal.add(channel)
        elif number in (SUSTAIN, RESET):
            self.pedal.discard(channel)
            for key in sorted(self.held[channel]):
                self._finish(channel, key, tick)
        elif number in (SOUND_OFF, NOTES_OFF):
            for key in list(self.sounding[channel]):
                self._finish(channel, key, tick)

    def _finish(self, channel: Channel, key: tuple[int, int], tick: int) -> None:
        note = self.sounding[channel].pop(key)
        self.held[channel].discard(key)
        self.rows.append((note.onset, max(1, tick - note.onset), key[1], note.velocity, note.part))

    def _part(self, track: int, channel: Channel) -> int:
        program = self.own_program.get((track, channel), self.program.get(channel, 0))
        key = (track, channel[1], channel[0], program)
        if key not in self.numbers:
            self.numbers[key] = len(self.parts)
            self.parts[key] = Part(self.track_names[track], program, channel[1] == DRUMS)
        return self.numbers[key]


# ---------------------------------------------------------------- what holds over all notes


def _changes(
    midi: MidiEvents, end: int, where: str
) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, int, int], ...], tuple[tuple[float, int, bool], ...]]:
    """Tempos, meters and keys before `end` (ticks), of all tracks. Meters and keys that cannot be are left out."""
    tempos: dict[float, float] = {0.0: 120.0}
    meters: dict[float, tuple[int, int]] = {0.0: (4, 4)}
    keys: dict[float, tuple[int, bool]] = {}
    for events in midi.tracks:
        for tick, status, data in events:
            if status != META or tick >= end:
                continue
            quarter, kind, data = tick / midi.division, data[0], data[1:]
            if kind == TEMPO and len(data) >= 3:
                microseconds = int.from_bytes(data[:3], "big")
                if microseconds == 0:
                    raise UsageError(f"{where}: the tempo at quarter note {quarter:g} is 0 microseconds to a quarter note")
                tempos[quarter] = _tempo(microseconds)
            elif kind == METER and len(data) >= 2 and data[0] and data[1] <= 6:
                meters[quarter] = (data[0], 1 << data[1])
            elif kind == KEY and len(data) >= 2 and data[1] <= 1:
                sharps = (data[0] + 128) % 256 - 128
                if abs(sharps) <= 7:
                    keys[quarter] = ((7 * sharps + 9 * data[1]) % 12, bool(data[1]))
    return (
        tuple(_without_repeats(tempos)),
        tuple((quarter, beats, unit) for quarter, (beats, unit) in _without_repeats(meters)),
        tuple((quarter, tonic, minor) for quarter, (tonic, minor) in _without_repeats(keys)),
    )


def _tempo(microseconds: int) -> float:
    """Quarter notes a minute: the number with at most three decimals that is written so, as 90, which is 666,667; or the exact one."""
    short = round(6e7 / microseconds, 3)
    return short if short and round(6e7 / short) == microseconds else 6e7 / microseconds


def _without_repeats(changes: dict[float, T]) -> list[tuple[float, T]]:
    """In order, without those that change nothing."""
    ordered = sorted(changes.items(), key=lambda change: change[0])
    return [now for i, now in enumerate(ordered) if i == 0 or now[1] != ordered[i - 1][1]]


def _text(events: list[Event], kind: int) -> str:
    """The first text of a kind in a track, on one line. Old files are in Latin-1."""
    for _, status, data in events:
        if status == META and data[0] == kind:
            try:
                text = data[1:].decode("utf-8")
            except UnicodeDecodeError:
                text = data[1:].decode("latin-1")
            return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_NAME]
    return ""
