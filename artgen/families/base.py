"""What a model family gives the engine and the command line: its data, networks, phases and samples.

The engine owns devices, precision, optimizers, the loop and the run folder; a family owns what is learned. A family never
moves a tensor to a device and never steps an optimizer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from artgen.config import OptimizerConfig, RunConfig, Section
from artgen.metrics.scorecard import ScoreCard

Networks = Mapping[str, nn.Module]
"""The networks of a family by name, such as {"model": …} or {"generator": …, "discriminator": …}."""


@dataclass
class Loss:
    """What a phase returns: a scalar to minimise, averaged over the batch, and figures to log."""

    value: Tensor
    figures: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """One kind of optimizer step.

    `loss(networks, batch, step)` is minimised over the parameters of the networks named in `trains`, at every `every`-th
    step. A phase without an optimizer of its own takes `train.optimizer`.
    """

    name: str
    trains: tuple[str, ...]
    loss: Callable[[Networks, Any, int], Loss]
    every: int = 1
    optimizer: OptimizerConfig | None = None


@dataclass(frozen=True)
class Share:
    """One equal part of a global batch: part `index` of `count`. Processes and accumulation rounds each take parts."""

    index: int = 0
    count: int = 1


@dataclass
class Sample:
    """One finished work: the thing itself, as its medium writes it, and figures about it."""

    work: Any
    figures: dict[str, Any] = field(default_factory=dict)


C = TypeVar("C", bound=RunConfig)


class Family(ABC, Generic[C]):
    """One kind of model. `prepare` opens it for training, `open` for sampling from a run folder."""

    unit: ClassVar[str] = "examples"  # what the rate of training is counted in
    evaluated: ClassVar[int] = 20  # samples that `evaluate` judges, unless the user names another number
    evaluation_options: ClassVar[tuple[str, ...]] = ()  # what the user may give `evaluate` beside data, samples and seed
    score_name: ClassVar[str] = "held-out loss"  # what `score` gives

    @property
    def units_per_example(self) -> int:
        """How many units one example of a batch holds, such as the tokens of a context."""
        return 1

    def __init__(self, config: C) -> None:
        self.config = config

    @classmethod
    @abstractmethod
    def prepare(cls, config: C, folder: Path) -> Family[C]:
        """Reads the data that the config names. `save_data` later writes what sampling needs into `folder`.

        Raises UsageError where `folder` is of a run that learned from other data: its place may change, its content may not.
        """

    @classmethod
    @abstractmethod
    def open(cls, config: C, folder: Path) -> Family[C]:
        """Reads what sampling needs from a run's data folder; the training data may be gone."""

    @abstractmethod
    def save_data(self, folder: Path) -> None:
        """Writes what sampling needs of the data (vocabulary, normalisation), never the data itself."""

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Freshly initialised networks on the CPU, the same for the same torch seed."""

    # ---- training

    @abstractmethod
    def facts(self) -> list[tuple[str, str]]:
        """What is learned, from how much data: (label, text) pairs printed before training starts."""

    @abstractmethod
    def phases(self) -> list[Phase]: ...

    @abstractmethod
    def batch(self, step: int, share: Share) -> Any:
        """The CPU tensors of one share of the global batch of `step`: a pure function of seed, step and share."""

    @abstractmethod
    def validation(self, share: Share) -> Iterable[Any]:
        """This share of the held-out batches."""

    @abstractmethod
    def score(self, networks: Networks, batch: Any) -> tuple[Tensor, Tensor]:
        """(summed loss, number of scored items) of a held-out batch; lower is better."""

    @abstractmethod
    def preview(self, networks: Networks, step: int, folder: Path) -> str:
        """Makes a small sample, written into `folder` under a name that has the step, and says it in a few words."""

    def carried(self) -> dict[str, Tensor]:
        """State that goes from one training batch to the next: [batch share, …] tensors, saved in checkpoints."""
        return {}

    def carry(self, state: dict[str, Tensor]) -> None:
        """Takes back what `carried` gave."""

    # ---- sampling

    def precision(self, device: torch.device) -> torch.autocast:
        """The arithmetic that the run was trained in, for `with`: bfloat16 where the device is fast at it."""
        from artgen.engine.device import fabric_precision

        mixed = fabric_precision(self.config.device.precision, device.type) == "bf16-mixed"
        return torch.autocast(device.type, torch.bfloat16, enabled=mixed)

    @abstractmethod
    def sample(
        self,
        networks: Networks,
        options: Section,
        n: int,
        seed: int,
        stream: Callable[[int, str], None] | None = None,
    ) -> list[Sample]:
        """`n` samples, the same for the same seed on the same kind of device.

        options: the config's `sample` section with the command line's options laid over it.
        stream: called with (sample number, new text) as the work grows, where the medium can be streamed.
        """

    @abstractmethod
    def evaluate(
        self, networks: Networks, run_data: Path, paths: list[str] | None, n_samples: int, seed: int, *args: Any, **asked: Any
    ) -> ScoreCard:
        """Scores held-out data and `n_samples` samples.

        run_data: the run's data folder. paths: the data to score; None: what the run learned from, or held out of it.
        asked: those of `evaluation_options` that the user gave, by name.
        """


def device_of(networks: Networks) -> torch.device:
    """Where the networks are."""
    return next(next(iter(networks.values())).parameters()).device
