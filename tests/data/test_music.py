"""Music as data: what is found, read once, left out and held out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from artgen.data import music_store
from artgen.data.music import MusicSet, load_music, transpositions
from artgen.data.music_config import MusicDataConfig
from artgen.errors import ArtgenError, UsageError
from artgen.media.midi import midi_bytes
from artgen.music.chorales import voices
from artgen.music.piece import Part, Piece, make_notes


def tune(seed: int, shift: int = 0, off: float = 0.0) -> Piece:
    """A short melody over a drum."""
    rng = np.random.default_rng(seed)
    rows = [(i / 2 + off, 0.5, int(rng.integers(50, 80)) + shift, 80, 0) for i in range(16)]
    return Piece(make_notes([*rows, (0.0, 1.0, 36, 100, 1)]), (Part("tune", 73), Part("kit", is_drum=True)))


def folder_of(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"{i:03}.mid").write_bytes(midi_bytes(tune(i)))
    return folder


@pytest.fixture
def tunes(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "tunes", 30)


def config(*paths: Path | str, **options: Any) -> MusicDataConfig:
    return MusicDataConfig(path=[str(path) for path in paths], **options)


def load(*paths: Path | str, **options: Any) -> MusicSet:
    return load_music(config(*paths, **options))


def refusal(*paths: Path | str, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load(*paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- what is read


def test_a_folder(tunes: Path) -> None:
    found = load(tunes)
    assert (len(found.train), len(found.validation), len(found.test)) == (27, 3, 0)
    assert found.describe() == "30 pieces with 510 notes on a grid of 4 steps to a quarter note"
    assert found.warnings == ()
    for pieces, sources in ((found.train, found.train_sources), (found.validation, found.validation_sources)):
        for piece, source in zip(pieces, sources, strict=True):
            expected = tune(int(Path(source).stem))
            assert piece.notes.tolist() == expected.notes.tolist()
            assert (piece.name, piece.parts) == (Path(source).stem, expected.parts)


def test_files_globs_and_folders_below(tunes: Path) -> None:
    (tunes / "deeper").mkdir()
    shutil.move(tunes / "000.mid", tunes / "deeper" / "000.MID")
    assert len(load(tunes).pieces) == 30
    assert len(load(tunes / "01*.mid", tunes / "011.mid", tunes / "020.mid").pieces) == 11


def test_the_grid(tunes: Path) -> None:
    for i in range(30):
        (tunes / f"{i:03}.mid").write_bytes(midi_bytes(tune(i, off=0.1)))
    moved = load(tunes)
    assert (moved.train[0].notes["onset"] * 4 % 1 == 0).all()
    assert moved.warnings == (
        "94% of the notes begin off the grid of 4 steps to a quarter note and were moved; "
        "a finer data.steps or null, for no grid, moves fewer",
    )
    free = load(tunes, steps=None)
    assert free.train[0].notes["onset"][2] == 0.6
    assert (free.steps, free.warnings) == (None, ())
    assert free.describe() == "30 pieces with 510 notes with expressive timing"
    assert free.fingerprint != moved.fingerprint


def test_json_keeps_its_split(tmp_path: Path) -> None:
    rows = [[[72 - i, 67, 64, 48], [72, 67 - i, 64, 48]] for i in range(6)]
    (tmp_path / "a.json").write_text(json.dumps({"train": rows[:3], "valid": rows[3:4], "test": rows[4:]}))
    found = load(tmp_path / "a.json", json_steps=2)
    assert [voices(piece, 2).tolist() for piece in found.train] == rows[:3]
    assert [voices(piece, 2).tolist() for piece in found.validation] == rows[3:4]
    assert [voices(piece, 2).tolist() for piece in found.test] == rows[4:]
    assert found.test_sources == (f"{tmp_path}/a.json:test[0]", f"{tmp_path}/a.json:test[1]")
    assert load(tmp_path / "a.json", json_steps=1).train[0].end == 2


def test_what_a_json_file_does_not_hold_out_is_split(tmp_path: Path) -> None:
    rows = [[[72 - i, 67, 64, 48], [72, 67 - i, 64, 48]] for i in range(9)]
    (tmp_path / "a.json").write_text(json.dumps({"train": rows[:6], "test": rows[6:]}))
    found = load(tmp_path / "a.json", validation=0.3)
    assert (len(found.train), len(found.validation), len(found.test)) == (4, 2, 3)
    (tmp_path / "b.json").write_text(json.dumps(rows))
    assert len(load(tmp_path / "b.json", validation=0.3).validation) == 3


# ---------------------------------------------------------------- copies and the split


def test_copies_are_left_out_and_transposed_ones_stay_on_one_side(tunes: Path) -> None:
    shutil.copy(tunes / "000.mid", tunes / "copy.mid")
    for i in range(30):
        (tunes / f"higher {i}.mid").write_bytes(midi_bytes(tune(i, shift=5)))
    found = load(tunes, validation=0.3)
    assert found.describe().endswith("(left out: 1 copy)")
    assert len(found.validation) == 18
    trained = {tuple(np.diff(piece.notes["pitch"][piece.notes["part"] == 0])) for piece in found.train}
    assert not any(tuple(np.diff(piece.notes["pitch"][piece.notes["part"] == 0])) in trained for piece in found.validation)


def test_what_is_held_out_does_not_change_with_names_or_grid(tunes: Path, tmp_path: Path) -> None:
    first = load(tunes)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in tunes.iterdir():
        shutil.copy(path, moved / f"{99 - int(path.stem)}.mid")
    again = load(moved, steps=12)
    assert {99 - int(Path(source).stem) for source in again.validation_sources} == {
        int(Path(source).stem) for source in first.validation_sources
    }


def test_how_far_a_piece_can_be_transposed() -> None:
    piece = Piece(make_notes([(0, 1, 3, 64, 0), (0, 1, 120, 64, 0), (0, 1, 0, 64, 1)]), (Part(), Part(is_drum=True)))
    assert list(transpositions(piece, (-5, 6))) == [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6]
    assert list(transpositions(piece, (-1, 12))) == [-1, 0, 1, 2, 3, 4, 5, 6, 7]
    only_drums = Piece(make_notes([(0, 1, 0, 64, 0)]), (Part(is_drum=True),))
    assert list(transpositions(only_drums, (-5, 6))) == [0]


# ---------------------------------------------------------------- the cache


def test_the_second_time_nothing_is_read(tunes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(tunes)
    monkeypatch.setattr(music_store, "read_midi", None)
    again = load(tunes)
    assert again.fingerprint == first.fingerprint
    assert [piece.notes.tolist() for piece in again.train] == [piece.notes.tolist() for piece in first.train]
    assert [piece.parts for piece in again.train] == [piece.parts for piece in first.train]
    assert again.train_sources == first.train_sources
    load(tunes, steps=12, validation=0.5, transpose=[-5, 6])


def test_a_changed_folder_is_read_again(tunes: Path) -> None:
    first = load(tunes)
    (tunes / "new.mid").write_bytes(midi_bytes(tune(99)))
    assert len(load(tunes).pieces) == 31
    (tunes / "new.mid").unlink()
    (tunes / "000.mid").write_bytes(midi_bytes(tune(100)))
    changed = load(tunes)
    assert len(changed.pieces) == 30
    assert changed.fingerprint != first.fingerprint


def test_a_damaged_cache_is_made_again(tunes: Path, cache: Path) -> None:
    load(tunes)
    (folder,) = (cache / "music").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["notes.npz", "pieces.json"]
    for name in ("notes.npz", "pieces.json"):
        data = (folder / name).read_bytes()
        for damaged in (data[: len(data) // 2], b"", data[:-40] + bytes(40)):
            (folder / name).write_bytes(damaged)
            assert len(load(tunes).pieces) == 30


def test_no_pickle_is_loaded(tunes: Path, cache: Path) -> None:
    load(tunes)
    (folder,) = (cache / "music").iterdir()
    np.savez(folder / "notes.npz", onset=np.array([{"a": 1}], dtype=object))
    assert len(load(tunes).pieces) == 30


def test_a_file_that_changes_while_it_is_read(tunes: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = music_store.read_midi

    def meddle(path: Path) -> Piece:
        if path.name == "007.mid":
            path.write_bytes(midi_bytes(tune(200, off=1)))
        return read(path)

    monkeypatch.setattr(music_store, "read_midi", meddle)
    with pytest.raises(ArtgenError, match=r"007\.mid: was changed while it was read; try again"):
        load(tunes)
    assert list((cache / "music").iterdir()) == []


# ---------------------------------------------------------------- the chorales


def test_the_chorales_are_read_once(monkeypatch: pytest.MonkeyPatch, tunes: Path) -> None:
    asked = []

    def read_bach(advance: Any) -> tuple[list[Piece], dict[str, str]]:
        asked.append(1)
        advance(1, 1)
        return [tune(1000 + i) for i in range(10)], {"bwv1": "5 parts"}

    monkeypatch.setattr(music_store, "read_bach", read_bach)
    monkeypatch.setattr(music_store, "bach_version", lambda: "1")
    assert load("bach").describe().startswith("10 pieces with 170 notes")
    found = load("bach", tunes, steps=1)
    assert len(found.pieces) == 40
    assert found.left_out == "1 score not in four voices"
    assert load("bach", strict=True).left_out == "1 score not in four voices", "that is nobody's broken file"
    assert asked == [1]
    monkeypatch.setattr(music_store, "bach_version", lambda: "2")
    load("bach")
    assert asked == [1, 1]


# ---------------------------------------------------------------- bad input


@pytest.fixture
def with_broken_files(tunes: Path) -> Path:
    (tunes / "a text.mid").write_text("not music")
    (tunes / "b cut.mid").write_bytes(midi_bytes(tune(0))[:-9])
    (tunes / "c empty.mid").write_bytes(b"")
    (tunes / "d silent.mid").write_bytes(b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0")
    (tunes / "e poems.json").write_text('{"poems": []}')
    (tunes / "f gone.mid").symlink_to("nowhere.mid")
    (tunes / "score.mxl").write_bytes(b"1")
    return tunes


def test_broken_files_are_named_counted_and_skipped(with_broken_files: Path) -> None:
    found = load(with_broken_files)
    assert len(found.pieces) == 30
    assert found.left_out == "6 broken files"
    assert [line.removeprefix(f"{with_broken_files}/") for line in found.warnings] == [
        "score.mxl: a format that is not read, save it as MIDI; skipped",
        "a text.mid: not a MIDI file: it does not begin with MThd; skipped",
        "b cut.mid: is cut short: 9 bytes of track 3 missing; skipped",
        "c empty.mid: is empty; skipped",
        "d silent.mid: no notes in it; skipped",
        "e poems.json: not music: expected a list of pieces, or one each for train, valid and test; it has 'poems'; skipped",
        "f gone.mid: is a link to nowhere.mid, which does not exist; skipped",
    ]
    assert load(with_broken_files).warnings == found.warnings, "also when they come from the cache"


def test_strict_refuses_broken_files(with_broken_files: Path) -> None:
    assert refusal(with_broken_files, strict=True) == (
        f"{with_broken_files}/a text.mid: not a MIDI file: it does not begin with MThd (data.strict refuses broken files)"
    )


def test_many_broken_files_are_summed_up(tunes: Path) -> None:
    for i in range(20):
        (tunes / f"broken {i:02}.mid").write_text("no")
    warnings = load(tunes).warnings
    assert len(warnings) == 9
    assert warnings[-1] == "12 more broken files were skipped, 20 in all"


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty: no music: there is no .mid, .midi or .json in this folder" in refusal(tmp_path / "empty")
    (tmp_path / "empty" / "a.mp3").write_bytes(b"1")
    assert "a.mp3: a format that is not read, save it as MIDI; skipped)" in refusal(tmp_path / "empty")
    assert "nowhere: no such file or folder" in refusal(tmp_path / "nowhere")
    assert "did you mean 'bach'?" in refusal(tmp_path / "bacch")
    assert "matches no file" in refusal(tmp_path / "*.mid")
    assert "empty name" in refusal("")
    assert "not a file name" in refusal("a\0b")


def test_one_piece_is_too_few_and_so_are_its_copies(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "one", 1)
    expected = "expected at least 2 pieces: one to train on and one held out; 50 are a beginning"
    assert refusal(folder) == f"{folder}: one piece, {expected}"
    shutil.copy(folder / "000.mid", folder / "again.mid")
    assert refusal(folder) == f"{folder}: one piece (left out: 1 copy), {expected}"
    (folder / "higher.mid").write_bytes(midi_bytes(tune(0, shift=2)))
    assert refusal(folder) == "data.path: 2 pieces to train on and 0 held out, expected at least one of each"
    for path in folder.iterdir():
        path.write_text("no")
    assert refusal(folder).startswith(f"{folder}: no music (left out: 3 broken files; {folder}/000.mid: not a MIDI file")


def test_few_pieces_work_with_a_warning(tmp_path: Path) -> None:
    found = load(folder_of(tmp_path / "three", 3))
    assert (len(found.train), len(found.validation)) == (2, 1)
    assert found.warnings == ("3 pieces are very few: expect variations on them; 50 are a beginning, 200 give variety",)


def test_a_folder_that_links_to_itself_is_read_once(tunes: Path) -> None:
    (tunes / "deeper").mkdir()
    (tunes / "deeper" / "back").symlink_to(tunes)
    found = load(tunes)
    assert len(found.pieces) == 30
    assert found.warnings == (f"{tunes}/deeper/back: is a link to a folder that was read already; skipped",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transpose": [1, 5]}, "expected [lowest, highest] semitones with 0 between them"),
        ({"transpose": [-5, 60]}, "within 24 (got [-5, 60])"),
        ({"transpose": 5}, "expected [lowest, highest] semitones"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"validation": 0}, "greater than 0"),
        ({"grid": 4}, "Extra inputs are not permitted"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MusicDataConfig(**options)
    assert message in str(caught.value)


def test_options_as_yaml_has_them() -> None:
    assert MusicDataConfig().path == ["bach"]
    assert MusicDataConfig(path="a.mid", transpose=[-5, 6]).transpose == (-5, 6)  # type: ignore[arg-type]
    again = MusicDataConfig.model_validate(MusicDataConfig(transpose=(-2, 3)).model_dump(mode="json"))
    assert again.transpose == (-2, 3)
