"""`music.chorale`: what it learns, and how it composes, harmonises and rewrites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from artgen.data.music import MusicSet, transpositions
from artgen.errors import UsageError, counted
from artgen.families.base import Loss, Networks, Phase, Share, device_of
from artgen.families.facts import read_facts, write_facts
from artgen.families.music_chorale.batches import Batch, Excerpts, cut, held_out, stack, to_device, to_ids, to_pitches
from artgen.families.music_chorale.config import VOICES, ChoraleSampleConfig, MusicChoraleConfig
from artgen.families.music_chorale.filling import fill, settled
from artgen.families.music_chorale.masks import all_but
from artgen.families.music_chorale.network import REST_ID, ChoraleNet
from artgen.families.music_chorale.voicing import (
    Given,
    Voiced,
    check_pitches,
    choir,
    given_beginning,
    given_nothing,
    to_piece,
    voiced,
    within,
)
from artgen.metrics.scorecard import Figure
from artgen.music.chorales import REST
from artgen.music.config import MusicSampleConfig
from artgen.music.family import MusicFamily
from artgen.music.finishing import key_of
from artgen.music.piece import Piece

FACTS = "chorale.json"
RARE = 0.02  # share of the lowest notes of a voice, and of the highest, that a composed piece need not reach
SIDE_BY_SIDE = 16  # pieces that a GPU fills in together
SCORED = 20  # held-out pieces that are harmonised for the score card, at most
HARMONISED = 0  # the voice that is given there


class ChoraleFacts(BaseModel):
    """What this family must know of the pieces: chorale.json in a run's data folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ranges: tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]  # lowest and highest pitch of each voice
    bars: PositiveInt  # of a piece, the median
    usual: tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]  # nearly all of a voice, not transposed

    @property
    def low(self) -> int:
        return min(low for low, _ in self.ranges)

    @property
    def n_ids(self) -> int:
        """The rest, and the pitches."""
        return max(high for _, high in self.ranges) - self.low + 2


