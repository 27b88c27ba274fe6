"""A piece as sound, played by a SoundFont synthesiser: RustySynth, by way of midirenderer (the extra `audio`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artgen.errors import ArtgenError, UsageError
from artgen.media.midi_events import META, MidiEvents, write_events
from artgen.media.soundfont import embedded_soundfont, read_soundfont
from artgen.music.piece import Piece

Sound = NDArray[np.float32]  # [samples, 2], left and right, -1 to 1

SAMPLE_RATE = 48_000  # samples a second; RustySynth is compiled into midirenderer with this one
PEAK = 0.89  # -1 dB: compression with loss may overshoot a little
TAIL = 4.0  # seconds that the last notes may ring on
FADE = 0.5  # seconds of them in which what still rings is faded out
SILENCE = 10 ** (-60 / 20)  # of the peak: what is softer at the end is cut off
LONGEST = 3600  # seconds; an hour takes 2.1 GB of memory, and 2.8 to write

DRUMS = 9  # the channel that General MIDI keeps for them
CHANNELS = [channel for channel in range(16) if channel != DRUMS]
PROGRAM, CONTROL, NOTE_ON, NOTE_OFF = 0xC0, 0xB0, 0x90, 0x80
VOICES = 20  # notes at a time in one pass: RustySynth plays 64 voices, an instrument takes one to three a note
RELEASE = 0.4  # seconds that a note goes on taking its voice after its end
BLOCK = 1 << 20  # samples
VOLUMES = (127, 64, 32, 16)  # channel volumes: the first at which nothing is clipped; each is a quarter of the one before


def render(piece: Piece, soundfont: Path | None = None) -> Sound:
    """The sound of a piece at SAMPLE_RATE, in stereo, with the loudest sample at PEAK; the same piece makes the same samples.

    soundfont: a SoundFont 2 file; None: the embedded one. Parts are played in passes that are added up, each with as many as the
    channels and the voices of the synthesiser can hold, so that any number of parts and programs sounds.
    Raises UsageError where the SoundFont is wrong, the piece is too long, has no notes, or the synthesiser is not installed.
    """
    check_synthesis(soundfont)
    if not len(piece.notes):
        raise UsageError(f"{piece.name or 'the piece'}: has no notes, so that it makes no sound")
    onsets, ends = note_seconds(piece)
    length = float(ends.max()) + TAIL
    if length > LONGEST + TAIL:
        raise UsageError(
            f"{piece.name or 'the piece'}: lasts {length / 60:.0f} minutes; sound is made of at most {LONGEST // 60} minutes"
        )
    font = read_soundfont(soundfont)
    where = soundfont or embedded_soundfont()
    mix = np.zeros((round(length * SAMPLE_RATE) + 1, 2), dtype=np.float32)
    for parts in _passes(piece, onsets, ends):
        played, gain = _play(piece, parts, onsets, ends, length, font, where)
        for part in blocks(min(len(played), len(mix))):
            mix[part] += played[part] * gain
    return _finished(mix)


def check_synthesis(soundfont: Path | None = None) -> None:
    """Raises UsageError where `render` would for want of the synthesiser or of a SoundFont, before work that takes long."""
    if importlib.util.find_spec("midirenderer") is None:
        raise UsageError("sound needs the synthesiser midirenderer: pip install 'artgen[audio]'")
    read_soundfont(soundfont)


def note_seconds(piece: Piece) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each note begins and ends, [n], in seconds, following the tempos; `Piece.seconds` for all at once."""
    begins = np.array([quarter for quarter, _ in piece.tempos])
    tempos = np.array([tempo for _, tempo in piece.tempos])
    passed = np.concatenate([[0.0], np.cumsum(np.diff(begins) * 60 / tempos[:-1])])

    def seconds(quarters: NDArray[np.float64]) -> NDArray[np.float64]:
        at = np.maximum(np.searchsorted(begins, quarters, "right") - 1, 0)
        return passed[at] + (quarters - begins[at]) * 60 / tempos[at]

    onset = piece.notes["onset"]
    return seconds(onset), seconds(onset + piece.notes["duration"])


# ---------------------------------------------------------------- passes


def _passes(piece: Piece, onsets: NDArray[np.float64], ends: NDArray[np.float64]) -> list[list[int]]:
    """Parts that are played together: each has a channel of its own, and not too many notes sound at a time."""
    passes: list[list[int]] = []
    melodic = voices = 0
    for number, part in enumerate(piece.parts):
        own = piece.notes["part"] == number
        if not own.any():
            continue
        most = most_at_a_time(onsets[own], ends[own] + RELEASE)
        drums = bool(passes) and any(piece.parts[other].is_drum for other in passes[-1])
        full = drums if part.is_drum else melodic == len(CHANNELS)
        if not passes or full or voices + most > VOICES:
            passes.append([])
            melodic = voices = 0
        passes[-1].append(number)
        melodic += not part.is_drum
        voices += most
    return passes


