"""Music as whatever the name of the file says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artgen.errors import UsageError
from artgen.media.music_files import KINDS, check_music, write_music
from artgen.media.reading import read_recipe
from tests.media.music import four_parts, piece_of, recipe

BEGINS = {
    ".mid": b"MThd",
    ".midi": b"MThd",
    ".wav": b"RIFF",
    ".flac": b"fLaC",
    ".png": b"\x89PNG",
    ".musicxml": b"<?xml",
    ".mxl": b"PK",
}


@pytest.mark.parametrize("ending", list(KINDS))
def test_every_ending_is_its_format_with_the_recipe_inside(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"piece{ending.upper()}"
    check_music(out, 1)
    assert write_music([four_parts()], out, [recipe()]) == [out]
    assert os.listdir(tmp_path) == [out.name]
    assert out.read_bytes().startswith(BEGINS[ending])
    assert read_recipe(out).recipes == [recipe()] and read_recipe(out).unchanged
    first = out.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        write_music([four_parts()], out, [recipe()])
    write_music([four_parts()], out, [recipe()], force=True)
    assert out.read_bytes() == first


@pytest.mark.parametrize("suffix", [".mid", ".png"])
def test_a_folder_gets_a_file_for_each_piece(tmp_path: Path, suffix: str) -> None:
    out = f"{tmp_path / 'new'}/"
    check_music(out, 2, suffix=suffix)
    assert not (tmp_path / "new").exists()
    files = write_music([four_parts(), piece_of((0, 1, 60))], out, [recipe(0), recipe(1)], suffix=suffix)
    assert [file.name for file in files] == [f"0001{suffix}", f"0002{suffix}"]
    assert [read_recipe(file).recipes for file in files] == [[recipe(0)], [recipe(1)]]


@pytest.mark.parametrize("name", ["a.mp3", "a", "a.wave", "a.mid.txt"])
def test_an_unknown_ending_names_those_that_are_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.mid, \.midi, \.wav, \.flac, \.png, \.musicxml, \.mxl") as caught:
        write_music([four_parts()], tmp_path / name, [recipe()])
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_mistyped_ending_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean '\.wav'"):
        check_music(tmp_path / "a.wave", 1)


def test_several_pieces_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one file holds one piece, not 2: -o FOLDER/ writes 2 files"):
        write_music([four_parts()] * 2, tmp_path / "a.mid", [recipe(0), recipe(1)])


def test_what_would_fail_is_known_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        check_music(tmp_path / "a.wav", 1, soundfont=tmp_path / "my.sf2")
    with pytest.raises(UsageError, match="there is no such folder"):
        check_music(tmp_path / "no" / "a.png", 1)
    (tmp_path / "a.flac").touch()
    with pytest.raises(UsageError, match="exists"):
        check_music(tmp_path / "a.flac", 1)


def test_a_piece_without_notes_leaves_no_file(tmp_path: Path) -> None:
    for ending in (".wav", ".png", ".musicxml"):
        with pytest.raises(UsageError, match="no notes"):
            write_music([piece_of()], tmp_path / f"a{ending}", [recipe()])
    assert os.listdir(tmp_path) == []


def test_the_table_imports_no_writer() -> None:
    code = "import sys, artgen.media.music_files; print([m for m in ('music21', 'pretty_midi', 'PIL', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
