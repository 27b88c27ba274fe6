"""music.rnn over frames and music.polyphony: likelihoods against loops, batches, and composing."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from artgen.families.base import Share
from artgen.families.music_polyphony.config import MusicPolyphonyConfig, PolyphonyModelConfig
from artgen.families.music_polyphony.family import MusicPolyphony
from artgen.families.music_polyphony.network import NEXT, Polyphony, follow
from artgen.families.music_polyphony.strings import as_strings
from artgen.families.music_rnn.config import MusicRNNConfig, MusicRNNModelConfig
from artgen.families.music_rnn.frames import FrameRNN, RNNOverFrames
from artgen.music.config import MusicSampleConfig
from artgen.music.family import MusicFacts, PartFacts
from artgen.music.frame_batches import FrameBatch, RandomRolls, held_out_rolls, padded, shifts, transposed
from artgen.music.frames import Roll, as_roll, from_roll, phases
from artgen.music.piece import Part, Piece, make_notes

FACTS = MusicFacts(
    fingerprint="0", parts=(PartFacts(name="Piano", program=0, is_drum=False, number=0),), tempo=100.0, beats=3, unit=4, keys=()
)
TINY = {"n_layers": 2, "n_heads": 2, "d_model": 16, "dropout": 0.0, "context": 16}


def roll(seed: int, time: int, density: float = 0.04) -> Roll:
    generator = np.random.default_rng(seed)
    return Roll(generator.random((time, 88)) < density, np.arange(time) % 4)


def polyphony(seed: int = 0) -> Polyphony:
    """With random weights, head included, so that nothing is even."""
    torch.manual_seed(seed)
    network = Polyphony(PolyphonyModelConfig(**TINY)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    return network


def rnn(seed: int = 0, **changes: object) -> FrameRNN:
    torch.manual_seed(seed)
    model = MusicRNNModelConfig.model_validate({"reads": "frames", "d_model": 12, "n_layers": 2, "context": 16, **changes})
    return FrameRNN(model).eval()


def poly_family() -> MusicPolyphony:
    config = MusicPolyphonyConfig.model_validate({"model": TINY, "device": {"precision": "32"}})
    return MusicPolyphony(config, FACTS)


def rnn_family() -> RNNOverFrames:
    config = MusicRNNConfig.model_validate({"model": {"reads": "frames", "d_model": 12, "context": 16}})
    return RNNOverFrames(config, FACTS)


class TestFrames:
    def test_keys_sound_where_their_notes_do(self) -> None:
        piece = Piece(make_notes([(0, 1.5, 60, 80, 0), (1, 1, 64, 80, 0), (2.25, 0.5, 67, 80, 0)]))
        keys = as_roll(piece, 1).keys
        sounding = [set((np.flatnonzero(frame) + 21).tolist()) for frame in keys]
        assert sounding == [{60}, {60, 64}, set()]  # 67 begins after the beat and ends before the next
        assert as_roll(piece, 4).keys[:, 67 - 21].tolist() == [False] * 9 + [True] * 2

    def test_there_and_back(self) -> None:
        piece = Piece(make_notes([(0, 1, 60, 80, 0), (1, 2, 62, 80, 0), (0, 3, 48, 80, 0)]), (Part("a"),))
        again = from_roll(as_roll(piece, 2).keys, 2, Part("a"), piece.meters)
        assert [(n["onset"], n["duration"], n["pitch"]) for n in again.notes] == [
            (n["onset"], n["duration"], n["pitch"]) for n in piece.notes
        ]

    def test_drums_and_what_no_piano_has_are_left_out(self) -> None:
        notes = make_notes([(0, 1, 60, 80, 0), (0, 1, 36, 80, 1), (0, 1, 10, 80, 0)])
        keys = as_roll(Piece(notes, (Part(), Part("drums", 0, True))), 1).keys
        assert np.flatnonzero(keys[0]).tolist() == [60 - 21]

    def test_the_phase_follows_the_bars(self) -> None:
        meters = ((0.0, 1, 4), (1.0, 3, 4))  # a pickup of a quarter note, then three
        assert phases(meters, 8, 1).tolist() == [0, 0, 1, 2, 0, 1, 2, 0]
        assert phases(((0.0, 6, 8),), 8, 2).tolist() == [0, 1, 2, 3, 4, 5, 0, 1]


class TestBatches:
    def test_a_share_is_a_part_of_the_whole(self) -> None:
        batches = RandomRolls([roll(i, 10 + 5 * i) for i in range(4)], 12, 8, seed=3, transpose=(-3, 3))
        whole = batches.batch(7, Share())
        parts = [batches.batch(7, Share(i, 4)) for i in range(4)]
        for row in range(8):
            part, own = parts[row // 2], row % 2
            n = int(whole.length[row])
            assert n == int(part.length[own])
            assert torch.equal(whole.keys[row, :n], part.keys[own, :n])
        assert not torch.equal(whole.keys, batches.batch(8, Share()).keys)

    def test_an_excerpt_is_of_a_piece_and_says_whether_it_begins_it(self) -> None:
        one = roll(1, 40)
        batch = RandomRolls([one], 8, 32, seed=0, transpose=(0, 0)).batch(0, Share())
        for keys, begins in zip(batch.keys.numpy().astype(bool), batch.begins.tolist(), strict=True):
            found = [t for t in range(33) if (one.keys[t : t + 8] == keys).all()]
            assert found and (0 in found) == begins

    def test_no_key_is_lost_by_transposing(self) -> None:
        keys = np.zeros((3, 88), dtype=bool)
        keys[1, [2, 80]] = True
        allowed = shifts(keys, (-12, 12))
        assert (allowed[0], allowed[-1]) == (-2, 7)
        for semitones in allowed:
            assert np.flatnonzero(transposed(keys, semitones)[1]).tolist() == [2 + semitones, 80 + semitones]

    def test_every_held_out_piece_is_seen_once(self) -> None:
        rolls = [roll(i, 5 + i) for i in range(11)]
        seen = [int(n) for rank in range(2) for batch in held_out_rolls(rolls, 3, Share(rank, 2)) for n in batch.length]
        assert sorted(seen) == [5 + i for i in range(11)]


class TestPolyphony:
    def test_strings_are_the_pitches_upwards(self) -> None:
        keys = np.zeros((2, 88), dtype=bool)
        keys[0, [3, 40]], keys[1, 7] = True, True
        strings = as_strings(padded([(Roll(keys, np.array([2, 3])), 0, 0), (roll(0, 1, 0.0), 0, 0)], 9))
        assert strings.tokens[0].tolist() == [NEXT, 4, 41, NEXT, 8]
        assert strings.target[0].tolist() == [4, 41, NEXT, 8, NEXT]
        assert strings.frame[0].tolist() == [0, 0, 0, 1, 1]
        assert strings.slot[0].tolist() == [0, 1, 2, 0, 1]
        assert strings.phase[0].tolist() == [2, 2, 2, 3, 3]
        assert strings.first[0].tolist() == [True, False, False, False, False]
        assert strings.real[1].tolist() == [True, False, False, False, False] and strings.target[1, 0] == NEXT

    def test_only_higher_pitches_or_the_next_frame_follow(self) -> None:
        allowed = follow()
        assert allowed[NEXT].all()
        for token in range(1, 89):
            assert set(allowed[token].nonzero()[:, 0].tolist()) == {NEXT, *range(token + 1, 89)}

    def test_the_probabilities_of_all_frames_sum_to_1(self) -> None:
        """Over all 256 sets of eight keys, where no other key is possible."""
        family, network = poly_family(), polyphony().double()
        with torch.no_grad():  # only eight keys are possible, so that all their 256 sets can be counted
            network.head.bias[9:] = -1e4
        past = roll(5, 3)
        sets = [np.array(chosen, dtype=int) for n in range(9) for chosen in combinations(range(8), n)]
        total = 0.0
        for first in range(0, len(sets), 64):
            rows = []
            for chosen in sets[first : first + 64]:
                keys = np.concatenate([past.keys, np.zeros((1, 88), dtype=bool)])
                keys[3, chosen] = True
                rows.append((Roll(keys, np.arange(4)), 0, 0))
            with torch.no_grad():
                total += float(torch.exp(-family.nats(network, padded(rows, 4))[:, 3].double()).sum())
        assert total == pytest.approx(1, abs=1e-4)

    def test_a_frame_depends_on_the_past_alone_and_padding_does_not_matter(self) -> None:
        family, network = poly_family(), polyphony()
        one, other = roll(1, 9), roll(2, 6)
        changed = one.keys.copy()
        changed[6:] = ~changed[6:]
        with torch.no_grad():
            alone = family.nats(network, padded([(one, 0, 0)], 16))[0]
            beside = family.nats(network, padded([(other, 0, 0), (one, 0, 0)], 16))[1]
            future = family.nats(network, padded([(Roll(changed, one.phase), 0, 0)], 16))[0]
        torch.testing.assert_close(alone, beside, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone[:6], future[:6], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(alone[6:], future[6:])

    def test_long_pieces_are_scored_in_windows_and_every_frame_once(self) -> None:
        family, network = poly_family(), polyphony()
        long = roll(3, 41)
        with torch.no_grad():
            found = family.nats(network, padded([(long, 0, 0)], 41))[0]
            begin = family.nats(network, padded([(long, 0, 0)], 16))[0]
            # Frame 20 stands in the window that begins at 8, and is the last quarter of it.
            window = family.nats(network, padded([(long, 8, 0)], 16))[0]
        assert found.shape == (41,) and bool((found > 0).all())
        torch.testing.assert_close(found[:16], begin, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[16:24], window[8:], atol=1e-4, rtol=1e-4)

    def test_composing_draws_from_what_the_likelihood_says(self) -> None:
        """With greedy choice every token is the likeliest of the network's own logits, read without a cache."""
        family, network = poly_family(), polyphony(3)
        given = roll(1, 3)
        options = MusicSampleConfig(temperature=0.0)
        phase = np.arange(3, 8) % 4
        keys = family.go_on(network, given, phase, options, [np.random.default_rng(0)])[0]
        whole = Roll(np.concatenate([given.keys, keys]), np.concatenate([given.phase, phase]))
        strings = as_strings(padded([(whole, 0, 0)], 16))
        with torch.no_grad():
            logits = network(strings.tokens, strings.frame, strings.slot, strings.phase, strings.first)[0]
        new = strings.frame[0] >= 3
        short = torch.bincount(strings.frame[0])[strings.frame[0]] <= 16  # a fuller frame is ended by force
        assert bool((logits.argmax(1) == strings.target[0])[new & short].all())

    def test_it_goes_on_beyond_its_context(self) -> None:
        family, network = poly_family(), polyphony(4)
        noises = [np.random.default_rng(i) for i in range(3)]
        keys = family.go_on(network, roll(1, 20), np.arange(50) % 4, MusicSampleConfig(), noises)
        assert keys.shape == (3, 50, 88) and keys.any(axis=2).any(axis=1).all()


