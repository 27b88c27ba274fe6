"""A recurrent language model: a stack of Elman, GRU or LSTM layers that carries its state from token to token."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from artgen.lm.model import State
from artgen.lm.rnn_config import RNNModelConfig
from artgen.nn.dropout import dropout
from artgen.nn.linear import Linear, linear
from artgen.nn.norms import build_norm
from artgen.nn.recurrent import RecurrentState, build_recurrent


class RNN(nn.Module):
    """Next-token logits for a batch of sequences: an `artgen.lm.model.LanguageModel`.

    x = embedding[tokens];  x = recurrence(norm(x)) (+ x)  n_layers times;  logits = norm(x) head

    Dropout acts on what goes up between layers and never on the state that goes on in time (Zaremba et al. 2014).
    """

    def __init__(self, config: RNNModelConfig, n_vocab: int) -> None:
        super().__init__()
        self.config = config
        self.n_vocab = n_vocab
        widths = [config.embed_width] + [config.d_model] * config.n_layers
        self.embedding = nn.Embedding(n_vocab, config.embed_width)
        self.norms = nn.ModuleList(build_norm(config.norm, width, bias=True) for width in widths)
        self.layers = nn.ModuleList(
            build_recurrent(config.cell, d_in, width, config.nonlinearity)
            for d_in, width in zip(widths[:-1], widths[1:], strict=True)
        )
        # A tied head reads the table of embeddings, so what it gets must have their width (Inan et al. 2017, Press and Wolf 2017).
        needs_projection = config.tie_embeddings and config.embed_width != config.d_model
        self.projection = Linear(config.d_model, config.embed_width, bias=False) if needs_projection else None
        self.head = None if config.tie_embeddings else Linear(config.d_model, n_vocab, bias=False)
        self.head_bias = nn.Parameter(torch.zeros(n_vocab))
        # Read and predict with one table: small vectors, or the first predictions would be wild.
        nn.init.normal_(self.embedding.weight, std=config.embed_width**-0.5 if config.tie_embeddings else 1.0)

    def forward(self, tokens: Tensor, state: State | None = None, last_only: bool = False) -> tuple[Tensor, RecurrentState]:
        """tokens [batch, time] -> (logits [batch, time, n_vocab], the state after these tokens).

        state: the RecurrentState after what was read before, left as it is; None: zeros. last_only: logits [batch, 1, n_vocab]
        of the last token. The new state has a gradient to the old one: `detach` it between training windows.
        """
        x = self._drop(self.embedding(tokens))
        before = self.start(len(tokens), 0, x.device, x.dtype) if state is None else _as_recurrent(state)
        hidden, memory = [], []
        for i, layer in enumerate(self.layers):
            h = before.hidden[i : i + 1]
            y = self.norms[i](x)
            if before.memory is None:
                y, h = layer(y, h)
            else:
                y, (h, m) = layer(y, (h, before.memory[i : i + 1]))
                memory.append(m)
            hidden.append(h)
            y = self._drop(y)
            x = x + y if self.config.residual and x.shape == y.shape else y
        after = RecurrentState(torch.cat(hidden), torch.cat(memory) if memory else None)

        x = self.norms[-1](x[:, -1:] if last_only else x)
        if self.projection is not None:
            x = self.projection(x)
        return linear(x, self.embedding.weight if self.head is None else self.head.weight, self.head_bias), after

    def start(self, batch_size: int, capacity: int, device: torch.device, dtype: torch.dtype = torch.float32) -> RecurrentState:
        """Zeros for a batch. Any number of tokens fits, so `capacity` is not used."""
        shape = (self.config.n_layers, batch_size, self.config.d_model)
        hidden = torch.zeros(shape, device=device, dtype=dtype)
        return RecurrentState(hidden, torch.zeros_like(hidden) if self.config.cell == "lstm" else None)

    def vocabulary_parameters(self) -> Iterator[Tensor]:
        """Tables of one row per token, which are no maps between hidden vectors: not for Muon."""
        yield self.embedding.weight
        if self.head is not None:
            yield self.head.weight

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)


def _as_recurrent(state: State) -> RecurrentState:
    if isinstance(state, RecurrentState):
        return state
    raise TypeError(f"an RNN goes on from a RecurrentState, not from a {type(state).__name__}")
