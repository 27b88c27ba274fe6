"""Sound as WAV and FLAC that carry their recipes."""

from __future__ import annotations

import importlib.util
import os
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from artgen.errors import UsageError
from artgen.media.audio import read_recipe, write_sound
from artgen.media.reading import read_recipe as read_any
from tests.media.music import recipe

KINDS = pytest.mark.parametrize("name", ["春.wav", "a.FLAC"])


def noise(n: int = 1001) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-0.9, 0.9, (n, 2)).astype(np.float32)


@KINDS
def test_sound_and_recipe_are_read_back(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    made = [recipe(0), recipe(1, prompt="x" * 100_000)]
    assert write_sound(noise(), out, made) == out
    assert os.listdir(tmp_path) == [name]
    samples, rate = soundfile.read(out, dtype="int16")
    assert rate == 48_000
    assert np.array_equal(samples, np.round(noise() * 32767).astype(np.int16))
    for read in (read_recipe, read_any):
        assert read(out).recipes == made
        assert read(out).unchanged


def test_a_wav_file_is_one_that_the_standard_library_reads(tmp_path: Path) -> None:
    write_sound(noise(7)[:, 0], tmp_path / "a.wav", [recipe()], sample_rate=8000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 8000, 7)
    data = (tmp_path / "a.wav").read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert b"INFOICMT" in data
    assert '"prompt": "春'.encode() in data


def test_a_flac_file_has_the_recipe_as_a_comment_and_the_sound_after_it(tmp_path: Path) -> None:
    write_sound(noise(), tmp_path / "a.flac", [recipe()])
    data = (tmp_path / "a.flac").read_bytes()
    assert data.startswith(b"fLaC") and b"DESCRIPTION={" in data


@KINDS
def test_the_same_sound_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    first = write_sound(noise(), out, [recipe()]).read_bytes()
    assert write_sound(noise(), out, [recipe()], force=True).read_bytes() == first


@KINDS
def test_changed_samples_are_told(tmp_path: Path, name: str) -> None:
    out = write_sound(noise(), tmp_path / name, [recipe()])
    other = write_sound(noise() * 0.5, tmp_path / ("2" + name), [recipe()])
    text = out.read_bytes()
    digest = text.index(b"samples_sha256")
    changed = bytearray(other.read_bytes())
    at = changed.index(b"samples_sha256")
    changed[at : at + 90] = text[digest : digest + 90]
    other.write_bytes(changed)
    found = read_recipe(other)
    assert found.recipes == [recipe()] and not found.unchanged


def test_what_is_too_loud_is_clipped_and_does_not_wrap(tmp_path: Path) -> None:
    write_sound(np.array([[2.0, -2.0]], dtype=np.float32), tmp_path / "a.wav", [recipe()])
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [[32767, -32768]]


# ---------------------------------------------------------------- bad input


@KINDS
def test_a_file_that_is_there_is_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists"):
        write_sound(noise(), tmp_path / name, [recipe()])
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.mp3: expected a name that ends in \.wav or \.flac"):
        write_sound(noise(), tmp_path / "a.mp3", [recipe()])


def test_flac_without_soundfile_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"artgen\[audio\]"):
        write_sound(noise(), tmp_path / "a.flac", [recipe()])
    write_sound(noise(), tmp_path / "a.wav", [recipe()])  # needs nothing
    assert read_recipe(tmp_path / "a.wav").unchanged


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_sound_without_a_recipe_says_so(tmp_path: Path, kind: str) -> None:
    soundfile.write(tmp_path / f"a.{kind}", noise(), 48_000)
    with pytest.raises(UsageError, match="carries no recipe"):
        read_any(tmp_path / f"a.{kind}")


@KINDS
@pytest.mark.parametrize("length", [0, 3, 11, 40, 2000])
def test_a_truncated_file_is_one_clear_error(tmp_path: Path, name: str, length: int) -> None:
    out = write_sound(noise(), tmp_path / name, [recipe()])
    out.write_bytes(out.read_bytes()[:length])
    if name.endswith("FLAC") and length == 2000:  # the recipe comes first in FLAC
        assert not read_recipe(out).unchanged
        return
    with pytest.raises(UsageError, match="damaged|no recipe"):
        read_recipe(out)
