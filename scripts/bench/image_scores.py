"""The figures of scripts/bench/image.py: one code for our samples and the peer's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from artgen.data.pictures import PictureSet
from artgen.metrics.classes import class_accuracy
from artgen.metrics.distribution import fid, kid, manifold
from artgen.metrics.estimate import Estimate
from artgen.metrics.features import FeatureNetwork
from artgen.metrics.picture_copying import copy_report, held_out_to_calibrate_on
from artgen.metrics.picture_diversity import diversity

HEAD = ("KID", "FID", "precision", "recall", "diversity", "too near (5 % is normal)", "distance ratio", "copies")


@dataclass(frozen=True)
class Judge:
    """Real pictures and a feature network, by which samples are scored."""

    pictures: PictureSet
    network: FeatureNetwork

    @cached_property
    def real(self) -> np.ndarray:
        """All real pictures, those for training first: uint8 [n, height, width, channels]."""
        return np.concatenate([self.pictures.train, self.pictures.validation])

    @cached_property
    def vectors(self) -> Any:
        """Their features."""
        return self.network(self.real)

    def score(self, samples: np.ndarray) -> dict[str, Any]:
        """Against all real pictures; copying against those for training, calibrated on those held out, or where they are few on
        each of those for training against the others."""
        vectors = self.network(samples)
        found = manifold(vectors, self.vectors)
        held_out = held_out_to_calibrate_on(self.pictures.train, self.pictures.validation)
        copying = copy_report(samples, self.pictures.train, held_out)
        figures = {
            "kid": kid(vectors, self.vectors),
            "fid": fid(vectors, self.vectors),
            "precision": found.precision,
            "recall": found.recall,
            "density": found.density,
            "coverage": found.coverage,
            "diversity": diversity(vectors, self.vectors).ratio,
            "copying_share": copying.relative.share,
            "copying_ratio": copying.relative.ratio,
        }
        return {**{name: figure.as_dict() for name, figure in figures.items()}, "copies": len(copying.copies)}

    def kid(self, samples: np.ndarray) -> Estimate:
        return kid(self.network(samples), self.vectors)

    def of_real(self) -> dict[str, Any]:
        """What KID and FID are between two halves of the real pictures."""
        order = np.random.default_rng(0).permutation(len(self.real))
        halves = self.vectors[order[::2]], self.vectors[order[1::2]]
        return {"kid": kid(*halves).as_dict(), "fid": fid(*halves).as_dict()}

    def classes(self, samples: np.ndarray, asked: list[str | None]) -> dict[str, Any]:
        """Share of samples whose nearest real picture, by features, is of the class that was asked for; by chance it is the
        mean over samples of their class' share of the real pictures."""
        numbers = np.array([self.pictures.class_names.index(str(name)) for name in asked])
        labels = np.concatenate([self.pictures.train_labels, self.pictures.validation_labels])
        vectors = self.network(samples)
        found = class_accuracy(vectors, numbers, self.vectors, labels)
        by_class = {name: class_accuracy(vectors[numbers == i], numbers[numbers == i], self.vectors, labels).samples.value
                    for i, name in enumerate(self.pictures.class_names) if (numbers == i).any()}  # fmt: skip
        return {
            "accuracy": found.samples.as_dict(),
            "chance": found.chance,
            "times_chance": found.samples.value / found.chance,
            "real": found.real,
            "by_class": by_class,
        }


def row(facts: dict[str, Any]) -> tuple[str, ...]:
    """The cells of HEAD."""

    def cell(name: str, form: str) -> str:
        figure = facts[name]
        return f"{figure['value']:{form}} ({figure['low']:{form}} to {figure['high']:{form}})"

    return (
        cell("kid", ".4f"),
        cell("fid", ".1f"),
        cell("precision", ".2f"),
        cell("recall", ".2f"),
        cell("diversity", ".2f"),
        cell("copying_share", ".1%"),
        cell("copying_ratio", ".2f"),
        str(facts["copies"]),
    )
