"""`artgen sample` for music, and what `show` and `reproduce` say of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from artgen.media.midi import read_midi, write_midi
from artgen.media.soundfont import embedded_soundfont
from artgen.metrics.music_keys import estimate_key, pitch_class_weights
from artgen.music.config import MusicSampleConfig
from tests.cli.helpers import Call
from tests.cli.toy_music import CELLO, FLUTE, VIOLIN, install, make_run, melody


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_piece_in_several_kinds_of_file(call: Call) -> None:
    family, networks = make_run(Path("run"))
    kinds = ["a.mid", "a.wav", "a.flac", "a.png"]
    said = call("sample", "run", "--seed", 5, *(word for kind in kinds for word in ("-o", kind)))
    assert (said.status, said.out.split()) == (0, kinds)
    assert said.err.startswith("1 piece, 4 bars in ") and said.err.endswith(" s; --seed 5 makes the same again\n")
    (expected,) = family.sample(networks, family.config.sample, n=1, seed=5)
    made = read_midi("a.mid")
    assert (made.notes["pitch"] == expected.work.notes["pitch"]).all()
    assert (made.notes["onset"] == np.arange(16)).all()
    assert made.tempos == ((0.0, 96.0),)
    assert [Path(kind).read_bytes()[:4] for kind in kinds] == [b"MThd", b"RIFF", b"fLaC", b"\x89PNG"]


def test_a_file_each_in_a_folder(call: Call) -> None:
    family, networks = make_run(Path("run"))
    said = call("sample", "run", "-n", 3, "--seed", 7, "-o", "set/", "-o", "mid/", "--format", "png")
    assert said.out.split() == [f"{folder}/000{i}.png" for folder in ("set", "mid") for i in (1, 2, 3)]
    assert said.err.startswith("3 pieces, 12 bars in ")
    call("sample", "run", "-n", 3, "--seed", 7, "-o", "set/")
    works = family.sample(networks, family.config.sample, n=3, seed=7)
    for i, made in enumerate(works, 1):
        assert read_midi(f"set/000{i}.mid").notes["pitch"].tolist() == made.work.notes["pitch"].tolist()


def test_what_is_asked_for_is_in_the_file(call: Call) -> None:
    make_run(Path("run"), (FLUTE, CELLO))
    asked = ["--bars", 6, "--tempo", 150, "--key", "Eb minor", "--instrument", "violin", "--instrument", 56]
    call("sample", "run", "-n", 8, *asked, "--play-range", "G3-A7", "-o", "set/")
    for path in Path("set").iterdir():
        piece = read_midi(path)
        assert len(piece.bars()) - 1 == 6
        assert piece.tempos == ((0.0, 150.0),)
        assert [part.program for part in piece.parts] == [VIOLIN, 56]
        key = estimate_key(pitch_class_weights(piece))
        assert key is not None and str(key) == "Eb minor"
        assert 55 <= piece.notes["pitch"].min() and piece.notes["pitch"].max() <= 105


def test_a_piece_goes_on_from_a_primer(call: Call) -> None:
    make_run(Path("run"), (FLUTE, CELLO))
    write_midi(melody([71, 69, 67, 69, 71], program=105), "primer.mid")  # a banjo, which the run never saw
    call("sample", "run", "--seed", 1, "--bars", 4, "--primer", "primer.mid", "-o", "on.mid")
    made = read_midi("on.mid")
    begin = made.notes[made.notes["onset"] < 5]
    assert begin["pitch"].tolist() == [71, 69, 67, 69, 71]
    assert len(made.bars()) - 1 == 4
    assert read_midi("on.mid").tempos == read_midi("primer.mid").tempos
    assert call("reproduce", "on.mid").out == "on-again.mid: identical, byte for byte\n"
    write_midi(melody([71, 69, 67, 69, 72]), "primer.mid", force=True)
    said = call.refused("reproduce", "on.mid", "-o", "third.mid")
    assert said == "primer.mid: is not the file that the piece was made with, it was changed since"
    Path("primer.mid").unlink()
    assert call.refused("reproduce", "on.mid", "-o", "third.mid") == "primer.mid: no such file"


def test_show_and_reproduce_know_every_kind(call: Call) -> None:
    make_run(Path("run"))
    kinds = [".mid", ".wav", ".flac", ".png", ".musicxml"]
    call("sample", "run", "--seed", 3, "--key", "F# minor", *(word for kind in kinds for word in ("-o", f"a{kind}")))
    for kind in kinds:
        shown = call("show", f"a{kind}").out
        for fact in ("music.toy", "3, sample 0", "'F# minor'", "artgen 0"):
            assert fact in shown
        assert call("reproduce", f"a{kind}").out == f"a-again{kind}: identical, byte for byte\n"
    call("sample", "run", "-n", 3, "--seed", 3, "-o", "set/", "--format", ".WAV")
    assert call("reproduce", "set/0003.wav", "-o", "three.wav").out == "three.wav: identical, byte for byte\n"


def test_a_soundfont_of_ones_own_plays_and_is_known_again(call: Call) -> None:
    make_run(Path("run"))
    Path("own.sf2").write_bytes(embedded_soundfont().read_bytes())
    said = json.loads(call("sample", "run", "--seed", 3, "--soundfont", "own.sf2", "-o", "a.wav", "--json").out)
    assert said["options"]["soundfont"] == "own.sf2" and len(said["options"]["soundfont_sha256"]) == 64
    assert (said["samples"][0]["bars"], said["samples"][0]["notes"]) == (4, 16)
    assert call("reproduce", "a.wav").out == "a-again.wav: identical, byte for byte\n"
    with Path("own.sf2").open("ab") as file:
        file.write(b"more")
    assert call.refused("reproduce", "a.wav", "--force").startswith("own.sf2: is not the file that the piece was made with")


def write_odd_files() -> None:
    Path("there.mid").write_bytes(b"precious")
    Path("text.mid").write_text("no music")
    write_midi(melody([60, 62, 64] * 8), "long.mid")
    write_midi(melody([36, 38] * 4, drums=True), "drums.mid")
    whole = Path("long.mid").read_bytes()
    Path("half.mid").write_bytes(whole[: len(whole) // 2])
    Path("wrong.sf2").write_bytes(b"RIFF0000WAVE")
    Path("half.sf2").write_bytes(embedded_soundfont().read_bytes()[:100_000])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "music cannot go to the terminal; give -o FILE.mid, .wav, .flac, .png or .musicxml, or -o FOLDER/"),
        (["-o", "-"], "music cannot go to the terminal"),
        (["-o", "x.mp3"], "x.mp3: music is written to names that end in .mid, .midi, .wav, .flac, .png, .musicxml, .mxl, or"),
        (["-o", "x.mid", "-o", "x.wave"], "x.wave: music is written to names that end in"),
        (["-o", "x.mid", "-o", "./x.mid"], "-o ./x.mid: is the same place as -o x.mid"),
        (["-o", "x.mid", "-o", "there.mid"], "there.mid: exists (--force overwrites it)"),
        (["-o", "nowhere/x.mid"], "nowhere/x.mid: nowhere: there is no such folder"),
        (["-o", "x.mid", "-n", 2], "x.mid: one file holds one piece, not 2: -o FOLDER/ writes 2 files"),
        (["-o", "x/", "--format", "mp3"], "sample: format: expected .mid, .midi, .wav"),
        (["-o", "x.mid", "--bars", 0], "sample: bars: input should be greater than 0"),
        (["-o", "x.mid", "--bars", 1001], "sample: bars: input should be less than or equal to 1000"),
        (["-o", "x.mid", "--tempo", 0], "sample: tempo: input should be greater than or equal to 10"),
        (["-o", "x.mid", "--key", "H minor"], "key 'H minor': expected a tonic, and major or minor if that matters"),
        (["-o", "x.mid", "--instrument", "violni"], "instrument 'violni': unknown; did you mean 'violin'?"),
        (["-o", "x.mid", "--instrument", "128"], "instrument 128: expected a General MIDI program from 0 to 127"),
        (
            ["-o", "x.mid", "--instrument", "0", "--instrument", "1"],
            "instrument: 2 are named for 1 part, expected one for all of them or one for each",
        ),
        (["-o", "x.mid", "--play-range", "A7-G3"], "range 'A7-G3': begins above its end"),
        (["-o", "x.mid", "--play-range", "C4-G4"], "play_range 'C4-G4': less than an octave"),
        (["-o", "x.mid", "--play-range", "kazoo"], "range 'kazoo': expected pitches (G3-A7 or 55-103), a voice or"),
        (["-o", "x.mid", "--primer", "gone.mid"], "gone.mid: no such file"),
        (["-o", "x.mid", "--primer", "text.mid"], "text.mid: not a MIDI file: it does not begin with MThd"),
        (["-o", "x.mid", "--primer", "half.mid"], "half.mid: is cut short"),
        (["-o", "x.mid", "--primer", "drums.mid"], "drums.mid: nothing but drums in it, and the pieces that were learned"),
        (
            ["-o", "x.mid", "--primer", "long.mid"],
            "long.mid: has 6 bars, and the piece that goes on from it is to have 4, those among them: expected --bars 7 or more",
        ),
        (["-o", "x.wav", "--soundfont", "gone.sf2"], "gone.sf2: no such file"),
        (["-o", "x.wav", "--soundfont", "wrong.sf2"], "wrong.sf2: not a SoundFont (.sf2)"),
        (["-o", "x.mid", "--soundfont", "half.sf2"], "half.sf2: truncated SoundFont: 100,000 bytes of"),
        (["-o", "x.mid", "--truncation", 1], "--truncation: music.toy has no such option, it has --temperature, --top-k"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(call: Call, arguments: Sequence[object], message: str) -> None:
    make_run(Path("run"))
    write_odd_files()
    before = sorted(Path().iterdir())
    assert call.refused("sample", "run", *arguments).startswith(message)
    assert sorted(Path().iterdir()) == before
    assert Path("there.mid").read_bytes() == b"precious"


def test_silence_is_said_and_not_written(call: Call) -> None:
    make_run(Path("run"))
    said = call.refused("sample", "run", "-n", 2, "--seed", 4, "--temperature", 0, "-o", "set/", status=1)
    assert said.startswith("piece 1 of seed 4 is silent, and nothing was written to set/; another --seed")
    assert not Path("set").exists()


def test_only_music_goes_to_several_places(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.cli import toy_pictures

    toy_pictures.install(monkeypatch)
    toy_pictures.make_run(Path("run"))
    said = call.refused("sample", "run", "-o", "a.png", "-o", "b.png")
    assert said == "-o: 2 places are named, expected one: a file for all pictures, or a folder for a file each"
    assert call("sample", "run", "-o", "a.png").out == "a.png\n"


def test_without_a_key_whatever_comes() -> None:
    family, networks = make_run(Path("run"))
    keys = {made.figures["key"] for made in family.sample(networks, MusicSampleConfig(bars=4), n=20, seed=0)}
    assert keys >= {"C major", "C minor"}