class MusicChorale(MusicFamily[MusicChoraleConfig]):
    """Learns to fill in whatever is masked of music in four voices (Huang et al. 2017, "Counterpoint by Convolution")."""

    score_name: ClassVar[str] = "held-out loss"

    chorale: ChoraleFacts
    excerpts: Excerpts
    held_out: list[Voiced]

    @property
    def steps(self) -> int:
        """Of the grid, to a quarter note."""
        assert self.config.data.steps is not None
        return self.config.data.steps

    @property
    def keys(self) -> range:
        """By how many semitones the same music may be moved and still be music that the network has learned."""
        down, up = self.config.data.transpose
        return range(down, up + 1)

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        return {"model": ChoraleNet(self.config.model, self.chorale.n_ids)}

    # ---- data

    def learn_about(self, music: MusicSet) -> None:
        """Takes the pieces that are in four voices. Raises UsageError where there is none to train on, or none held out."""
        train, self.held_out = self._in_four(music.train), [mine for _, mine in self._in_four(music.validation)]
        self._left_out = len(music.train) + len(music.validation) - len(train) - len(self.held_out)
        if not train or not self.held_out:
            raise UsageError(
                f"data.path: {counted(len(train), 'piece')} in four voices to train on and {len(self.held_out)} held out, expected "
                f"at least one of each ({counted(self._left_out, 'piece')} not in four voices)"
            )
        down, up = self.config.data.transpose
        all_of_them = [mine for _, mine in train] + self.held_out
        ranges, usual = [], []
        for voice in range(len(VOICES)):
            pitches = np.concatenate([mine.pitches[:, voice] for mine in all_of_them])
            sung = pitches[pitches != REST]
            ranges.append((max(0, int(sung.min()) + down), min(127, int(sung.max()) + up)))
            usual.append((int(np.quantile(sung, RARE)), int(np.quantile(sung, 1 - RARE))))
        bars = int(np.median([len(piece.bars()) - 1 for piece, _ in train]))
        self.chorale = ChoraleFacts(ranges=cast(tuple, tuple(ranges)), bars=bars, usual=cast(tuple, tuple(usual)))
        self.excerpts = Excerpts(
            [mine for _, mine in train],
            [transpositions(piece, self.config.data.transpose) for piece, _ in train],
            self.chorale.low,
            self.chorale.n_ids + 1,
            self.config.model.context,
            self.steps,
            self.config.seed,
        )

    def _in_four(self, pieces: Sequence[Piece]) -> list[tuple[Piece, Voiced]]:
        """Those in four voices, all of which sing."""
        found = []
        for piece in pieces:
            try:
                mine = voiced(piece, self.steps)
            except UsageError:
                continue
            if (mine.pitches != REST).any(axis=0).all():
                found.append((piece, mine))
        return found

    def save_data(self, folder: Path) -> None:
        super().save_data(folder)
        write_facts(folder / FACTS, self.chorale)

    def recall(self, folder: Path) -> None:
        self.chorale = read_facts(folder / FACTS, ChoraleFacts)

    def facts(self) -> list[tuple[str, str]]:
        left_out = f"{counted(self._left_out, 'piece')} not in four voices, left out"
        return [*super().facts(), *([("note", left_out)] if self._left_out else [])]

    # ---- training

    def phases(self) -> list[Phase]:
        return [Phase("filling in", ("model",), self.loss)]

    def batch(self, step: int, share: Share) -> Batch:
        return self.excerpts.batch(step, self.config.train.batch_size, share)

    def loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        """Mean over the rows of `place_losses`' mean over a row's masked places (Huang et al. 2017, eq. 5 and section 3.1)."""
        pitch, attack, mask = place_losses(networks["model"], batch)
        count = mask.sum(dim=(1, 2)).clamp(min=1)
        of_pitch, of_attack = ((part.sum(dim=(1, 2)) / count).mean() for part in (pitch, attack))
        return Loss(of_pitch + of_attack, {"pitch": of_pitch.detach(), "attack": of_attack.detach()})

    def validation(self, share: Share) -> Iterable[Batch]:
        facts, context, rows = self.chorale, self.config.model.context, max(16, self.config.train.batch_size)
        return held_out(self.held_out, facts.low, facts.n_ids + 1, context, rows, self.config.seed, share)

    def score(self, networks: Networks, batch: Batch) -> tuple[Tensor, Tensor]:
        """Nats for each masked place; half of the excerpts have all but the soprano masked, half of them half of everything."""
        pitch, attack, mask = place_losses(networks["model"], batch)
        return (pitch + attack).sum(), mask.sum()

    def own_figures(self, networks: Networks, held_out: Sequence[Piece]) -> list[Figure]:
        """Of pieces with a given soprano: nats for each place of the other voices, and how often they are the composer's."""
        pieces = [piece for piece, mine in self._in_four(held_out) if self._knows(mine)]
        if not pieces:
            return []
        nats = self.nats(networks, pieces)
        right = self.accuracy(networks, pieces[:SCORED]).share
        return [
            Figure(
                "place_nats",
                "harmony, nats per place",
                nats,
                "",
                "all but the soprano hidden, a voice and step; less is better",
            ),
            Figure("harmony_accuracy", "harmony, as composed", right, "", "share of the places of the other three voices"),
        ]

    @torch.no_grad()
    def nats(self, networks: Networks, pieces: Sequence[Piece], keep: Sequence[str] = ("soprano",)) -> float:
        """Mean over pieces' places: nats for a place of the voices that are not kept, of pitch and attack, each on its own."""
        total = places = 0.0
        context, low, beyond = self.config.model.context, self.chorale.low, self.chorale.n_ids + 1
        device = device_of(networks)
        for mine in [voiced(piece, self.steps) for piece in pieces]:
            excerpts = [cut(mine, begin, context) for begin in range(0, len(mine.pitches), context)]
            rows = [(to_ids(each.pitches, low), each, all_but(tuple(keep), len(each.pitches))) for each in excerpts]
            with self.precision(device):
                pitch, attack, mask = place_losses(networks["model"], to_device(stack(rows, context, beyond), device))
            total += float((pitch + attack).sum())
            places += float(mask.sum())
        return total / places

    # ---- filling in

    def compose(
        self, networks: Networks, options: MusicSampleConfig, numbers: Sequence[int], seed: int, primer: Piece | None
    ) -> list[Piece]:
        bars = options.bars or self.chorale.bars
        if primer is None:
            composed = self.complete(networks, given_nothing(self.of.meters, self.steps, bars), options, numbers, seed)
            return [within(piece, self.chorale.usual) for piece in composed]
        given = given_beginning(primer, self.steps, max(bars, len(primer.bars())) if options.bars is None else bars)
        return self.complete(networks, given, options, numbers, seed)

    def in_own_key(self, piece: Piece, seed: int, number: int) -> Piece:
        """In a key of a piece that was trained on, the one in which its voices lie best."""
        found = key_of(piece)
        tonics = {tonic for tonic, minor in self.of.keys if found and minor == found.minor}
        shifts = [shift for shift in range(-12, 13) if found and (found.tonic + shift) % 12 in tonics]
        return within(piece, self.chorale.usual, shifts or range(-12, 13))

    def complete(
        self, networks: Networks, given: Given, options: MusicSampleConfig, numbers: Sequence[int], seed: int
    ) -> list[Piece]:
        """What is masked of `given`, filled in, once for each number; each depends on (seed, number) alone.

        Raises UsageError where a given voice leaves what this run's sings.
        """
        assert isinstance(options, ChoraleSampleConfig)
        check_pitches(given, self.chorale.ranges, given.source.name or "the piece")
        network = cast(ChoraleNet, networks["model"])
        device = device_of(networks)
        # Beside others a product may be rounded otherwise; a CPU is as fast with one piece at a time.
        together = 1 if device.type == "cpu" else SIDE_BY_SIDE
        ids = to_ids(given.voiced.pitches, self.chorale.low)
        parts = choir(self.of.piece_parts)
        made = []
        with self.precision(device):
            # By itself, because it may be filled in another order.
            groups = [numbers[:1], *(numbers[i : i + together] for i in range(1, len(numbers), together))]
            for chosen in groups:
                generators = [np.random.Generator(np.random.Philox(key=[seed, number])) for number in chosen]
                where = given.voiced
                order = settled(options, given.mask, chosen[0])
                for mine, begun in fill(network, ids, where.attacks, given.mask, where.places, order, generators, self.keys):
                    pitches = to_pitches(mine, self.chorale.low)
                    made.append(to_piece(pitches, begun, given, self.steps, parts))
        return made

    def accuracy(
        self,
        networks: Networks,
        pieces: Sequence[Piece],
        keep: Sequence[str] = ("soprano",),
        options: ChoraleSampleConfig | None = None,
        seed: int = 0,
    ) -> Agreement:
        """How often what is filled in is what the composer wrote, when the voices `keep` are given. Options: None is as
        `artgen harmonize` has them."""
        options = options or self.config.sample
        device = device_of(networks)
        network = cast(ChoraleNet, networks["model"])
        right, places = np.zeros(len(VOICES), dtype=int), 0
        with self.precision(device):
            for number, piece in enumerate(pieces):
                mine = voiced(piece, self.steps)
                ids, mask = to_ids(mine.pitches, self.chorale.low), all_but(tuple(keep), len(mine.pitches))
                generator = np.random.Generator(np.random.Philox(key=[seed, number]))
                hidden = np.where(mask, REST_ID, ids)
                begun = mine.attacks & ~mask
                order = settled(options, mask, 0)
                found, _ = fill(network, hidden, begun, mask, mine.places, order, [generator], self.keys)[0]
                right += (found == ids).sum(axis=0)
                places += len(ids)
        return Agreement(dict(zip(VOICES, (right / places).tolist(), strict=True)), tuple(keep), places)

    def _knows(self, mine: Voiced) -> bool:
        """Whether all pitches are among those of the network."""
        sung = mine.pitches[mine.pitches != REST]
        return bool(sung.min() >= self.chorale.low and sung.max() < self.chorale.low + self.chorale.n_ids - 1)