class TestFrameRNN:
    def test_the_loss_is_the_literatures_sum(self) -> None:
        network = rnn()
        batch = padded([(roll(1, 7), 0, 0)], 16)
        with torch.no_grad():
            found = rnn_family().nats(network, batch)[0]
            before = torch.cat((torch.zeros(1, 1, 88), batch.keys[:, :-1].float()), dim=1)
            p = torch.sigmoid(network(before, batch.phase)[0][0].double())
        y = batch.keys[0].double()
        torch.testing.assert_close(found.double(), -(y * p.log() + (1 - y) * (1 - p).log()).sum(1), atol=1e-4, rtol=1e-4)

    def test_step_by_step_is_as_all_at_once(self) -> None:
        for cell in ("rnn", "gru", "lstm"):
            network = rnn(cell=cell, norm="layer", residual=True)
            keys, phase = torch.from_numpy(roll(1, 6).keys)[None].float(), torch.arange(6)[None]
            with torch.no_grad():
                whole, _ = network(keys, phase)
                state, parts = None, []
                for t in range(6):
                    logits, state = network(keys[:, t : t + 1], phase[:, t : t + 1], state)
                    parts.append(logits)
            torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)

    def test_voice_leading_moves_with_the_chord(self) -> None:
        network = rnn(voice_leading=True)
        assert network.lead is not None
        keys = torch.zeros(1, 1, 88)
        keys[0, 0, [40, 44, 47]] = 1
        x = torch.randn(1, 1, 12)
        with torch.no_grad():
            here, there = network.lead(keys, x)[0, 0], network.lead(keys.roll(5, -1), x)[0, 0]
        torch.testing.assert_close(here[20:70], there[25:75])
        assert here[20:70].std() > 0

    def test_top_k_bounds_the_keys_and_cold_takes_the_likely_ones(self) -> None:
        family, network = rnn_family(), rnn(5)
        with torch.no_grad():
            network.head.bias.fill_(1.0)
        for options, least, most in ((MusicSampleConfig(top_k=3), 0, 3), (MusicSampleConfig(temperature=0), 60, 88)):
            keys = family.go_on(network, roll(1, 2), np.arange(5), options, [np.random.default_rng(0)])
            count = keys.sum(axis=2)
            assert count.min() >= least and count.max() <= most


