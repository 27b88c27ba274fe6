"""How likely pictures are under what the decoder says: -log p(x | z), in nats."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST = 2 / 255 / 2  # of sigma: half a level of a byte, less would be precision that pictures do not have
FOLLOWING = 0.05  # how fast the running scale follows that of the batches


def gaussian_nll(x: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    """½ ((x - mean) / sigma)² + log sigma + ½ log 2π, element by element (Kingma and Welling 2014, appendix C.2)."""
    return 0.5 * ((x - mean) / sigma).square() + sigma.log() + 0.5 * math.log(2 * math.pi)


def laplace_nll(x: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    """|x - mean| / sigma + log 2 sigma, element by element. sigma is the mean absolute deviation, often called b."""
    return (x - mean).abs() / sigma + sigma.log() + math.log(2)


def bernoulli_nll(x: Tensor, logits: Tensor) -> Tensor:
    """-y log p - (1 - y) log(1 - p) with p = sigmoid(logits) and y = (x + 1) / 2, the brightness from 0 to 1 (appendix C.1)."""
    return F.binary_cross_entropy_with_logits(logits, (x + 1) / 2, reduction="none")


class Likelihood(nn.Module):
    """-log p(x | z) of pictures x given the decoder's output [n, channels, height, width], summed over each picture: [n].

    sigma `optimal` is the maximum-likelihood scale of the errors of the batch, √mean (x - mean)², when training, and a running
    mean of it otherwise (Rybkin et al. 2021, eq. 5); `learned` is a parameter (their section 4.1); a number stays as it is.
    """

    running: Tensor

    def __init__(self, kind: str, sigma: str | float) -> None:
        super().__init__()
        self.kind = kind
        self.fixed = sigma if isinstance(sigma, float) else None
        self.log_sigma = nn.Parameter(torch.full((1,), -1.0)) if sigma == "learned" and kind != "bce" else None
        self.register_buffer("running", torch.ones(()))

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        if self.kind == "bce":
            return bernoulli_nll(x, output).flatten(1).sum(dim=1)
        nll = gaussian_nll if self.kind == "gaussian" else laplace_nll
        return nll(x, output, self.sigma(x, output)).flatten(1).sum(dim=1)

    def sigma(self, x: Tensor, output: Tensor) -> Tensor:
        """The scale, a scalar or [1]."""
        if self.fixed is not None:
            return torch.full_like(self.running, self.fixed)
        if self.log_sigma is not None:
            return self.log_sigma.exp().clamp_min(LEAST)
        if not self.training:
            return self.running
        with torch.no_grad():
            error = (x - output).abs()
            scale = (error.square().mean().sqrt() if self.kind == "gaussian" else error.mean()).clamp_min(LEAST)
            self.running.lerp_(scale, FOLLOWING)
        return scale

    def mean(self, output: Tensor) -> Tensor:
        """The picture, -1 to 1, that the decoder's output means."""
        return torch.sigmoid(output) * 2 - 1 if self.kind == "bce" else output


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) ‖ N(0, 1)) = ½ (mean² + variance - log variance - 1), element by element
    (Kingma and Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1)
