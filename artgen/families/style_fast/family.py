"""`style.fast`: how the network is trained, and how it paints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from artgen.config import Section
from artgen.data.picture_decoding import Pixels
from artgen.data.pictures import PictureSet, load_pictures
from artgen.engine.device import keep_freed_memory
from artgen.errors import UsageError, counted
from artgen.families.base import Family, Loss, Networks, Phase, Sample, Share, device_of
from artgen.families.facts import check_fingerprint, read_facts, write_facts
from artgen.families.style_fast.config import StyleConfig, StyleFastConfig, StyleSampleConfig
from artgen.families.style_fast.network import StyleNet, Wanted, noise_shape
from artgen.families.style_fast.paintings import PaintingFacts, read_paintings, recolored
from artgen.families.style_fast.strips import from_multiple, paint, to_multiple
from artgen.image.batches import ShuffledPictures, to_tensor
from artgen.image.family import channels_last
from artgen.media.sheet import Sheet, make_sheet, to_image
from artgen.metrics.scorecard import ScoreCard
from artgen.style.color import color_map, color_statistics, mixed_map
from artgen.style.job import StyleJob, Watch, unwatched
from artgen.style.loss import NetworkLoss, PatchLoss, PatchLossOptions, StyleLoss
from artgen.style.resizing import made_periodic

FACTS = "styles.json"
JUDGED = 32  # held-out pictures that a checkpoint is judged by, at most
SHOWN = 6  # held-out pictures of a preview
CONTENT_WEIGHT = {"patch": 0.15, "gram": 0.03, "moments": 0.03, "sliced": 0.03}
CONTENT_BASE = {
    "patch": 16.0,
    "gram": 10.0,
    "moments": 10.0,
    "sliced": 10.0,
}  # how many times more the layout counts at `exact`
NORMAL = 0.5  # content strength; half of all pictures are seen with it, the others with any


class StyleFacts(BaseModel):
    """What is kept of paintings and pictures: styles.json in a run's data folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paintings: list[PaintingFacts]
    weights: str  # SHA-256 of the network that was looked through; "" where there was none
    fingerprint: str  # SHA-256 of the pictures that were learned from


@dataclass(frozen=True)
class Training:
    """What only a training needs."""

    pictures: PictureSet
    paintings: list[Tensor]  # [3, h, w]


@dataclass(frozen=True)
class Batch:
    """layout: pictures in the colours of their styles, [n, 3, h, w], 0 to 1. styles: their numbers. content: strengths [n]."""

    layout: Tensor
    styles: Tensor
    content: Tensor
    noise: Tensor

    def to(self, device: Any, **how: Any) -> Batch:
        """As Fabric moves a batch."""
        return Batch(*(tensor.to(device, **how) for tensor in (self.layout, self.styles, self.content, self.noise)))


