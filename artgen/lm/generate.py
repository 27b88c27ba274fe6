"""Text from a language model: token by token, many samples at a time, each reproducible by itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from artgen.data.tokenizer import StreamDecoder, Tokenizer
from artgen.errors import ArtgenError, UsageError
from artgen.families.base import Sample
from artgen.lm.config import TextSampleConfig
from artgen.lm.constraints import Constraint
from artgen.lm.model import LanguageModel, State, weights_dtype
from artgen.lm.processors import draw, processors

Stream = Callable[[int, str], None]

NOISE_BLOCK = 256  # random numbers made ahead for a sample
PREFILL_CHUNK = 2048  # tokens of a long prompt that a recurrent network reads at once, to bound memory


@torch.inference_mode()
def generate(
    network: LanguageModel,
    tokenizer: Tokenizer,
    options: TextSampleConfig,
    n: int,
    seed: int,
    device: torch.device | str,
    stream: Stream | None = None,
    batch_size: int = 16,
) -> list[Sample]:
    """`n` samples that begin with `options.prompt`; a work is the text, the prompt included.

    Sample i draws its random numbers from (seed, i) alone, so it does not depend on `n` or `batch_size`, as far as the
    network's logits do not: their last bits may differ between batch sizes, which decides a token once in a long while.

    A sample ends at the tokenizer's end token, before a stop string (looked for in the new text only), when its form is
    complete, or after `max_tokens`. `figures` say which (`ended`: end token, stop string, form or max_tokens), `tokens`
    drawn, `seconds` since its batch began and `tokens_per_second`.

    network: on `device`, in eval mode, in the precision that it is to run in.
    stream: called with (i, text) as sample i grows; these texts joined are its work. Never half a character, and nothing
        that may still turn out to be a stop string.
    batch_size: samples made side by side.

    Raises UsageError if the vocabulary lacks a character of the prompt, or the form asked for cannot be met; ArtgenError if
    the network gives no finite logits.
    """
    if seed < 0:
        raise UsageError(f"seed: {seed} is negative, expected 0 or more")
    if "" in options.stop:
        raise UsageError("stop: an empty string would end a sample before it begins")
    device = torch.device(device)
    prompt = [int(token) for token in tokenizer.encode(options.prompt)]
    constraint = Constraint.compile(options, tokenizer.pieces, tokenizer.end_id, device)
    samples: list[Sample] = []
    for first in range(0, n, batch_size):
        works = [_Work(index, tokenizer, options, constraint, stream) for index in range(first, min(n, first + batch_size))]
        samples += _generate_batch(network, tokenizer, options, prompt, works, constraint, seed, device)
    return samples


def _generate_batch(
    network: LanguageModel,
    tokenizer: Tokenizer,
    options: TextSampleConfig,
    prompt: list[int],
    works: list[_Work],
    constraint: Constraint | None,
    seed: int,
    device: torch.device,
) -> list[Sample]:
    # An empty prompt starts from a token that stands before the text and is no part of it.
    start = prompt or [_start_token(tokenizer)]
    invisible = len(start) - len(prompt)
    capacity = len(start) + options.max_tokens
    history = torch.empty(len(works), capacity, dtype=torch.int64, device=device)
    history[:, : len(start)] = torch.tensor(start, device=device)
    length = len(start)

    began = time.perf_counter()
    chain = processors(options)
    noise = Noise(seed, [work.index for work in works], device)
    logits, state = read_anew(network, history[:, :length], capacity)

    for step in range(options.max_tokens):
        scores = logits[:, -1].float()
        if constraint is not None:
            closed = [work.closed_tokens(options.max_tokens - step) for work in works]
            if all(work.ended for work in works):
                break
            rows = [mask if mask is not None else torch.zeros_like(scores[0], dtype=torch.bool) for mask in closed]
            scores = scores.masked_fill(torch.stack(rows), -math.inf)
        for process in chain:
            scores = process(scores, history[:, invisible:length])
        tokens = draw(scores, noise.at(step))

        going_on = False
        for work, token in zip(works, tokens.tolist(), strict=True):
            if not work.ended:
                if token >= network.n_vocab:
                    raise ArtgenError(f"the network's output is not finite at token {step + 1}: its weights are damaged")
                work.take(token)
                if work.ended:
                    work.seconds = time.perf_counter() - began
                else:
                    going_on = True
        if not going_on or step + 1 == options.max_tokens:
            break

        history[:, length] = tokens
        length += 1
        if state.room() == 0:
            logits, state = read_anew(network, history[:, :length], capacity)
        else:
            logits, state = read_on(network, tokens.unsqueeze(1), state)

    for work in works:
        work.end("max_tokens")
        work.seconds = work.seconds or time.perf_counter() - began
    return [work.sample() for work in works]


def read_anew(network: LanguageModel, tokens: Tensor, capacity: int) -> tuple[Tensor, State]:
    """The last logits and a fresh state after tokens [batch, time]; of more than fit, the last half of the context is read.

    Half, because a window that slid by one token would have to be read anew at every step.
    """
    state = network.start(len(tokens), capacity, tokens.device, weights_dtype(network))
    room = state.room()
    if room is not None:
        if tokens.shape[1] > room:
            tokens = tokens[:, -max(1, room // 2) :]
        return read_on(network, tokens, state)
    for chunk in tokens.split(PREFILL_CHUNK, dim=1):
        logits, state = read_on(network, chunk, state)
    return logits, state


def read_on(network: LanguageModel, tokens: Tensor, state: State) -> tuple[Tensor, State]:
    """The logits after tokens [batch, time] that follow what `state` has read, and the state after them."""
    logits, after = network(tokens, state, last_only=True)
    assert after is not None  # a state was given, so there is one after it
    return logits, after


def _start_token(tokenizer: Tokenizer) -> int:
    """The token that a text without a prompt follows: the end of the document before it, or else a line end."""
    if tokenizer.end_id is not None:
        return tokenizer.end_id
    return tokenizer.pieces.index("\n") if "\n" in tokenizer.pieces else 0


class Noise:
    """Uniform numbers in [0, 1), a stream of its own for each sample, made in blocks."""

    def __init__(self, seed: int, samples: Sequence[int], device: torch.device) -> None:
        self._generators = [np.random.default_rng([seed, sample]) for sample in samples]
        self._device = device

    def at(self, step: int) -> Tensor:
        """[batch], for steps that are asked for in order from 0."""
        if step % NOISE_BLOCK == 0:
            block = torch.from_numpy(np.stack([generator.random(NOISE_BLOCK) for generator in self._generators], axis=1))
            if self._device.type == "mps":  # which has no float64; rounding must not give 1
                block = block.float().clamp_(max=1 - 2**-24)
            self._block = block.to(self._device)
        return self._block[step % NOISE_BLOCK]


class _Work:
    """One sample as it grows: its text, its place in the form, what may be the beginning of a stop string."""

    def __init__(
        self, index: int, tokenizer: Tokenizer, options: TextSampleConfig, constraint: Constraint | None, stream: Stream | None
    ) -> None:
        self.index = index
        self.ended = ""  # why; empty while it grows
        self.seconds = 0.0
        self._n_tokens = 0
        self._end_id = tokenizer.end_id
        self._pieces = tokenizer.pieces
        self._decoder = StreamDecoder(tokenizer)
        self._stops = options.stop
        self._held = ""  # may be the beginning of a stop string
        self._parts: list[str] = []
        self._stream = stream
        self._constraint = constraint
        prompt = options.prompt
        if constraint is not None:
            self._place, kept = constraint.start(prompt, options.max_tokens)
            prompt = prompt[:kept]
        self._write(prompt)
        self._end_if_form_is_full()

    def closed_tokens(self, remaining: int) -> Tensor | None:
        """Which tokens the form rules out now, bool [vocab]; None for a work that has ended, maybe just here."""
        assert self._constraint is not None
        if self.ended:
            return None
        mask = self._constraint.mask(self._place, remaining)
        if mask is None:
            self.end("form")
        return mask

    def take(self, token: int) -> None:
        """Adds a token that was drawn."""
        self._n_tokens += 1
        if token == self._end_id:
            self.end("end token")
        elif self._constraint is None:
            self._add(self._decoder.push(token))
        else:
            piece = self._pieces[token]
            assert piece is not None  # such tokens are masked
            self._place, kept = self._constraint.advance(self._place, piece)
            self._add(piece[:kept])
            self._end_if_form_is_full()

    def end(self, reason: str) -> None:
        """Ends the work, unless it has ended: what was held back is text."""
        if self.ended:
            return
        if self._constraint is None:
            self._add(self._decoder.flush())
        if not self.ended:
            self._write(self._held)
            self.ended = reason

    def sample(self) -> Sample:
        figures = {
            "tokens": self._n_tokens,
            "seconds": self.seconds,
            "tokens_per_second": self._n_tokens / self.seconds if self.seconds > 0 else 0.0,
            "ended": self.ended,
        }
        return Sample("".join(self._parts), figures)

    def _end_if_form_is_full(self) -> None:
        if self._constraint is not None and self._constraint.form.finished(self._place):
            self.end("form")

    def _add(self, text: str) -> None:
        """Writes new text up to a stop string, and holds back an end that may become one."""
        if not text:
            return
        if not self._stops:
            self._write(text)
            return
        held = self._held + text
        # The stop string that is complete first counts, so that it makes no difference how the text came in tokens.
        for _, begin in sorted((at + len(stop), at) for stop in self._stops for at in _occurrences(stop, held)):
            if self._constraint is None or self._constraint.completes("".join(self._parts) + held[:begin]):
                self._write(held[:begin])
                self.ended = "stop string"
                return
        keep = max(_overlap(held, stop) for stop in self._stops)
        self._write(held[: len(held) - keep])
        self._held = held[len(held) - keep :]

    def _write(self, text: str) -> None:
        if text:
            self._parts.append(text)
            if self._stream is not None:
                self._stream(self.index, text)


def _occurrences(needle: str, text: str) -> list[int]:
    """Where `needle` stands in `text`, overlapping ones too."""
    found = []
    at = text.find(needle)
    while at >= 0:
        found.append(at)
        at = text.find(needle, at + 1)
    return found


def _overlap(text: str, needle: str) -> int:
    """How many characters at the end of `text` are a beginning of `needle`, but not all of it."""
    for size in range(min(len(text), len(needle) - 1), 0, -1):
        if text.endswith(needle[:size]):
            return size
    return 0
