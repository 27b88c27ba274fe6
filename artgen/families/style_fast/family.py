"""`style.fast`: how the network is trained, and how it paints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from artgen.config import Section
from artgen.data.picture_decoding import Pixels
from artgen.data.pictures import load_pictures
from artgen.engine.device import keep_freed_memory
from artgen.errors import UsageError, counted
from artgen.families.base import Family, Loss, Networks, Phase, Sample, Share, device_of
from artgen.families.facts import check_fingerprint, read_facts, write_facts
from artgen.families.style_fast.config import StyleConfig, StyleFastConfig, StyleSampleConfig
from artgen.families.style_fast.discriminator import PatchDiscriminator
from artgen.families.style_fast.network import StyleNet, Wanted, noise_shape
from artgen.families.style_fast.paintings import PaintingFacts, read_paintings, recolored
from artgen.families.style_fast.strips import from_multiple, paint, to_multiple
from artgen.families.style_fast.training import Batch, Training
from artgen.image.batches import from_unit, to_unit
from artgen.image.family import channels_last
from artgen.image.gan_losses import discriminator_loss, generator_loss, zero_centred_penalty
from artgen.media.sheet import Sheet, make_sheet, to_image
from artgen.metrics.scorecard import ScoreCard
from artgen.style.color import color_statistics, mixed_map
from artgen.style.edges import edge_distance
from artgen.style.job import StyleJob, Watch, unwatched
from artgen.style.loss import NetworkLoss, PatchLoss, PatchLossOptions, StyleLoss
from artgen.style.resizing import made_periodic

FACTS = "styles.json"
EDGE_LEVELS = 3  # of 1, 2 and 4 pixels: what is kept beside what was painted
SHOWN = 6  # held-out pictures of a preview
CONTENT_WEIGHT = {"painted": 0.1, "patch": 0.15, "gram": 0.03, "moments": 0.03, "sliced": 0.03}
CONTENT_BASE = {
    "painted": 16.0,
    "patch": 16.0,
    "gram": 10.0,
    "moments": 10.0,
    "sliced": 10.0,
}  # how many times more the layout counts at `exact`
JUDGING_STROKES, JUDGING_PROJECTIONS = 1.0, 128  # as `style` names them, for checkpoints of style.loss=painted
TONE_CELL = 16  # side of the squares whose mean colours are compared with those of a painted picture


class StyleFacts(BaseModel):
    """What is kept of paintings and pictures: styles.json in a run's data folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paintings: list[PaintingFacts]
    weights: str  # SHA-256 of the network that was looked through; "" where there was none
    fingerprint: str  # SHA-256 of the pictures that were learned from


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
        needed = 2 * 16 if style.looks_through_a_network else _patch_options(style).smallest
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
        return cls(config, facts, Training(config, pictures, paintings))

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
        model = self.config.model
        networks: dict[str, nn.Module] = {"model": channels_last(StyleNet(model, self.n_styles))}
        if self.config.style.loss == "painted":
            networks["discriminator"] = channels_last(PatchDiscriminator(model.discriminator_width, self.n_styles))
        return networks

    # ---- training

    def facts(self) -> list[tuple[str, str]]:
        pictures, style, side = self._training.pictures, self.config.style, self._training.crop
        names = ", ".join(painting.name for painting in self.of.paintings)
        by = {"painted": "what --method patch paints", "patch": "patches and strokes of the painting itself"}
        shown, learned = self.config.train.steps * self.config.train.batch_size, len(self._training.learned_from)
        return [
            ("style", f"{names}, judged by {by.get(style.loss, f'{style.loss} of {style.weights}')}"),
            ("content", f"{pictures.describe()}; {counted(len(pictures.validation), 'picture')} held out"),
            *([("painted", f"{counted(learned, 'picture')}, to learn from")] if style.loss == "painted" else []),
            ("reads", f"{shown:,} parts of {side} x {side} pixels, {shown / learned:,.0f} of each picture"),
            *(("note", warning) for warning in pictures.warnings),
        ]

    def phases(self) -> list[Phase]:
        if self.config.style.loss != "painted":
            return [Phase("style", ("model",), self.loss)]
        return [
            Phase("style", ("model",), self.painted_loss),
            Phase("discriminator", ("discriminator",), self.discriminator_loss),
        ]

    def batch(self, step: int, share: Share) -> Batch:
        return self._training.batch(step, share)

    def validation(self, share: Share) -> Iterable[Batch]:
        return self._training.validation(share)

    def loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        # A function of seed, step and process, as all that is random at a step.
        generator = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
        style, content = self._distances(networks, batch, generator)
        value = (style + self._content_weight(batch.content) * content).mean()
        return Loss(value, {"style": style.detach().mean(), "content": content.detach().mean()})

    def painted_loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        """To be taken for painted, with colours where the painted picture has them and the edges where the photograph has them."""
        made = self._made(networks, batch)
        logits = networks["discriminator"](made, batch.layout, batch.styles)
        with torch.autocast(made.device.type, enabled=False):
            painted = generator_loss("bce", logits, logits)
            tone = (F.avg_pool2d(made, TONE_CELL) - F.avg_pool2d(batch.painted, TONE_CELL)).square().mean()
            content = edge_distance(made, batch.layout, levels=EDGE_LEVELS)
            value = painted + self.config.style.tone_weight * tone + (self._content_weight(batch.content) * content).mean()
        return Loss(value, {"painted": painted.detach(), "tone": tone.detach(), "content": content.detach().mean()})

    def discriminator_loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        style, discriminator = self.config.style, networks["discriminator"]
        with torch.no_grad():
            made = self._made(networks, batch)
        penalised = style.r1 > 0 and step % style.r1_every == 0
        painted = batch.painted.clone().requires_grad_(penalised)
        on_painted = discriminator(painted, batch.layout, batch.styles)
        on_made = discriminator(made, batch.layout, batch.styles)
        value = discriminator_loss("bce", on_painted, on_made)
        figures = {"on_painted": on_painted.detach().mean(), "on_made": on_made.detach().mean()}
        if penalised:
            penalty = zero_centred_penalty(on_painted, painted) / on_painted.shape[1]
            value = value + style.r1 / 2 * style.r1_every * penalty
            figures["r1"] = penalty.detach()
        return Loss(value, figures)

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
            content = to_unit(held_out[number])
            works.append(held_out[number])
            for style in range(self.n_styles):
                mix = [float(style == other) for other in range(self.n_styles)]
                made = self.stylize(networks, StyleJob(content, [], device=device_of(networks)), StyleSampleConfig(mix=mix))
                works.append(from_unit(made))
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

    def _made(self, networks: Networks, batch: Batch) -> Tensor:
        wanted = Wanted(F.one_hot(batch.styles, self.n_styles).float(), batch.content)
        made: Tensor = networks["model"](batch.layout, batch.noise, wanted)
        return made

    def _distances(self, networks: Networks, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        made = self._made(networks, batch)
        with torch.autocast(made.device.type, enabled=False):
            return self._judge(made.device)(made, batch.styles.tolist(), batch.layout, generator)

    def _content_weight(self, strength: Tensor) -> Tensor:
        style = self.config.style
        normal = CONTENT_WEIGHT[style.loss] if style.content_weight is None else style.content_weight
        return normal * CONTENT_BASE[style.loss] ** (2 * strength - 1)

    def _judge(self, device: torch.device) -> StyleLoss:
        if device not in self._judges:
            pixels = [painting.pixels for painting in self._training.paintings]
            self._judges[device] = _make_loss(self.config.style, pixels, device)
        return self._judges[device]

    @cached_property
    def _judges(self) -> dict[torch.device, StyleLoss]:
        return {}

    @property
    def _training(self) -> Training:
        assert self.training is not None
        return self.training


def _make_loss(style: StyleConfig, paintings: Sequence[Tensor], device: torch.device) -> StyleLoss:
    there = [painting.to(device) for painting in paintings]
    if style.weights is None:
        return PatchLoss(there, _patch_options(style))
    from artgen.style.networks import load_style_network
    from artgen.style.statistics import statistic_named

    return NetworkLoss(there, load_style_network(style.weights, device), partial(statistic_named, style.loss), style.tv_weight)


def _patch_options(style: StyleConfig) -> PatchLossOptions:
    """Of the loss, or where that is another network's, of what checkpoints are judged by: strokes, above all."""
    return PatchLossOptions(
        patch=style.patch,
        levels=style.levels,
        projections=JUDGING_PROJECTIONS if style.loss == "painted" else style.projections,
        strokes=style.strokes,
        stroke_size=style.stroke_size,
        stroke_weight=JUDGING_STROKES if style.loss == "painted" else style.stroke_weight,
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
