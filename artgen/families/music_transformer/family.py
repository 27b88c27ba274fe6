"""`music.transformer`: the next event of a piece, by attention to those before it."""

from __future__ import annotations

from torch import nn

from artgen.families.music_transformer.config import MusicTransformerConfig
from artgen.lm.gpt import GPT
from artgen.music.event_family import EventFamily


class MusicTransformer(EventFamily[MusicTransformerConfig]):
    """The Transformer of `text.gpt` over events (Huang et al. 2019, "Music Transformer"; Huang and Yang 2020).

    The first of these found that music wants relative positions; rotary ones are that (Su et al. 2021, section 3.4.3).
    """

    def build(self, n_vocab: int) -> nn.Module:
        return GPT(self.config.model, n_vocab)


FAMILY = MusicTransformer
