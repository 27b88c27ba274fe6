from __future__ import annotations

import io
import json
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.media import midi_events, midi_notes
from artgen.media.midi import midi_bytes, parse_midi, read_midi, write_midi
from artgen.media.reading import read_recipe
from artgen.media.recipe import Recipe
from artgen.music.piece import Part, Piece, make_notes

SHARED = Path(__file__).parents[3] / "shared/data"
RECIPE = Recipe(command="sample", family="music.rnn", run="runs/a", checkpoint="0" * 64, seed=3, options={"text": "où 音"})
PIECE = Piece(
    make_notes([(0, 1, 60, 80, 0), (0, 0.5, 36, 100, 1), (1, 1.5, 60, 70, 0), (1, 1 / 3, 64, 1, 0), (2.5, 1, 38, 127, 1)]),
    (Part("Flöte", 73), Part("Kit", 8, is_drum=True)),
    ((0.0, 6e7 / 500_001), (1.5, 90.0)),
    ((0.0, 1, 4), (1.0, 6, 8)),
    ((0.0, 9, True), (1.0, 3, False)),
)


def number(value: int) -> bytes:
    """A number of variable length, by the book."""
    sevens = [value >> shift & 0x7F for shift in (21, 14, 7, 0)]
    while len(sevens) > 1 and not sevens[0]:
        sevens = sevens[1:]
    return bytes([seven | 0x80 for seven in sevens[:-1]] + sevens[-1:])


def track(*events: tuple[int, str]) -> bytes:
    """Events of (ticks since the one before, hexadecimal)."""
    body = b"".join(number(delta) + bytes.fromhex(event) for delta, event in events) + b"\0\xff\x2f\0"
    return b"MTrk" + struct.pack(">L", len(body)) + body


def midi(*tracks: bytes, division: int = 100, kind: int = 1) -> bytes:
    return b"MThd" + struct.pack(">LHHH", 6, kind, len(tracks), division & 0xFFFF) + b"".join(tracks)


def rows(data: bytes) -> list[tuple[float, float, int, int]]:
    """Onset, duration, pitch, part of the notes."""
    notes = parse_midi(data, "a.mid").notes
    return [(float(note["onset"]), float(note["duration"]), int(note["pitch"]), int(note["part"])) for note in notes]


def refusal(data: bytes) -> str:
    with pytest.raises(UsageError) as caught:
        parse_midi(data, "a.mid")
    message = str(caught.value)
    assert "\n" not in message
    return message


NOTE = ((0, "903c40"), (100, "803c00"))


# ---------------------------------------------------------------- there and back


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_midi(PIECE, tmp_path / "a.mid", [RECIPE])
    found = read_midi(path)
    assert found.notes.tolist() == PIECE.notes.tolist()
    assert (found.parts, found.meters, found.keys, found.name) == (PIECE.parts, PIECE.meters, PIECE.keys, "a")
    assert found.tempos == PIECE.tempos
    assert write_midi(PIECE, tmp_path / "b.mid", [RECIPE]).read_bytes() == path.read_bytes()
    assert midi_bytes(replace(found, name="")) == midi_bytes(PIECE)


def test_another_program_reads_what_is_written() -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    played = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(PIECE, [RECIPE])))
    flute, kit = played.instruments
    assert (flute.program, flute.is_drum, kit.program, kit.is_drum) == (73, False, 8, True)
    for instrument, part in ((flute, 0), (kit, 1)):
        notes = PIECE.notes[PIECE.notes["part"] == part]
        theirs = sorted((note.start, note.pitch, note.end, note.velocity) for note in instrument.notes)
        ours = sorted(
            (PIECE.seconds(onset), pitch, PIECE.seconds(onset + duration), velocity)
            for onset, duration, pitch, velocity, _ in notes.tolist()
        )
        assert np.array(theirs) == pytest.approx(np.array(ours), abs=1e-4)
    assert [(change.numerator, change.denominator) for change in played.time_signature_changes] == [(1, 4), (6, 8)]
    assert [change.key_number for change in played.key_signature_changes] == [12 + 9, 3]


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("minor", [False, True])
def test_every_key(tonic: int, minor: bool) -> None:
    piece = Piece(make_notes([(0, 1, 60, 64, 0)]), keys=((0.0, tonic, minor),))
    data = midi_bytes(piece)
    assert parse_midi(data, "").keys == piece.keys
    mido = pytest.importorskip("mido")
    (key,) = [event.key for event in mido.MidiFile(file=io.BytesIO(data)).tracks[0] if event.type == "key_signature"]
    letters = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    assert (letters[key[0]] + key.count("#") - key.count("b")) % 12 == tonic
    assert key.endswith("m") == minor


