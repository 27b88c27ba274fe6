"""A piece as sound: when, how high and how loud its notes sound, and what a SoundFont may be."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from artgen.errors import UsageError
from artgen.media import synthesis
from artgen.media.soundfont import embedded_soundfont, read_soundfont
from artgen.media.synthesis import PEAK, SAMPLE_RATE, note_seconds, render
from artgen.music.piece import Part, Piece, make_notes
from tests.media.music import four_parts, piece_of

ORGAN, FLUTE, VIOLIN = 19, 73, 40


def loudness(sound: NDArray[np.float32], begin: float, end: float) -> float:
    window = sound[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    return float(np.sqrt((window.astype(float) ** 2).mean())) if len(window) else 0.0


def strength(sound: NDArray[np.float32], begin: float, end: float, pitch: int) -> float:
    """How much of the sine of a pitch there is."""
    window = sound[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)].mean(axis=1)
    at = np.arange(len(window)) / SAMPLE_RATE * 440 * 2 ** ((pitch - 69) / 12)
    return float(np.abs((window * np.hanning(len(window)) * np.exp(-2j * np.pi * at)).sum()))


@pytest.mark.parametrize("program", [0, ORGAN, 48, FLUTE])
def test_notes_sound_at_their_pitch(program: int) -> None:
    sound = render(piece_of((0, 1, 60), (1, 1, 67), tempo=60, program=program))
    for begin, pitch in ((0.2, 60), (1.2, 67)):
        own, *others = [strength(sound, begin, begin + 0.7, pitch + away) for away in (0, -1, 1)]
        assert own > 3 * max(others)


def test_notes_sound_when_the_tempos_say() -> None:
    piece = replace(piece_of((2, 1, 60), (4, 1, 60), program=ORGAN), tempos=((0.0, 60.0), (2.0, 240.0), (4.0, 60.0)))
    sound = render(piece)  # begins at 2 s and at 2.5 s, ends at 2.25 s and 3.5 s
    assert loudness(sound, 0, 1.99) == 0
    assert loudness(sound, 2.05, 2.2) > 0.1
    assert loudness(sound, 2.4, 2.49) < 0.3 * loudness(sound, 2.1, 2.2)
    assert loudness(sound, 2.7, 3.4) > 0.1
    assert 3.5 < len(sound) / SAMPLE_RATE < 3.5 + synthesis.TAIL + 0.01


def test_seconds_of_notes_are_those_of_the_piece() -> None:
    piece = replace(four_parts(), tempos=((0.0, 90.0), (1.5, 120.0), (5.0, 37.5)))
    onsets, ends = note_seconds(piece)
    for note, onset, end in zip(piece.notes, onsets, ends, strict=True):
        assert onset == pytest.approx(piece.seconds(float(note["onset"])))
        assert end == pytest.approx(piece.seconds(float(note["onset"] + note["duration"])))


def test_the_last_notes_ring_on_and_nothing_is_clipped() -> None:
    sound = render(piece_of((0, 1, 60), program=46))  # a harp
    assert len(sound) / SAMPLE_RATE > 0.5 + 0.3
    assert sound.dtype == np.float32
    assert np.abs(sound).max() == pytest.approx(PEAK, abs=1e-6)
    assert np.abs(sound[-1]).max() < 0.01 * PEAK


def test_chords_that_the_synthesiser_would_clip_are_played_softer() -> None:
    rows = [(0.0, 2.0, pitch, 127, part) for part in range(8) for pitch in range(48, 72, 4)]
    brass = Piece(make_notes(rows), tuple(Part(program=60) for _ in range(8)))
    sound = np.abs(render(brass))
    assert (sound > 0.999 * PEAK).mean() < 1e-4  # a clipped one has a plateau there


def test_velocity_is_loudness() -> None:
    rows = [(0.0, 1.0, 60, 100, 0), (2.0, 1.0, 60, 50, 0)]
    sound = render(Piece(make_notes(rows), (Part(program=ORGAN),)))
    assert 2 < loudness(sound, 0.1, 0.4) / loudness(sound, 1.1, 1.4) < 8  # (100 / 50)² = 4


def test_the_same_piece_is_the_same_samples() -> None:
    assert np.array_equal(render(four_parts()), render(four_parts()))


def test_programs_and_drums_differ() -> None:
    sounds = [render(piece_of((0, 2, 60), program=program)) for program in (0, ORGAN)]
    sounds.append(render(piece_of((0, 2, 60), is_drum=True)))
    hums = [strength(sound, 0.1, 0.6, 60) / loudness(sound, 0, 0.6) for sound in sounds]
    assert hums[2] < 0.1 * min(hums[:2])  # a bongo has not the pitch of its number
    assert not np.array_equal(sounds[0][:9000], sounds[1][:9000])


def test_more_parts_than_channels_all_sound() -> None:
    rows = [(2.0 * part, 1.0, 50 + part, 90, part) for part in range(34)]
    parts = tuple(Part(program=ORGAN if part % 2 else VIOLIN, is_drum=part == 20) for part in range(34))
    sound = render(Piece(make_notes(rows), parts, ((0.0, 240.0),)))
    for part in set(range(34)) - {20}:
        begin = 0.5 * part + 0.05
        assert strength(sound, begin, begin + 0.2, 50 + part) > 2 * strength(sound, begin, begin + 0.2, 56 + part)
    assert loudness(sound, 10, 10.2) > 0.001


def test_a_key_struck_again_while_it_sounds_goes_on_to_the_second_end() -> None:
    overlapping = render(piece_of((0, 2, 60), (1, 3, 60), program=ORGAN))
    assert loudness(overlapping, 1.1, 1.9) > 0.5 * loudness(overlapping, 0.1, 0.4)
    twice = render(piece_of((0, 1, 60), (0, 4, 60), program=ORGAN))
    assert loudness(twice, 1.1, 1.9) > 0.5 * loudness(twice, 0.1, 0.4)


def test_another_soundfont_can_be_named(tmp_path: Path) -> None:
    font = tmp_path / "my.sf2"
    font.write_bytes(read_soundfont())
    piece = piece_of((0, 1, 60))
    assert np.array_equal(render(piece, font), render(piece))


# ---------------------------------------------------------------- bad input


def test_a_missing_soundfont_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"my\.sf2: no such file"):
        render(piece_of((0, 1, 60)), tmp_path / "my.sf2")


def test_a_file_that_is_no_soundfont_is_named(tmp_path: Path) -> None:
    (tmp_path / "my.sf2").write_bytes(b"RIFF\x04\0\0\0WAVE")
    with pytest.raises(UsageError, match=r"my\.sf2: not a SoundFont"):
        render(piece_of((0, 1, 60)), tmp_path / "my.sf2")


def test_a_truncated_soundfont_is_named(tmp_path: Path) -> None:
    whole = embedded_soundfont().read_bytes()
    (tmp_path / "my.sf2").write_bytes(whole[:100_000])
    with pytest.raises(UsageError, match=rf"my\.sf2: truncated SoundFont: 100,000 bytes of {len(whole):,}"):
        render(piece_of((0, 1, 60)), tmp_path / "my.sf2")


def test_a_damaged_soundfont_is_named(tmp_path: Path) -> None:
    whole = embedded_soundfont().read_bytes()
    (tmp_path / "my.sf2").write_bytes(whole[:-50_000] + bytes(50_000))
    with pytest.raises(UsageError, match=r"my\.sf2: not a SoundFont that can be played"):
        render(piece_of((0, 1, 60)), tmp_path / "my.sf2")


def test_a_piece_without_notes_or_too_long_makes_no_sound() -> None:
    with pytest.raises(UsageError, match="has no notes"):
        render(piece_of())
    with pytest.raises(UsageError, match="lasts 120 minutes; sound is made of at most 60"):
        render(piece_of((0, 1, 60), (4 * 3600 - 1, 1, 60)))


def test_a_synthesiser_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'artgen\[audio\]'"):
        render(piece_of((0, 1, 60)))
