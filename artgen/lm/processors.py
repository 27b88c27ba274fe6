"""How next-token logits are reshaped before a token is drawn: one plain function per method, all with one signature.

A processor takes `logits` [batch, vocab] and `history` [batch, time] (int64, the tokens of the text so far, the prompt
among them) and returns new logits of the same shape and dtype; it changes neither argument. A token that is ruled out has
the logit -inf, and a processor never brings one back. Every processor leaves at least one token of a row that has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from artgen.lm.config import TextSampleConfig

Processor = Callable[[Tensor, Tensor], Tensor]

COLDEST = 1e-5
"""Temperatures under this are greedy: logits / temperature would overflow, and the outcome is the same."""


def processors(options: TextSampleConfig) -> list[Processor]:
    """The processors that `options` turn on, in the order in which they apply.

    Temperature comes before the truncations, which then cut the distribution that is drawn from.
    """
    chain: list[Processor] = []
    if options.repetition_penalty != 1.0:
        chain.append(repetition_penalty(options.repetition_penalty))
    return chain + sampling_chain(options.temperature, options.top_k, options.top_p, options.min_p)


def sampling_chain(heat: float = 1.0, k: int = 0, p: float = 1.0, share: float = 0.0) -> list[Processor]:
    """Temperature and truncations, those that change anything, of the sample section's values of these names."""
    chain: list[Processor] = []
    if heat != 1.0:
        chain.append(temperature(heat))
    if heat < COLDEST:
        return chain  # one token is left
    if k > 0:
        chain.append(top_k(k))
    if p < 1.0:
        chain.append(top_p(p))
    if share > 0.0:
        chain.append(min_p(share))
    return chain


def temperature(value: float) -> Processor:
    """Logits divided by `value`; at 0 only the likeliest token is left, of equals the one with the lowest id."""
    if value < 0:
        raise ValueError(f"temperature is {value}, expected 0 or more")

    def greedy(logits: Tensor, history: Tensor) -> Tensor:
        best = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -math.inf).scatter_(-1, best, logits.gather(-1, best))

    def divide(logits: Tensor, history: Tensor) -> Tensor:
        return logits / value

    return greedy if value < COLDEST else divide


def top_k(k: int) -> Processor:
    """Keeps the k likeliest tokens, and those that are exactly as likely as the k-th."""
    if k < 1:
        raise ValueError(f"k is {k}, expected 1 or more")

    def process(logits: Tensor, history: Tensor) -> Tensor:
        if k >= logits.shape[-1]:
            return logits
        kth = logits.topk(k, dim=-1).values[:, -1:]
        return logits.masked_fill(logits < kth, -math.inf)

    return process


def top_p(p: float) -> Processor:
    """Nucleus sampling: keeps the smallest set of likeliest tokens whose probabilities sum to at least p.

    Of equally likely tokens the one with the lower id comes first. Holtzman et al. 2020, "The Curious Case of Neural Text
    Degeneration", equations 2 and 3.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}, expected 0 to 1")

    def process(logits: Tensor, history: Tensor) -> Tensor:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(-1)
        likelier = probabilities.cumsum(-1) - probabilities  # the mass that comes before a token
        drop = likelier >= p
        drop[:, 0] = False
        return logits.masked_fill(torch.zeros_like(drop).scatter_(-1, order, drop), -math.inf)

    return process


def min_p(share: float) -> Processor:
    """Drops tokens whose probability is less than `share` times that of the likeliest.

    Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling", section 3. Compared as logits, which needs no softmax:
    p_i < share * p_max is x_i < x_max + ln(share).
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, expected above 0 and at most 1")
    below = math.log(share)

    def process(logits: Tensor, history: Tensor) -> Tensor:
        return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + below, -math.inf)

    return process


def repetition_penalty(penalty: float) -> Processor:
    """Makes tokens of the history less likely, once each however often they came (above 1; below 1, likelier).

    Keskar et al. 2019, "CTRL", section 4.1, divide the logit of a used token by the penalty. A negative logit would rise by
    that, so it is multiplied instead, as the paper's successors do.
    """
    if penalty <= 0:
        raise ValueError(f"penalty is {penalty}, expected above 0")

    def process(logits: Tensor, history: Tensor) -> Tensor:
        used = logits.gather(-1, history)
        used = torch.where(used > 0, used / penalty, used * penalty)
        return logits.scatter(-1, history, used)

    return process


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draws one token a row from softmax(logits) with the inverse of its distribution function.

    logits [batch, vocab]; uniform [batch] of numbers in [0, 1), one a row -> tokens [batch]. One random number a token,
    where Gumbel noise would take `vocab`. A row that has NaN, or no token left, gives the impossible token `vocab`.
    """
    # In the dtype of `uniform`: sums of many small probabilities want float64, which Apple's GPUs lack.
    mass = logits.softmax(-1).cumsum(-1, dtype=uniform.dtype)
    return torch.searchsorted(mass, uniform.unsqueeze(-1) * mass[:, -1:], right=True).squeeze(-1)