def test_expressive_timing_is_kept_to_the_tick() -> None:
    data = midi(track((7, "903c40"), (1013, "803c00")), division=1021)
    assert rows(data) == [(7 / 1021, 1013 / 1021, 60, 0)]
    (note,) = parse_midi(midi_bytes(parse_midi(data, "")), "").notes
    assert note["onset"] == pytest.approx(7 / 1021, abs=1 / 60_000)


def test_more_parts_than_channels() -> None:
    rows_ = [(0.0, 1.0, 60, 64, part) for part in range(40)]
    piece = Piece(make_notes(rows_), tuple(Part(str(part), part, is_drum=part == 20) for part in range(40)))
    assert parse_midi(midi_bytes(piece), "").parts == piece.parts


def test_a_pitch_struck_again_ends_the_note_before_it_when_written() -> None:
    notes = make_notes([(0, 4, 60, 64, 0), (1, 1, 60, 64, 0), (1, 2, 60, 64, 0), (0, 4, 60, 64, 1)])
    found = parse_midi(midi_bytes(Piece(notes, (Part("a"), Part("b")))), "")
    assert [note[:3] for note in found.notes.tolist()] == [(0, 1, 60), (0, 4, 60), (1, 2, 60)]


def test_what_cannot_be_written() -> None:
    notes = make_notes([(0, 1, 60, 64, 0)])
    with pytest.raises(UsageError, match="tempo: 3 quarter notes a minute cannot be written as MIDI, expected at least 3.6"):
        midi_bytes(Piece(notes, tempos=((0.0, 3.0),)))
    with pytest.raises(UsageError, match=r"a\.wav: expected a name that ends in \.mid or \.midi"):
        write_midi(Piece(notes), "a.wav")


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    path = write_midi(PIECE, tmp_path / "a.midi")
    with pytest.raises(UsageError, match="exists"):
        write_midi(PIECE, path)
    write_midi(PIECE, path, force=True)


# ---------------------------------------------------------------- recipes


def test_the_recipe_is_in_the_file(tmp_path: Path) -> None:
    path = write_midi(PIECE, tmp_path / "a.mid", [RECIPE, RECIPE])
    found = read_recipe(path)
    assert found.recipes == [RECIPE, RECIPE]
    assert found.unchanged


def test_a_very_long_recipe(tmp_path: Path) -> None:
    recipe = Recipe("sample", "music.rnn", "runs/a", "0" * 64, 3, options={"text": "é" * 200_000})
    assert read_recipe(write_midi(PIECE, tmp_path / "a.mid", [recipe])).recipes == [recipe]


def test_another_packing_changes_nothing_and_another_note_does(tmp_path: Path) -> None:
    mido = pytest.importorskip("mido")
    path = write_midi(PIECE, tmp_path / "a.mid", [RECIPE])
    packed = mido.MidiFile(path)
    packed.tracks[0].append(mido.MetaMessage("text", text="a remark"))
    packed.save(path)
    assert read_recipe(path) == read_recipe(write_midi(PIECE, tmp_path / "b.mid", [RECIPE]))
    next(event for event in packed.tracks[1] if event.type == "note_on").velocity = 3
    packed.save(path)
    assert not read_recipe(path).unchanged


def test_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.mid: carries no recipe"):
        read_recipe(write_midi(PIECE, tmp_path / "a.mid"))
    (tmp_path / "b.mid").write_bytes(b"")
    with pytest.raises(UsageError, match=r"b\.mid: is empty, expected a MIDI file"):
        read_recipe(tmp_path / "b.mid")
    cut = json.dumps({"format": "artgen-recipe"})[:-1].encode()
    text = bytes([0xFF, 1, len(cut)]) + cut
    (tmp_path / "c.mid").write_bytes(midi(track((0, text.hex()), *NOTE)))
    with pytest.raises(UsageError, match=r"c\.mid: not a recipe: no valid JSON"):
        read_recipe(tmp_path / "c.mid")


