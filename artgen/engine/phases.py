"""Phases as they run: each with its optimizers, and the means of what they log."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from artgen.config import OptimizerConfig
from artgen.engine.checkpoint import Checkpoint
from artgen.engine.optimizers import build_optimizers, pack, unpack
from artgen.errors import ArtgenError
from artgen.families.base import Family, Phase, Share


class RunningPhase:
    """A phase with its optimizers."""

    def __init__(self, phase: Phase, trained: dict[str, nn.Module], default: OptimizerConfig, fabric: Any) -> None:
        self.phase = phase
        self.modules = [trained[name] for name in phase.trains]
        exact = fabric._precision.precision == "32-true"
        self.plain = build_optimizers(phase.optimizer or default, self.modules, full_precision=exact)
        wrapped = fabric.setup_optimizers(*self.plain)
        self.optimizers = list(wrapped) if isinstance(wrapped, (tuple, list)) else [wrapped]

    def train(
        self,
        family: Family[Any],
        trained: dict[str, nn.Module],
        fabric: Any,
        step: int,
        shares: list[Share],
        factor: float,
        clip: float,
        meter: Meter,
    ) -> None:
        """One optimizer step over all shares of this process. Gradients meet only on the last share's way back.

        Networks that another phase trains are seen as they are, without gradients of their own weights.
        """
        networks = {name: _seen_by_a_loss(net, name in self.phase.trains) for name, net in trained.items()}
        for name, net in trained.items():
            net.requires_grad_(name in self.phase.trains)
        for i, share in enumerate(shares):
            batch = fabric.to_device(family.batch(step, share))
            with ExitStack() as stack:
                if fabric.world_size > 1 and i + 1 < len(shares):
                    for module in self.modules:
                        stack.enter_context(fabric.no_backward_sync(module))
                with fabric.autocast():
                    loss = self.phase.loss(networks, batch, step)
                fabric.backward(loss.value / len(shares) if len(shares) > 1 else loss.value)
            meter.add(self.phase.name, loss.value, loss.figures)
        if clip:
            parameters = [p for o in self.plain for g in o.param_groups for p in g["params"] if p.grad is not None]
            meter.add_norm(self.phase.name, torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def _seen_by_a_loss(network: nn.Module, is_trained: bool) -> nn.Module:
    """The network without Fabric's wrapper, whose outputs no gradient penalty may be taken of.

    What gathers gradients over processes stays around a network that is trained, and would wait in vain around another.
    """
    forward: nn.Module = getattr(network, "_forward_module", network)
    if isinstance(forward, DistributedDataParallel) and not is_trained:
        return cast(nn.Module, forward.module)
    return forward


class Meter:
    """Means of logged figures between two log lines, kept on the device so that a GPU is not waited for."""

    def __init__(self, main: str) -> None:
        """main: the phase whose loss is called `loss`; others carry their phase's name."""
        self.main = main
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.latest = math.nan

    def add(self, phase: str, loss: Tensor, figures: dict[str, Tensor]) -> None:
        """The loss and the figures of one share of a step."""
        self._add("loss" if phase == self.main else f"{phase}/loss", loss)
        for name, value in figures.items():
            self._add(f"{phase}/{name}", value)

    def add_norm(self, phase: str, norm: Tensor) -> None:
        self._add(f"{phase}/gradient_norm", norm)

    def finite(self) -> bool:
        """Whether every loss since the last line was a number."""
        return all(math.isfinite(float(value)) for name, value in self.sums.items() if "loss" in name)

    def average(self, fabric: Any) -> dict[str, float]:
        """The means over steps and processes; the count starts anew."""
        means = {}
        for name, total in self.sums.items():
            mean = total / self.counts[name]
            if fabric.world_size > 1:
                mean = fabric.all_reduce(mean, reduce_op="mean")
            means[name] = float(mean)
        self.latest = means.get("loss", math.nan)
        self.sums, self.counts = {}, {}
        return means

    def _add(self, name: str, value: Tensor) -> None:
        value = value.detach().float()
        self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.counts[name] = self.counts.get(name, 0) + 1


def pack_phases(phases: list[RunningPhase]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of all optimizers as flat tensors and plain numbers, under their phases' names."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for running in phases:
        some, plain = pack(running.plain)
        tensors.update({f"{running.phase.name}.{key}": value for key, value in some.items()})
        numbers.update({f"{running.phase.name}.{key}": value for key, value in plain.items()})
    return tensors, numbers


def restore_phases(phases: list[RunningPhase], saved: Checkpoint) -> None:
    """Puts back what `pack_phases` gave. Raises ArtgenError where the checkpoint is of other optimizers."""
    tensors, numbers = saved.tensors("optimizer"), saved.state.get("optimizer", {})
    for running in phases:
        prefix = f"{running.phase.name}."
        # Copied, because they are mapped from a file that will be removed.
        mine = {key.removeprefix(prefix): value.clone() for key, value in tensors.items() if key.startswith(prefix)}
        plain = {key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)}
        try:
            unpack(running.plain, mine, plain)
        except (KeyError, ValueError, IndexError) as error:
            name = saved.folder / "optimizer.safetensors"
            raise ArtgenError(f"{name}: is not of this config's optimizer ({error}); was train.optimizer changed?") from None
