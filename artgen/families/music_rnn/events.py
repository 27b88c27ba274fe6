"""`music.rnn` over events: the next event of a piece, by what is remembered of those before it."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from artgen.config import RunConfig
from artgen.lm.rnn import RNN
from artgen.music.event_family import EventFamily

C = TypeVar("C", bound=RunConfig)

WINDOW = 1024


class RNNOverEvents(EventFamily[C]):
    """A recurrent network over events: melodies, melodies with chords, several parts (Mozer 1994; Oore et al. 2018).

    `config.model` is an `artgen.lm.rnn_config.RNNModelConfig`; a training excerpt is `context` events, and begins with an empty state.
    """

    def build(self, n_vocab: int) -> nn.Module:
        return RNN(self.config.model, n_vocab)  # type: ignore[attr-defined]

    @property
    def validation_window(self) -> int:
        """Many times the gradient's reach: an excerpt begins with an empty state, which should weigh little in the score."""
        return max(WINDOW, self.units_per_example)
