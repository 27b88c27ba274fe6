"""Encoder, decoder and the objective of `image.vae` (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from artgen.families.image_vae.config import VAEModelConfig
from artgen.families.image_vae.likelihood import Likelihood, gaussian_kl
from artgen.families.image_vae.stages import Stage
from artgen.nn.activations import CONVOLUTIONAL
from artgen.nn.convolution import DownStage, UpStage

WIDEST = 6.0  # of |log variance|: e^-3 to e^3 are deviations enough, and their exponentials stay numbers
NARROWEST = 1e-6  # of the codes' variances
FOLLOWING = 0.01  # how fast the fitted normal follows the codes of the batches


class VAE(nn.Module):
    """q(z | x) = N(mean(x), variance(x)), p(z) = N(0, 1), p(x | z) as `Likelihood` says."""

    code_mean: Tensor
    code_square: Tensor
    n_fitted: Tensor

    def __init__(self, model: VAEModelConfig, stages: Sequence[Stage], n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.latent = model.latent
        self.embedding = nn.Embedding(n_classes, model.class_embedding) if n_classes else None
        extra = model.class_embedding if n_classes else 0
        last = stages[-1]
        self.coarsest = (last.channels, last.size, last.size)
        flat = last.channels * last.size**2

        widths = [n_channels, *(stage.channels for stage in stages)]
        self.down = nn.ModuleList(
            DownStage(n_in, s.channels, s.kernel, s.stride, s.padding, s.pooling, s.window, model.norm, model.activation)
            for n_in, s in zip(widths, stages, strict=False)
        )
        inward = [flat + extra, *model.fully_connected]
        self.inward = nn.ModuleList(nn.Linear(a, b) for a, b in zip(inward, inward[1:], strict=False))
        self.posterior = nn.Linear(inward[-1], 2 * model.latent)

        outward = [model.latent + extra, *model.fully_connected[::-1], flat]
        self.outward = nn.ModuleList(nn.Linear(a, b) for a, b in zip(outward, outward[1:], strict=False))
        self.up = nn.ModuleList(
            UpStage(s.channels, n_out, s.size_before, s.kernel, s.stride, s.padding, s.pooling, model.upsampling, model.norm,
                    model.activation, last=s.number == 1)
            for n_out, s in zip(widths[-2::-1], reversed(stages), strict=True)
        )  # fmt: skip
        self.activation = CONVOLUTIONAL[model.activation]
        self.likelihood = Likelihood(model.likelihood, model.sigma)

        # Mean and mean square of the codes that training sees, for `fitted`.
        self.register_buffer("code_mean", torch.zeros(model.latent))
        self.register_buffer("code_square", torch.eye(model.latent))
        self.register_buffer("n_fitted", torch.zeros(()))

    def forward(self, pictures: Tensor, labels: Tensor | None, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The two parts of the negative ELBO of pictures [n, channels, height, width], -1 to 1 (eq. 10 with one sample).

        Returns -log p(x | z) [n] and KL(q(z | x) ‖ p(z)) [n, latent], in nats. noise: [n, latent], by chance if not given.
        """
        mean, log_variance = self.encode(pictures, labels)
        noise = torch.randn_like(mean) if noise is None else noise
        codes = mean + (0.5 * log_variance).exp() * noise  # reparameterised, so that gradients reach the encoder
        if self.training:
            self._fit(codes.detach())
        output = self.decode(codes, labels).float()
        return self.likelihood(pictures.float(), output), gaussian_kl(mean, log_variance)

    def encode(self, pictures: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), [n, latent] each, float32."""
        x = pictures
        for stage in self.down:
            x = stage(x)
        x = self._with_class(x.flatten(1), labels)
        for layer in self.inward:
            x = self.activation(layer(x))
        mean, log_variance = self.posterior(x).float().chunk(2, dim=1)
        return mean, WIDEST * torch.tanh(log_variance / WIDEST)

    def decode(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """What `Likelihood` takes, [n, channels, height, width], of codes [n, latent]."""
        x = self._with_class(codes, labels)
        for layer in self.outward:
            x = self.activation(layer(x))
        x = x.unflatten(1, self.coarsest).contiguous(memory_format=torch.channels_last)
        for stage in self.up:
            x = stage(x)
        return x

    def pictures(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Pictures [n, channels, height, width], -1 to 1, of codes [n, latent]: the means of p(x | z)."""
        return self.likelihood.mean(self.decode(codes, labels).float())

    def fitted(self, latents: Tensor) -> Tensor:
        """Standard normal latents [n, latent] moved to the normal that was fitted to the codes of pictures."""
        return self.code_mean + latents @ self.code_root().to(latents)

    def standardised(self, codes: Tensor) -> Tensor:
        """The latents [n, latent] that `fitted` moves to these codes."""
        return (codes - self.code_mean) @ torch.linalg.inv(self.code_root()).to(codes)

    def code_root(self) -> Tensor:
        """The symmetric root [latent, latent] of the codes' covariance: axes stay where they are."""
        covariance = self.code_square - torch.outer(self.code_mean, self.code_mean)
        values, vectors = torch.linalg.eigh(covariance.cpu().double())
        return (vectors * values.clamp_min(NARROWEST).sqrt()) @ vectors.T

    def _with_class(self, x: Tensor, labels: Tensor | None) -> Tensor:
        if self.embedding is None:
            return x
        assert labels is not None
        return torch.cat([x, self.embedding(labels)], dim=1)

    @torch.no_grad()
    def _fit(self, codes: Tensor) -> None:
        """Plain means over the first batches, running ones afterwards."""
        self.n_fitted += 1
        weight = (1 / self.n_fitted).clamp_min(FOLLOWING)
        self.code_mean += weight * (codes.mean(dim=0) - self.code_mean)
        self.code_square += weight * (codes.T @ codes / len(codes) - self.code_square)
