"""A piece as a score: what music21 reads back is what was written."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.media.musicxml import read_recipe, write_musicxml
from artgen.media.reading import read_recipe as read_any
from artgen.music.piece import Part, Piece, make_notes
from tests.media.music import four_parts, piece_of, recipe

music21 = pytest.importorskip("music21", reason="the extra `bach` is not installed")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def written(piece: Piece, folder: Path, name: str = "a.musicxml") -> Any:
    """The piece, written and read by music21."""
    return music21.converter.parse(write_musicxml(piece, folder / name, [recipe()], force=True), forceSource=True)


def notes_of(score: Any) -> list[tuple[int, float, float, int]]:
    """(part, onset, duration, pitch) of a score, tied notes as one, sorted."""
    found = []
    for number, part in enumerate(score.parts):
        open_ties: dict[int, tuple[float, float]] = {}
        for element in part.flatten().notes:
            begin, length = float(element.offset), float(element.quarterLength)
            for one in getattr(element, "notes", [element]):
                tied = (one.tie or element.tie).type if one.tie or element.tie else None
                pitch = one.pitch.midi
                if tied in ("stop", "continue"):
                    began, sofar = open_ties.pop(pitch)
                    assert began + sofar == pytest.approx(begin)
                else:
                    began, sofar = begin, 0.0
                if tied in ("start", "continue"):
                    open_ties[pitch] = (began, sofar + length)
                else:
                    found.append((number, round(began, 6), round(sofar + length, 6), pitch))
        assert not open_ties
    return sorted(found)


def own_notes(piece: Piece) -> list[tuple[int, float, float, int]]:
    notes = piece.notes
    return sorted((int(n["part"]), round(float(n["onset"]), 6), round(float(n["duration"]), 6), int(n["pitch"])) for n in notes)


def test_notes_are_read_back(tmp_path: Path) -> None:
    assert notes_of(written(four_parts(), tmp_path)) == own_notes(four_parts())


@pytest.mark.parametrize(("seed", "grid"), [(0, 4), (1, 3), (2, 8), (3, 12), (4, 6)])
def test_any_notes_are_read_back_with_chords_voices_and_ties(tmp_path: Path, seed: int, grid: int) -> None:
    rng = np.random.default_rng(seed)
    rows = {(int(rng.integers(0, 14 * grid)), int(rng.integers(40, 80)), int(rng.integers(0, 2))) for _ in range(50)}
    until: dict[tuple[int, int], int] = {}
    made = []
    for onset, pitch, part in sorted(rows):  # a key is not struck while it sounds
        if onset >= until.get((pitch, part), 0):
            length = int(rng.integers(1, 5 * grid))
            until[pitch, part] = onset + length
            made.append((onset / grid, length / grid, pitch, 90, part))
    piece = Piece(make_notes(made), (Part("a"), Part("b")), meters=((0.0, 3, 4), (6.0, 6, 8)))
    assert notes_of(written(piece, tmp_path)) == own_notes(piece)


def test_signs_are_read_back(tmp_path: Path) -> None:
    piece = replace(
        piece_of(*[(float(at), 1.0, 60 + at) for at in range(12)]),
        tempos=((0.0, 90.0), (6.0, 132.5)),
        meters=((0.0, 3, 4), (6.0, 6, 8)),
        keys=((0.0, 2, True), (6.0, 8, False)),
        name="Two keys",
    )
    score = written(piece, tmp_path)
    flat = score.parts[0].flatten()
    assert score.metadata.movementName == "Two keys"
    assert [(s.offset, s.ratioString) for s in flat.getElementsByClass("TimeSignature")] == [(0, "3/4"), (6, "6/8")]
    assert [(k.offset, k.sharps) for k in flat.getElementsByClass("KeySignature")] == [(0, -1), (6, -4)]
    marks = flat.getElementsByClass("MetronomeMark")
    assert [(m.offset, m.getQuarterBPM()) for m in marks] == [(0, 90), (6, 132.5)]


@pytest.mark.parametrize(
    ("key", "pitches", "names"),
    [
        ((2, True), [61, 58, 62], ["C#4", "B-3", "D4"]),  # D minor: its leading note and its flat
        ((11, False), [70, 66, 63, 60], ["A#4", "F#4", "D#4", "B#3"]),  # B major
        ((1, False), [61, 65, 60, 66], ["D-4", "F4", "C4", "G-4"]),  # D flat major
        ((9, True), [68, 66, 60], ["G#4", "F#4", "C4"]),  # A minor, rising
    ],
)
def test_pitches_are_spelled_as_the_key_says(
    tmp_path: Path, key: tuple[int, bool], pitches: list[int], names: list[str]
) -> None:
    piece = replace(piece_of(*[(float(at), 1.0, pitch) for at, pitch in enumerate(pitches)]), keys=((0.0, *key),))
    found = [one.pitch.nameWithOctave for one in written(piece, tmp_path).flatten().notes]
    assert found == names


def test_every_pitch_is_spelled_as_itself_in_every_key() -> None:
    from artgen.media.score import _spelled

    for sharps in range(-7, 8):
        assert [_spelled(pitch, sharps).midi for pitch in range(128)] == list(range(128))


def test_a_key_is_found_where_none_is_named(tmp_path: Path) -> None:
    score = written(replace(four_parts(), keys=()), tmp_path)
    assert score.parts[0].flatten().getElementsByClass("KeySignature")[0].sharps == 1


def test_parts_have_names_clefs_and_programs(tmp_path: Path) -> None:
    parts = written(four_parts(), tmp_path).parts
    assert [part.partName for part in parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert [part.recurse().getElementsByClass("Clef")[0].sign for part in parts] == ["G", "G", "G", "F"]
    assert parts[2].recurse().getElementsByClass("Clef")[0].octaveChange == -1
    text = (tmp_path / "a.musicxml").read_text()
    assert [f"<midi-program>{program + 1}</midi-program>" in text for program in (52, 40, 68, 70)] == [True] * 4


def test_free_playing_is_written_in_sixteenths(tmp_path: Path) -> None:
    score = written(piece_of((0.03, 0.93, 60), (1.07, 0.4, 62)), tmp_path)
    assert [(float(one.offset), float(one.quarterLength)) for one in score.flatten().notes] == [(0, 1), (1, 0.5)]


def test_drums_are_written_as_percussion(tmp_path: Path) -> None:
    rows = [(0.0, 1.0, 36, 90, 0), (0.0, 1.0, 42, 90, 0), (1.0, 1.0, 38, 90, 0)]
    score = written(Piece(make_notes(rows), (Part("Kit", 0, True),)), tmp_path)
    part = score.parts[0]
    assert part.recurse().getElementsByClass("Clef")[0].sign == "percussion"
    assert len(part.flatten().notes) == 2
    assert "<midi-channel>10</midi-channel>" in (tmp_path / "a.musicxml").read_text()


def test_real_chorales_are_read_back(tmp_path: Path) -> None:
    source = DATA / "jsb-chorales" / "Jsb16thSeparated.json"
    if not source.is_file():
        pytest.skip("shared/data/jsb-chorales is not here")
    for steps in json.loads(source.read_text())["test"][:3]:
        rows = []
        for part, voice in enumerate(zip(*steps, strict=True)):
            begins = [i for i in range(len(voice)) if i == 0 or voice[i] != voice[i - 1]]
            for begin, end in zip(begins, [*begins[1:], len(voice)], strict=True):
                if voice[begin] >= 0:
                    rows.append((begin / 4, (end - begin) / 4, voice[begin], 80, part))
        piece = Piece(make_notes(rows), tuple(Part(name) for name in "SATB"))
        assert notes_of(written(piece, tmp_path)) == own_notes(piece)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["春.musicxml", "a.MXL"])
def test_the_recipe_is_read_back_and_the_bytes_are_the_same_again(tmp_path: Path, name: str) -> None:
    made = [recipe(0), recipe(1, prompt="<&>\"' \0 \r\n春 ]]>")]
    out = write_musicxml(four_parts(), tmp_path / name, made)
    assert os.listdir(tmp_path) == [name]
    for read in (read_recipe, read_any):
        assert read(out).recipes == made
        assert read(out).unchanged
    first = out.read_bytes()
    assert write_musicxml(four_parts(), out, made, force=True).read_bytes() == first
    assert b"encoding-date" not in first


def test_a_changed_score_is_told(tmp_path: Path) -> None:
    out = write_musicxml(four_parts(), tmp_path / "a.musicxml", [recipe()])
    out.write_bytes(out.read_bytes().replace(b"<step>G</step>", b"<step>A</step>", 1))
    assert read_recipe(out).recipes == [recipe()]
    assert not read_recipe(out).unchanged


def test_music21_still_finds_the_recipe(tmp_path: Path) -> None:
    score = written(four_parts(), tmp_path)
    assert "music.rnn" in str(score.metadata.getCustom("artgen-recipe"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<?xml version='1.0'?><score-partwise/>", "carries no recipe"),
        (b"<?xml version='1.0'?><html/>", "not a MusicXML file"),
        (b"PK\x03\x04 cut", "damaged"),
    ],
)
def test_a_score_without_a_recipe_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.musicxml").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_any(tmp_path / "a.musicxml")


def test_bad_calls_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"\.musicxml or \.mxl"):
        write_musicxml(four_parts(), tmp_path / "a.xml", [recipe()])
    with pytest.raises(UsageError, match="no notes"):
        write_musicxml(piece_of(), tmp_path / "a.musicxml", [recipe()])
    (tmp_path / "a.musicxml").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        write_musicxml(four_parts(), tmp_path / "a.musicxml", [recipe()])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs music21: pip install 'artgen\[bach\]'"):
        write_musicxml(four_parts(), tmp_path / "b.musicxml", [recipe()])
