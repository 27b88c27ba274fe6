"""The score card of music: what it is compared with, and that its figures are those of the metrics and of loops."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artgen.data.music import load_music
from artgen.data.music_config import MusicDataConfig
from artgen.errors import UsageError
from artgen.media.midi import write_midi
from artgen.metrics.music_theory import piece_figures
from artgen.metrics.scorecard import ScoreCard
from artgen.music.evaluate import evaluate_music, judge
from artgen.music.family import facts_of
from artgen.music.piece import Part, Piece, make_notes
from artgen.music.real_pieces import Real, evenly, find_real
from tests.cli.toy_music import CELLO, FLUTE, make_run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wander(seed: int, parts: int = 2, length: int = 32, program: int = FLUTE) -> Piece:
    """Quarter notes that go up and down by chance, each part lower than the one before."""
    noise = np.random.default_rng(seed)
    rows = []
    for part in range(parts):
        pitches = 76 - 8 * part + np.cumsum(noise.choice([-2, -1, 1, 2], length)) % 12
        rows += [(float(i), 1.0, int(pitch), 80, part) for i, pitch in enumerate(pitches)]
    return Piece(make_notes(rows), tuple(Part("", (program, CELLO, 41, 40)[part]) for part in range(parts)))


def folder(name: str, n: int, first: int = 0, **kind: Any) -> Path:
    Path(name).mkdir()
    for seed in range(first, first + n):
        write_midi(wander(seed, **kind), Path(name) / f"{seed:03d}.mid")
    return Path(name)


def score(run: tuple[Any, Any], paths: list[str] | None = None, n_samples: int = 4) -> ScoreCard:
    return evaluate_music(*run, paths, n_samples, seed=3)


def test_samples_are_judged_against_what_was_held_out() -> None:
    family, networks = make_run(Path("run"), data=folder("set", 24))
    card = score((family, networks)).as_dict()
    music = family.music
    assert card["real"] == f"{len(music.validation)} held-out pieces"
    assert card["toy_notes"] == sum(len(piece.notes) for piece in music.validation)
    samples = [made.work for made in family.sample(networks, family.config.sample, 4, 3)]
    ours, theirs = piece_figures(samples, seed=3), piece_figures(music.validation, seed=3)
    for key in ("key_clarity", "empty_bars", "dissonance"):
        assert card[key] == ours[key].as_dict()
        assert card["of_real"][key] == theirs[key].as_dict()
    assert card["style_share_pooled"] == card["style_share"]["pooled_mean"]
    assert set(card["style_share"]) >= {"pooled_interval", "distances_chord", "variety_density"}
    assert "parallels" not in card  # two parts
    assert card["copied_excess"]["n"] == 4 and card["copied_excess"]["n_real"] == len(music.validation)
    json.dumps(card)


def test_ranges_are_those_of_a_loop() -> None:
    family, networks = make_run(Path("run"), data=folder("set", 24))
    card = score((family, networks))
    rows = card.as_dict()["ranges"]
    assert [row["part"] for row in rows] == ["Flute", "Cello"]
    samples = [made.work for made in family.sample(networks, family.config.sample, 4, 3)]
    for part, row in enumerate(rows):
        for name, pieces in (("samples", samples), ("real", family.music.validation)):
            pitches = [note["pitch"] for piece in pieces for note in piece.notes if note["part"] == part]
            assert row[name] == (min(pitches), max(pitches))
    assert "  Flute  C4 to B4" in card.as_text()


def test_key_and_range_of_the_sample_section_do_not_bend_the_style() -> None:
    plain = make_run(Path("run"), data=folder("set", 24))
    bent = make_run(Path("bent"), data=Path("set"), key="Eb minor", play_range="violin", instrument=["56"])
    assert score(plain).as_dict() == score(bent).as_dict()


def test_copies_are_found_in_any_key_and_named() -> None:
    """Three samples are training pieces, moved; one is new."""
    music = load_music(MusicDataConfig(path=[str(folder("set", 24))], steps=4))
    real = Real(music.validation, "held out", music, "")
    samples = [music.train[2].transposed(3), music.train[5], wander(500), music.train[0].transposed(-1)]
    card = ScoreCard("copies")
    judge(card, samples, real, facts_of(music), seed=0)
    found = card.as_dict()
    assert (found["copied_notes"], found["copied_rhythm_notes"]) == (32, 32)
    assert found["copied_excess"]["value"] > 20
    worst = found["copying"]["rhythm"]["worst"]
    assert {(each["sample"], each["training_piece"], each["notes"], each["bar"]) for each in worst[:3]} == {
        (0, music.train_sources[2], 32, 1),
        (1, music.train_sources[5], 32, 1),
        (3, music.train_sources[0], 32, 1),
    }
    assert worst[3]["sample"] == 2 and worst[3]["notes"] < 12
    assert f"sample 1, bar 1: 32 notes of 32, as {music.train_sources[5]} from bar 1 on" in card.as_text()


def test_training_pieces_are_as_near_as_training_pieces() -> None:
    music = load_music(MusicDataConfig(path=[str(folder("set", 40))]))
    near, far = ScoreCard("near"), ScoreCard("far")
    real = Real(music.validation, "held out", music, "")
    judge(near, music.train[:20], real, facts_of(music), seed=0)
    judge(far, [wander(900)] * 20, real, facts_of(music), seed=0)
    assert near.as_dict()["style_share_pooled"]["value"] == pytest.approx(1, abs=0.05)
    assert far.as_dict()["style_share_variety"]["value"] < 0.6


def test_four_voices_are_judged_as_voices() -> None:
    """The toy's parts go in unison: six pairs of parallels at each change."""
    family, networks = make_run(Path("run"), data=folder("set", 12, parts=4))
    card = score((family, networks)).as_dict()
    assert card["parallels"]["value"] == pytest.approx(600)
    assert card["parallel_fifths"]["value"] == 0
    assert card["crossings"]["value"] == 0
    assert 0 < card["of_real"]["parallels"]["value"] < 100


