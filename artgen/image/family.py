"""What the picture families have in common: data, quality, preview, samples, and the space of codes that editing moves in.

A picture comes from a latent, standard normal noise of the family's own shape. `codes` makes of it what the network's
synthesis takes (for a style-based GAN the mapped style; else the latent itself), and `render` makes of codes pictures.
Sampling is render(codes(latents)). Interpolation goes from latent to latent, projection finds the code of a given picture,
and directions are directions of codes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn

from artgen.config import RunConfig, Section
from artgen.data.picture_decoding import Pixels
from artgen.data.pictures import PictureSet, load_pictures
from artgen.errors import UsageError, did_you_mean
from artgen.families.base import Family, Networks, Sample, Share, device_of
from artgen.families.facts import check_fingerprint, read_facts, write_facts
from artgen.image.avoiding import CopyJudge, make_all
from artgen.image.batches import Batch, ShuffledPictures, to_pixels, to_signal, to_tensor
from artgen.image.config import PictureSampleConfig
from artgen.image.real_pictures import find_own
from artgen.metrics.scorecard import Figure, ScoreCard
from artgen.registry import family_class, family_names

C = TypeVar("C", bound=RunConfig)

FACTS = "pictures.json"
PREVIEWED = 36  # pictures of a preview
JUDGED = 256  # pictures that the quality of a checkpoint is judged by, at most


class PictureFacts(BaseModel):
    """What sampling needs of the data: pictures.json in a run's data folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    size: PositiveInt  # side in pixels
    n_channels: PositiveInt
    class_names: tuple[str, ...]  # by number; () where the pictures have no classes
    fingerprint: str  # SHA-256 of the pictures that were learned from