class StyleFast(Family[StyleFastConfig]):
    """Feed-forward style transfer for one or several paintings."""

    unit: ClassVar[str] = "pictures"
    score_name: ClassVar[str] = "held-out loss"

    def __init__(self, config: StyleFastConfig, of: StyleFacts, training: Training | None = None) -> None:
        super().__init__(config)
        self.of, self.training = of, training

    @classmethod
    def prepare(cls, config: StyleFastConfig, folder: Path) -> StyleFast:
        style = config.style
        needed = _patch_options(style).smallest if style.loss == "patch" else 2 * 16
        paintings = read_paintings(style.image, style.size, needed)
        weights = ""
        if style.weights is not None:
            from artgen.style.networks import load_style_network

            weights = load_style_network(style.weights).sha256
        pictures = load_pictures(config.data)
        facts = StyleFacts(
            paintings=[painting.facts for painting in paintings], weights=weights, fingerprint=pictures.fingerprint
        )
        if (folder / FACTS).exists():
            _check_same(folder, read_facts(folder / FACTS, StyleFacts), facts, style)
        return cls(config, facts, Training(pictures, [painting.pixels for painting in paintings]))

    @classmethod
    def open(cls, config: StyleFastConfig, folder: Path) -> StyleFast:
        return cls(config, read_facts(folder / FACTS, StyleFacts))

    def save_data(self, folder: Path) -> None:
        write_facts(folder / FACTS, self.of)

    @property
    def n_styles(self) -> int:
        return len(self.of.paintings)

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        return {"model": channels_last(StyleNet(self.config.model, self.n_styles))}

    # ---- training

    def facts(self) -> list[tuple[str, str]]:
        pictures, style = self._training.pictures, self.config.style
        names = ", ".join(painting.name for painting in self.of.paintings)
        by = "patches and strokes of the painting itself" if style.loss == "patch" else f"{style.loss} of {style.weights}"
        shown = self.config.train.steps * self.config.train.batch_size
        return [
            ("style", f"{names}, judged by {by}"),
            ("content", f"{pictures.describe()}; {counted(len(pictures.validation), 'picture')} held out"),
            ("reads", f"{shown:,} pictures, each {shown / len(pictures.train):,.0f} times"),
            *(("note", warning) for warning in pictures.warnings),
        ]

    def phases(self) -> list[Phase]:
        return [Phase("style", ("model",), self.loss)]

    def batch(self, step: int, share: Share) -> Batch:
        size, count = self.config.train.batch_size, self.config.train.batch_size // share.count
        pictures, _ = self._shuffled.batch(step, share)
        mine = slice(share.index * count, share.index * count + count)
        random = np.random.Generator(np.random.Philox(key=[self.config.seed, (1 << 62) + step]))
        styles = random.permuted((step * size + np.arange(size)) % self.n_styles)[mine]
        free = random.random(size) < 0.5
        content = np.where(free, random.random(size), NORMAL)[mine]
        noise = self._noise(int(random.integers(1 << 62)), size)[mine]
        return self._batch(pictures, styles.tolist(), content.tolist(), noise)

    def loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        # A function of seed, step and process, as all that is random at a step.
        generator = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
        style, content = self._distances(networks, batch, generator)
        value = (style + self._content_weight(batch.content) * content).mean()
        return Loss(value, {"style": style.detach().mean(), "content": content.detach().mean()})

    def validation(self, share: Share) -> Iterable[Batch]:
        held_out, size = self._training.pictures.validation, self.config.train.batch_size
        judged = min(len(held_out), JUDGED)
        noise, mine = self._noise(0, judged), range(share.index, judged, share.count)
        for first in range(0, len(mine), size):
            chosen = list(mine[first : first + size])
            styles = [number % self.n_styles for number in chosen]
            yield self._batch(to_tensor(held_out[chosen]), styles, [NORMAL] * len(chosen), noise[chosen])

    @torch.no_grad()
    def score(self, networks: Networks, batch: Batch) -> tuple[Tensor, Tensor]:
        """The training loss at the normal content strength, always with the same directions."""
        style, content = self._distances(networks, batch, torch.Generator().manual_seed(0))
        return (style + self._content_weight(batch.content) * content).sum(), torch.tensor(float(len(style)))

    def preview(self, networks: Networks, step: int, folder: Path) -> str:
        """Held-out pictures, each beside what becomes of it in every style. At the last step also an animation of all sheets."""
        from artgen.image.previews import write_animation_of_previews

        works: list[Pixels] = []
        held_out = self._training.pictures.validation
        for number in range(min(SHOWN, len(held_out))):
            content = to_tensor(held_out[[number]])[0].float() / 255
            works.append(held_out[number])
            for style in range(self.n_styles):
                mix = [float(style == other) for other in range(self.n_styles)]
                made = self.stylize(networks, StyleJob(content, [], device=device_of(networks)), StyleSampleConfig(mix=mix))
                works.append((made * 255).round().byte().permute(1, 2, 0).numpy())
        path = folder / f"step-{step:08d}.png"
        to_image(make_sheet(works, Sheet(columns=(1 + self.n_styles) * (2 if self.n_styles == 1 else 1)))).save(path)
        if step >= self.config.train.steps and (animation := write_animation_of_previews(folder)):
            return f"preview at step {step:,}: {path}, and how it grew: {animation}"
        return f"preview at step {step:,}: {path}"

    # ---- painting

    @torch.no_grad()
    def stylize(self, networks: Networks, job: StyleJob, options: StyleSampleConfig, watch: Watch = unwatched) -> Tensor:
        """The job's content painted, [3, height, width], 0 to 1, on the CPU. The job has no styles: the run has.

        Any size: what is in memory beside the content and the result is a quarter of the height and of the width.
        Raises UsageError for what only methods without a run can do, and for a mix of another number of styles.
        """
        for flag, given in (("--steps", job.steps), ("--init", job.init)):
            if given is not None:
                raise UsageError(f"{flag}: a trained network paints in one go, from the content alone")
        network, device = cast(StyleNet, networks["model"]), device_of(networks)
        if device.type == "cpu":
            keep_freed_memory()
        mix = self.mix(options)
        height, width = job.content.shape[1:]
        content = to_multiple(made_periodic(job.content) if job.seamless else job.content, job.seamless)
        change = mixed_map(color_statistics(job.content), [painting.colors() for painting in self.of.paintings], mix)
        shape = noise_shape(self.config.model.noise, *content.shape[1:])
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(job.seed))
        wanted = Wanted(torch.tensor([mix], device=device), torch.tensor([job.content_strength], device=device))
        with self.precision(device):
            made = paint(network, content, lambda rows: recolored(rows, change), noise, wanted, job.seamless, watch)
        made = from_multiple(made, height, width, job.seamless)
        return made if job.strength == 1 else torch.lerp(job.content, made, job.strength)

    def mix(self, options: StyleSampleConfig) -> list[float]:
        """How much of each painting, with 1 as the sum. Raises UsageError where it is for another number of them."""
        if options.mix is None:
            return [1.0] + [0.0] * (self.n_styles - 1)
        if len(options.mix) != self.n_styles:
            names = ", ".join(painting.name for painting in self.of.paintings)
            raise UsageError(
                f"mix: {counted(len(options.mix), 'weight')}, expected {self.n_styles}, one for each painting of the run ({names})"
            )
        return [weight / sum(options.mix) for weight in options.mix]

    def sample(
        self,
        networks: Networks,
        options: Section,
        n: int,
        seed: int,
        stream: Callable[[int, str], None] | None = None,
    ) -> list[Sample]:
        raise UsageError("style.fast makes nothing without a photograph: artgen style-transfer PHOTO RUN -o out.png")

    def evaluate(
        self, networks: Networks, run_data: Path, paths: list[str] | None, n_samples: int, seed: int, *args: Any, **asked: Any
    ) -> ScoreCard:
        raise UsageError(
            "style.fast is judged by what it paints: artgen style-transfer PHOTO RUN -o OUT, then artgen evaluate --content PHOTO "
            "--style PAINTING OUT"
        )

    # ---- helpers

    def _batch(self, pictures: Tensor, styles: Sequence[int], content: Sequence[float], noise: Tensor) -> Batch:
        """pictures: uint8 [n, 3, h, w]."""
        colors = [painting.colors() for painting in self.of.paintings]
        layout = []
        for picture, style in zip(pictures.float() / 255, styles, strict=True):
            layout.append(recolored(picture, color_map(color_statistics(picture), colors[style])))
        return Batch(torch.stack(layout), torch.tensor(styles), torch.tensor(content, dtype=torch.float32), noise)

    def _noise(self, seed: int, n: int) -> Tensor:
        """For n pictures of the data's size."""
        shape = noise_shape(self.config.model.noise, self.config.data.size, self.config.data.size)
        return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))

    def _distances(self, networks: Networks, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        wanted = Wanted(nn.functional.one_hot(batch.styles, self.n_styles).float(), batch.content)
        made = networks["model"](batch.layout, batch.noise, wanted)
        with torch.autocast(made.device.type, enabled=False):
            return self._judge(made.device)(made, batch.styles.tolist(), batch.layout, generator)

    def _content_weight(self, strength: Tensor) -> Tensor:
        style = self.config.style
        normal = CONTENT_WEIGHT[style.loss] if style.content_weight is None else style.content_weight
        return normal * CONTENT_BASE[style.loss] ** (2 * strength - 1)

    def _judge(self, device: torch.device) -> StyleLoss:
        if device not in self._judges:
            self._judges[device] = _make_loss(self.config.style, self._training.paintings, device)
        return self._judges[device]

    @cached_property
    def _judges(self) -> dict[torch.device, StyleLoss]:
        return {}

    @property
    def _training(self) -> Training:
        assert self.training is not None
        return self.training

    @cached_property
    def _shuffled(self) -> ShuffledPictures:
        pictures = self._training.pictures
        size = self.config.train.batch_size
        return ShuffledPictures(pictures.train, pictures.train_labels, size, self.config.seed, self.config.data.flip)


def _make_loss(style: StyleConfig, paintings: Sequence[Tensor], device: torch.device) -> StyleLoss:
    there = [painting.to(device) for painting in paintings]
    if style.weights is None:
        return PatchLoss(there, _patch_options(style))
    from artgen.style.networks import load_style_network
    from artgen.style.statistics import statistic_named

    return NetworkLoss(there, load_style_network(style.weights, device), partial(statistic_named, style.loss), style.tv_weight)


def _patch_options(style: StyleConfig) -> PatchLossOptions:
    return PatchLossOptions(
        patch=style.patch,
        levels=style.levels,
        projections=style.projections,
        strokes=style.strokes,
        stroke_size=style.stroke_size,
        stroke_weight=style.stroke_weight,
    )


def _check_same(folder: Path, before: StyleFacts, now: StyleFacts, style: StyleConfig) -> None:
    """Raises UsageError where a run is continued with other paintings, weights or pictures."""
    if [painting.sha256 for painting in before.paintings] != [painting.sha256 for painting in now.paintings]:
        names = ", ".join(painting.name for painting in before.paintings)
        raise UsageError(
            f"{folder.parent}: was begun with {names}, and {', '.join(style.image)} is another; a continued run keeps it"
        )
    if before.weights != now.weights:
        raise UsageError(f"{style.weights}: is not the network that {folder.parent} was begun with; a continued run keeps it")
    check_fingerprint(folder, before.fingerprint, now.fingerprint, "pictures")


FAMILY = StyleFast
