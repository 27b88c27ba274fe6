"""Scores of whole texts against one token at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from artgen.metrics import likelihood
from artgen.metrics.likelihood import bits_per_character, nats_per_token, perplexity, score_tokens

V = 7
CPU = torch.device("cpu")


class Attends(nn.Module):
    """Logits that depend on every token of the window, and on where in the window it stands."""

    n_vocab = V

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(V, V, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
        self.largest_batch = 0

    def forward(self, tokens: Tensor, state: None = None, last_only: bool = False) -> tuple[Tensor, None]:
        self.largest_batch = max(self.largest_batch, len(tokens))
        ages = torch.arange(1, tokens.shape[1] + 1, dtype=torch.float64)
        return (self.table[tokens] * ages[:, None].sqrt()).cumsum(1), None

    def start(self, *args: object) -> object:
        raise AssertionError("windows need no state")


class Recurs(nn.Module):
    """A leaky sum over all tokens read."""

    n_vocab = V

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(V, V, generator=torch.Generator().manual_seed(0), dtype=torch.float64))

    def forward(self, tokens: Tensor, state: Memory | None = None, last_only: bool = False) -> tuple[Tensor, Memory]:
        hidden = state.hidden if state else torch.zeros(len(tokens), V, dtype=torch.float64)
        outputs = []
        for time in range(tokens.shape[1]):
            hidden = 0.9 * hidden + self.table[tokens[:, time]]
            outputs.append(hidden)
        return torch.stack(outputs, 1), Memory(hidden)

    def start(self, batch_size: int, capacity: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Memory:
        assert dtype == torch.float64  # that of the weights
        return Memory(torch.zeros(batch_size, V, dtype=dtype))


class Memory:
    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden

    def room(self) -> int | None:
        return None


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).integers(V, size=53).astype(np.uint16)


def nats_of(network: nn.Module, tokens: np.ndarray, begin: int, position: int) -> float:
    """-log p(token at `position`), given those from `begin` on."""
    with torch.no_grad():
        logits = network(torch.tensor(tokens[begin:position].astype(np.int64))[None])[0][0, -1]
    return -float(logits.log_softmax(-1)[int(tokens[position])])


@pytest.mark.parametrize(("context", "stride"), [(8, 8), (8, 3), (8, 1), (1, 1), (52, 10), (53, 53), (200, 7)])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_windows_score_every_token_once_with_its_context(
    tokens: np.ndarray, context: int, stride: int, batch_size: int
) -> None:
    network = Attends()
    expected, begin, scored = 0.0, 0, 0  # one token at a time; the window moves on when it is full
    for position in range(1, len(tokens)):
        if position - begin > context:
            begin = min(scored + stride, len(tokens) - 1) - context
        expected += nats_of(network, tokens, begin, position)
        scored = position if position - begin == context else scored
    total, count = score_tokens(network, tokens, context, stride, CPU, batch_size)
    assert count == 52
    assert total == pytest.approx(expected, rel=1e-5)
    assert network.largest_batch <= batch_size


def test_a_stride_of_one_gives_every_token_its_full_context(tokens: np.ndarray) -> None:
    network = Attends()
    expected = sum(nats_of(network, tokens, max(0, position - 5), position) for position in range(1, len(tokens)))
    assert score_tokens(network, tokens, 5, 1, CPU)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("chunk", [1, 5, 26, 52, 100])
def test_a_carried_state_sees_the_whole_text(tokens: np.ndarray, chunk: int) -> None:
    network = Recurs()
    expected = sum(nats_of(network, tokens, 0, position) for position in range(1, len(tokens)))
    total, count = score_tokens(network, tokens, chunk, chunk, CPU, carry=True)
    assert count == 52
    assert total == pytest.approx(expected, rel=1e-5)


def test_logits_of_a_large_vocabulary_are_made_in_smaller_batches(tokens: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Attends()
    whole = score_tokens(network, tokens, 8, 2, CPU)
    monkeypatch.setattr(likelihood, "LARGEST_LOGITS", 2 * 8 * V)
    network.largest_batch = 0
    assert score_tokens(network, tokens, 8, 2, CPU) == pytest.approx(whole)
    assert network.largest_batch == 2


def test_texts_too_short_to_score() -> None:
    assert score_tokens(Attends(), np.array([], dtype=np.uint16), 8, 8, CPU) == (0.0, 0)
    assert score_tokens(Attends(), np.array([3], dtype=np.uint16), 8, 8, CPU) == (0.0, 0)


@pytest.mark.parametrize(("context", "stride"), [(0, 1), (8, 0), (8, 9)])
def test_windows_that_would_leave_gaps_are_refused(context: int, stride: int) -> None:
    with pytest.raises(ValueError, match="expected 1"):
        score_tokens(Attends(), np.array([1, 2, 3]), context, stride, CPU)


def test_units() -> None:
    nats = 100 * math.log(8)  # 100 tokens, each one of 8 equally likely ones
    assert nats_per_token(nats, 100) == pytest.approx(math.log(8))
    assert perplexity(nats, 100) == pytest.approx(8)
    assert bits_per_character(nats, 200) == pytest.approx(1.5)  # 3 bits a token, two characters a token
    assert perplexity(1e6, 1) == math.inf