class PictureFamily(Family[C]):
    """Learns to make pictures of one size, in grey, RGB or RGBA, with or without classes."""

    unit: ClassVar[str] = "pictures"
    score_name: ClassVar[str] = "sliced Wasserstein distance"
    evaluated: ClassVar[int] = 256
    evaluation_options: ClassVar[tuple[str, ...]] = ("features", "pairs", "force", "batch")

    def __init__(self, config: C, of: PictureFacts, pictures: PictureSet | None = None) -> None:
        super().__init__(config)
        self.of = of
        self.pictures = pictures

    @classmethod
    def prepare(cls, config: C, folder: Path) -> PictureFamily[C]:
        pictures = load_pictures(config.data)  # type: ignore[attr-defined]
        facts = PictureFacts(
            size=pictures.size,
            n_channels=pictures.n_channels,
            class_names=pictures.class_names,
            fingerprint=pictures.fingerprint,
        )
        if (folder / FACTS).exists():
            check_fingerprint(folder, read_facts(folder / FACTS, PictureFacts).fingerprint, facts.fingerprint, "pictures")
        return cls(config, facts, pictures)

    @classmethod
    def open(cls, config: C, folder: Path) -> PictureFamily[C]:
        return cls(config, read_facts(folder / FACTS, PictureFacts))

    def save_data(self, folder: Path) -> None:
        write_facts(folder / FACTS, self.of)

    @property
    def n_classes(self) -> int:
        """0 where the pictures have no classes."""
        return len(self.of.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a picture."""
        return self.of.n_channels, self.of.size, self.of.size

    # ---- what a family defines

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Of the standard normal noise that one picture is made of."""

    @abstractmethod
    def render(self, networks: Networks, codes: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        """Pictures [n, channels, height, width], -1 to 1, of codes [n, …]. labels: int64 [n]; None where there are no classes.

        Differentiable with respect to the codes. All randomness is in the codes.
        """

    def codes(self, networks: Networks, latents: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        """What `render` takes, of latents [n, *latent_shape]; `options.truncation` shortens them."""
        return latents * options.truncation

    def project(
        self,
        networks: Networks,
        pictures: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        steps: int,
        advance: Callable[[int], object] | None = None,
    ) -> Tensor:
        """The codes [n, …] whose renderings are nearest to pictures [n, channels, height, width], -1 to 1."""
        raise self._unable("project", "cannot project a picture", "can")

    def directions(self, networks: Networks, n: int) -> Tensor:
        """The n directions [n, code size] in which pictures change most, unit vectors, most first."""
        raise self._unable("directions", "has no directions", "have")

    def paint(
        self,
        networks: Networks,
        pictures: Tensor,
        masks: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        seed: int,
    ) -> Tensor:
        """Pictures with what is under the mask (bool [n, 1, height, width], True: to be painted) made anew."""
        raise self._unable("paint", "cannot paint into a picture", "can")

    def vary(
        self,
        networks: Networks,
        pictures: Tensor,
        strength: float,
        labels: Tensor | None,
        options: PictureSampleConfig,
        seed: int,
    ) -> Tensor:
        """Pictures like the given ones: strength 0 the same, 1 new ones."""
        raise self._unable("vary", "cannot vary a picture by a strength", "can")

    # ---- training

    def facts(self) -> list[tuple[str, str]]:
        pictures = self._pictures
        train = self.config.train
        shown = train.steps * train.batch_size
        rows = [
            ("learns", pictures.describe()),
            (
                "reads",
                f"{shown:,} pictures, each of the {len(pictures.train):,} for training {shown / len(pictures.train):,.0f} times; "
                f"{len(pictures.validation):,} are held out",
            ),
        ]
        return rows + [("note", warning) for warning in pictures.warnings]

    def batch(self, step: int, share: Share) -> Batch:
        return self._shuffled.batch(step, share)

    def validation(self, share: Share) -> Iterable[Any]:
        """Real pictures to compare samples with, in one batch. Of several processes the first judges alone."""
        if share.index == 0:
            yield to_tensor(self._judges)

    @torch.no_grad()
    def score(self, networks: Networks, batch: Any) -> tuple[Tensor, Tensor]:
        """The sliced Wasserstein distance of samples to real pictures: quality and variety in one figure, without a network.

        Held-out pictures are among the real ones, but there are too few of them to be compared with alone.
        """
        from artgen.metrics.wasserstein import sliced_wasserstein

        real = batch.permute(0, 2, 3, 1).cpu().numpy()
        made = np.stack([sample.work for sample in self.sample(networks, self.judging, n=len(real), seed=self.config.seed)])
        found = sliced_wasserstein(made, real, n_patches=1 << 13, n_projections=64, replicates=1)
        return torch.tensor(found.mean.value), torch.tensor(1.0)

    def preview(self, networks: Networks, step: int, folder: Path) -> str:
        """A grid of always the same latents, so that their growth is seen; at the last step also an animation of all grids."""
        from artgen.image.previews import write_animation_of_previews, write_preview

        samples = self.sample(networks, self.judging, n=PREVIEWED, seed=self.config.seed)
        path = write_preview([sample.work for sample in samples], folder, step)
        if step >= self.config.train.steps and (animation := write_animation_of_previews(folder)):
            return f"preview at step {step:,}: {path}, and how it grew: {animation}"
        return f"preview at step {step:,}: {path}"

    @property
    def judging(self) -> PictureSampleConfig:
        """How the samples of validations and previews are made: of all classes, as they come, and where it takes long, more
        quickly."""
        options: PictureSampleConfig = self.config.sample  # type: ignore[attr-defined]
        return options.model_copy(update={"class_name": None, "avoid_copies": False})

    # ---- sampling

    def latents(self, seed: int, first: int, n: int, device: torch.device | None = None) -> Tensor:
        """Latents [n, *latent_shape] of the samples first … first + n - 1 of a seed; each depends on seed and number alone."""
        return torch.stack([self._latent(seed, index, 0) for index in range(first, first + n)]).to(device or "cpu")

    def _latent(self, seed: int, index: int, attempt: int) -> Tensor:
        """Of sample `index` of a seed; attempt 1 and more: of what is made in its place."""
        words = np.random.SeedSequence([seed, index], spawn_key=(attempt,) if attempt else ())
        state = int(words.generate_state(1, np.uint64)[0] >> 1)
        return torch.randn(self.latent_shape, generator=torch.Generator().manual_seed(state))

    def labels(self, class_name: str | None, first: int, n: int, device: torch.device | None = None) -> Tensor | None:
        """Classes int64 [n] of the samples first … first + n - 1: the named one, or all in turn; None where there are none.

        Raises UsageError that names the classes where there is none of that name.
        """
        if class_name is not None and class_name not in self.of.class_names:
            if not self.of.class_names:
                raise UsageError(f"class {class_name!r}: this run learned no classes (data.classes was off)")
            raise UsageError(f"class {class_name!r}: there is none, {did_you_mean(class_name, self.of.class_names)}")
        if not self.n_classes:
            return None
        if class_name is not None:
            return torch.full((n,), self.of.class_names.index(class_name), device=device)
        return torch.arange(first, first + n, device=device) % self.n_classes

    @torch.no_grad()
    def sample(
        self,
        networks: Networks,
        options: Section,
        n: int,
        seed: int,
        stream: Callable[[int, str], None] | None = None,
    ) -> list[Sample]:
        """`n` pictures, uint8 [height, width, channels]. Sample i of a seed is the same picture whatever n is.

        With `options.avoid_copies`, what is too near to a training picture is made anew (artgen.image.avoiding); the figures
        of each sample then say how often and how near it is. Raises UsageError where the training pictures are not there.
        """
        assert isinstance(options, PictureSampleConfig)
        device = device_of(networks)
        labels = self.labels(options.class_name, 0, n, device)
        judge = self._copy_judge if options.avoid_copies else None

        def make(places: Sequence[int], attempt: int) -> Pixels:
            chosen = None if labels is None else labels[list(places)]
            latents = torch.stack([self._latent(seed, place, attempt) for place in places]).to(device)
            return self.pixels(networks, self.codes(networks, latents, chosen, options), chosen, options)

        made = make_all(make, n, options.batch, judge, (lambda done: stream(done, "")) if stream else None)
        names = [{}] * n if labels is None else [{"class": self.of.class_names[label]} for label in labels.tolist()]
        return [
            Sample(one.work, {"seconds": one.seconds, **name, **one.figures}) for one, name in zip(made, names, strict=True)
        ]

    @torch.no_grad()
    def pixels(self, networks: Networks, codes: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Pixels:
        """`render` as uint8 [n, height, width, channels]."""
        with self.precision(device_of(networks)):
            return self.as_pixels(self.render(networks, codes, labels, options))

    def as_pixels(self, signal: Tensor) -> Pixels:
        """Pictures [n, channels, height, width], -1 to 1, as uint8 [n, height, width, channels].

        The colour of what cannot be seen is the background's, as in the data.
        """
        made = to_pixels(signal)
        if made.shape[-1] == 4:
            made[made[..., 3] == 0, :3] = self.config.data.background_rgb  # type: ignore[attr-defined]
        return made

    def evaluate(
        self, networks: Networks, run_data: Path, paths: list[str] | None, n_samples: int, seed: int, **asked: Any
    ) -> ScoreCard:
        from artgen.image.evaluate import evaluate_pictures

        return evaluate_pictures(self, networks, run_data, paths, n_samples, seed, **asked)

    def own_figures(self, networks: Networks, held_out: Batch) -> list[Figure]:
        """What a family alone measures, on held-out pictures uint8 [n, channels, height, width] and their classes [n] on the
        CPU: lines of the score card, such as a bound of the likelihood."""
        return []

    # ---- helpers

    def learned_from(self, paths: list[str] | None = None) -> PictureSet:
        """The pictures that the run learned from. paths: where they are now; None: where its config says.

        Raises UsageError where they are not there.
        """
        if self.pictures is None:
            data = self.config.data  # type: ignore[attr-defined]
            found, missing = find_own(data.model_copy(update={"path": paths}) if paths else data, self.of)
            if found is None:
                raise UsageError(f"avoid_copies: {missing}; --data names the pictures that the run learned from")
            self.pictures = found
        return self.pictures

    @cached_property
    def _copy_judge(self) -> CopyJudge:
        return CopyJudge(self.learned_from())

    def _unable(self, method: str, what: str, others: str) -> UsageError:
        """That this family has no such method, and which have: `others` is their verb."""
        inherited = getattr(PictureFamily, method)
        able = [name for name in family_names() if getattr(family_class(name), method, inherited) is not inherited]
        return UsageError(f"{self.config.family} {what}; {', '.join(able)} {others}")

    @property
    def _pictures(self) -> PictureSet:
        assert self.pictures is not None
        return self.pictures

    @cached_property
    def _shuffled(self) -> ShuffledPictures:
        data = self.config.data  # type: ignore[attr-defined]
        pictures = self._pictures
        return ShuffledPictures(
            pictures.train, pictures.train_labels, self.config.train.batch_size, self.config.seed, data.flip
        )

    @cached_property
    def _judges(self) -> Pixels:
        """Real pictures, evenly from all: uint8 [at most JUDGED, height, width, channels]."""
        return self._pictures.evenly(JUDGED)[1]


def channels_last(network: nn.Module) -> nn.Module:
    """The network with its kernels laid out as convolutions are fastest with."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def as_signal(batch: Batch) -> tuple[Tensor, Tensor]:
    """A batch as the networks see it: float32 -1 to 1, and classes."""
    return to_signal(batch[0]), batch[1]
