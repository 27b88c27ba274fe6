"""Music that is missing, broken, hostile or strange: as what is learned from, and as what a piece goes on from; and wrong calls."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import yaml

from artgen.media.midi import midi_bytes, read_midi
from artgen.media.midi_events import META, MidiEvents, write_events
from artgen.media.soundfont import embedded_soundfont
from artgen.music.piece import Part, Piece, make_notes
from tests.e2e.helpers import artgen, one_line

MODELS: dict[str, dict[str, Any]] = {
    "music.rnn": {"reads": "frames", "n_layers": 1, "d_model": 16, "context": 32},
    "music.transformer": {"n_layers": 1, "n_heads": 2, "d_model": 16, "context": 64},
}
BROKEN = {  # and what is said of each
    "text.mid": "not a MIDI file: it does not begin with MThd",
    "half.mid": "is cut short",
    "header.mid": "is cut short: it ends in the header",
    "empty.mid": "is empty",
    "no-notes.mid": "no notes in it",
    "no-tempo.mid": "the tempo at quarter note 0 is 0 microseconds to a quarter note",
    "no-division.mid": "has 0 ticks to a quarter note (its division), expected 1 or more",
}
PRIMERS = {
    "drums.mid": "nothing but drums in it, and the pieces that were learned from have none",
    "long.mid": "has 3,600 bars, and the piece that goes on from it is to have 4, those among them",
    "gone.mid": "no such file",
}


def tune(seed: int, program: int = 0, bars: int = 6) -> Piece:
    """Two parts in quarter notes that go up and down by chance."""
    noise = np.random.default_rng(seed)
    rows = []
    for part, low in enumerate((67, 48)):
        pitches = low + np.cumsum(noise.choice([-2, -1, 1, 2], 4 * bars)) % 12
        rows += [(float(i), 1.0, int(pitch), 80, part) for i, pitch in enumerate(pitches)]
    return Piece(make_notes(rows), (Part("Tune", program), Part("Bass", 32)))


def odd_pieces(folder: Path) -> None:
    """BROKEN, and pieces that are music but of a strange kind."""
    folder.mkdir(exist_ok=True)
    whole = midi_bytes(tune(0))
    note_on_and_off = [(0, 0x90, bytes([60, 80])), (480, 0x80, bytes([60, 0]))]
    tempo_zero = MidiEvents(480, [[(0, META, b"\x51\0\0\0"), *note_on_and_off]])
    drums = [(float(i), 0.5, 36 + i % 3, 90, 0) for i in range(8)]
    crowd = [(0.0, 4.0, 1 + pitch, 80, part) for part in range(80) for pitch in range(125)]
    files = {
        "text.mid": b"I am a text",
        "half.mid": whole[: len(whole) // 2],
        "header.mid": whole[:10],
        "empty.mid": b"",
        "no-notes.mid": write_events(MidiEvents(480, [[(0, 0xC0, b"\x05")]])),
        "no-tempo.mid": write_events(tempo_zero),
        "no-division.mid": whole[:12] + struct.pack(">H", 0) + whole[14:],
        "drums.mid": midi_bytes(Piece(make_notes(drums), (Part("Drums", 0, True),))),
        "drums-too.mid": midi_bytes(Piece(make_notes(drums[:5]), (Part("Drums", 0, True),))),
        "long.mid": midi_bytes(tune(1, bars=3600)),  # two hours
        "crowd.mid": midi_bytes(Piece(make_notes(crowd), tuple(Part(f"{i}", i) for i in range(80)))),  # 10,000 at once
        "banjo.mid": midi_bytes(tune(2, program=105, bars=2)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


def config_at(folder: Path, family: str, **data: Any) -> Path:
    raw = {
        "family": family,
        "data": {"path": ["set"], **data},
        "model": MODELS[family],
        "train": {"steps": 2, "batch_size": 4, "validate_every": 2, "checkpoint_every": 2, "preview_every": 2},
        "device": {"accelerator": "cpu", "precision": "32", "threads": 1},
        "sample": {"bars": 4},
    }
    path = folder / f"{family}.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def call(folder: Path, *arguments: object) -> CompletedProcess[str]:
    return artgen(*arguments, cwd=folder, env={"ARTGEN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each family, called as it is, the tunes that they learned from, and odd pieces."""
    folder = tmp_path_factory.mktemp("music")
    (folder / "set").mkdir()
    for seed in range(8):
        (folder / "set" / f"{seed}.mid").write_bytes(midi_bytes(tune(seed)))
    odd_pieces(folder / "odd")
    font = embedded_soundfont().read_bytes()
    (folder / "half.sf2").write_bytes(font[:100_000])
    (folder / "noise.sf2").write_bytes(font[:12] + bytes(len(font) - 12))
    (folder / "wrong.sf2").write_bytes(midi_bytes(tune(0)))
    for family in MODELS:
        done = call(folder, "train", config_at(folder, family), "--out", family)
        assert done.returncode == 0, done.stderr
    return folder