def test_samples_that_are_no_four_voices_have_a_line() -> None:
    music = load_music(MusicDataConfig(path=[str(folder("set", 12, parts=4))]))
    chord = make_notes([(0.0, 4.0, 60 + pitch, 80, 0) for pitch in (0, 3, 5, 7, 10)])
    card = ScoreCard("chords")
    judge(card, [Piece(chord), Piece(chord)], Real(music.validation, "", music, ""), facts_of(music), seed=0)
    assert "four voices: not measured, the piece: 5 notes sound at once at quarter note 0" in card.as_text()
    assert [row["part"] for row in card.as_dict()["ranges"]] == ["all parts"]


def test_where_the_run_s_own_pieces_are_gone() -> None:
    run = make_run(Path("run"), data=folder("set", 24))
    folder("other", 6, first=100)
    whole = score(run, ["other"])
    assert whole.as_dict()["real"] == "6 pieces of other"
    assert "style_share_pooled" in whole.as_dict() and "copied_notes" in whole.as_dict()
    shutil.move("set", "moved")
    with pytest.raises(UsageError, match="no real pieces to compare with: what the run learned from is not there .*set: no"):
        score(run)
    card = score(run, ["other"])
    assert "style_overlap_pooled" in card.as_dict()
    assert not any(key.startswith(("style_share", "copied")) for key in card.as_dict())
    assert "copying: not measured, what the run learned from is not there" in card.as_text()
    again = score(run, ["moved"])  # the same pieces elsewhere are the run's own
    assert again.as_dict()["real"] == f"{len(run[0].music.validation)} held-out pieces"
    assert "copied_notes" in again.as_dict()


def test_pieces_that_were_changed_are_not_the_run_s_own() -> None:
    run = make_run(Path("run"), data=folder("set", 24))
    write_midi(wander(99), "set/099.mid")
    found = find_real(run[0].config.data, run[0].of.fingerprint, ["set"])
    assert found.own is None and "set is not what the run learned from" in found.missing
    assert len(found.pieces) == 25


def test_a_file_s_own_test_pieces_are_those_held_out() -> None:
    split = {
        name: [[[60 + i + 7 * k, 55 + i, 52, 40] for i in range(16)] for k in range(3)] for name in ("train", "valid", "test")
    }
    for k, name in enumerate(split):
        split[name] = [[[pitch + k for pitch in chord] for chord in piece] for piece in split[name]]
    Path("set.json").write_text(json.dumps(split))
    music = load_music(MusicDataConfig(path=["set.json"]))
    found = find_real(MusicDataConfig(path=["set.json"]), music.fingerprint, None)
    assert found.pieces == found.own_held_out and len(found.pieces) == 3
    assert all((a.notes == b.notes).all() for a, b in zip(found.pieces, music.test, strict=True))


def test_no_sample_or_one() -> None:
    run = make_run(Path("run"), data=folder("set", 24))
    card = score(run, n_samples=0).as_dict()
    assert {"toy_notes", "samples", "seed", "real", "title"} == set(card)
    with pytest.raises(UsageError, match="--samples 1: too few to compare, expected 2 or more; 0 judges no samples"):
        score(run, n_samples=1)


def test_drums_alone_have_no_style_and_no_melody() -> None:
    music = load_music(MusicDataConfig(path=[str(folder("set", 24))]))
    drums = [replace(wander(seed), parts=(Part("", 0, True), Part("", 0, True))) for seed in range(3)]
    card = ScoreCard("drums")
    judge(card, drums, Real(music.validation, "", music, ""), facts_of(music), seed=0)
    text = card.as_text()
    assert "style: not measured, the samples have no notes but drums'" in text
    assert card.as_dict()["copied_notes"] == 0


def test_too_many_real_pieces_are_thinned_evenly() -> None:
    assert evenly(range(10), 20) == list(range(10))
    assert evenly(range(100), 4) == [0, 25, 50, 75]
