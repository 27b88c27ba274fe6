"""`music.rnn` over frames: given the past, every key of a frame sounds or not by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from artgen.families.music_rnn.config import MusicRNNModelConfig
from artgen.lm.processors import COLDEST
from artgen.metrics.music_likelihood import N_PITCHES, Frames
from artgen.music.config import MusicSampleConfig
from artgen.music.frame_batches import FrameBatch
from artgen.music.frame_family import FrameFamily
from artgen.music.frames import PHASES, Roll
from artgen.nn.dropout import dropout
from artgen.nn.linear import Linear
from artgen.nn.norms import build_norm
from artgen.nn.recurrent import RecurrentState, build_recurrent

REACH = 12  # keys up and down that voice leading looks at
LEADS = 16  # features of voice leading


class FrameRNN(nn.Module):
    """Logits of the 88 keys of the next frame, after Boulanger-Lewandowski et al. 2012, section 4.1, and Bai et al. 2018.

    x_t = W k_t-1 + phase_t;  h = recurrence(norm(x)) (+ x)  n_layers times;  logits_t = V norm(h)_t + lead(k_t-1)

    lead: a convolution over the keys of the frame before. What is likely to come of a chord depends on distances between keys, not
    on which keys they are, so that every chord teaches about its transpositions.
    """

    def __init__(self, config: MusicRNNModelConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.embed_width] + [config.d_model] * config.n_layers
        self.read = Linear(N_PITCHES, config.embed_width)
        self.phases = nn.Embedding(PHASES, config.embed_width)
        self.norms = nn.ModuleList(build_norm(config.norm, width, bias=True) for width in widths)
        self.layers = nn.ModuleList(
            build_recurrent(config.cell, d_in, width, config.nonlinearity)
            for d_in, width in zip(widths[:-1], widths[1:], strict=True)
        )
        self.head = Linear(config.d_model, N_PITCHES)
        self.lead = VoiceLeading(config.d_model) if config.voice_leading else None
        nn.init.normal_(self.phases.weight, std=0.1)
        nn.init.constant_(self.head.bias, -3.0)  # few keys sound at once
        nn.init.normal_(self.head.weight, std=0.02)

    def forward(self, keys: Tensor, phase: Tensor, state: RecurrentState | None = None) -> tuple[Tensor, RecurrentState]:
        """keys [rows, time, 88] of the frames before, 0 or 1; phase [rows, time] of the frames that are foretold.

        Returns logits [rows, time, 88] and the state after them.
        """
        keys = keys.to(self.head.weight.dtype)
        x = self._drop(self.read(keys) + self.phases(phase))
        before = state or self.start(len(keys), x.device)
        hidden, memory = [], []
        for i, layer in enumerate(self.layers):
            y, h = self.norms[i](x), before.hidden[i : i + 1].to(x.dtype)
            if before.memory is None:
                y, h = layer(y, h)
            else:
                y, (h, m) = layer(y, (h, before.memory[i : i + 1].to(x.dtype)))
                memory.append(m)
            hidden.append(h)
            y = self._drop(y)
            x = x + y if self.config.residual and x.shape == y.shape else y
        x = self.norms[-1](x)
        logits = self.head(x)
        if self.lead is not None:
            logits = logits + self.lead(keys, x)
        return logits, RecurrentState(torch.cat(hidden), torch.cat(memory) if memory else None)

    def start(self, rows: int, device: torch.device) -> RecurrentState:
        """Zeros."""
        hidden = torch.zeros(self.config.n_layers, rows, self.config.d_model, device=device)
        return RecurrentState(hidden, torch.zeros_like(hidden) if self.config.cell == "lstm" else None)

    def vocabulary_parameters(self) -> Iterator[Tensor]:
        """A table of one row per place in the bar, and the maps from and to keys: not for Muon."""
        yield from (self.phases.weight, self.read.weight, self.head.weight)
        if self.lead is not None:
            yield from self.lead.parameters()

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)


class VoiceLeading(nn.Module):
    """What each key may expect of those about it in the frame before, weighed by what the network makes of the past."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, LEADS, 2 * REACH + 1, padding=REACH)
        self.weigh = Linear(d_model, LEADS)
        nn.init.zeros_(self.weigh.weight)
        nn.init.normal_(self.weigh.bias, std=0.1)

    def forward(self, keys: Tensor, x: Tensor) -> Tensor:
        """keys [rows, time, 88], x [rows, time, d_model] -> [rows, time, 88]."""
        rows, time, n = keys.shape
        found = torch.relu(self.conv(keys.reshape(rows * time, 1, n))).view(rows, time, LEADS, n)
        return torch.einsum("btf,btfn->btn", self.weigh(x), found)


class RNNOverFrames(FrameFamily):
    """A recurrent network over frames, whose keys are independent given the past: the LSTM of the chorale benchmark."""

    def build(self) -> nn.Module:
        return FrameRNN(self.config.model)

    def nats(self, network: nn.Module, batch: FrameBatch) -> Tensor:
        """-Σ y ln σ(x) + (1 - y) ln σ(-x) over the keys of each frame."""
        before = torch.cat((torch.zeros_like(batch.keys[:, :1]), batch.keys[:, :-1]), dim=1)
        logits, _ = network(before, batch.phase)
        each = F.binary_cross_entropy_with_logits(logits.float(), batch.keys.float(), reduction="none")
        return each.sum(dim=2)

    def go_on(
        self,
        network: nn.Module,
        given: Roll,
        phase: NDArray[np.int64],
        options: MusicSampleConfig,
        noises: Sequence[np.random.Generator],
    ) -> Frames:
        """top_k is the most keys that may sound at once; top_p leaves keys out that are less likely than 1 - top_p."""
        device = next(network.parameters()).device
        rows, n_given = len(noises), len(given)
        last = torch.zeros(rows, 1, N_PITCHES, device=device)
        state = None
        places = torch.from_numpy(np.concatenate([given.phase, phase])).to(device)
        if n_given:
            keys = torch.from_numpy(given.keys).to(device).float().expand(rows, -1, -1)
            _, state = network(torch.cat((last, keys[:, :-1]), dim=1), places[:n_given].expand(rows, -1))
            last = keys[:, -1:]
        made = np.zeros((rows, len(phase), N_PITCHES), dtype=bool)
        for t in range(len(phase)):
            logits, state = network(last, places[n_given + t].expand(rows, 1), state)
            p = _probabilities(logits[:, 0].double().cpu(), options)
            noise = torch.from_numpy(np.stack([each.random(N_PITCHES) for each in noises]))
            made[:, t] = (noise < p).numpy()
            last = torch.from_numpy(made[:, t : t + 1]).to(device).float()
        return made


def _probabilities(logits: Tensor, options: MusicSampleConfig) -> Tensor:
    """Of each key, after temperature and truncation: [rows, 88] both."""
    if options.temperature < COLDEST:
        p = (logits > 0).double()
    else:
        p = torch.sigmoid(logits / options.temperature)
    if options.top_p < 1:
        p = p.masked_fill(p < 1 - options.top_p, 0.0)
    if 0 < options.top_k < N_PITCHES:
        least = p.topk(options.top_k, dim=-1).values[:, -1:]
        p = p.masked_fill(p < least, 0.0)
    return p
