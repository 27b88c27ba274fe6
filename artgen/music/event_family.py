"""What families have in common that read a piece as a sequence of events: objective, held-out score, new pieces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artgen.config import RunConfig
from artgen.data.music import MusicSet, transpositions
from artgen.errors import ArtgenError, counted
from artgen.families.base import Loss, Networks, Phase, Share, device_of
from artgen.families.facts import read_facts, write_facts
from artgen.lm.model import LanguageModel
from artgen.metrics.estimate import estimate_ratio
from artgen.metrics.likelihood import score_tokens
from artgen.metrics.scorecard import Figure
from artgen.music.config import MusicSampleConfig
from artgen.music.event_batches import NONE, EventBatch, RandomExcerpts, held_out_excerpts
from artgen.music.event_config import EventDataConfig
from artgen.music.event_generation import generate_pieces
from artgen.music.events import EventFacts, EventVocabulary, Tokens
from artgen.music.family import FACTS as MUSIC_FACTS
from artgen.music.family import MusicFamily, in_known_parts
from artgen.music.piece import Piece

C = TypeVar("C", bound=RunConfig)

FACTS = "events.json"
VALIDATION_EVENTS = 200_000  # scored at each validation while training; `artgen evaluate` scores all
VALIDATION_BATCH = 8192  # events that are read at a time


class EventFamily(MusicFamily[C]):
    """Learns to predict the next event of a piece: one network, one phase.

    The loss is the mean negative log-likelihood per event in nats, -1/T Σ log p(x_t | x_<t).
    """

    unit: ClassVar[str] = "events"
    facts_of_events: EventFacts

    @abstractmethod
    def build(self, n_vocab: int) -> nn.Module:
        """The network, an `artgen.lm.model.LanguageModel`, for a vocabulary of this size."""

    @property
    def data(self) -> EventDataConfig:
        return cast(EventDataConfig, self.config.data)  # type: ignore[attr-defined]

    @property
    def units_per_example(self) -> int:
        return int(self.config.model.context)  # type: ignore[attr-defined]

    @property
    def validation_window(self) -> int:
        """Events that are read together when held-out pieces are scored in training."""
        return self.units_per_example

    # ---- what the family knows of the pieces

    def learn_about(self, music: MusicSet) -> None:
        pieces = (in_known_parts(piece, self.of) for piece in music.pieces)
        self.facts_of_events = EventFacts.of(pieces, self.of.piece_parts, self.data.grid, self.data.velocities)

    def save_data(self, folder: Path) -> None:
        super().save_data(folder)
        write_facts(folder / FACTS, self.facts_of_events)

    def recall(self, folder: Path) -> None:
        path = folder / FACTS
        self.facts_of_events = read_facts(path, EventFacts)
        if self.facts_of_events.drums != tuple(part.is_drum for part in self.of.parts):
            raise ArtgenError(f"{path}: damaged: its parts are not those of {MUSIC_FACTS}")

    @cached_property
    def vocabulary(self) -> EventVocabulary:
        return EventVocabulary(self.facts_of_events)

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        return {"model": self.build(self.vocabulary.n_vocab)}

    def encode(self, piece: Piece) -> Tokens:
        """The events of any piece."""
        return self.vocabulary.encode(in_known_parts(piece, self.of))

    # ---- training

    def reading(self) -> str:
        shown = self.config.train.steps * self.config.train.batch_size
        n_events = sum(len(piece) for piece in self.excerpts.pieces)
        return (
            f"{shown:,} excerpts, of at most {self.units_per_example:,} events, of {counted(len(self.music.train), 'piece')} "
            f"with {n_events:,} events of {self.vocabulary.n_vocab} kinds"
        )

    @cached_property
    def excerpts(self) -> RandomExcerpts:
        return RandomExcerpts(
            [self.encode(piece) for piece in self.music.train],
            [transpositions(piece, self.data.transpose) for piece in self.music.train],
            self.vocabulary.pitches,
            self.units_per_example,
            self.config.train.batch_size,
            self.config.seed,
        )

    def phases(self) -> list[Phase]:
        return [Phase("likelihood", ("model",), self.loss)]

    def batch(self, step: int, share: Share) -> EventBatch:
        return self.excerpts.batch(step, share)

    def loss(self, networks: Networks, batch: EventBatch, step: int) -> Loss:
        return Loss(self._summed(networks, batch) / batch.n_scored)

    @cached_property
    def _held_out(self) -> list[Tokens]:
        return [self.encode(piece) for piece in self.music.validation]

    def validation(self, share: Share) -> Iterable[EventBatch]:
        window = self.validation_window
        return held_out_excerpts(self._held_out, window, max(1, VALIDATION_BATCH // window), share, VALIDATION_EVENTS)

    def score(self, networks: Networks, batch: EventBatch) -> tuple[Tensor, Tensor]:
        return self._summed(networks, batch), (batch.targets != NONE).sum()

    def _summed(self, networks: Networks, batch: EventBatch) -> Tensor:
        """Negative log-likelihood of the targets, in nats; padding counts nothing."""
        logits, _ = networks["model"](batch.inputs)
        return F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten(), ignore_index=NONE, reduction="sum")

    # ---- new pieces, and held-out ones

    def compose(
        self, networks: Networks, options: MusicSampleConfig, numbers: Sequence[int], seed: int, primer: Piece | None
    ) -> list[Piece]:
        return generate_pieces(
            cast(LanguageModel, networks["model"]),
            self.vocabulary,
            self.of.piece_parts,
            options,
            numbers,
            seed,
            device_of(networks),
            in_known_parts(primer, self.of) if primer is not None else None,
        )

    def own_figures(self, networks: Networks, held_out: Sequence[Piece]) -> list[Figure]:
        """Nats per note and per quarter note, of all events: of whole pieces, in all their bars."""
        pieces = [in_known_parts(piece, self.of) for piece in held_out]
        pieces = [piece for piece in pieces if len(piece.notes)]
        if not pieces:
            return []
        nats = torch.tensor([self.nats(networks, self.vocabulary.encode(piece)) for piece in pieces], dtype=torch.float64)
        notes = torch.tensor([len(piece.notes) for piece in pieces], dtype=torch.float64)
        quarters = torch.tensor([piece.bars()[-1] for piece in pieces], dtype=torch.float64)
        of = f"{counted(len(pieces), 'held-out piece')}, lower is better"
        return [
            Figure("nats_per_note", "nats per note", estimate_ratio(nats, notes), "nats", of),
            Figure("nats_per_quarter", "nats per quarter note", estimate_ratio(nats, quarters), "nats", of),
        ]

    def nats(self, networks: Networks, events: Tokens) -> float:
        """Negative log-likelihood of a piece: of all its events after START, in nats.

        A network that attends has half of its context to look back at; one that recurs, all that went before.
        """
        network, device = cast(LanguageModel, networks["model"]), device_of(networks)
        context = self.units_per_example
        carries = network.start(1, 1, device).room() is None
        return score_tokens(network, events, context, max(1, context // 2), device, carry=carries)[0]
