"""`music.polyphony`: likelihood of frames, and composing them pitch by pitch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from artgen.families.music_polyphony.config import MusicPolyphonyConfig
from artgen.families.music_polyphony.network import NEXT, Polyphony
from artgen.families.music_polyphony.strings import as_strings
from artgen.lm.processors import draw, sampling_chain
from artgen.metrics.music_likelihood import N_PITCHES, Frames
from artgen.music.config import MusicSampleConfig
from artgen.music.frame_batches import FrameBatch
from artgen.music.frame_family import FrameFamily
from artgen.music.frames import Roll

MOST_PITCHES = 16  # of a frame that is made
ROOM = 512  # tokens that a cache gets beside what is read at first


class MusicPolyphony(FrameFamily[MusicPolyphonyConfig]):
    """A Transformer over the pitches of all frames, after RNN-NADE (Boulanger-Lewandowski et al. 2012)."""

    def build(self) -> nn.Module:
        return Polyphony(self.config.model)

    def nats(self, network: nn.Module, batch: FrameBatch) -> Tensor:
        """The summed nats of a frame's tokens and of the NEXT that ends it."""
        context, time = self.config.model.context, batch.keys.shape[1]
        if time > context:
            return self._windows(network, batch)
        strings = as_strings(batch)
        logits = network(strings.tokens, strings.frame, strings.slot, strings.phase, strings.first)
        each = F.cross_entropy(logits.flatten(0, 1), strings.target.flatten(), reduction="none").view_as(strings.tokens)
        each = each.masked_fill(~strings.real, 0.0)
        return each.new_zeros(len(each), time).scatter_add(1, strings.frame, each)

    def _windows(self, network: nn.Module, batch: FrameBatch) -> Tensor:
        """Longer pieces: windows of the context that overlap by half, of which the later half counts."""
        context, time = self.config.model.context, batch.keys.shape[1]
        step = max(1, context // 2)
        parts = []
        for begin in [0, *range(step, time - context + step, step)]:
            part = slice(begin, begin + context)
            length = (batch.length - begin).clamp(0, context)
            begins = batch.begins if begin == 0 else torch.zeros_like(batch.begins)
            window = FrameBatch(batch.keys[:, part], batch.phase[:, part], length.clamp(min=1), begins)
            parts.append(self.nats(network, window)[:, 0 if begin == 0 else context - step :])
        return torch.cat(parts, dim=1)[:, :time]

    def go_on(
        self,
        network: nn.Module,
        given: Roll,
        phase: NDArray[np.int64],
        options: MusicSampleConfig,
        noises: Sequence[np.random.Generator],
    ) -> Frames:
        """Every sample goes on at its own pace, a token a step, for some have more notes in a frame than others."""
        assert isinstance(network, Polyphony)
        device = next(network.parameters()).device
        chain = sampling_chain(options.temperature, options.top_k, options.top_p)
        writing = [_Writing(given, phase) for _ in noises]
        reader = _Reader(network, writing, self.config.model.context, device)
        while not all(each.done for each in writing):
            logits = reader.read()
            uniform = torch.tensor([noise.random() for noise in noises], dtype=torch.float64, device=device)
            for process in chain:
                logits = process(logits, torch.zeros(len(noises), 0, dtype=torch.int64, device=device))
            for each, token in zip(writing, draw(logits, uniform).tolist(), strict=True):
                each.take(token)
        return np.stack([each.keys for each in writing])


class _Writing:
    """One sample: what is written, and the string that says so."""

    def __init__(self, given: Roll, phase: NDArray[np.int64]) -> None:
        self.keys = np.zeros((len(phase), N_PITCHES), dtype=bool)
        self.phase = np.concatenate([given.phase, phase])
        self.offset, self.frame = len(given), len(given)
        self.string: list[tuple[int, int, int, int]] = []  # (token, frame, slot, phase)
        for frame, keys in enumerate(given.keys):
            tokens = [NEXT, *(np.flatnonzero(keys) + 1).tolist()]
            self.string += [(token, frame, slot, int(given.phase[frame])) for slot, token in enumerate(tokens)]
        self._write(NEXT, 0)

    @property
    def done(self) -> bool:
        return self.frame == len(self.phase)

    def take(self, token: int) -> None:
        """The next token. What comes when all is done is read on, so that samples keep step, but does not count."""
        slot = self.string[-1][2] + 1
        if self.done or token == NEXT or slot > MOST_PITCHES:
            self.frame = min(self.frame + 1, len(self.phase))
            self._write(NEXT, 0)
        else:
            self.keys[self.frame - self.offset, token - 1] = True
            self._write(token, slot)

    def _write(self, token: int, slot: int) -> None:
        frame = min(self.frame, len(self.phase) - 1)
        self.string.append((token, frame, slot, int(self.phase[frame])))


class _Reader:
    """Reads the strings of all samples with the network, from a cache as long as that holds them."""

    def __init__(self, network: Polyphony, writing: Sequence[_Writing], context: int, device: torch.device) -> None:
        self.network, self.writing, self.context, self.device = network, writing, context, device
        self.cache = network.cache(0, 0, device)
        self.base: list[int] = []  # the frame that each sample's string is read from

    def read(self) -> Tensor:
        """Logits [samples, 89] of what comes after the last token of each."""
        frames = [each.string[-1][1] - base for each, base in zip(self.writing, self.base, strict=False)]
        if frames and max(frames) <= self.context and self.cache.room():
            return self._tokens(1)
        # The frames that fit: all at first, later half of the context, so that this is seldom.
        keep = self.context if not frames else max(1, self.context // 2)
        n = min(sum(frame > each.string[-1][1] - keep for _, frame, _, _ in each.string) for each in self.writing)
        self.base = [each.string[-n][1] for each in self.writing]
        self.cache = self.network.cache(len(self.writing), n + ROOM, self.device)
        return self._tokens(n)

    def _tokens(self, n: int) -> Tensor:
        table = torch.tensor([each.string[-n:] for each in self.writing], device=self.device)
        token, frame, slot, phase = table.unbind(dim=2)
        base = torch.tensor(self.base, device=self.device)[:, None]
        first = torch.zeros_like(token, dtype=torch.bool)
        first[:, 0] = torch.tensor([len(each.string) == n for each in self.writing], device=self.device)
        logits = self.network(token, frame - base, slot, phase, first, self.cache)
        return logits[:, -1]


FAMILY = MusicPolyphony
