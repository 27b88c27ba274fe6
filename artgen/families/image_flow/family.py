"""`image.flow`: flow matching, sampling along the flow, and editing with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from artgen.families.base import Loss, Networks, Phase, Share, device_of
from artgen.families.image_flow.augment import change
from artgen.families.image_flow.config import ImageFlowConfig
from artgen.families.image_flow.network import UNet
from artgen.families.image_flow.samplers import SAMPLERS, Velocity, heun, times
from artgen.image.batches import Batch, to_signal, to_tensor
from artgen.image.config import FlowSampleConfig, PictureSampleConfig
from artgen.image.family import PictureFamily, as_signal, channels_last
from artgen.metrics.scorecard import Figure

QUICK = 10  # steps of the samples that previews make
HELD_OUT = 512  # held-out pictures that are scored in training, at least; fewer are scored at several times
CHUNK = 64

Held = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pictures uint8 [n, channels, height, width], classes [n], times [n] and noise like the pictures."""
REPAINTED = 3  # times that each step of painting is taken


class ImageFlow(PictureFamily[ImageFlowConfig]):
    """A U-Net that learns the velocity from noise to pictures (Lipman et al. 2023, "Flow Matching", eq. 23)."""

    score_name: ClassVar[str] = "held-out loss"

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return self.shape

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        unet = UNet(self.config.model, self.of.size, self.of.n_channels, self.n_classes)
        return {"model": channels_last(unet)}

    # ---- training

    def phases(self) -> list[Phase]:
        return [Phase("flow", ("model",), self.loss)]

    def loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        """E ‖v(x_t, t) - (picture - noise)‖², x_t = (1 - t) noise + t picture, t logit-normal (Esser et al. 2024, eq. 19)."""
        model = self.config.model
        pictures, labels = as_signal(batch)
        pictures, changes = change(pictures, model.augment)
        n = len(pictures)
        at = torch.sigmoid(model.time_mean + model.time_deviation * torch.randn(n, device=pictures.device))
        noise = torch.randn_like(pictures)
        x = torch.lerp(noise, pictures, at[:, None, None, None])
        if self.n_classes:
            hidden = torch.rand(n, device=labels.device) < model.label_dropout
            labels = labels.masked_fill(hidden, self.n_classes)
        velocity = networks["model"](x, at, labels if self.n_classes else None, changes)
        return Loss((velocity.float() - (pictures - noise)).square().mean())

    def validation(self, share: Share) -> Iterable[Held]:
        return self._held((self._pictures.validation, self._pictures.validation_labels), share)

    def _held(self, held_out: tuple[Any, Any], share: Share) -> Iterable[Held]:
        """Pictures [n, height, width, channels] and classes, at times evenly from 0 to 1, each with always the same noise."""
        pixels, labels = held_out
        n = max(HELD_OUT, len(pixels))
        order = np.random.Generator(np.random.Philox(key=[self.config.seed, n])).permutation(n)  # else times follow pictures
        for number, begin in enumerate(range(0, n, CHUNK)):
            if number % share.count == share.index:
                mine = np.arange(begin, min(begin + CHUNK, n))
                chosen = mine % len(pixels)
                times_of = torch.from_numpy((order[mine] + 0.5) / n).float()
                noise = torch.randn(len(mine), *self.shape, generator=torch.Generator().manual_seed(begin))
                yield to_tensor(pixels[chosen]), torch.from_numpy(labels[chosen]), times_of, noise

    @torch.no_grad()
    def own_figures(self, networks: Networks, held_out: Batch) -> list[Figure]:
        """The loss on held-out pictures."""
        device = device_of(networks)
        sums = torch.zeros(2)
        with self.precision(device):
            for batch in self._held((held_out[0].permute(0, 2, 3, 1).numpy(), held_out[1].numpy()), Share()):
                loss, count = self.score(networks, tuple(part.to(device) for part in batch))
                sums += torch.stack([loss.cpu(), count])
        return [
            Figure("held_out_loss", "held-out loss", float(sums[0] / sums[1]), "", "mean square of velocities, less is better")
        ]

    def score(self, networks: Networks, batch: Any) -> tuple[Tensor, Tensor]:
        """The loss on pictures that were not trained on: it rises when the network begins to know its pictures by heart."""
        pixels, labels, at, noise = batch
        pictures = to_signal(pixels)
        x = torch.lerp(noise, pictures, at[:, None, None, None])
        velocity = networks["model"](x, at, labels if self.n_classes else None)
        errors = (velocity.float() - (pictures - noise)).square().mean(dim=(1, 2, 3))
        return errors.sum(), torch.tensor(float(len(errors)))

    @property
    def judging(self) -> FlowSampleConfig:
        return cast(FlowSampleConfig, super().judging).model_copy(update={"sampler": "dpm++", "steps": QUICK})

    # ---- sampling

    def render(self, networks: Networks, codes: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        options = cast(FlowSampleConfig, options)
        return self._follow(networks, codes, labels, options, times(options.steps))

    def project(
        self,
        networks: Networks,
        pictures: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        steps: int,
        advance: Callable[[int], object] | None = None,
    ) -> Tensor:
        """The noise that the flow leads to the pictures from: the same way back."""
        velocity = self._velocity(networks, labels, cast(FlowSampleConfig, options))
        back = times(max(steps, 1), 1.0, 0.0)
        x = pictures
        with torch.no_grad(), self.precision(pictures.device):
            for step in range(len(back) - 1):
                x = heun(velocity, x, back[step : step + 2])  # dpm++ knows one way only
                if advance:
                    advance(1)
        return x

    def _follow(
        self, networks: Networks, x: Tensor, labels: Tensor | None, options: FlowSampleConfig, at: list[float]
    ) -> Tensor:
        return SAMPLERS[options.sampler](self._velocity(networks, labels, options), x, at)

    def _velocity(self, networks: Networks, labels: Tensor | None, options: FlowSampleConfig) -> Velocity:
        """With classifier-free guidance (Ho and Salimans 2022, eq. 6): v(none) + guidance (v(class) - v(none))."""
        network = networks["model"]

        def velocity(x: Tensor, t: float) -> Tensor:
            at = torch.full((len(x),), t, device=x.device)
            if labels is None or options.guidance == 1:
                return cast(Tensor, network(x, at, labels)).float()
            both = torch.cat([labels, torch.full_like(labels, self.n_classes)])
            found = network(torch.cat([x, x]), torch.cat([at, at]), both).float()
            asked, none = found.chunk(2)
            return torch.lerp(none, asked, options.guidance)

        return velocity

    # ---- editing

    @torch.no_grad()
    def vary(
        self,
        networks: Networks,
        pictures: Tensor,
        strength: float,
        labels: Tensor | None,
        options: PictureSampleConfig,
        seed: int,
    ) -> Tensor:
        """Noise is laid over the pictures, and taken away again (Meng et al. 2022, "SDEdit")."""
        options = cast(FlowSampleConfig, options)
        if strength == 0:
            return pictures
        noise = self.latents(seed, 0, len(pictures), pictures.device)
        begin = 1 - strength
        x = torch.lerp(noise, pictures, begin)
        steps = max(1, round(options.steps * strength))
        with self.precision(pictures.device):
            return self._follow(networks, x, labels, options, times(steps, begin))

    @torch.no_grad()
    def paint(
        self,
        networks: Networks,
        pictures: Tensor,
        masks: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        seed: int,
    ) -> Tensor:
        """What is foreseen outside the mask is replaced by the picture at every step, and each step is taken several times
        with new noise, so that both sides fit (Lugmayr et al. 2022, "RePaint", algorithm 1)."""
        options = cast(FlowSampleConfig, options)
        velocity = self._velocity(networks, labels, options)
        x = self.latents(seed, 0, len(pictures), pictures.device)
        chance = torch.Generator().manual_seed(seed)
        at = times(2 * options.steps)
        foreseen = pictures
        with self.precision(pictures.device):
            for t, later in zip(at, at[1:], strict=False):
                for again in range(REPAINTED):
                    foreseen = torch.where(masks, x + (1 - t) * velocity(x, t), pictures)
                    noise = torch.randn(x.shape, generator=chance).to(x.device)
                    if again + 1 < REPAINTED:
                        x = torch.lerp(noise, foreseen, t)
                    else:
                        told = (x - t * foreseen) / (1 - t)  # the noise that the foreseen picture leaves
                        x = torch.lerp(told, foreseen, later)
        return foreseen


FAMILY = ImageFlow