# ---------------------------------------------------------------- what the events mean


def test_a_track_without_notes_is_no_part() -> None:
    name = "ff0303" + b"abc".hex()
    found = parse_midi(midi(track((0, "c005")), track((0, name), (0, "c105"), (0, "913c40"), (50, "813c00"))), "")
    assert found.parts == (Part("abc", 5),)


def test_running_status_and_velocity_0() -> None:
    assert rows(midi(track((0, "903c40"), (100, "3c00"), (0, "3e40"), (50, "3e00")))) == [(0, 1, 60, 0), (1, 0.5, 62, 0)]


def test_events_that_are_not_known_take_their_time() -> None:
    """mido 1.3.3, and pretty_midi with it, lose the time before an unknown meta event."""
    assert rows(midi(track((100, "ff4b0100"), (100, "f003010203f7"[:10]), *NOTE))) == [(2, 1, 60, 0)]


def test_chunks_that_are_no_tracks_and_riff() -> None:
    data = midi(track(*NOTE))
    with_chunk = data[:14] + b"XFIH\0\0\0\3abc" + data[14:]
    assert rows(with_chunk) == [(0, 1, 60, 0)]
    assert rows(b"RIFF" + struct.pack("<L", len(data) + 12) + b"RMIDdata" + struct.pack("<L", len(data)) + data) == [
        (0, 1, 60, 0)
    ]


def test_the_pedal_lengthens_notes_until_it_is_up() -> None:
    down, up = "b0407f", "b0403f"
    assert rows(midi(track((0, down), *NOTE, (200, up)))) == [(0, 3, 60, 0)]
    assert rows(midi(track((0, down), *NOTE, (100, "903c40"), (100, "803c00"), (100, up)))) == [(0, 2, 60, 0), (2, 2, 60, 0)]
    assert rows(midi(track((0, "903c40"), (50, down), (50, up), (50, "803c00")))) == [(0, 1.5, 60, 0)], "the key is down still"
    assert rows(midi(track((0, down), *NOTE, (300, "903e40"), (100, "803e00")))) == [(0, 5, 60, 0), (4, 1, 62, 0)], "never up"
    assert rows(midi(track((0, down), (400, up)), track(*NOTE))) == [(0, 4, 60, 0)], "on the same channel"
    assert rows(midi(track((0, "b1407f"), (400, "b14000")), track(*NOTE))) == [(0, 1, 60, 0)], "on another one"
    assert rows(midi(track((0, "b9407f"), (0, "993c40"), (50, "893c00"), (50, "b94000")))) == [(0, 0.5, 60, 0)], "drums"
    assert rows(midi(track((0, down), *NOTE, (100, "b07900"), (100, "903e40"), (100, "803e00"))))[0] == (0, 2, 60, 0), "reset"


def test_the_same_pitch_twice() -> None:
    on, off = "903c40", "803c00"
    assert rows(midi(track((0, on), (100, on), (100, off), (100, off)))) == [(0, 1, 60, 0), (1, 2, 60, 0)], "nested"
    assert rows(midi(track((0, on), (100, on), (100, off), (100, "903e40"), (50, "803e00")))) == [
        (0, 1, 60, 0),
        (1, 1, 60, 0),
        (3, 0.5, 62, 0),
    ], "an end is missing"
    assert rows(midi(track((0, on), (100, on), (0, off), (100, off)))) == [(0, 1, 60, 0), (1, 1, 60, 0)], "the end comes late"
    assert rows(midi(track((0, on), (0, on), (50, off), (50, off)))) == [(0, 1, 60, 0)], "at once"
    assert rows(midi(track((0, on), (100, on), (100, off), (100, on), (100, off)))) == [
        (0, 1, 60, 0),
        (1, 1, 60, 0),
        (3, 1, 60, 0),
    ]
    assert rows(midi(track(*NOTE), track((50, "903c40"), (100, "803c00")))) == [(0, 1, 60, 0), (0.5, 1, 60, 1)], "two parts"


def test_notes_without_end_or_length() -> None:
    assert rows(midi(track((0, "903c40"), (300, "c000")))) == [(0, 3, 60, 0)]
    assert rows(midi(track((0, "903c40"), (0, "803c00")))) == [(0, 0.01, 60, 0)]
    assert rows(midi(track((0, "903c40"), (100, "b07b00"), (100, "803c00")))) == [(0, 1, 60, 0)], "all notes off"