@dataclass(frozen=True)
class Agreement:
    """How often a harmony is as the composer wrote it."""

    by_voice: dict[str, float]  # share of the steps at which a voice has the composer's pitch; 1 of those given
    given: tuple[str, ...]
    n_steps: int

    @property
    def share(self) -> float:
        """Over the voices that were not given."""
        others = [share for voice, share in self.by_voice.items() if voice not in self.given]
        return sum(others) / len(others)


def place_losses(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Nats at each masked place [n, steps, 4], 0 elsewhere: of the pitch, if a note or a rest begins there, and of whether one
    does; and the mask. At the first step of an excerpt one always does.

    That most places are "goes on" is what keeps notes whole when each place is drawn by itself (Hadjeres et al. 2017, "DeepBach",
    section 2.1, have a symbol for it).
    """
    ids, attacks, mask, places = batch
    logits, begins = network(ids, attacks, mask, places)
    logits, begins = logits.float(), begins.float()
    first = torch.zeros_like(mask)
    first[:, 0] = True
    target = ids.clamp(max=logits.shape[-1] - 1)  # what is beyond the end is not masked, and any target will do
    pitch = F.cross_entropy(logits.flatten(0, 2), target.flatten(), reduction="none").view_as(begins)
    attack = F.binary_cross_entropy_with_logits(begins, attacks.float(), reduction="none")
    return pitch * (mask & (attacks | first)), attack * (mask & ~first), mask


FAMILY = MusicChorale
