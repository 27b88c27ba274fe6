"""What the families that read piano rolls have in common: rolls of the pieces, batches, likelihood, and composing frame by frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artgen.config import RunConfig
from artgen.data.music import MusicSet
from artgen.errors import UsageError, counted
from artgen.families.base import Loss, Networks, Phase, Share, device_of
from artgen.metrics.music_likelihood import FrameLikelihood, Frames, frame_likelihood
from artgen.metrics.scorecard import Figure
from artgen.music.config import MusicSampleConfig
from artgen.music.family import MusicFamily
from artgen.music.frame_batches import FrameBatch, RandomRolls, held_out_rolls
from artgen.music.frames import Roll, as_roll, from_roll, phases
from artgen.music.piece import Part, Piece

C = TypeVar("C", bound=RunConfig)

SCORED = 16  # pieces that are scored together
ENDLESS_BARS = 64  # of a piece that no one said the length of: frames do not say that a piece is over


class FrameFamily(MusicFamily[C]):
    """Learns which keys sound in a frame, given all frames before. The loss is in nats per frame."""

    unit: ClassVar[str] = "frames"
    score_name: ClassVar[str] = "held-out nats per frame"

    @property
    def units_per_example(self) -> int:
        return int(self.config.model.context)  # type: ignore[attr-defined]

    @property
    def per_quarter(self) -> int:
        """Frames to a quarter note."""
        return int(self.config.data.frames)  # type: ignore[attr-defined]

    def learn_about(self, music: MusicSet) -> None:
        if not any(roll.keys.any() for roll in self.train_rolls):
            raise UsageError("data.path: no note that a piano has in the pieces to train on, expected MIDI pitches 21 to 108")

    # ---- what a family defines

    @abstractmethod
    def build(self) -> nn.Module:
        """The network, freshly initialised."""

    @abstractmethod
    def nats(self, network: nn.Module, batch: FrameBatch) -> Tensor:
        """-ln p(frame | frames before it) [rows, time]; what stands at padding does not matter."""

    @abstractmethod
    def go_on(
        self,
        network: nn.Module,
        given: Roll,
        phase: NDArray[np.int64],
        options: MusicSampleConfig,
        noises: Sequence[np.random.Generator],
    ) -> Frames:
        """Frames bool [samples, time, 88] that go on from those given; phase: int64 [time], of those that are wanted.

        noises: one for each sample, which depends on nothing else.
        """

    # ---- training

    @cached_property
    def train_rolls(self) -> list[Roll]:
        return self.rolls(self.music.train)

    @cached_property
    def held_out(self) -> list[Roll]:
        return self.rolls(self.music.validation)

    def rolls(self, pieces: Iterable[Piece]) -> list[Roll]:
        """Pieces as the family reads them."""
        return [as_roll(piece, self.per_quarter) for piece in pieces]

    @cached_property
    def excerpts(self) -> RandomRolls:
        config: Any = self.config
        size, context = config.train.batch_size, config.model.context
        return RandomRolls(self.train_rolls, context, size, config.seed, config.data.transpose)

    def reading(self) -> str:
        shown = self.config.train.steps * self.config.train.batch_size
        frames = sum(map(len, self.train_rolls))
        return f"{shown:,} excerpts of {counted(frames, 'frame')}, {counted(self.per_quarter, 'frame')} to a quarter note"

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        return {"model": self.build()}

    def phases(self) -> list[Phase]:
        return [Phase("likelihood", ("model",), self.loss)]

    def batch(self, step: int, share: Share) -> FrameBatch:
        return self.excerpts.batch(step, share)

    def loss(self, networks: Networks, batch: FrameBatch, step: int) -> Loss:
        nats = self.nats(networks["model"], batch)
        return Loss(nats[_real(batch)].mean())

    def validation(self, share: Share) -> Iterable[FrameBatch]:
        return held_out_rolls(self.held_out, SCORED, share)

    def score(self, networks: Networks, batch: FrameBatch) -> tuple[Tensor, Tensor]:
        """In the literature's convention: the first frame of a piece is not scored (`artgen.metrics.music_likelihood`)."""
        later = _real(batch)
        later[:, 0] = False
        return self.nats(networks["model"], batch)[later].double().sum(), later.sum()

    # ---- evaluation

    @torch.inference_mode()
    def likelihood(self, networks: Networks, rolls: Sequence[Roll]) -> FrameLikelihood:
        """Of whole pieces, in float32."""
        found: dict[int, np.ndarray] = {}
        numbered = sorted(range(len(rolls)), key=lambda i: len(rolls[i]))
        device = device_of(networks)
        for first in range(0, len(rolls), SCORED):
            group = numbered[first : first + SCORED]
            batch = next(iter(held_out_rolls([rolls[i] for i in group], SCORED, Share())))
            nats = self.nats(networks["model"], FrameBatch(*(each.to(device) for each in batch))).double().cpu().numpy()
            for i, row in zip(group, nats, strict=True):
                found[i] = row[: len(rolls[i])]
        return frame_likelihood([found[i] for i in range(len(rolls))], [roll.keys for roll in rolls])

    def own_figures(self, networks: Networks, held_out: Sequence[Piece]) -> list[Figure]:
        rolls = [roll for roll in self.rolls(held_out) if len(roll) > 1]
        if not rolls:
            return []
        found = self.likelihood(networks, rolls)
        grid = f"{counted(self.per_quarter, 'frame')} to a quarter note, the first of each piece not scored"
        return [
            Figure("nats_per_frame", "loss", found.per_frame, "nats/frame", grid),
            Figure("nats_per_frame_with_first", "loss with first frames", found.with_first, "nats/frame"),
            Figure("nats_per_note", "loss per note", found.per_note, "nats/note", "over the notes that sound in a frame"),
        ]

    # ---- sampling

    @torch.inference_mode()
    def compose(
        self, networks: Networks, options: MusicSampleConfig, numbers: Sequence[int], seed: int, primer: Piece | None
    ) -> list[Piece]:
        bars = options.bars or ENDLESS_BARS
        meters = primer.meters if primer else self.of.meters
        given = as_roll(primer, self.per_quarter) if primer else None
        whole = _end_of_bars(meters, bars)
        n_frames = max(1, round(whole * self.per_quarter))
        if given is not None and len(given) >= n_frames:
            raise UsageError(
                f"{options.primer}: the primer has {counted(len(primer.bars()) - 1, 'bar')} already, expected fewer than "  # type: ignore[union-attr]
                f"the {bars} of the piece; --bars says how many it gets"
            )
        start = given or Roll(np.zeros((0, 88), dtype=bool), np.zeros(0, dtype=np.int64))
        phase = phases(meters, n_frames, self.per_quarter)
        pitched = [part for part in self.of.piece_parts if not part.is_drum]
        part = (
            pitched[0] if len(pitched) == 1 else Part("", pitched[0].program if pitched else 0)
        )  # a roll has all of them in one
        noises = [np.random.default_rng([seed, number]) for number in numbers]
        made = self.go_on(networks["model"], start, phase[len(start) :], options, noises)
        rolls = [np.concatenate([start.keys, roll]) for roll in made]
        return [from_roll(roll, self.per_quarter, part, meters) for roll in rolls]


def _real(batch: FrameBatch) -> Tensor:
    """bool [rows, time]: what is not padding."""
    return torch.arange(batch.keys.shape[1], device=batch.length.device) < batch.length[:, None]


def _end_of_bars(meters: tuple[tuple[float, int, int], ...], bars: int) -> float:
    """Where so many bars end, in quarter notes."""
    begins, at = [meter[0] for meter in meters], 0.0
    for _ in range(bars):
        i = int(np.searchsorted(begins, at + 1e-9, side="right")) - 1
        later = at + meters[i][1] * 4 / meters[i][2]
        at = min(later, begins[i + 1]) if i + 1 < len(begins) else later
    return at