def test_programs_and_drums() -> None:
    found = parse_midi(midi(track((0, "c005"), *NOTE, (0, "c006"), *NOTE, (0, "993c40"), (5, "893c00"))), "")
    assert found.parts == (Part("", 5), Part("", 6), Part("", 0, is_drum=True))
    assert found.notes["part"].tolist() == [0, 1, 2]
    set_up = parse_midi(midi(track((0, "c005"), (0, "c106")), track(*NOTE), track((0, "913c40"), (5, "813c00"))), "")
    assert set_up.parts == (Part("", 5), Part("", 6)), "set by another track"
    late = parse_midi(midi(track(*NOTE), track((0, "c005"), (0, "903e40"), (9, "803e00"))), "")
    assert late.parts == (Part("", 5), Part("", 5)), "at the same tick"
    each = parse_midi(midi(track((0, "c003"), *NOTE), track((0, "c005"), *NOTE)), "")
    assert each.parts == (Part("", 3), Part("", 5)), "two tracks on one channel, each with its own"


def test_tempos_meters_and_keys_of_all_tracks() -> None:
    data = midi(
        track((50, "ff5103030d40"), (50, "ff580406031808")),
        track((10, "ff51030f4240"), *NOTE, (0, "ff5902fe01"), (50, "ff5103030d40"), (500, "903c40"), (9, "803c00")),
    )
    found = parse_midi(data, "")
    assert found.tempos == ((0.0, 120.0), (0.1, 60.0), (0.5, 300.0))
    assert found.meters == ((0.0, 4, 4), (1.0, 6, 8))
    assert found.keys == ((1.1, 7, True),)


def test_meters_and_keys_that_cannot_be_are_left_out() -> None:
    found = parse_midi(midi(track((0, "ff580400021808"), (0, "ff580404ff1808"), (0, "ff59020900"), (0, "ff590100"), *NOTE)), "")
    assert found.meters == ((0.0, 4, 4),)
    assert found.keys == ()


def test_names_in_any_encoding_are_one_line() -> None:
    for text, expected in ((b"Fl\xf6te", "Flöte"), ("笛".encode(), "笛"), (b" a\n\0b ", "a b")):
        name = bytes([0xFF, 3, len(text)]) + text
        assert parse_midi(midi(track((0, name.hex()), *NOTE)), "").parts[0].name == expected


# ---------------------------------------------------------------- bad input


def test_not_midi(tmp_path: Path) -> None:
    assert refusal(b"\x89PNG\r\n\x1a\n" + bytes(100)) == "a.mid: not a MIDI file: it does not begin with MThd"
    assert refusal(b"") == "a.mid: is empty, expected a MIDI file"
    with pytest.raises(UsageError, match="nowhere.mid: no such file"):
        read_midi(tmp_path / "nowhere.mid")
    with pytest.raises(UsageError, match="is a folder, expected a MIDI file"):
        read_midi(tmp_path)


def test_every_truncation_is_told() -> None:
    data = midi(track((0, "ff5103030d40"), (0, "ff580406031808")), track(*NOTE))
    for end in range(1, len(data)):
        message = refusal(data[:end])
        assert "not a MIDI file" in message or "is cut short" in message
    assert refusal(data[:-3]) == "a.mid: is cut short: 3 bytes of track 2 missing"
    assert refusal(data[:14]) == "a.mid: is cut short: it says that it has 2 tracks, 0 tracks found"


def test_damaged_bytes_are_read_or_told() -> None:
    data = midi_bytes(PIECE, [RECIPE])
    rng = np.random.default_rng(0)
    told = Counter[bool]()
    messages = []
    for _ in range(2000):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            damaged[at] = rng.integers(256)
        try:
            parse_midi(bytes(damaged), "a.mid")
            told[False] += 1
        except UsageError as error:
            messages.append(str(error))
            told[True] += 1
    assert all(message.startswith("a.mid: ") and "\n" not in message for message in messages)
    assert min(told.values()) > 50


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(0, "3c40")], "track 1 is damaged: an event without a status at byte 22"),
        ([(0, "90ff40")], "track 1 is damaged: an event that is no MIDI at byte 22"),
        ([(0, "f5")], "track 1 is damaged: the unknown status 0xf5 at byte 22"),
        ([(0, "ff017f")], "track 1 is damaged: an event longer than the track at byte 22"),
        ([(0, "f07f")], "track 1 is damaged: an event longer than the track at byte 22"),
        ([(0, "ff01ffffffffff")], "track 1 is damaged: a number without an end at byte 22"),
        ([], "no notes in it"),
        ([(0, "803c00")], "no notes in it"),
        ([(50, "ff5103000000"), *NOTE], "the tempo at quarter note 0.5 is 0 microseconds to a quarter note"),
    ],
)
def test_damaged_tracks(events: list[tuple[int, str]], message: str) -> None:
    assert refusal(midi(track(*events))) == f"a.mid: {message}"


