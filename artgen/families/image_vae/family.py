"""`image.vae`: what it learns, what it is judged by, and how its space of codes is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from artgen.families.base import Loss, Networks, Phase, Share, device_of
from artgen.families.image_vae.config import ImageVAEConfig, VAESampleConfig
from artgen.families.image_vae.network import VAE
from artgen.image.batches import Batch, to_pixels, to_tensor
from artgen.image.config import PictureSampleConfig
from artgen.image.directions import principal_directions
from artgen.image.family import PictureFamily, as_signal, channels_last
from artgen.image.projection import project_picture
from artgen.media.sheet import Sheet, make_sheet, to_image
from artgen.metrics.estimate import estimate_mean
from artgen.metrics.scorecard import Figure

SHOWN = 18  # held-out pictures of a preview, each beside its reconstruction
NEARBY = 32  # codes around a picture's, from which it is looked for


class ImageVAE(PictureFamily[ImageVAEConfig]):
    """A convolutional variational autoencoder (Kingma and Welling 2014)."""

    score_name: ClassVar[str] = "held-out loss"

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.config.model.latent,)

    @property
    def n_values(self) -> int:
        """Numbers of a picture: losses are given for each of them."""
        channels, height, width = self.shape
        return channels * height * width

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        network = VAE(self.config.model, self.config.stages(), self.of.n_channels, self.n_classes)
        return {"model": channels_last(network)}

    # ---- training

    def facts(self) -> list[tuple[str, str]]:
        sizes = [self.of.size, *(stage.size for stage in self.config.stages())]
        last, latent = self.config.stages()[-1], self.config.model.latent
        path = " -> ".join(str(size) for size in sizes)
        return [*super().facts(), ("sizes", f"{path} pixels a side, {last.channels} channels, then {latent} numbers")]

    def phases(self) -> list[Phase]:
        return [Phase("vae", ("model",), self.loss)]

    def loss(self, networks: Networks, batch: Batch, step: int) -> Loss:
        """The negative ELBO in nats for each number of a picture (Kingma and Welling 2014, eq. 10).

        With beta (Higgins et al. 2017, eq. 4) and free bits (Kingma et al. 2016, eq. 15).
        """
        model = self.config.model
        pictures, labels = as_signal(batch)
        reconstruction, kl = networks["model"](pictures, labels if self.n_classes else None)
        cost = kl.mean(dim=0).clamp_min(model.free_bits).sum()
        beta = model.beta * min(1.0, (step + 1) / (model.warmup + 1))
        value = (reconstruction.mean() + beta * cost) / self.n_values
        figures = {"reconstruction": reconstruction.detach().mean() / self.n_values, "kl": kl.detach().sum(dim=1).mean()}
        return Loss(value, figures)

    def validation(self, share: Share) -> Iterable[Batch]:
        pictures = self._pictures
        mine = range(share.index, len(pictures.validation), share.count)
        for first in range(0, len(mine), self.config.train.batch_size):
            chosen = list(mine[first : first + self.config.train.batch_size])
            yield to_tensor(pictures.validation[chosen]), torch.from_numpy(pictures.validation_labels[chosen])

    @torch.no_grad()
    def score(self, networks: Networks, batch: Any) -> tuple[Tensor, Tensor]:
        """The loss without warm-up and free bits; the codes' noise is always the same."""
        pictures, labels = as_signal(batch)
        noise = torch.randn(len(pictures), self.config.model.latent, generator=torch.Generator().manual_seed(0))
        reconstruction, kl = networks["model"](pictures, labels if self.n_classes else None, noise.to(pictures.device))
        total = (reconstruction + self.config.model.beta * kl.sum(dim=1)).sum() / self.n_values
        return total, torch.tensor(float(len(pictures)))

    @torch.no_grad()
    def own_figures(self, networks: Networks, held_out: Batch) -> list[Figure]:
        """The bound and the reconstruction of held-out pictures."""
        device, size = device_of(networks), self.config.train.batch_size
        total, errors = 0.0, []
        with self.precision(device):
            for begin in range(0, len(held_out[0]), size):
                batch = held_out[0][begin : begin + size].to(device), held_out[1][begin : begin + size].to(device)
                total += float(self.score(networks, batch)[0])
                real, labels = as_signal(batch)
                label = labels if self.n_classes else None
                codes = self.project(networks, real, label, self.config.sample, steps=0)
                made = self.render(networks, codes, label, self.config.sample).float().clamp(-1, 1)
                errors.append((made - real).square().mean(dim=(1, 2, 3)).sqrt().cpu() / 2)
        return [
            Figure("held_out_loss", "held-out loss", total / len(held_out[0]), "nats/number", "less is better"),
            Figure(
                "reconstruction",
                "reconstruction, held out",
                estimate_mean(torch.cat(errors)),
                "",
                "0: the same, 1: black for white",
            ),
        ]

    def preview(self, networks: Networks, step: int, folder: Path) -> str:
        """Samples, and in another file held-out pictures beside their reconstructions."""
        said = super().preview(networks, step, folder)
        batch = next(iter(self.validation(Share())))
        real, labels = as_signal((batch[0][:SHOWN], batch[1][:SHOWN]))
        device = device_of(networks)
        label = labels.to(device) if self.n_classes else None
        codes = self.project(networks, real.to(device), label, self.config.sample, steps=0)
        made = self.pixels(networks, codes, label, self.config.sample)
        pairs = [work for pair in zip(to_pixels(real), made, strict=True) for work in pair]
        (folder / "reconstructions").mkdir(exist_ok=True)
        sheet = make_sheet(pairs, Sheet(columns=min(6, len(pairs))))
        to_image(sheet).save(folder / "reconstructions" / f"step-{step:08d}.png")
        return said

    # ---- sampling and editing

    # Codes are standard normal latents; where the prior is fitted, `render` moves them to the fitted normal. So one step along
    # a direction is one standard deviation.

    def render(self, networks: Networks, codes: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        model = _model(networks)
        return model.pictures(model.fitted(codes) if _is_fitted(options) else codes, labels)

    def project(
        self,
        networks: Networks,
        pictures: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        steps: int,
        advance: Callable[[int], object] | None = None,
    ) -> Tensor:
        """The encoder's mean; with `steps`, from there by gradient descent on the code."""
        model = _model(networks)
        with torch.no_grad(), self.precision(pictures.device):
            mean, log_variance = model.encode(pictures, labels)
        if not steps:
            return model.standardised(mean) if _is_fitted(options) else mean
        noise = torch.randn(NEARBY, self.config.model.latent, generator=torch.Generator().manual_seed(0)).to(mean)
        noise[0] = 0
        found = []
        for i in range(len(pictures)):
            label = None if labels is None else labels[i : i + 1]
            candidates = mean[i] + noise * (0.5 * log_variance[i]).exp()
            found.append(project_picture(model.pictures, pictures[i : i + 1], candidates, label, steps, advance))
        return model.standardised(torch.cat(found)) if _is_fitted(options) else torch.cat(found)

    def directions(self, networks: Networks, n: int) -> Tensor:
        """In which the codes of pictures differ most: their principal components (Härkönen et al. 2020, GANSpace)."""
        return principal_directions([_model(networks).code_root()], n)


def _model(networks: Networks) -> VAE:
    return cast(VAE, networks["model"])


def _is_fitted(options: PictureSampleConfig) -> bool:
    return isinstance(options, VAESampleConfig) and options.prior == "fitted"


FAMILY = ImageVAE