@pytest.mark.parametrize(("family", "network"), [(poly_family(), polyphony(2)), (rnn_family(), rnn(2))])
class TestComposing:
    def test_a_sample_does_not_depend_on_the_others(self, family, network) -> None:  # type: ignore[no-untyped-def]
        options = MusicSampleConfig(bars=2)
        many = family.compose({"model": network}, options, range(4), 5, None)
        alone = family.compose({"model": network}, options, [2], 5, None)[0]
        other = family.compose({"model": network}, options, [2], 6, None)[0]
        assert many[2].notes.tolist() == alone.notes.tolist() != other.notes.tolist()

    def test_it_has_the_bars_of_the_meter(self, family, network) -> None:  # type: ignore[no-untyped-def]
        made = family.compose({"model": network}, MusicSampleConfig(bars=5), range(6), 1, None)
        assert all(piece.meters == ((0.0, 3, 4),) for piece in made)
        assert max(piece.end for piece in made) <= 15 and max(len(piece.bars()) - 1 for piece in made) <= 5

    def test_a_primer_is_its_beginning(self, family, network) -> None:  # type: ignore[no-untyped-def]
        primer = Piece(make_notes([(i, 1, 60 + i, 80, 0) for i in range(4)]), meters=((0.0, 2, 4),))
        made = family.compose({"model": network}, MusicSampleConfig(bars=4), [0], 1, primer)[0]
        begin = as_roll(made, 1).keys[:4]
        assert (begin == as_roll(primer, 1).keys).all() and made.meters == primer.meters and made.end <= 8

    def test_a_primer_that_is_the_piece_already_is_refused(self, family, network) -> None:  # type: ignore[no-untyped-def]
        primer = Piece(make_notes([(i, 1, 60, 80, 0) for i in range(8)]))
        with pytest.raises(Exception, match="2 bars already"):
            family.compose({"model": network}, MusicSampleConfig(bars=2, primer="p.mid"), [0], 1, primer)


def test_batches_hold_what_the_networks_read() -> None:
    batch = padded([(roll(0, 5), 0, 0), (roll(1, 3), 1, 0)], 4)
    assert isinstance(batch, FrameBatch)
    assert batch.length.tolist() == [4, 2] and batch.begins.tolist() == [True, False]
    assert not batch.keys[1, 2:].any()
