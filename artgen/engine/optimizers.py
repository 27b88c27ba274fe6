"""Optimizers: AdamW as torch has it, and Muon for hidden matrices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from artgen.config import OptimizerConfig


def build_optimizers(
    config: OptimizerConfig, modules: Iterable[nn.Module], full_precision: bool = False
) -> list[torch.optim.Optimizer]:
    """One or two optimizers over all parameters of the modules.

    Matrices (and convolution kernels) are decayed, vectors are not. With `muon`, hidden matrices go to Muon; what a module
    lists in `vocabulary_parameters()` (embeddings, output heads) and all vectors go to AdamW, as its author advises.
    full_precision: Muon orthogonalises in float32 even where bfloat16 is faster.
    """
    modules = list(modules)
    parameters = list({id(p): p for m in modules for p in m.parameters() if p.requires_grad}.values())
    tables = {id(p) for m in modules for sub in m.modules() for p in _tables_of(sub)}
    matrices = [p for p in parameters if p.ndim >= 2]
    vectors = [p for p in parameters if p.ndim < 2]
    hidden = [p for p in matrices if config.name == "muon" and id(p) not in tables]
    chosen = {id(p) for p in hidden}
    rest = [p for p in matrices if id(p) not in chosen]
    groups = [{"params": rest, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    optimizers: list[torch.optim.Optimizer] = []
    if groups:
        # fused: one kernel for all parameters, also on the CPU.
        fused = all(p.device.type in ("cpu", "cuda", "mps") for p in parameters)
        optimizers.append(torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=fused))
    if hidden:
        optimizers.append(Muon(hidden, config.muon_lr, config.momentum, config.weight_decay, full_precision))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def _tables_of(module: nn.Module) -> Iterable[Tensor]:
    if isinstance(module, nn.Embedding):
        yield module.weight
    listed = getattr(module, "vocabulary_parameters", None)
    if callable(listed):
        yield from listed()


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by a Newton-Schulz iteration (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

    For a matrix W [out, in] (further dimensions are flattened into `in`) with gradient G:
        M <- momentum M + (1 - momentum) G,   U = (1 - momentum) G + momentum M   (Nesterov),
        W <- (1 - lr weight_decay) W - lr max(1, out / in)^0.5 orthogonal(U).
    Matrices of one shape are stacked, so that a step is a few batched products instead of hundreds of small ones.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        full_precision: bool = False,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "full_precision": full_precision}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every matrix that has a gradient."""
        for group in self.param_groups:
            matrices = [p for p in group["params"] if p.grad is not None]
            if not matrices:
                continue
            for p in matrices:
                if "momentum" not in self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            grads = [p.grad for p in matrices]
            momenta = [self.state[p]["momentum"] for p in matrices]
            torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
            updates = torch._foreach_lerp(grads, momenta, group["momentum"])
            torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
            by_shape: dict[torch.Size, list[int]] = defaultdict(list)
            for index, p in enumerate(matrices):
                by_shape[p.shape].append(index)
            for shape, indices in by_shape.items():
                stacked = torch.stack([updates[i].flatten(1) for i in indices])
                steps = orthogonalize(stacked, full_precision=group["full_precision"]).to(matrices[indices[0]].dtype)
                scale = max(1.0, stacked.shape[1] / stacked.shape[2]) ** 0.5
                targets = [matrices[i] for i in indices]
                torch._foreach_add_(targets, [s.view(shape) for s in steps.unbind(0)], alpha=-group["lr"] * scale)


def orthogonalize(matrices: Tensor, iterations: int = 5, full_precision: bool = False) -> Tensor:
    """Matrices [n, rows, columns] with their singular values pushed to about 1 (between 0.7 and 1.2).

    The quintic Newton-Schulz iteration X <- aX + (bA + cA²)X with A = XXᵀ and Jordan's coefficients, which is steep at 0
    rather than exact at 1. In bfloat16 where matrix products are fast in it: the iteration tolerates the rounding, but makes
    the last bit of a gradient, which the number of processes changes, felt in the third digit of a step. So not where a run
    asks for float32 (`full_precision`).
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    if not full_precision and _fast_bfloat16(matrices.device):
        x = x.bfloat16()
    for _ in range(iterations):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x if wide else x.mT


def _fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and cpu_has_fast_bfloat16()


def cpu_has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware: Intel AMX, or AVX-512 BF16 (AMD from Zen 4, some Intel).

    There they take a quarter of float32's time or less (docs/experiments.md).
    """
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(supported()) for name in names if (supported := getattr(torch.cpu, name, None)) is not None)


# ---------------------------------------------------------------- saving


def pack(optimizers: list[torch.optim.Optimizer]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Optimizer states as flat tensors (for safetensors) and plain numbers (for JSON)."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for i, optimizer in enumerate(optimizers):
        for j, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                key = f"{i}.{j}.{name}"
                if isinstance(value, Tensor):
                    tensors[key] = value
                else:
                    numbers[key] = value
    return tensors, numbers


def unpack(optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    """Puts what `pack` gave back. Hyperparameters stay as the optimizers have them. Raises ValueError, KeyError or
    IndexError where it is of another layout."""
    states: list[dict[int, dict[str, Any]]] = [defaultdict(dict) for _ in optimizers]
    for key, value in (*tensors.items(), *numbers.items()):
        optimizer_index, parameter_index, name = key.split(".", 2)
        states[int(optimizer_index)][int(parameter_index)][name] = value
    for optimizer, state in zip(optimizers, states, strict=True):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for index, values in state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.ndim and value.shape != parameters[index].shape:
                    raise ValueError(f"{name} is {list(value.shape)}, its parameter {list(parameters[index].shape)}")
                if isinstance(value, Tensor) and value.ndim:  # laid out in memory as the parameter, as the fused step expects
                    values[name] = torch.empty_like(parameters[index], dtype=value.dtype).copy_(value)
        optimizer.load_state_dict({"state": dict(state), "param_groups": optimizer.state_dict()["param_groups"]})
