"""The objectives of adversarial training, as functions of the discriminator's logits, and its gradient penalties.

Larger logits mean "real". All return the mean over the batch, to be minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

LossName = Literal["bce", "lsgan", "hinge", "wgan-gp", "relativistic"]


def discriminator_loss(name: LossName, real: Tensor, made: Tensor) -> Tensor:
    """logits [n] of real and of made pictures.

    bce           softplus(-real) + softplus(made)            Goodfellow et al. 2014, eq. 1
    lsgan         (real - 1)² + made², halved                 Mao et al. 2017, eq. 9 with a = 0, b = c = 1
    hinge         max(0, 1 - real) + max(0, 1 + made)         Lim & Ye 2017; Miyato et al. 2018, eq. 16
    wgan-gp       made - real                                 Gulrajani et al. 2017, eq. 3, with `one_centred_penalty`
    relativistic  softplus(made - real), in pairs             Jolicoeur-Martineau 2019, eq. 3; Huang et al. 2024 (R3GAN), eq. 2
    """
    if name == "bce":
        return F.softplus(-real).mean() + F.softplus(made).mean()
    if name == "lsgan":
        return ((real - 1).square().mean() + made.square().mean()) / 2
    if name == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + made).mean()
    if name == "wgan-gp":
        return made.mean() - real.mean()
    return F.softplus(made - real).mean()


def generator_loss(name: LossName, real: Tensor, made: Tensor) -> Tensor:
    """logits [n]; real ones count for the relativistic loss alone. For bce the non-saturating form, softplus(-made)."""
    if name == "bce":
        return F.softplus(-made).mean()
    if name == "lsgan":
        return (made - 1).square().mean() / 2
    if name in ("hinge", "wgan-gp"):
        return -made.mean()
    return F.softplus(real - made).mean()


def needs_real(name: LossName) -> bool:
    """Whether the generator's loss looks at real pictures, too."""
    return name == "relativistic"


def zero_centred_penalty(logits: Tensor, pictures: Tensor) -> Tensor:
    """E ‖∇D(x)‖²: R1 on real pictures, R2 on made ones (Mescheder et al. 2018, eq. 9 and 10; both as in R3GAN).

    logits [n] = D(pictures), pictures [n, …] with gradient. Differentiable once more.
    """
    return _gradients(logits, pictures).square().flatten(1).sum(1).mean()


def one_centred_penalty(discriminate: Callable[[Tensor], Tensor], real: Tensor, made: Tensor) -> Tensor:
    """E (‖∇D(x)‖ - 1)² between real and made pictures (Gulrajani et al. 2017, eq. 3)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(real, made.to(real.dtype), share).detach().requires_grad_()
    return (_gradients(discriminate(between), between).flatten(1).norm(dim=1) - 1).square().mean()


def _gradients(logits: Tensor, pictures: Tensor) -> Tensor:
    (gradients,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gradients.float()
