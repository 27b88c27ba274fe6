"""The events of a MIDI file, with the ticks at which they are. Imports no torch.

Standard MIDI Files 1.0 (RP-001). mido and pretty_midi, which reads through mido, are not used for this: mido 1.3.3 drops the time
before a meta event that it does not know, so that all that follows comes too early, it gives up a file for one key signature
that it cannot name, and pretty_midi takes tempos of the first track only and turns ticks into seconds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from artgen.errors import UsageError, counted

MOST_BYTES = 8_000_000  # a symphony has less than one
META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
END_OF_TRACK = 0x2F
N_DATA = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # bytes after the status of a channel's event

Event = tuple[int, int, bytes]
"""Tick from the beginning; status byte, 0xff for a meta event; data, those of a meta event after the number of its kind."""


@dataclass
class MidiEvents:
    """What is in a file. The events of a track are in the order of the file, and so of their ticks."""

    division: int  # ticks to a quarter note
    tracks: list[list[Event]] = field(default_factory=list)


def read_events(data: bytes, where: str) -> MidiEvents:
    """The events in the bytes of a MIDI file. System exclusive events are left out, and so are chunks that are no tracks.

    Raises UsageError that begins with `where` for what is no MIDI file, cut short, damaged, too large, or not counted in quarter
    notes.
    """
    if not data:
        raise UsageError(f"{where}: is empty, expected a MIDI file")
    if len(data) > MOST_BYTES:
        raise UsageError(f"{where}: too large for a MIDI file: more than {MOST_BYTES // 1_000_000} MB")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":  # the same in another wrapping
        data = data[20:]
    if data[:4] != b"MThd":
        raise UsageError(f"{where}: not a MIDI file: it does not begin with MThd")
    if len(data) < 14:
        raise UsageError(f"{where}: is cut short: it ends in the header")
    size, kind, n_tracks, division = struct.unpack(">LHHh", data[4:14])
    _check_header(kind, n_tracks, division, where)
    events = MidiEvents(division)
    at = 8 + size
    while at + 8 <= len(data) and len(events.tracks) < n_tracks:
        name, size = struct.unpack(">4sL", data[at : at + 8])
        begin, at = at + 8, at + 8 + size
        if name == b"MTrk":
            if at > len(data):
                missing = counted(at - len(data), "byte")
                raise UsageError(f"{where}: is cut short: {missing} of track {len(events.tracks) + 1} missing")
            events.tracks.append(_track(data, begin, at, f"{where}: track {len(events.tracks) + 1}"))
    if len(events.tracks) < n_tracks:
        found = counted(len(events.tracks), "track")
        raise UsageError(f"{where}: is cut short: it says that it has {counted(n_tracks, 'track')}, {found} found")
    return events


def write_events(midi: MidiEvents) -> bytes:
    """The bytes of a MIDI file of format 1: the same events make the same bytes. Events of a track are in the order of ticks."""
    out = bytearray(b"MThd" + struct.pack(">LHHH", 6, 1, len(midi.tracks), midi.division))
    for events in midi.tracks:
        track = bytearray()
        now = running = 0
        for tick, status, data in events:
            track += _in_sevens(tick - now)
            if status == META:
                track += bytes([META, data[0]]) + _in_sevens(len(data) - 1) + data[1:]
                running = 0
            else:
                track += data if status == running else bytes([status]) + data
                running = status
            now = tick
        track += bytes([0, META, END_OF_TRACK, 0])
        out += b"MTrk" + struct.pack(">L", len(track)) + track
    return bytes(out)


def _in_sevens(number: int) -> bytes:
    """A number of variable length: seven bits a byte, the highest first."""
    if not 0 <= number < 1 << 28:
        raise ValueError(f"{number} does not fit into a MIDI file")
    low = [number & 0x7F]
    while number := number >> 7:
        low.append(number & 0x7F | 0x80)
    return bytes(reversed(low))


def _check_header(kind: int, n_tracks: int, division: int, where: str) -> None:
    if division < 0:
        raise UsageError(
            f"{where}: counts time in SMPTE frames, expected ticks to a quarter note; without them there is no beat"
        )
    if division == 0:
        raise UsageError(f"{where}: has 0 ticks to a quarter note (its division), expected 1 or more")
    if kind > 2:
        raise UsageError(f"{where}: is MIDI of format {kind}, expected 0 or 1")
    if kind == 2 and n_tracks > 1:
        raise UsageError(f"{where}: is MIDI of format 2, whose tracks do not sound together, expected 0 or 1")
    if n_tracks == 0:
        raise UsageError(f"{where}: has no tracks")


def _track(data: bytes, at: int, end: int, where: str) -> list[Event]:
    """The events from `at` to `end`. Tolerates that a track has no end mark, and running status over meta events."""
    events: list[Event] = []
    tick = status = 0
    try:
        while at < end:
            begin = at
            delta, at = _number(data, at, end)
            tick += delta
            if data[at] & 0x80:
                kind, at = data[at], at + 1
                if kind < SYSEX:
                    status = kind
            elif status:
                kind = status
            else:
                raise _Damaged("an event without a status")
            if kind < SYSEX:
                n = N_DATA[kind >> 4]
                content, at = data[at : at + n], at + n
                if at > end or max(content) > 0x7F:
                    raise _Damaged("an event that is no MIDI")
                events.append((tick, kind, content))
            elif kind == META:
                if at >= end:
                    raise IndexError
                number, at = data[at : at + 1], at + 1
                n, at = _number(data, at, end)
                content, at = data[at : at + n], at + n
                if at > end:
                    raise _Damaged("an event longer than the track")
                events.append((tick, kind, number + content))
            elif kind in (SYSEX, ESCAPE):
                n, at = _number(data, at, end)
                at += n
                if at > end:
                    raise _Damaged("an event longer than the track")
            else:
                raise _Damaged(f"the unknown status 0x{kind:02x}")
    except IndexError:
        raise UsageError(f"{where} is damaged: it ends in the middle of an event") from None
    except _Damaged as error:
        raise UsageError(f"{where} is damaged: {error} at byte {begin:,}") from None
    return events


def _number(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    number = 0
    for place in range(at, min(at + 4, end)):
        byte = data[place]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + 1
    raise _Damaged("a number without an end")


class _Damaged(Exception):
    """What is wrong, to be said with the place."""
