"""What the adversarial families have in common: two networks, two phases, augmentation, and the space of codes.

A generator maps latents and classes to codes (`mapping`) and these to pictures (`synthesis`); a discriminator scores
pictures. The objectives stand in `artgen.image.gan_losses`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from artgen.config import RunConfig
from artgen.families.base import Loss, Networks, Phase
from artgen.image.augment import augment
from artgen.image.batches import Batch
from artgen.image.config import AdversarialModelConfig, PictureSampleConfig
from artgen.image.directions import principal_directions
from artgen.image.family import PictureFamily, as_signal, channels_last
from artgen.image.gan_losses import (
    discriminator_loss,
    generator_loss,
    needs_real,
    one_centred_penalty,
    zero_centred_penalty,
)
from artgen.image.projection import project_picture

C = TypeVar("C", bound=RunConfig)

MEAN_OF = 4096  # latents whose codes make the mean code


class Generator(nn.Module):
    """What the family needs of a generator. Training calls it as a whole, sampling and editing its two parts."""

    def mapping(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Latents [n, d] -> codes [n, e]."""
        raise NotImplementedError

    def synthesis(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Codes [n, e] -> pictures [n, channels, height, width], about -1 to 1."""
        raise NotImplementedError

    def reading_weights(self) -> list[Tensor]:
        """Weights [out, e] of the layers that read the codes: what they enlarge most are the directions."""
        raise NotImplementedError

    def forward(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        return self.synthesis(self.mapping(latents, labels), labels)


class AdversarialFamily(PictureFamily[C]):
    """A generator learns to make what a discriminator takes for real (Goodfellow et al. 2014).

    A family names its two networks. Both are made of (the model section, side in pixels, channels, number of classes); the
    discriminator's forward(pictures, labels) gives logits [n].
    """

    generator: ClassVar[Callable[..., Generator]]
    discriminator: ClassVar[Callable[..., nn.Module]]

    @property
    def model(self) -> AdversarialModelConfig:
        return cast(AdversarialModelConfig, self.config.model)  # type: ignore[attr-defined]

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        kinds = {"generator": type(self).generator, "discriminator": type(self).discriminator}
        of = self.model, self.of.size, self.of.n_channels, self.n_classes
        return {name: channels_last(kind(*of)) for name, kind in kinds.items()}

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.model.latent,)

    # ---- training

    def phases(self) -> list[Phase]:
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss),
            Phase("generator", ("generator",), self.generator_loss),
        ]

    def discriminator_loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        real, labels = self._inputs(batch)
        with torch.no_grad():
            made = networks["generator"](self._noise(real), labels)
        model = self.model
        penalised = step % model.penalty_every == 0
        real, made = self._seen(real), self._seen(made)
        real.requires_grad_(penalised and model.r1 > 0)
        made.requires_grad_(penalised and model.r2 > 0)
        discriminator = networks["discriminator"]
        on_real, on_made = discriminator(real, labels).float(), discriminator(made, labels).float()
        loss = discriminator_loss(model.loss, on_real, on_made)
        figures = {"real": on_real.detach().mean(), "made": on_made.detach().mean()}
        for name, weight, logits, pictures in (("r1", model.r1, on_real, real), ("r2", model.r2, on_made, made)):
            if pictures.requires_grad:
                penalty = zero_centred_penalty(logits, pictures)
                loss = loss + weight / 2 * model.penalty_every * penalty
                figures[name] = penalty.detach()
        if model.loss == "wgan-gp" and penalised and model.gradient_penalty > 0:
            penalty = one_centred_penalty(lambda x: discriminator(x, labels), real.detach(), made.detach())
            loss = loss + model.gradient_penalty * model.penalty_every * penalty
            figures["penalty"] = penalty.detach()
        return Loss(loss, figures)

    def generator_loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        real, labels = self._inputs(batch)
        discriminator = networks["discriminator"]
        on_made = discriminator(self._seen(networks["generator"](self._noise(real), labels)), labels).float()
        on_real = on_made.detach()
        if needs_real(self.model.loss):
            with torch.no_grad():
                on_real = discriminator(self._seen(real), labels).float()
        return Loss(generator_loss(self.model.loss, on_real, on_made))

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        real, labels = as_signal(batch)
        return real, labels if self.n_classes else None

    def _noise(self, real: Tensor) -> Tensor:
        return torch.randn(len(real), *self.latent_shape, device=real.device)

    def _seen(self, pictures: Tensor) -> Tensor:
        """What the discriminator sees of pictures."""
        seen = augment(pictures.float(), self.model.augment, chance=self.model.augment_chance)
        return seen.contiguous(memory_format=torch.channels_last)

    # ---- sampling and editing

    def codes(self, networks: Networks, latents: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        """Codes, moved towards the mean of their class where truncation is not 1 (Karras et al. 2019, section 3.3)."""
        generator = cast(Generator, networks["generator"])
        codes = generator.mapping(latents, labels)
        if options.truncation == 1:
            return codes
        return torch.lerp(self._mean_codes(generator, labels, codes), codes, options.truncation)

    def render(self, networks: Networks, codes: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        return cast(Generator, networks["generator"]).synthesis(codes, labels)

    def project(
        self,
        networks: Networks,
        pictures: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        steps: int,
        advance: Callable[[int], object] | None = None,
    ) -> Tensor:
        """By gradient descent on the codes, from the nearest of many samples."""
        generator = cast(Generator, networks["generator"])
        latents = self.latents(0, 0, 1024, pictures.device)

        def render(codes: Tensor, of: Tensor | None) -> Tensor:
            with self.precision(pictures.device):
                return generator.synthesis(codes, of).float()

        found = []
        for i in range(len(pictures)):
            label = None if labels is None else labels[i : i + 1]
            candidates = generator.mapping(latents, None if label is None else label.expand(len(latents)))
            found.append(project_picture(render, pictures[i : i + 1], candidates, label, steps, advance))
        return torch.cat(found)

    def directions(self, networks: Networks, n: int) -> Tensor:
        """Shen and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs", eq. 6."""
        return principal_directions(cast(Generator, networks["generator"]).reading_weights(), n)

    @cached_property
    def _latents_of_mean(self) -> Tensor:
        return self.latents(0, 0, MEAN_OF)

    @torch.no_grad()
    def _mean_codes(self, generator: Generator, labels: Tensor | None, codes: Tensor) -> Tensor:
        """[n, e] or [1, e]: the mean code of each picture's class."""
        latents = self._latents_of_mean.to(codes.device)
        if labels is None:
            return generator.mapping(latents, None).mean(dim=0, keepdim=True)
        means = {int(label): generator.mapping(latents, label.expand(MEAN_OF)).mean(dim=0) for label in torch.unique(labels)}
        return torch.stack([means[int(label)] for label in labels])