@pytest.mark.parametrize(
    ("division", "kind", "message"),
    [
        (0, 1, "has 0 ticks to a quarter note (its division), expected 1 or more"),
        (-25 * 256 + 40, 1, "counts time in SMPTE frames, expected ticks to a quarter note; without them there is no beat"),
        (100, 2, "is MIDI of format 2, whose tracks do not sound together, expected 0 or 1"),
        (100, 9, "is MIDI of format 9, expected 0 or 1"),
    ],
)
def test_headers_that_are_not_read(division: int, kind: int, message: str) -> None:
    assert refusal(midi(track(*NOTE), track(*NOTE), division=division, kind=kind)) == f"a.mid: {message}"
    assert refusal(midi()) == "a.mid: has no tracks"


def test_two_hours() -> None:
    notes = make_notes([(quarter, 1.0, 40 + quarter % 40, 64, 0) for quarter in range(14_400)])
    found = parse_midi(midi_bytes(Piece(notes)), "")
    assert found.notes.tolist() == notes.tolist()
    assert found.seconds(found.end) == pytest.approx(7200)


def test_ten_thousand_notes_at_once() -> None:
    notes = make_notes([(0.0, 1.0, i % 128, 64, i // 128) for i in range(10_000)])
    piece = Piece(notes, tuple(Part(str(part), part) for part in range(79)))
    found = parse_midi(midi_bytes(piece), "")
    assert found.notes.tolist() == notes.tolist()
    together = track(*[(0, "903c40")] * 10_000, *[(1, "803c00")] * 10_000)
    assert rows(midi(together)) == [(0, 100, 60, 0)]


def test_hostile_sizes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    far = track(*[(0x0FFFFFFF, "ff0100")] * 3, *NOTE)
    assert refusal(midi(far, division=1)) == "a.mid: lasts 805,306,465 quarter notes, expected at most 100,000"
    monkeypatch.setattr(midi_notes, "MOST_PARTS", 20)
    programs = [event for program in range(21) for event in ((0, f"c0{program:02x}"), *NOTE)]
    assert refusal(midi(track(*programs))) == "a.mid: has 21 parts, expected at most 20"
    monkeypatch.setattr(midi_events, "MOST_BYTES", 2_000_000)
    assert refusal(bytes(2_000_001)) == "a.mid: too large for a MIDI file: more than 2 MB"
    says_huge = b"MThd" + struct.pack(">LHHH", 0xFFFFFFFF, 1, 0xFFFF, 100)
    assert refusal(says_huge) == "a.mid: is cut short: it says that it has 65,535 tracks, 0 tracks found"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_file_without_end() -> None:
    with pytest.raises(UsageError, match="/dev/zero: too large for a MIDI file"):
        read_midi("/dev/zero")


# ---------------------------------------------------------------- real files


def test_nottingham_is_read_as_mido_reads_it() -> None:
    mido = pytest.importorskip("mido")
    files = sorted((SHARED / "midi-nottingham").glob("*.mid"))[::20]
    if not files:
        pytest.skip("needs ../shared/data/midi-nottingham")
    for path in files:
        expected = set()
        read = mido.MidiFile(path)
        for events in read.tracks:
            tick = 0
            for event in events:
                tick += event.time
                if event.type == "note_on" and event.velocity:
                    expected.add((tick / read.ticks_per_beat, event.note))
        piece = read_midi(path)
        assert set(zip(piece.notes["onset"].tolist(), piece.notes["pitch"].tolist(), strict=True)) == expected
        again = parse_midi(midi_bytes(piece), "")
        assert again.notes.tolist() == piece.notes.tolist()