def most_at_a_time(onsets: NDArray[np.float64], ends: NDArray[np.float64]) -> int:
    """How many intervals overlap at most; one that ends where another begins does not overlap it."""
    times = np.concatenate([onsets, ends])
    steps = np.concatenate([np.ones(len(onsets), int), -np.ones(len(ends), int)])
    return int(np.cumsum(steps[np.lexsort((steps, times))]).max(initial=0))


def _play(
    piece: Piece,
    parts: list[int],
    onsets: NDArray[np.float64],
    ends: NDArray[np.float64],
    length: float,
    font: bytes,
    where: Path,
) -> tuple[NDArray[np.int16], np.float32]:
    """Some parts as the synthesiser plays them, and what makes them as loud as at the first of VOLUMES, 1 being the most."""
    import midirenderer

    wave = b""
    for volume in VOLUMES:
        midi = _midi(piece, parts, onsets, ends, length, volume)
        try:
            wave = midirenderer.render_wave_from(font, midi)
        except BaseException as error:  # a panic of Rust is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            if str(error).startswith("SoundFont"):
                raise UsageError(f"{where}: not a SoundFont that can be played: {str(error).partition(': ')[2]}") from None
            raise ArtgenError(f"{where}: the synthesiser stumbled: {str(error).splitlines()[0][:200]}") from None
        samples = np.frombuffer(wave, "<i2", offset=wave.index(b"data", 12) + 8).reshape(-1, 2)
        if not len(samples) or (samples.max() < 32767 and samples.min() > -32768):
            break
    return samples, np.float32((VOLUMES[0] / volume) ** 2 / 32768)  # a channel's volume counts squared


def _midi(
    piece: Piece, parts: list[int], onsets: NDArray[np.float64], ends: NDArray[np.float64], length: float, volume: int
) -> bytes:
    """A MIDI file of some parts in which a tick is a sample: 24,000 to a quarter note, 120 quarter notes a minute."""
    events: list[tuple[int, int, bytes]] = []  # sample, status, data, as `write_events` takes them
    free = iter(CHANNELS)
    for number in parts:
        part = piece.parts[number]
        channel = DRUMS if part.is_drum else next(free)
        events.append((0, PROGRAM | channel, bytes([part.program])))
        events.append((0, CONTROL | channel, bytes([7, volume])))
        own = np.flatnonzero(piece.notes["part"] == number)
        begin = np.round(onsets[own] * SAMPLE_RATE).astype(int)
        end = np.maximum(np.round(ends[own] * SAMPLE_RATE).astype(int), begin + 1)
        pitches = piece.notes["pitch"][own]
        velocities = np.clip(piece.notes["velocity"][own], 1, 127)
        for at, until in _apart(begin, end, pitches):
            events.append((int(begin[at]), NOTE_ON | channel, bytes([pitches[at], velocities[at]])))
            events.append((until, NOTE_OFF | channel, bytes([pitches[at], 0])))
    events.sort(key=lambda event: (event[0], event[1] & 0xF0 in (NOTE_ON, NOTE_OFF), event[1] & 0xF0 == NOTE_ON))
    events.append((round(length * SAMPLE_RATE), META, b"\x06"))  # an empty marker: the file plays on until there
    return write_events(MidiEvents(SAMPLE_RATE // 2, [events]))


def _apart(begin: NDArray[np.int64], end: NDArray[np.int64], pitches: NDArray[np.int16]) -> list[tuple[int, int]]:
    """(index of a note, its end), where a note ends as soon as the same key is struck again: MIDI knows keys, not notes."""
    order = np.lexsort((end, begin, pitches))
    apart = []
    for at, following in zip(order, [*order[1:], -1], strict=True):
        until = int(end[at])
        if following >= 0 and pitches[following] == pitches[at]:
            if begin[following] == begin[at]:
                continue  # the same key twice at once: the longer one
            until = min(until, int(begin[following]))
        apart.append((int(at), until))
    return apart


def _finished(mix: Sound) -> Sound:
    """The silence at the end cut off, the last of the ringing faded out, the loudest sample at PEAK."""
    fade = round(FADE * SAMPLE_RATE)
    mix[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    peak = float(max(mix.max(), -mix.min()))
    if peak == 0:
        raise ArtgenError("the SoundFont is silent at every note of the piece")
    last = 0
    for part in reversed(blocks(len(mix))):
        loud = np.flatnonzero(np.abs(mix[part]).max(axis=1) > peak * SILENCE)
        if len(loud):
            last = part.start + int(loud[-1])
            break
    sound = mix[: last + 1]
    sound *= np.float32(PEAK / peak)
    return sound


def blocks(length: int) -> list[slice]:
    """Samples are handled some at a time: copies of all of them would take gigabytes."""
    return [slice(begin, min(begin + BLOCK, length)) for begin in range(0, length, BLOCK)]
