from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.music import chorale_files
from artgen.music.chorale_files import read_bach, read_chorale_json
from artgen.music.chorales import SATB, from_voices, voices, voices_and_holds
from artgen.music.piece import Part, Piece, make_notes

SHARED = Path(__file__).parents[3] / "shared/data"


def some_voices(seed: int = 0, n_steps: int = 200, n_voices: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Pitches that stay for a while, and which of those that stay are held."""
    rng = np.random.default_rng(seed)
    pitches = np.empty((n_steps, n_voices), dtype=np.int64)
    for voice in range(n_voices):
        now = -1
        for step in range(n_steps):
            if rng.random() < 0.4:
                now = -1 if rng.random() < 0.2 else int(rng.integers(36, 80))
            pitches[step, voice] = now
    pitches[-1] = 60  # a rest at the end is no note, and so not kept
    continues = np.zeros(pitches.shape, dtype=bool)
    continues[1:] = (pitches[1:] == pitches[:-1]) & (pitches[1:] != -1)
    return pitches, continues & (rng.random(pitches.shape) < 0.8)


def piece(*rows: tuple[float, float, int, int], parts: int | tuple[Part, ...] = 4) -> Piece:
    """Notes of (onset, duration, pitch, part)."""
    given = tuple(Part() for _ in range(parts)) if isinstance(parts, int) else parts
    return Piece(make_notes([(onset, duration, pitch, 64, part) for onset, duration, pitch, part in rows]), given)


# ---------------------------------------------------------------- voices


@pytest.mark.parametrize("n_voices", [1, 3, 4, 5])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_voices_there_and_back(n_voices: int, steps: int) -> None:
    pitches, holds = some_voices(steps, n_voices=n_voices)
    pitches = np.sort(pitches + 100 * (pitches >= 0), axis=1)[:, ::-1] - 100  # so that the mean pitch falls from voice to voice
    pitches = np.where(pitches < 0, -1, pitches)
    holds[1:] &= pitches[1:] == pitches[:-1]
    holds &= pitches >= 0
    found, held = voices_and_holds(from_voices(pitches, steps, 90, holds), steps, n_voices)
    assert (found == pitches).all()
    assert (held == holds).all()


def test_named_voices_stay_where_they_are_even_if_they_cross() -> None:
    pitches, holds = some_voices()
    found, held = voices_and_holds(from_voices(pitches, 4, holds=holds), 4)
    assert (found == pitches).all()
    assert (held == holds).all()


def test_equal_steps_are_one_note_unless_it_is_said_that_they_are_not() -> None:
    pitches = np.array([[60], [60], [60], [-1], [60], [62]])
    assert [note[:3] for note in from_voices(pitches, 2).notes.tolist()] == [(0, 1.5, 60), (2, 0.5, 60), (2.5, 0.5, 62)]
    holds = np.array([[False], [True], [False], [False], [True], [True]])
    again = from_voices(pitches, 2, holds=holds)
    assert [note[:3] for note in again.notes.tolist()] == [(0, 1, 60), (1, 0.5, 60), (2, 0.5, 60), (2.5, 0.5, 62)]


def test_what_a_piece_of_voices_says() -> None:
    found = from_voices(np.array([[72, 67, 64, 48]]), 4, tempo=75, program=19, name="amen")
    assert found.parts == tuple(Part(name, 19) for name in SATB)
    assert (found.tempos, found.name) == (((0.0, 75.0),), "amen")
    assert from_voices(np.array([[60, 50]]), 4).parts[1].name == "Voice 2"


def test_parts_are_ordered_by_their_mean_pitch() -> None:
    chord = piece((0, 1, 48, 0), (0, 1, 72, 1), (0, 1, 60, 2), (0, 1, 65, 3))
    assert voices(chord, 1).tolist() == [[72, 65, 60, 48]]


def test_drums_are_no_voice() -> None:
    parts = (Part("drums", is_drum=True), Part("a"), Part("b"))
    assert voices(piece((0, 4, 99, 0), (0, 1, 50, 1), (0, 2, 60, 2), parts=parts), 1, 2).tolist() == [[60, 50], [60, -1]]
    with pytest.raises(UsageError, match="the piece: no notes but of drums, expected 4 voices"):
        voices(piece((0, 4, 40, 0), parts=parts), 4)


def test_a_part_has_one_note_at_a_time() -> None:
    overlapping = piece((0, 4, 70, 0), (1, 1, 72, 0), (0, 1, 40, 1), (0, 2, 43, 1), (3, 1, 41, 1), (3, 1, 74, 0), (3, 1, 76, 0))
    found, held = voices_and_holds(overlapping, 1, 2)
    assert found.tolist() == [[70, 40], [72, -1], [-1, -1], [76, 41]]
    assert not held.any()


def test_chords_of_one_part_go_to_the_nearest_voices() -> None:
    chords = piece(
        (0, 1, 72, 0), (0, 1, 67, 0), (0, 2, 64, 0), (0, 2, 48, 0), (1, 1, 74, 0), (2, 1, 53, 0), (2, 2, 71, 0), (3, 1, 65, 0), (3, 1, 62, 0)
    )  # fmt: skip
    found, held = voices_and_holds(chords, 1)
    assert found.tolist() == [[72, 67, 64, 48], [74, -1, 64, 48], [71, -1, -1, 53], [71, 65, 62, -1]]
    assert held.tolist() == [
        [False] * 4,
        [False, False, True, True],
        [False] * 4,
        [True, False, False, False],
    ]


def test_unisons_of_two_parts_are_one_note_of_a_chord() -> None:
    found = voices(piece((0, 1, 72, 0), (0, 1, 72, 1), (0, 1, 60, 2), parts=3), 1, 2)
    assert found.tolist() == [[72, 60]]


def test_more_notes_than_voices() -> None:
    five = piece(*[(0, 1, 60, 0)], *[(1, 1, 50 + i, 0) for i in range(5)], parts=1)
    with pytest.raises(UsageError, match="the piece: 5 notes sound at once at quarter note 1, expected at most 4"):
        voices(five, 4)


def test_notes_off_the_grid_are_put_on_it() -> None:
    assert voices(piece((0.1, 0.9, 60, 0), (1.05, 0.01, 62, 0), parts=1), 2, 1).tolist() == [[60], [60], [62]]


@pytest.mark.parametrize("pitches", [np.zeros(4), np.array([[128]]), np.array([[-2]])])
def test_what_are_no_voices(pitches: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pitches"):
        from_voices(pitches, 4)
    with pytest.raises(ValueError, match=r"expected \[steps, voices\]"):
        from_voices(np.array([[60, 50]]), 4, holds=np.zeros((2, 2), dtype=bool))


# ---------------------------------------------------------------- JSON


def written(folder: Path, document: Any) -> Path:
    (folder / "a.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return folder / "a.json"


def test_steps_of_four_are_voices(tmp_path: Path) -> None:
    rows = [[72, 67, 60, 48], [72, 69, -1, 48], [72.0, 69.0, 60.0, 48.0]]
    found = read_chorale_json(written(tmp_path, {"train": [rows], "valid": [rows, rows], "test": []}), steps=2)
    assert {split: len(pieces) for split, pieces in found.items()} == {"train": 1, "validation": 2, "test": 0}
    (only,) = found["train"]
    assert voices(only, 2).tolist() == rows
    assert only.end == 1.5
    assert (only.name, found["validation"][1].name) == ("a train[0]", "a valid[1]")


def test_from_low_to_high_is_turned(tmp_path: Path) -> None:
    (only,) = read_chorale_json(written(tmp_path, [[[48, 60, 67, 72], [50, 59, 67]]]))[""]
    assert voices(only, 4).tolist() == [[72, 67, 60, 48], [-1, 67, 59, 50]]
    assert [part.name for part in only.parts] == list(SATB)


def test_voices_that_cross_keep_their_order(tmp_path: Path) -> None:
    rows = [[72, 67, 60, 48], [72, 60, 62, 48], [72, 67, 60]]
    (only,) = read_chorale_json(written(tmp_path, [rows]))[""]
    assert voices(only, 4).tolist() == [*rows[:2], [72, 67, 60, -1]]


def test_any_number_of_pitches_is_one_part(tmp_path: Path) -> None:
    rows = [[60], [60, 64, 67, 70, 74], [], [64, 60]]
    (only,) = read_chorale_json(written(tmp_path, [rows]), steps=1)[""]
    assert [note[:3] for note in only.notes.tolist()] == [
        (0, 2, 60),
        (1, 1, 64),
        (1, 1, 67),
        (1, 1, 70),
        (1, 1, 74),
        (3, 1, 60),
        (3, 1, 64),
    ]
    assert len(only.parts) == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[[", "not music: no valid JSON"),
        ("[" * 100_000, "not music: no valid JSON"),
        (3, "not music: expected a list of pieces, or one each for train, valid and test"),
        ({"poems": []}, "not music: expected a list of pieces, or one each for train, valid and test; it has 'poems'"),
        ({"train": 3}, "train: not music: expected a list of pieces"),
        ([], "no pieces in it"),
        ({"train": [], "test": []}, "no pieces in it"),
        ({"train": [["a"]]}, "train[0]: step 0: expected a list of pitches from 0 to 127, or -1, found \"a\""),
        ({"train": [[[60], [60, 128]]]}, "train[0]: step 1: expected a list of pitches from 0 to 127, or -1, found [60, 128]"),
        ([[[60.5]]], "[0]: step 0: expected a list of pitches from 0 to 127, or -1, found [60.5]"),
        ("[[[NaN]]]", "[0]: step 0: expected a list of pitches from 0 to 127, or -1, found [NaN]"),
        ([[[True]]], "[0]: step 0: expected a list of pitches from 0 to 127, or -1, found [true]"),
        (["a"], "[0]: not music: expected a list of steps, each a list of pitches"),
        ([[]], "[0]: not music: expected a list of steps, each a list of pitches"),
        ([[[-1, -1], []]], "[0]: no notes in it"),
    ],
)  # fmt: skip
def test_json_that_is_no_music(tmp_path: Path, document: Any, message: str) -> None:
    path = written(tmp_path, document)
    with pytest.raises(UsageError) as caught:
        read_chorale_json(path)
    assert str(caught.value) == f"{path}: {message}"


def test_json_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="nowhere.json: no such file"):
        read_chorale_json(tmp_path / "nowhere.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UsageError, match="no valid JSON"):
        read_chorale_json(tmp_path / "b.json")
    monkeypatch.setattr(chorale_files, "MOST_JSON_BYTES", 1_000_000)
    with pytest.raises(UsageError, match="too large: more than 1 MB"):
        read_chorale_json(written(tmp_path, " " * 1_000_001))


@pytest.mark.parametrize("name", ["Jsb16thSeparated.json", "jsb-chorales-16th.json"])
def test_both_layouts_of_the_benchmark_are_kept_step_by_step(name: str) -> None:
    path = SHARED / "jsb-chorales" / name
    if not path.is_file():
        pytest.skip("needs ../shared/data/jsb-chorales")
    document = json.loads(path.read_bytes())
    found = read_chorale_json(path)
    assert {split: len(pieces) for split, pieces in found.items()} == {"train": 229, "validation": 76, "test": 77}
    for piece_, rows in zip(found["test"], document["test"], strict=True):
        array = voices(piece_, 4)
        assert [sorted({int(p) for p in row if p >= 0}) for row in array] == [
            sorted({int(p) for p in row if p >= 0}) for row in rows
        ]
        if name.startswith("Jsb"):
            assert array.tolist() == rows


# ---------------------------------------------------------------- the corpus


class Corpus:
    """Some scores of music21 in the place of all."""

    names = ("bwv10.7.mxl", "bwv277.krn", "bwv1.6.mxl", "bwv227.3.mxl")

    def __init__(self, paths: list[Path]) -> None:
        self.paths = [path for path in paths if path.name in self.names]

    def getComposer(self, name: str) -> list[Path]:
        return self.paths


@pytest.fixture(scope="module")
def scores() -> Corpus:
    music21 = pytest.importorskip("music21")
    return Corpus([Path(path) for path in music21.corpus.corpora.CoreCorpus().getComposer("bach")])


def test_scores_become_four_voices(scores: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    import music21

    monkeypatch.setattr(music21.corpus.corpora, "CoreCorpus", lambda: scores)
    advanced: list[tuple[int, int]] = []
    found, left_out = read_bach(lambda *at: advanced.append(at))
    assert advanced == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert left_out == {"bwv227.3": "5 parts, not one each for soprano, alto, tenor and bass"}
    assert [piece_.name for piece_ in found] == ["bwv1.6", "bwv10.7", "bwv277"]
    for piece_ in found:
        array = voices(piece_, 4)
        assert (np.diff([array[:, voice][array[:, voice] >= 0].mean() for voice in range(4)]) < 0).all()
        assert (piece_.notes["onset"] * 4 % 1 == 0).all()
        assert [part.name for part in piece_.parts] == list(SATB)
    meine_seele = found[1]
    assert meine_seele.keys == ((0.0, 7, True),), "it ends in G minor"
    assert voices(meine_seele, 1)[0].tolist() == [74, 67, 58, 55]
    pickup = found[0]
    assert pickup.meters == ((0.0, 1, 4), (1.0, 4, 4))
    assert pickup.bars()[:3] == [0, 1, 5]


def test_without_music21(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"bach: the chorales come with music21, which is not installed: pip install 'artgen\[bach\]'"
    ):
        read_bach()
