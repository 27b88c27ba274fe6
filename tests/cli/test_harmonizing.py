"""`artgen harmonize`: what is given is in the file as it was, and every kind of wrong input is told in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artgen.cli.harmonizing import parse_bars
from artgen.config import to_yaml
from artgen.engine.checkpoint import pack_networks, save_checkpoint
from artgen.errors import UsageError
from artgen.families.music_chorale.voicing import voiced
from artgen.media.midi import midi_bytes, read_midi
from artgen.music.piece import Part, Piece, make_notes
from tests.cli import toy_music
from tests.cli.helpers import Call
from tests.families.chorale_toys import configure, folder_of, hymn, prepared


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(home: Path) -> Path:
    """A run with one checkpoint, of random weights."""
    family = prepared(home)
    networks = family.networks()
    torch.manual_seed(0)
    for parameter in networks["model"].parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    (home / "run" / "data").mkdir(parents=True)
    (home / "run" / "config.yaml").write_text(to_yaml(family.config))
    family.save_data(home / "run" / "data")
    save_checkpoint(home / "run" / "checkpoints", 7, {"model": pack_networks(networks)}, {})
    return Path("run")


def tune(*pitches: int, **changed: Any) -> Piece:
    """A melody with a pickup of a beat, in which every pitch is struck twice."""
    rows = [(i / 2, 0.5, pitch, 60 + i, 0) for i, pitch in enumerate(np.repeat(pitches, 2).tolist())]
    piece = Piece(make_notes(rows), (Part("Flute", 73),), ((0.0, 84.0),), ((0.0, 1, 4), (1.0, 3, 4)))
    return replace(piece, **changed)


def save(piece: Piece, name: str) -> str:
    Path(name).write_bytes(midi_bytes(piece))
    return name


def part(piece: Piece, number: int) -> list[tuple[float, float, int, int]]:
    mine = piece.notes[piece.notes["part"] == number]
    return [(float(n["onset"]), float(n["duration"]), int(n["pitch"]), int(n["velocity"])) for n in mine]


def test_a_melody_gets_three_voices(call: Call, run: Path) -> None:
    melody = tune(67, 69, 71, 72, 71, 69, 67)
    kinds = ["four.mid", "four.wav", "four.png"]
    out = [word for kind in kinds for word in ("-o", kind)]
    said = call("harmonize", save(melody, "m.mid"), "-m", run, "--seed", 5, *out)
    assert (said.status, said.out.split()) == (0, kinds), said.err
    assert said.err.startswith("1 piece, 3 bars in ") and said.err.endswith("; --seed 5 makes the same again\n")
    made = read_midi("four.mid")
    assert [each.name for each in made.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert part(made, 0) == part(melody, 0)
    assert (made.tempos, made.meters) == (melody.tempos, melody.meters)
    assert all(len(part(made, voice)) for voice in (1, 2, 3)) and made.end <= 7
    assert [Path(kind).read_bytes()[:4] for kind in kinds] == [b"MThd", b"RIFF", b"\x89PNG"]
    for kind in kinds:
        shown = call("show", kind).out
        assert "harmonize" in shown and "m.mid" in shown and "music.chorale" in shown
        assert call("reproduce", kind).out == f"{Path(kind).stem}-again{Path(kind).suffix}: identical, byte for byte\n"
    save(tune(67, 69), "m.mid")
    said_again = call.refused("reproduce", "four.mid", "-o", "third.mid")
    assert said_again == "m.mid: is not the file that the piece was made with, it was changed since"


def test_versions_and_what_is_asked_for(call: Call, run: Path) -> None:
    melody = save(tune(48, 50, 52, 53), "bass.mid")
    asked = [
        "--voice",
        "Bass",
        "--tempo",
        120,
        "--instrument",
        "violin",
        "--temperature",
        0.7,
        "--order",
        "gibbs",
        "--transpose",
        -5,
    ]
    said = json.loads(call("harmonize", melody, "-m", run, "-n", 3, "--seed", 2, *asked, "-o", "set/", "--json").out)
    assert said["files"] == [f"set/000{i}.mid" for i in (1, 2, 3)]
    assert (said["options"]["voice"], said["options"]["order"], said["options"]["temperature"]) == ("bass", "gibbs", 0.7)
    made = [read_midi(path) for path in said["files"]]
    for piece in made:
        assert [note[2] for note in part(piece, 3)] == [43, 43, 45, 45, 47, 47, 48, 48]
        assert piece.tempos == ((0.0, 120.0),) and {each.program for each in piece.parts} == {40}
    assert len({piece.notes.tobytes() for piece in made}) == 3
    call("harmonize", melody, "-m", run, "-n", 1, "--seed", 2, *asked, "-o", "first.mid")
    assert read_midi("first.mid").notes.tolist() == made[0].notes.tolist()
    # The key, range and primer of the run's sample section are for composing: the melody stays.
    call("harmonize", melody, "-m", run, *asked, "--set", "key=F# minor", "--set", "primer=gone.mid", "-o", "key.mid")
    assert part(read_midi("key.mid"), 3) == part(made[0], 3)


def test_voices_and_bars_are_written_anew(call: Call, run: Path) -> None:
    piece = hymn(4, 16)
    save(piece, "four.mid")
    old = voiced(read_midi("four.mid"), 4)
    cases: list[tuple[list[Any], tuple[slice, list[int]]]] = [
        (["--replace", "alto"], (slice(0, 64), [1])),
        (["--replace", "tenor", "--replace", "BASS", "--bars", "2-3"], (slice(16, 48), [2, 3])),
        (["--bars", "4"], (slice(48, 64), [0, 1, 2, 3])),
    ]
    for arguments, (span, columns) in cases:
        said = call("harmonize", "four.mid", "-m", run, "--seed", 3, *arguments, "-o", "new.mid", "--force")
        assert said.status == 0, said.err
        free = np.zeros((64, 4), dtype=bool)
        free[span, columns] = True
        new = voiced(read_midi("new.mid"), 4, 64)
        assert (new.pitches[~free] == old.pitches[~free]).all()
        assert (new.pitches[free] != old.pitches[free]).mean() > 0.3
        assert call("reproduce", "new.mid", "--force").out == "new-again.mid: identical, byte for byte\n"


def test_notes_off_the_grid_stay_where_they_are(call: Call, run: Path) -> None:
    rows = [(i / 3, 1 / 3, pitch, 80, 0) for i, pitch in enumerate([67, 69, 71, 72, 71, 69])]
    melody = Piece(make_notes(rows))
    said = call("harmonize", save(melody, "m.mid"), "-m", run, "-o", "four.mid")
    assert "m.mid: 4 of 6 notes begin off the grid of 4 steps to a quarter note, on which the new ones are" in said.err
    assert part(read_midi("four.mid"), 0) == part(read_midi("m.mid"), 0)


def test_trained_composed_and_harmonised(call: Call, home: Path) -> None:
    train = {"steps": 4, "validate_every": 2, "checkpoint_every": 2, "preview_every": 4}
    config = configure(folder_of(home / "hymns"), train=train)
    Path("toy.yaml").write_text(to_yaml(config))
    said = call("train", "toy.yaml", "--out", "trained")
    assert said.status == 0, said.err
    assert "preview at step 4: " in said.err + said.out
    assert call("sample", "trained", "--seed", 1, "--primer", save(hymn(50, 6), "p.mid"), "-o", "new.mid").status == 0
    begin = voiced(read_midi("new.mid"), 4, 64).pitches[:24]
    assert (begin == voiced(hymn(50, 6), 4).pitches).all()
    assert call("reproduce", "new.mid").out == "new-again.mid: identical, byte for byte\n"
    assert call("harmonize", save(tune(67, 69), "m.mid"), "-m", "trained", "-o", "four.mid").status == 0


# ---------------------------------------------------------------- what is refused

CASES: list[tuple[Callable[[], Any], list[Any], str]] = [
    (lambda: None, [], "m.mid: no such file"),
    (lambda: Path("m.mid").write_text("no music"), [], "m.mid: "),
    (lambda: Path("m.mid").mkdir(), [], "m.mid: is a folder, expected a MIDI file"),
    (lambda: save(hymn(1), "m.mid"), [], "m.mid: more than one note at once at quarter note 0, expected a melody"),
    (lambda: save(tune(67, parts=(Part("kit", 0, True),)), "m.mid"), [], "m.mid: no notes but of drums, expected a melody"),
    (
        lambda: save(tune(55, 57), "m.mid"),
        [],
        "m.mid: the soprano goes from G3 to A3, this run's from F4 to F5: --transpose 12 brings it there",
    ),
    (
        lambda: save(tune(55, 57), "m.mid"),
        ["--transpose", "12", "--voice", "bass"],
        "m.mid: the bass goes from G4 to A4, this run's",
    ),
    (lambda: save(tune(67, 69), "m.mid"), ["--replace", "alto"], "m.mid: expected four voices, found none for "),
    (lambda: save(tune(67, 69), "m.mid"), ["--bars", "1"], "m.mid: expected four voices, found none for "),
    (lambda: save(hymn(1), "m.mid"), ["--bars", "3-4"], "m.mid: there are no bars 3 to 4, it has 3 bars (a pickup is bar 1)"),
    (lambda: save(hymn(1), "m.mid"), ["--bars", "4-3"], "--bars 4-3: expected the first and the last bar, counted from 1"),
    (lambda: save(hymn(1), "m.mid"), ["--bars", "two"], "--bars two: expected the first and the last bar, counted from 1"),
    (
        lambda: save(hymn(1), "m.mid"),
        ["--replace", "altos"],
        "harmonize: replace: input should be 'soprano', 'alto', 'tenor' or 'bass' (got 'altos')",
    ),
    (
        lambda: save(hymn(1), "m.mid"),
        ["--voice", "alto", "--bars", "1"],
        "--voice is for a melody, --replace and --bars are for",
    ),
    (
        lambda: save(tune(67), "m.mid"),
        ["--instrument", "violin", "--instrument", "cello"],
        "--instrument: 2 are named, expected one, or",
    ),
    (lambda: save(tune(67), "m.mid"), ["--order", "gibs"], "sample: order: "),
    (lambda: save(tune(67), "m.mid"), ["-o", "x.midd"], "x.midd: music is written to names that end in .mid, "),
    (lambda: save(tune(67), "m.mid"), ["-n", "2"], "four.mid: one file holds one piece, not 2"),
]


@pytest.mark.parametrize(("prepare", "arguments", "message"), CASES)
def test_what_is_wrong_is_told(call: Call, run: Path, prepare: Callable[[], Any], arguments: list[Any], message: str) -> None:
    prepare()
    said = call.refused("harmonize", "m.mid", "-m", run, "-o", "four.mid", *arguments)
    assert said.startswith(message), said
    assert not Path("four.mid").exists()


def test_a_run_that_cannot_harmonise(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_music.install(monkeypatch)
    toy_music.make_run(Path("toy"))
    said = call.refused("harmonize", save(tune(67), "m.mid"), "-m", "toy", "-o", "four.mid")
    assert said == "artgen harmonize: music.toy cannot fill in voices, a run of music.chorale can"
    assert call.refused("harmonize", "m.mid", "-m", "nowhere", "-o", "four.mid").startswith("nowhere: no such run")


def test_the_terminal_gets_no_music(call: Call, run: Path) -> None:
    assert call.refused("harmonize", save(tune(67), "m.mid"), "-m", run).startswith("music cannot go to the terminal; give -o")


def test_bars_as_they_are_typed() -> None:
    assert [parse_bars(text) for text in ("5-8", " 5 - 8 ", "7")] == [(5, 8), (5, 8), (7, 7)]
    for text in ("0-3", "", "-4", "5-", "1-2-3", "3-1"):
        with pytest.raises(UsageError, match="counted from 1, such as 5-8"):
            parse_bars(text)
