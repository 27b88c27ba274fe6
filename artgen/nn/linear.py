"""Linear layers, with float32 products from oneDNN where that is much faster than torch's default on a CPU."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Linear(nn.Linear):
    """x Wᵀ + b over the last dimension, an `nn.Linear` in every respect but speed."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., d_in], weight [d_out, d_in], bias [d_out] -> [..., d_out], as F.linear."""
    if not torch.compiler.is_compiling() and _in_training_on_cpu(x, weight) and onednn_is_faster():
        y: Tensor = _OneDNNLinear.apply(x.reshape(-1, x.shape[-1]), weight)
        y = y.view(*x.shape[:-1], -1)
        return y if bias is None else y + bias
    return F.linear(x, weight, bias)


def _in_training_on_cpu(x: Tensor, weight: Tensor) -> bool:
    if not (torch.is_grad_enabled() and x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32):
        return False
    return not torch.is_autocast_enabled("cpu")  # which chooses another precision


@cache
def onednn_is_faster() -> bool:
    """Whether to leave MKL, torch's default for float32 on x86, for oneDNN.

    On AMD's processors MKL keeps to AVX2; oneDNN uses their AVX-512 and takes half the time (docs/experiments.md).
    """
    supported = getattr(torch.cpu, "_is_avx512_supported", None)
    return hasattr(torch.ops.mkldnn, "_linear_pointwise") and bool(supported and supported()) and _is_amd()


def _is_amd() -> bool:
    info = Path("/proc/cpuinfo")
    return "AuthenticAMD" in (info.read_text(errors="replace")[:4096] if info.exists() else platform.processor())


class _OneDNNLinear(torch.autograd.Function):
    """y = x Wᵀ for x [n, d_in] and W [d_out, d_in]; with G the gradient of y: ∂x = G W, ∂W = Gᵀ x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight = ctx.needs_input_grad
        return _product(grad, weight.t()) if needs_x else None, _gradient_of_weight(grad, x) if needs_weight else None


def _gradient_of_weight(grad: Tensor, x: Tensor) -> Tensor:
    """Gᵀ x, or (xᵀ G)ᵀ where that has fewer rows: oneDNN puts the first matrix into another order, which takes its time."""
    if grad.shape[1] <= x.shape[1]:
        return _product(grad.t(), x.t())
    return _product(x.t(), grad.t()).t()


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a bᵀ by oneDNN; a [n, k], b [m, k], in any layout."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return result