def sample(home: Path, *arguments: object, family: str = "music.rnn") -> CompletedProcess[str]:
    return call(home, "sample", family, "--seed", 1, *arguments)


def refused(home: Path, *arguments: object, family: str = "music.rnn", status: int = 2) -> str:
    """The line; nothing is written."""
    before = sorted(home.iterdir())
    line = one_line(sample(home, *arguments, family=family), status)
    assert sorted(home.iterdir()) == before
    return line


# ---------------------------------------------------------------- what a piece goes on from


@pytest.mark.parametrize("name", [*BROKEN, *PRIMERS])
def test_a_primer_that_cannot_be_gone_on_from(home: Path, name: str) -> None:
    line = refused(home, "--primer", f"odd/{name}", "-o", "x.mid")
    assert line.startswith(f"artgen: odd/{name}: ")
    assert {**BROKEN, **PRIMERS}[name] in line


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize("name", ["banjo", "crowd"])
def test_a_primer_with_instruments_that_the_run_never_saw(home: Path, family: str, name: str) -> None:
    """They are taken for the nearest part."""
    out = home / f"{family}-{name}.mid"
    done = sample(home, "--primer", f"odd/{name}.mid", "-o", out, family=family)
    assert done.returncode == 0, done.stderr
    made, primer = read_midi(out), read_midi(home / "odd" / f"{name}.mid")
    assert len(made.bars()) - 1 <= 4
    assert {part.program for part in made.parts} <= {0, 32}
    piano = {int(pitch) for pitch in primer.notes["pitch"][primer.notes["onset"] == 0] if 21 <= pitch <= 108}
    assert {int(pitch) for pitch in made.notes["pitch"][made.notes["onset"] == 0]} >= piano


# ---------------------------------------------------------------- what is learned from


@pytest.mark.parametrize("family", MODELS)
def test_odd_files_among_good_ones_are_left_out_and_named(home: Path, tmp_path: Path, family: str) -> None:
    shutil.copytree(home / "set", tmp_path / "set")
    odd_pieces(tmp_path / "set")
    (tmp_path / "set" / "a b 音.mid").write_bytes(midi_bytes(tune(20)))
    done = call(tmp_path, "train", config_at(tmp_path, family), "--out", "run")
    assert done.returncode == 0, done.stderr
    for name, said in BROKEN.items():
        assert any(name in line and said in line for line in done.stderr.splitlines()), name
    assert f"{len(BROKEN)} broken files" in done.stderr + done.stdout
    assert (tmp_path / "run" / "checkpoints").is_dir()


def test_strict_refuses_what_else_is_left_out(home: Path) -> None:
    line = one_line(call(home, "train", "music.rnn.yaml", "--data", "odd", "--out", "none", "--set", "data.strict=true"), 2)
    assert "odd/empty.mid: is empty (data.strict refuses broken files)" in line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text.mid", "odd/text.mid: no music (left out: 1 broken file; "),
        ("long.mid", "odd/long.mid: one piece, expected at least 2 pieces"),
        ("d*.mid", "data.path: no note that a piano has in the pieces to train on"),
    ],
)
def test_files_that_are_no_music_alone(home: Path, name: str, said: str) -> None:
    line = one_line(call(home, "train", "music.rnn.yaml", "--data", f"odd/{name}", "--out", "none"), 2)
    assert said in line
    assert not (home / "none").exists()


