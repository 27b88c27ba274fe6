"""How well a language model predicts a text, in units that can be compared."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.lm.model import LanguageModel, State, weights_dtype

LARGEST_LOGITS = 2**26  # numbers, of 4 bytes


def bits_per_character(nats: float, n_characters: int) -> float:
    """Bits per character of a text whose negative log-likelihood is `nats` in sum.

    It does not depend on the tokenizer, so models with different ones can be compared. `n_characters` is the number of those
    that the scored tokens stand for.
    """
    return nats / math.log(2) / n_characters


def nats_per_token(nats: float, n_tokens: int) -> float:
    """Mean negative log-likelihood per token, in nats: the training loss."""
    return nats / n_tokens


def perplexity(nats: float, n_tokens: int) -> float:
    """exp(nats per token): among how many equally likely tokens the model is in doubt, on the geometric mean."""
    mean = nats_per_token(nats, n_tokens)
    return math.exp(mean) if mean < 700 else math.inf


@torch.inference_mode()
def score_tokens(
    network: LanguageModel,
    tokens: np.ndarray,
    context: int,
    stride: int,
    device: torch.device | str,
    batch_size: int = 32,
    carry: bool = False,
) -> tuple[float, int]:
    """(summed negative log-likelihood in nats, number of scored tokens): every token but the first is scored once.

    tokens: [time], any integer type, memory-mapped or not.
    context: the network reads windows of so many tokens.
    stride: a window begins so many tokens after the one before and scores what that did not: its last `stride` tokens, with
        at least context - stride tokens to look back at. At most `context`. Compute grows with context / stride.
    batch_size: windows read side by side, fewer where their logits would take more than 256 MiB.
    carry: for a network whose state takes any number of tokens: one pass over the whole text, `context` tokens at a time,
        each with all the text before it; `stride` and `batch_size` are of no effect.

    network: on `device`, in eval mode. Log-likelihoods are computed in float32 and summed in float64.
    """
    if context < 1:
        raise ValueError(f"context is {context}, expected 1 or more")
    if not 1 <= stride <= context:
        raise ValueError(f"stride is {stride}, expected 1 to the context of {context}")
    n_scored = len(tokens) - 1
    if n_scored < 1:
        return 0.0, 0
    device = torch.device(device)
    total = _score_carried(network, tokens, context, device) if carry else 0.0
    if not carry:
        windows, size = _windows(n_scored, context, stride), min(context, n_scored)
        rows = max(1, min(batch_size, LARGEST_LOGITS // (size * network.n_vocab)))
        for begin in range(0, len(windows), rows):
            total += _score_windows(network, tokens, windows[begin : begin + rows], size, device)
    return total, n_scored


def _windows(n_scored: int, context: int, stride: int) -> list[tuple[int, int]]:
    """(begin, skip) of each window: it reads tokens begin … begin + context - 1 and scores the predictions from `skip` on.

    The last window ends with the text, as long as the others, so that its tokens lack no context either.
    """
    windows = [(0, 0)]
    scored = min(context, n_scored)
    while scored < n_scored:
        end = min(scored + stride, n_scored)
        windows.append((end - context, context - (end - scored)))
        scored = end
    return windows


def _score_windows(
    network: LanguageModel, tokens: np.ndarray, windows: list[tuple[int, int]], size: int, device: torch.device
) -> float:
    rows = np.stack([np.asarray(tokens[begin : begin + size + 1], dtype=np.int64) for begin, _ in windows])
    batch = torch.from_numpy(rows).to(device)
    logits, _ = network(batch[:, :-1])
    nats = _nats(logits, batch[:, 1:])
    skip = torch.tensor([skip for _, skip in windows], device=device)
    return _total(nats.masked_fill(torch.arange(size, device=device) < skip[:, None], 0.0))


def _score_carried(network: LanguageModel, tokens: np.ndarray, chunk: int, device: torch.device) -> float:
    state: State | None = network.start(1, len(tokens), device, weights_dtype(network))
    room = state.room() if state is not None else None
    if room is not None and room < len(tokens) - 1:
        raise ValueError(f"a network that can take {room} tokens cannot carry its state over {len(tokens) - 1}")
    total = 0.0
    for begin in range(0, len(tokens) - 1, chunk):
        row = torch.from_numpy(np.asarray(tokens[begin : begin + chunk + 1], dtype=np.int64)).to(device)[None]
        logits, state = network(row[:, :-1], state)
        total += _total(_nats(logits, row[:, 1:]))
    return total


def _nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood [batch, time] of targets [batch, time] under logits [batch, time, vocab]."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)


def _total(nats: Tensor) -> float:
    # Apple's GPUs have no float64; on a CPU the sum costs nothing beside the network.
    return float(nats.cpu().double().sum())
