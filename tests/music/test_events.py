"""Pieces as events and back, what may follow what, and batches of events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgen.data.music import MusicSet, transpositions
from artgen.families.base import Share
from artgen.media.midi import read_midi
from artgen.music.event_batches import NONE, RandomExcerpts, held_out_excerpts, transposed
from artgen.music.event_reader import EventReader, decode
from artgen.music.events import AHEAD, END, START, EventFacts, EventVocabulary, Meter, bars_of, on_grid
from artgen.music.family import facts_of, in_known_parts
from artgen.music.piece import Meters, Part, Piece, make_notes
from artgen.music.roundtrip import round_trip

SHARED = Path(__file__).parents[3] / "shared/data"
BAND = (Part("flute", 73), Part("piano", 0), Part("drums", 0, True))
Row = tuple[float, float, int, int, int]


def vocabulary(*pieces: Piece, steps: int = 4, velocities: int = 1) -> EventVocabulary:
    return EventVocabulary(EventFacts.of(pieces, pieces[0].parts, steps, velocities))


def band(seed: int, steps: int, meters: Meters = ((0.0, 4, 4),)) -> Piece:
    """Three parts at random places of the grid, drums among them."""
    rng = np.random.default_rng(seed)
    rows = {}
    for _ in range(150):
        onset, pitch, part = int(rng.integers(30 * steps)), int(rng.integers(35, 90)), int(rng.integers(3))
        duration, velocity = int(rng.integers(1, 4 * steps)), int(rng.integers(1, 128))
        rows[onset, pitch, part] = (onset / steps, duration / steps, pitch, velocity, part)
    return Piece(make_notes(list(rows.values())), BAND, meters=meters)


def same(a: Piece, b: Piece, steps: int) -> bool:
    """Pitch, part, onset and duration of every note."""
    return bool(np.array_equal(on_grid(a, steps)[:, :4], on_grid(b, steps)[:, :4]))


@pytest.mark.parametrize("steps", [1, 4, 12, 48])
@pytest.mark.parametrize(
    "meters",
    [
        ((0.0, 4, 4),),
        ((0.0, 1, 4), (1.0, 3, 4)),  # a pickup
        ((0.0, 6, 8), (6.0, 2, 4), (14.0, 6, 8)),
        ((0.0, 4, 4), (6.0, 3, 4), (12.25, 4, 4), (14.25, 4, 4)),  # changes within bars
        ((0.0, 3, 8), (4.5, 7, 16), (10.0, 255, 1), (20.0, 1, 64)),  # no whole steps, very long and very short bars
    ],
)
def test_every_note_comes_back(steps: int, meters: Meters) -> None:
    piece = band(steps, steps, meters)
    v = vocabulary(piece, steps=steps)
    back = decode(v.encode(piece), v, BAND)
    assert same(back, piece, steps)
    ends = on_grid(piece, steps)
    bars = bars_of(piece, steps, int((ends[:, 0] + ends[:, 3]).max()))
    assert back.bars()[:-1] == [bar.begin / steps for bar in bars]


@pytest.mark.parametrize("meters", [((0.0, 1, 4), (1.0, 3, 4)), ((0.0, 4, 4), (6.0, 3, 4), (12.25, 4, 4))])
def test_bars_are_those_of_the_piece(meters: Meters) -> None:
    piece = band(3, 4, meters)
    v = vocabulary(piece)
    assert decode(v.encode(piece), v, BAND).bars() == piece.bars()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 4, 12]), st.data())
def test_any_piece_comes_back(seed: int, steps: int, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.floats(0.1, 28), max_size=4, unique=True))
    meter = st.tuples(st.integers(1, 12), st.sampled_from([2, 4, 8, 16]))
    meters = tuple((place, *data.draw(meter)) for place in (0.0, *sorted(places)))
    piece = band(seed, steps, meters)
    v = vocabulary(piece, steps=steps)
    assert same(decode(v.encode(piece), v, BAND), piece, steps)


def test_triplets_and_sixteenths_on_twelve_steps() -> None:
    piece = Piece(
        make_notes([(i / 3, 1 / 3, 60 + i, 80, 0) for i in range(6)] + [(2 + i / 4, 1 / 4, 60, 80, 0) for i in range(8)])
    )
    v = vocabulary(piece, steps=12)
    back = decode(v.encode(piece), v, piece.parts)
    assert np.allclose(back.notes["onset"], piece.notes["onset"])
    assert np.allclose(back.notes["duration"], piece.notes["duration"])


def test_the_events_of_a_piece_by_hand() -> None:
    rows: list[Row] = [(0, 1, 60, 80, 0), (0, 2, 64, 80, 0), (0, 1, 36, 100, 2), (1.5, 0.5, 72, 80, 1), (5, 1, 62, 80, 0)]
    piece = Piece(make_notes(rows), BAND, meters=((0.0, 2, 4), (2.0, 3, 4)))
    v = vocabulary(piece)
    length = {steps: v.durations[v.facts.durations.index(steps)] for steps in (2, 4, 8)}
    meter = {m: v.meters[v.known_meters.index(Meter(*m))] for m in ((2, 4), (3, 4))}
    expected = [START, v.bars[2], meter[2, 4]]
    expected += [
        v.positions[0],
        v.parts[0],
        v.pitches[60],
        length[4],
        v.pitches[64],
        length[8],
        v.parts[2],
        v.drums[36],
        length[4],
    ]
    expected += [v.positions[6], v.parts[1], v.pitches[72], length[2], v.bars[1], meter[3, 4], v.bars[0]]
    expected += [v.positions[0], v.parts[0], v.pitches[62], length[4], END]
    assert v.encode(piece).tolist() == expected
    assert v.n_vocab == 2 + (AHEAD + 1) + 2 + 12 + 3 + 128 + 128 + 3


def test_bars_are_counted_down_and_the_last_is_none() -> None:
    piece = Piece(make_notes([(4.0 * bar, 4, 60, 80, 0) for bar in range(20)]))
    v = vocabulary(piece)
    said = [event - v.bars.start for event in v.encode(piece) if event in v.bars]
    assert said == [16, 16, 16, *range(16, -1, -1)]
    beginning = v.encode_beginning(piece, 22)
    assert v.bars_in(piece) == 20 and v.facts.bars == (20,)
    assert [event - v.bars.start for event in beginning if event in v.bars] == [16, 16, 16, 16, 16, *range(16, 1, -1)]
    assert END not in beginning


def test_a_run_with_one_part_has_no_part_events_and_drums_alone_no_pitches() -> None:
    melody = Piece(make_notes([(0, 1, 60, 80, 0)]))
    assert not vocabulary(melody).parts and not vocabulary(melody).drums
    drums = replace(melody, parts=(Part("kit", 0, True),))
    v = vocabulary(drums)
    assert not v.pitches and same(decode(v.encode(drums), v, drums.parts), drums, 4)


def test_loudness_is_the_parts_mean_or_the_middle_of_a_level() -> None:
    piece = Piece(make_notes([(i, 1, 60, 20 + 20 * i, 0) for i in range(5)] + [(0, 1, 50, 30, 1)]), BAND[:2])
    plain, levels = vocabulary(piece), vocabulary(piece, velocities=8)
    assert decode(plain.encode(piece), plain, piece.parts).notes["velocity"].tolist() == [60, 30, 60, 60, 60, 60]
    assert decode(levels.encode(piece), levels, piece.parts).notes["velocity"] == pytest.approx(piece.notes["velocity"], abs=8)
    for velocity in range(1, 128):
        level = levels.level(velocity)
        assert 0 <= level < 8 and levels.level(levels.velocity(level, 0)) == level


def test_what_the_run_never_saw_becomes_the_nearest() -> None:
    known = Piece(make_notes([(0, 1, 60, 80, 0), (1, 2, 60, 80, 0), (5, 2, 60, 80, 0)]), meters=((0.0, 3, 4), (3.0, 4, 4)))
    v = vocabulary(known)
    other = Piece(
        make_notes([(0, 0.25, 60, 80, 0), (3.5, 30, 62, 80, 0), (6, 1.75, 64, 80, 0), (6, 1, 67, 80, 0)]), meters=((0.0, 7, 8),)
    )
    back = decode(v.encode(other), v, other.parts)
    assert back.notes["onset"].tolist() == [0, 3.5, 6], "bars may be others, onsets stay; of a chord the lowest note is kept"
    assert back.notes["pitch"].tolist() == [60, 62, 64]
    assert back.notes["duration"].tolist() == [1, 2, 2]
    assert back.meters in (((0.0, 3, 4),), ((0.0, 4, 4),))


def test_of_equal_notes_the_longest_is_kept() -> None:
    piece = Piece(make_notes([(0, 1, 60, 80, 0), (0, 3, 60, 80, 0), (0.01, 2, 60, 80, 0)]))
    v = vocabulary(piece)
    assert decode(v.encode(piece), v, piece.parts).notes["duration"].tolist() == [3]


def test_events_out_of_place_are_refused() -> None:
    piece = band(1, 4)
    v = vocabulary(piece)
    events = v.encode(piece).tolist()
    refused = 0
    for at in range(1, len(events)):
        with pytest.raises(ValueError, match="cannot stand here"):
            decode([*events[:at], START], v, BAND)
        swapped = [*events[: at - 1], events[at], events[at - 1], *events[at + 1 :]]
        try:
            assert same(decode(swapped, v, BAND), piece, 4) is False
        except ValueError:
            refused += 1
    assert refused > 0.9 * len(events)


def test_what_is_allowed_is_what_push_takes() -> None:
    """And every event of a piece is allowed where it stands."""
    piece = band(2, 4, ((0.0, 4, 4), (6.0, 3, 4)))
    v = vocabulary(piece, velocities=4)
    reader = EventReader(v)
    for event in v.encode(piece).tolist():
        mask = reader.allowed()
        assert mask[event] and mask.sum() == sum(map(len, reader._follows))
        reader.push(event)
    assert reader.ended and not reader.allowed().any()


def test_places_and_pitches_go_up() -> None:
    piece = band(2, 4)
    v = vocabulary(piece)
    reader = EventReader(v)
    for event in (START, v.bars[3], v.meters[0], v.positions[5], v.parts[0], v.pitches[60], v.durations[0]):
        reader.push(event)
    mask = reader.allowed()
    most = v.facts.chords[0]
    assert not mask[v.positions.start : v.positions[5] + 1].any() and mask[v.positions[6] : v.positions.stop].all()
    assert not mask[v.pitches.start : v.pitches[60] + 1].any()
    assert mask[v.pitches[61]] == (most > 1)
    assert not mask[v.parts[0]] and mask[v.parts[1]] and mask[v.parts[2]]
    assert np.flatnonzero(mask[v.bars.start : v.bars.stop]).tolist() == [2] and not mask[END]


def test_a_piece_cannot_end_before_its_last_bar_sounds() -> None:
    piece = Piece(make_notes([(0, 1, 60, 80, 0), (4, 8, 60, 80, 0)]))
    v = vocabulary(piece)
    note, long = [v.positions[0], v.pitches[60]], v.durations[1]
    reader = EventReader(v, bars=2)
    for event in (START, v.bars[1], v.meters[0], *note, v.durations[0], v.bars[0]):
        reader.push(event)
    assert not reader.allowed()[END]
    reader = EventReader(v, bars=2)
    for event in (START, v.bars[1], v.meters[0], *note, long, v.bars[0]):
        reader.push(event)
    assert reader.allowed()[END], "a note sounds into it"
    reader.push(END)
    assert reader.piece(piece.parts).notes["duration"].tolist() == [8]


def test_nottingham_comes_back() -> None:
    files = sorted((SHARED / "midi-nottingham").glob("*.mid"))[::13]
    if not files:
        pytest.skip("needs ../shared/data/midi-nottingham")
    pieces = [read_midi(path) for path in files]
    of = facts_of(MusicSet(tuple(pieces), (), (), (), (), (), 12, "", "", ()))
    known = [in_known_parts(piece, of) for piece in pieces]
    v = vocabulary(*known, steps=12)
    for piece in known:
        assert same(decode(v.encode(piece), v, of.piece_parts), piece, 12)
    found = round_trip(pieces, 12, lambda piece: decode(v.encode(in_known_parts(piece, of)), v, of.piece_parts))
    assert (found.n_pieces, found.n_lost, found.n_new) == (len(files), 0, 0)


# ---------------------------------------------------------------- batches


def excerpts(context: int = 40, batch_size: int = 8, seed: int = 0) -> tuple[RandomExcerpts, EventVocabulary]:
    pieces = [band(seed, 4) for seed in range(3)] + [Piece(make_notes([(0, 1, 60, 80, 0)]), BAND)]
    v = vocabulary(*pieces)
    shifts = [transpositions(piece, (-5, 6)) for piece in pieces]
    return RandomExcerpts([v.encode(piece) for piece in pieces], shifts, v.pitches, context, batch_size, seed), v


def test_transposing_moves_pitches_and_not_drums() -> None:
    piece = band(0, 4)
    v = vocabulary(piece)
    moved = decode(transposed(v.encode(piece), 5, v.pitches), v, BAND)
    assert same(moved, piece.transposed(5), 4)
    assert not same(moved, piece, 4)


def test_batches_are_pure_and_shares_make_the_whole() -> None:
    made, _ = excerpts()
    whole = made.batch(7, Share())
    again, _ = excerpts()
    parts = [again.batch(7, Share(i, 4)) for i in range(4)]
    assert torch.equal(torch.cat([part.inputs for part in parts]), whole.inputs)
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)
    assert sum(part.n_scored for part in parts) == whole.n_scored == (whole.targets != NONE).sum()
    assert not torch.equal(made.batch(8, Share()).inputs[:, :9], whole.inputs[:, :9])


def test_excerpts_are_of_the_pieces_and_half_of_them_begin_with_one() -> None:
    made, v = excerpts(batch_size=64)
    known = {
        tuple(transposed(events, shift, v.pitches).tolist())
        for events, shifts in zip(made.pieces, made.shifts, strict=True)
        for shift in shifts
    }
    begins = 0
    for step in range(5):
        batch = made.batch(step, Share())
        for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            n = sum(target != NONE for target in targets)
            assert targets[n:] == [NONE] * (len(targets) - n) and inputs[1:n] == targets[: n - 1]
            text = tuple(inputs[:n] + targets[n - 1 : n])
            assert any(
                text == events[at : at + n + 1] for events in known for at in range(len(events) - n) if events[at] == text[0]
            )
            begins += inputs[0] == START
    assert 0.4 < begins / (5 * 64) < 0.62


@pytest.mark.parametrize("context", [3, 10, 64, 5000])
def test_every_held_out_event_is_scored_once_with_what_went_before(context: int) -> None:
    made, _ = excerpts()
    seen = []
    for index in range(2):
        for batch in held_out_excerpts(made.pieces, context, 5, Share(index, 2), 10**9):
            for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
                first = next(at for at, target in enumerate(targets) if target != NONE)
                assert first == 0 or first >= context - max(1, context // 2)
                seen += [target for target in targets if target != NONE]
                assert len(inputs) <= context
    assert sorted(seen) == sorted(int(event) for piece in made.pieces for event in piece[1:])


def test_held_out_events_are_limited() -> None:
    made, _ = excerpts()
    scored = sum(batch.n_scored for batch in held_out_excerpts(made.pieces, 16, 8, Share(), 200))
    assert 100 <= scored <= 250