# ---------------------------------------------------------------- calls


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["-o", "x.mp3"],
            "x.mp3: music is written to names that end in .mid, .midi, .wav, .flac, .png, .musicxml, .mxl, or to a",
        ),
        (["-o", "x.mdi"], "did you mean '.midi'?"),
        ([], "music cannot go to the terminal; give -o FILE.mid"),
        (["-o", "x.mid", "--bars", 0], "sample: bars: input should be greater than 0"),
        (["-o", "x.mid", "--key", "H"], "key 'H': expected a tonic, and major or minor"),
        (["-o", "x.mid", "--tempo", 0], "sample: tempo: input should be greater than or equal to 10"),
        (["-o", "x.mid", "--instrument", "vioiln"], "instrument 'vioiln': unknown; did you mean 'violin'?"),
        (["-o", "x.mid", "--play-range", "G3-G2"], "range 'G3-G2': begins above its end"),
        (["-o", "x.wav", "--soundfont", "gone.sf2"], "gone.sf2: no such file"),
        (["-o", "x.wav", "--soundfont", "wrong.sf2"], "wrong.sf2: not a SoundFont (.sf2)"),
        (["-o", "x.wav", "--soundfont", "half.sf2"], "half.sf2: truncated SoundFont: 100,000 bytes of"),
        (["-o", "x.wav", "--soundfont", "noise.sf2"], "noise.sf2: not a SoundFont that can be played"),
        (["-o", "x.mid", "-o", "x.wav", "--prompt", "Ode"], "--prompt: music.rnn has no such option, it has --temperature"),
    ],
)
def test_calls_that_are_wrong(home: Path, arguments: list[object], said: str) -> None:
    assert said in refused(home, *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere"], "nowhere: no such file or folder"),
        (["--data", "odd/text.mid"], "odd/text.mid: no music (left out: 1 broken file"),
        (["--samples", 1], "--samples 1: too few to compare, expected 2 or more; 0 judges no samples"),
        (["--features", "half.sf2"], "--features: music.rnn has no use for it"),
    ],
)
def test_evaluations_that_are_wrong(home: Path, arguments: list[object], said: str) -> None:
    assert said in one_line(call(home, "evaluate", "music.rnn", *arguments), 2)


# ---------------------------------------------------------------- and what is right


@pytest.mark.parametrize("family", MODELS)
def test_a_piece_is_made_played_drawn_and_made_again(home: Path, family: str) -> None:
    kinds = [f"{family}{suffix}" for suffix in (".mid", ".wav", ".png")]
    done = sample(home, "--key", "D", "--tempo", 100, *(word for kind in kinds for word in ("-o", kind)), family=family)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == kinds
    made = read_midi(home / kinds[0])
    assert made.tempos[0][1] == pytest.approx(100, abs=0.01)
    again = call(home, "reproduce", kinds[1])
    assert again.returncode == 0, again.stderr
    assert "identical, byte for byte" in again.stdout


def test_a_run_is_judged(home: Path) -> None:
    done = call(home, "evaluate", "music.transformer", "--samples", 3, "--json")
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["samples"] == 3
    for key in ("nats_per_note", "key_clarity", "empty_bars", "dissonance", "copied_notes", "ranges", "copying"):
        assert key in card


def test_a_run_is_judged_against_other_pieces(home: Path) -> None:
    done = call(home, "evaluate", "music.rnn", "--samples", 3, "--data", "odd/banjo.mid", "--data", "odd/long.mid")
    assert done.returncode == 0, done.stderr
    assert "3 samples, seed 0, against 2 pieces of " in done.stdout
    assert "longest copied melody" in done.stdout
