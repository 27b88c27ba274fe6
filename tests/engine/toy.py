"""A family small enough to train in milliseconds: a linear map learned from a fixed random one, in two phases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from artgen.config import RunConfig, Section
from artgen.families.base import Family, Loss, Networks, Phase, Sample, Share
from artgen.metrics.scorecard import ScoreCard


class ToyConfig(RunConfig):
    family: Literal["toy"] = "toy"


class Toy(Family[ToyConfig]):
    def __init__(self, config: ToyConfig, nan_at: int | None = None) -> None:
        super().__init__(config)
        self.nan_at = nan_at
        self.target = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
        self.memory: Tensor | None = None
        self.seen: list[tuple[int, int]] = []

    @classmethod
    def prepare(cls, config: ToyConfig, folder: Path) -> Toy:
        return cls(config)

    @classmethod
    def open(cls, config: ToyConfig, folder: Path) -> Toy:
        return cls(config)

    def save_data(self, folder: Path) -> None:
        (folder / "toy.json").write_text("{}")

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        return {"model": nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 6)), "other": nn.Linear(4, 1)}

    def facts(self) -> list[tuple[str, str]]:
        return [("learns", "a linear map")]

    def phases(self) -> list[Phase]:
        return [Phase("map", ("model",), self.loss), Phase("rare", ("other",), self.rare, every=3)]

    def batch(self, step: int, share: Share) -> Tensor:
        rows = torch.randn(self.config.train.batch_size, 4, generator=torch.Generator().manual_seed(step))
        size = len(rows) // share.count
        return rows[share.index * size : (share.index + 1) * size]

    def loss(self, networks: Networks, batch: Tensor, step: int) -> Loss:
        self.seen.append((step, len(batch)))
        carried = self.memory if self.memory is not None else torch.zeros(len(batch), 1)
        self.memory = (0.5 * carried + batch.mean(1, keepdim=True)).detach()
        error = (networks["model"](batch + 0.1 * carried) - batch @ self.target.T).square().mean()
        return Loss(error * (float("nan") if step == self.nan_at else 1.0), {"twice": 2 * error.detach()})

    def rare(self, networks: Networks, batch: Tensor, step: int) -> Loss:
        return Loss((networks["other"](batch) - 1).square().mean())

    def carried(self) -> dict[str, Tensor]:
        return {} if self.memory is None else {"memory": self.memory}

    def carry(self, state: dict[str, Tensor]) -> None:
        self.memory = state.get("memory")

    def validation(self, share: Share) -> Iterable[Tensor]:
        return [torch.randn(16, 4, generator=torch.Generator().manual_seed(10**6))]

    def score(self, networks: Networks, batch: Tensor) -> tuple[Tensor, Tensor]:
        errors = (networks["model"](batch) - batch @ self.target.T).square().mean(1)
        return errors.sum(), torch.tensor(len(batch))

    def preview(self, networks: Networks, step: int, folder: Path) -> str:
        (folder / f"{step}.txt").write_text("x")
        return f"preview {step}"

    def sample(
        self,
        networks: Networks,
        options: Section,
        n: int,
        seed: int,
        stream: Callable[[int, str], None] | None = None,
    ) -> list[Sample]:
        return [Sample("x") for _ in range(n)]

    def evaluate(
        self, networks: Networks, run_data: Path, paths: list[str] | None, n_samples: int, seed: int, stride: int | None = None
    ) -> ScoreCard:
        return ScoreCard("toy")


def toy_config(**train: Any) -> ToyConfig:
    settings = {
        "steps": 12,
        "batch_size": 8,
        "validate_every": 5,
        "checkpoint_every": 4,
        "preview_every": 6,
        "log_every": 2,
        **train,
    }
    return ToyConfig.model_validate({"train": settings, "device": {"accelerator": "cpu", "precision": "32"}})
