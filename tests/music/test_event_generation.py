"""Pieces from networks that know nothing: whatever is drawn, a piece comes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from artgen.errors import ArtgenError, UsageError
from artgen.lm.gpt import GPT
from artgen.lm.gpt_config import GPTModelConfig
from artgen.lm.model import LanguageModel
from artgen.lm.rnn import RNN
from artgen.lm.rnn_config import RNNModelConfig
from artgen.music import event_generation
from artgen.music.config import MusicSampleConfig
from artgen.music.event_generation import generate_pieces
from artgen.music.event_reader import EventReader
from artgen.music.events import END, EventVocabulary
from artgen.music.piece import Part, Piece, make_notes
from tests.music.test_events import BAND, band, vocabulary

METERS = ((0.0, 1, 4), (1.0, 3, 4), (13.0, 6, 8), (20.0, 4, 4), (22.0, 2, 4))
ONE = (Part("lute", 24),)


def learned(parts: tuple[Part, ...] = BAND, velocities: int = 1) -> EventVocabulary:
    piece = band(0, 4, METERS)
    keep = piece.notes[piece.notes["part"] < len(parts)]
    return vocabulary(replace(piece, notes=keep, parts=parts), velocities=velocities)


def network(v: EventVocabulary, kind: str, seed: int = 0, context: int = 64) -> LanguageModel:
    """With weights so large that it is sure of what it says, which is nonsense."""
    torch.manual_seed(seed)
    made: Any
    if kind == "gpt":
        made = GPT(GPTModelConfig(n_layers=1, n_heads=2, d_model=16, context=context), v.n_vocab)
    else:
        made = RNN(RNNModelConfig(cell="gru", n_layers=1, d_model=16), v.n_vocab)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made.eval()  # type: ignore[no-any-return]


def make(v: EventVocabulary, net: LanguageModel, numbers: Any = range(3), seed: int = 0, **choices: Any) -> list[Piece]:
    primer = choices.pop("primer", None)
    parts = BAND if len(v.facts.drums) == 3 else ONE
    options = MusicSampleConfig.model_validate(choices)
    return generate_pieces(net, v, parts, options, list(numbers), seed, "cpu", primer, batch_size=4)


@pytest.mark.parametrize("kind", ["gpt", "rnn"])
@pytest.mark.parametrize("parts", [BAND, ONE])
@pytest.mark.parametrize("bars", [1, 5, 20])
def test_any_weights_make_pieces_of_so_many_bars(kind: str, parts: tuple[Part, ...], bars: int) -> None:
    v = learned(parts, velocities=1 + 3 * (bars == 5))
    for seed in range(4):
        net = network(v, kind, seed)
        for choices in ({}, {"temperature": 0.0}, {"temperature": 4.0, "top_p": 0.9}, {"top_k": 1}):
            for piece in make(v, net, seed=seed, bars=bars, **choices):
                assert len(piece.bars()) - 1 == bars
                assert len(piece.notes) and piece.end <= piece.bars()[-1]
                assert all(piece.parts[part].is_drum == v.facts.drums[part] for part in piece.notes["part"])
                together = np.unique(piece.notes[["onset", "part"]], return_counts=True)
                for (_, part), count in zip(together[0].tolist(), together[1].tolist(), strict=True):
                    assert count <= v.facts.chords[part]


@pytest.mark.parametrize("kind", ["gpt", "rnn"])
def test_a_sample_does_not_depend_on_what_is_made_beside_it(kind: str) -> None:
    v = learned()
    net = network(v, kind)
    together = make(v, net, range(6), bars=6)
    for number in (0, 3, 5):
        alone = make(v, net, [number], bars=6)[0]
        assert np.array_equal(alone.notes, together[number].notes) and alone.meters == together[number].meters
    assert not np.array_equal(together[0].notes, together[1].notes)
    assert not np.array_equal(make(v, net, [0], seed=1, bars=6)[0].notes, together[0].notes)


@pytest.mark.parametrize("kind", ["gpt", "rnn"])
def test_the_state_that_is_carried_gives_what_reading_anew_gives(kind: str) -> None:
    """Greedy pieces against a loop that reads everything before at each event."""
    v = learned()
    net = network(v, kind, context=4096)
    made = make(v, net, [0], bars=4, temperature=0.0)[0]
    reader, events = EventReader(v, 4), [0]
    reader.push(0)
    while not reader.ended:
        with torch.no_grad():
            logits = net(torch.tensor([events]))[0][0, -1].double().numpy()
        event = int(np.where(reader.allowed(), logits, -np.inf).argmax())
        reader.push(event)
        events.append(event)
    assert len(events) > 40
    assert made.meters == reader.piece(BAND).meters
    plain = event_generation._without_overlaps(reader.piece(BAND).notes)
    assert np.array_equal(made.notes, plain)


def test_a_piece_goes_on_from_its_primer() -> None:
    v = learned(velocities=4)
    rows = [(0.0, 1.0, 60, 77, 0), (1.0, 0.5, 64, 33, 1), (4.3, 1.2, 62, 77, 0), (5.0, 40.0, 36, 99, 2), (6.0, 1.0, 61, 8, 0)]
    primer = Piece(make_notes(rows), BAND, meters=((0.0, 3, 4),))
    own = primer.quantised(4)
    for net in (network(v, "rnn"), network(v, "gpt", context=16)):
        for piece in make(v, net, bars=20, primer=primer):
            assert len(piece.bars()) - 1 == 20
            mine = piece.notes[piece.notes["onset"] <= 6]
            for field in ("onset", "pitch", "velocity", "part"):
                assert np.array_equal(mine[: len(own.notes)][field], own.notes[field]), "exact, not as events say them"
            assert len(piece.notes) > len(rows) and piece.end > 45, "the last note of the primer sounds as long as it did"


def test_a_primer_must_be_shorter_than_the_piece() -> None:
    v = learned()
    primer = Piece(make_notes([(0.0, 12.0, 60, 80, 0)]), BAND, meters=((0.0, 3, 4),))
    with pytest.raises(UsageError, match="primer: it has 4 bars, and the piece that goes on from it is to have 4 bars"):
        make(v, network(v, "rnn"), bars=4, primer=primer)
    assert len(make(v, network(v, "rnn"), bars=5, primer=primer)[0].bars()) - 1 == 5


def test_a_primer_of_nothing_is_none() -> None:
    v = learned()
    net = network(v, "rnn")
    nothing = Piece(make_notes([]), BAND)
    assert np.array_equal(make(v, net, [2], bars=3, primer=nothing)[0].notes, make(v, net, [2], bars=3)[0].notes)


class Stubborn(nn.Module):
    """Never wants to end: of bars it always says that most come."""

    def __init__(self, v: EventVocabulary, nan: bool = False) -> None:
        super().__init__()
        self.n_vocab = v.n_vocab
        self.logits = nn.Parameter(torch.zeros(v.n_vocab))
        with torch.no_grad():
            self.logits[v.bars.start : v.bars.stop] += torch.arange(len(v.bars)) * 9
            self.logits[END] = -100
            self.logits += torch.nan if nan else 0

    def forward(self, tokens: torch.Tensor, state: Any = None, last_only: bool = False) -> Any:
        return self.logits.expand(len(tokens), 1, -1), state

    def start(self, *_: Any) -> Any:
        return self

    def room(self) -> None:
        return None


def test_a_piece_of_no_set_length_is_as_long_as_one_that_was_learned_from() -> None:
    v = learned()
    known = set(v.facts.bars)
    lengths = [len(piece.bars()) - 1 for seed in range(3) for piece in make(v, network(v, "rnn", seed), range(8), bars=None)]
    assert set(lengths) <= known and (len(known) == 1 or len(set(lengths)) > 1)
    assert all(len(piece.bars()) - 1 in known and len(piece.notes) for piece in make(v, Stubborn(v), bars=None))


def test_damaged_weights_are_said_to_be() -> None:
    v = learned()
    with pytest.raises(ArtgenError, match="not finite at event 1"):
        make(v, Stubborn(v, nan=True), bars=2)
