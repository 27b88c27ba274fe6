"""`text.rnn`: parallel streams with carried state, next-token loss."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artgen.data.tokens import TextCorpus
from artgen.families.base import Loss, Networks, Share
from artgen.families.text_rnn.config import TextRNNConfig
from artgen.lm.batches import Streams
from artgen.lm.family import LanguageModelFamily
from artgen.lm.rnn import RNN, RecurrentState

WINDOW = 1024
Batch = tuple[Tensor, int]  # tokens [rows, context + 1] and the share they are


class TextRNN(LanguageModelFamily[TextRNNConfig]):
    """A recurrent network that reads a text token by token and carries its state from batch to batch."""

    def build(self, n_vocab: int) -> nn.Module:
        return RNN(self.config.model, n_vocab)

    def check(self, corpus: TextCorpus) -> None:
        corpus.require(self.config.train.batch_size * (self.config.model.context + 1) + 1, self.config.model.context + 1)

    @property
    def validation_window(self) -> int:
        """Many times the gradient's reach: a window begins with an empty state, which should weigh little in the score."""
        return max(WINDOW, self.config.model.context)

    @cached_property
    def streams(self) -> Streams:
        assert self.corpus is not None
        return Streams(self.corpus.train, self.config.model.context, self.config.train.batch_size, self.config.seed)

    @cached_property
    def states(self) -> dict[int, RecurrentState]:
        """Share -> what the network remembers of its streams."""
        return {}

    restored: dict[str, Tensor] = {}  # noqa: RUF012 (replaced, never changed in place): a checkpoint's states, not yet taken up

    def batch(self, step: int, share: Share) -> Batch:
        if self.streams.begins(step):
            self.states.pop(share.index, None)
            self.restored = {}
        return self.streams.batch(step, share), share.index

    def loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        tokens, share = batch
        logits, state = networks["model"](tokens[:, :-1], self._resumed(tokens, share))
        self.states[share] = state.detach()
        return Loss(F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()))

    def carried(self) -> dict[str, Tensor]:
        parts = [self.states[share].tensors() for share in sorted(self.states)]
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]} if parts else {}

    def carry(self, state: dict[str, Tensor]) -> None:
        self.restored = state
        self.states.clear()

    def _resumed(self, tokens: Tensor, share: int) -> RecurrentState | None:
        """The state of this share, in a resumed run taken from the checkpoint the first time it is asked for."""
        if share not in self.states and self.restored:
            rows = len(tokens)
            local = len(self.states)  # shares are asked for in order
            mine = slice(local * rows, (local + 1) * rows)
            part = {key: value[mine].to(tokens.device) for key, value in self.restored.items()}
            self.states[share] = RecurrentState.from_tensors(part)
        return self.states.get(share)


FAMILY = TextRNN
