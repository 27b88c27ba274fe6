"""What the language-model families have in common: data, objective, preview and samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artgen.config import RunConfig
from artgen.data.tokenizer import Tokenizer, load_tokenizer
from artgen.data.tokens import TextCorpus, load_corpus
from artgen.errors import UsageError
from artgen.families.base import Family, Loss, Networks, Phase, Sample, Share
from artgen.lm.config import TextSampleConfig
from artgen.lm.model import LanguageModel
from artgen.metrics.scorecard import ScoreCard

C = TypeVar("C", bound=RunConfig)

VALIDATION_TOKENS = 200_000  # scored at each validation while training; `artgen evaluate` scores all
PREVIEW_TOKENS = 240


class LanguageModelFamily(Family[C]):
    """Learns to predict the next token of a text: one network, one phase.

    The loss is the mean negative log-likelihood per token in nats, -1/T Σ log p(x_t | x_<t).
    """

    unit: ClassVar[str] = "tokens"
    evaluation_options = ("stride",)

    def __init__(self, config: C, tokenizer: Tokenizer, corpus: TextCorpus | None = None) -> None:
        super().__init__(config)
        self.tokenizer = tokenizer
        self.corpus = corpus

    @classmethod
    def prepare(cls, config: C, folder: Path) -> LanguageModelFamily[C]:
        from artgen.lm.evaluate import check_fingerprint

        corpus = load_corpus(config.data)  # type: ignore[attr-defined]
        check_fingerprint(corpus, folder)
        family = cls(config, corpus.tokenizer, corpus)
        family.check(corpus)
        return family

    @classmethod
    def open(cls, config: C, folder: Path) -> LanguageModelFamily[C]:
        return cls(config, load_tokenizer(folder))

    def save_data(self, folder: Path) -> None:
        from artgen.lm.evaluate import save_fingerprint

        self.tokenizer.save(folder)
        if self.corpus is not None:
            save_fingerprint(self.corpus, folder)

    @abstractmethod
    def build(self, n_vocab: int) -> nn.Module:
        """The network for a vocabulary of this size."""

    def check(self, corpus: TextCorpus) -> None:
        """Raises UsageError where the text is too short for this config."""
        corpus.require(self.units_per_example + 1)

    @property
    def units_per_example(self) -> int:
        return int(self.config.model.context)  # type: ignore[attr-defined]

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        return {"model": self.build(self.tokenizer.n_vocab)}

    # ---- training

    def facts(self) -> list[tuple[str, str]]:
        assert self.corpus is not None
        seen = self.config.train.steps * self.config.train.batch_size * self.units_per_example
        passes = seen / max(1, len(self.corpus.train))
        return [
            ("learns", f"the next token of {self.corpus.describe()}"),
            (
                "reads",
                f"{seen:,} tokens, {passes:.1f} times the training text; {len(self.corpus.validation):,} tokens are held out",
            ),
        ]

    def phases(self) -> list[Phase]:
        return [Phase("likelihood", ("model",), self.loss)]

    @abstractmethod
    def loss(self, networks: Networks, batch: Any, step: int) -> Loss:
        """The objective of one batch."""

    def validation(self, share: Share) -> Iterable[tuple[Tensor, Tensor]]:
        from artgen.lm.batches import held_out_crops

        assert self.corpus is not None
        window = self.validation_window
        rows, limit = max(1, 16384 // window), max(1, VALIDATION_TOKENS // window)
        return held_out_crops(self.corpus.validation, window, rows, share, limit)

    @property
    def validation_window(self) -> int:
        """Tokens that are read together when held-out text is scored in training."""
        return self.units_per_example

    def score(self, networks: Networks, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        inputs, targets = batch
        logits, _ = networks["model"](inputs)
        total = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-100)
        return total, (targets != -100).sum()

    def preview(self, networks: Networks, step: int, folder: Path) -> str:
        options = self.config.sample  # type: ignore[attr-defined]
        if not (options.lines or options.line_length or options.acrostic):  # a form says itself how long the text is
            options = options.model_copy(update={"max_tokens": min(options.max_tokens, PREVIEW_TOKENS)})
        try:
            text = self.sample(networks, options, n=1, seed=self.config.seed)[0].work
        except UsageError as error:  # a prompt or form that the vocabulary does not allow is no reason to end a training
            return f"no preview at step {step:,}: {error}"
        (folder / f"step-{step:08d}.txt").write_text(text + "\n", encoding="utf-8")
        shown = "\n".join("  | " + line for line in text.strip().splitlines())
        return f"preview at step {step:,}:\n{shown}"

    # ---- sampling

    def sample(
        self,
        networks: Networks,
        options: TextSampleConfig,  # type: ignore[override]
        n: int,
        seed: int,
        stream: Callable[[int, str], None] | None = None,
    ) -> list[Sample]:
        from artgen.lm.generate import generate

        network = networks["model"]
        device = next(network.parameters()).device
        return generate(cast(LanguageModel, network), self.tokenizer, options, n=n, seed=seed, device=device, stream=stream)

    def evaluate(
        self, networks: Networks, run_data: Path, paths: list[str] | None, n_samples: int, seed: int, stride: int | None = None
    ) -> ScoreCard:
        from artgen.lm.evaluate import evaluate_text

        return evaluate_text(self, networks, run_data, paths, n_samples, seed, stride)

    def likelihood(self, networks: Networks, tokens: np.ndarray, stride: int | None = None) -> tuple[float, int]:
        """(summed nats, scored tokens) of a text: every token but the first is scored once.

        stride: a network that attends sees windows of its context, each `stride` tokens on from the one before; a smaller
        one gives every token more to look back at. A network that recurs reads the text in one pass.
        """
        from artgen.metrics.likelihood import score_tokens

        network = networks["model"]
        device = next(network.parameters()).device
        model = cast(LanguageModel, network)
        carry = model.start(1, 1, device).room() is None
        context = self.units_per_example
        return score_tokens(model, tokens, context, stride or context, device, carry=carry)
