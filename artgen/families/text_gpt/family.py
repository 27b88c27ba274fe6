"""`text.gpt`: random crops, next-token loss."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor, nn
from torch.nn import functional as F

from artgen.families.base import Loss, Networks, Share
from artgen.families.text_gpt.config import TextGPTConfig
from artgen.lm.batches import RandomCrops
from artgen.lm.family import LanguageModelFamily
from artgen.lm.gpt import GPT


class TextGPT(LanguageModelFamily[TextGPTConfig]):
    """A decoder-only Transformer over the tokens of a text (Vaswani et al. 2017; Radford et al. 2018)."""

    def build(self, n_vocab: int) -> nn.Module:
        return GPT(self.config.model, n_vocab)

    @cached_property
    def crops(self) -> RandomCrops:
        assert self.corpus is not None
        end = self.tokenizer.end_id if self.config.data.crops == "documents" else None
        return RandomCrops(self.corpus.train, self.config.model.context, self.config.train.batch_size, self.config.seed, end)

    def batch(self, step: int, share: Share) -> Tensor:
        return self.crops.batch(step, share)

    def loss(self, networks: Networks, batch: Tensor, step: int) -> Loss:
        logits, _ = networks["model"](batch[:, :-1])
        return Loss(F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()))


FAMILY = TextGPT
