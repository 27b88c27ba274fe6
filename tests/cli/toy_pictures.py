"""A picture family whose every answer can be computed by hand: pictures are a linear map of four numbers."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from artgen import registry
from artgen.config import RunConfig, to_yaml
from artgen.data.picture_config import PictureDataConfig
from artgen.data.pictures import PictureSet, load_pictures
from artgen.engine.checkpoint import pack_networks, save_checkpoint
from artgen.families.base import Networks, Phase
from artgen.image.batches import to_signal, to_tensor
from artgen.image.config import FlowSampleConfig, PictureSampleConfig
from artgen.image.family import PictureFacts, PictureFamily
from tests.metrics.drawn import shapes

SIZE = 32


class ToyConfig(RunConfig):
    family: Literal["image.toy"] = "image.toy"
    data: PictureDataConfig = PictureDataConfig(size=SIZE)
    sample: PictureSampleConfig = PictureSampleConfig(batch=4)


class ToyPictures(PictureFamily[ToyConfig]):
    """Can do everything."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (4,)

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        channels, height, width = self.shape
        return {
            "map": nn.Linear(4, channels * height * width),
            "classes": nn.Embedding(max(1, self.n_classes), channels * height * width),
        }

    def phases(self) -> list[Phase]:
        return []

    def render(self, networks: Networks, codes: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        made: Tensor = networks["map"](codes)
        if labels is not None:
            made = made + networks["classes"](labels)
        return made.view(-1, *self.shape)

    def project(
        self,
        networks: Networks,
        pictures: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        steps: int,
        advance: Callable[[int], object] | None = None,
    ) -> Tensor:
        linear: Any = networks["map"]
        target = pictures.flatten(1) - linear.bias - (0 if labels is None else networks["classes"](labels))
        if advance:
            for _ in range(steps):
                advance(1)
        return torch.linalg.lstsq(linear.weight, target.T).solution.T

    def directions(self, networks: Networks, n: int) -> Tensor:
        return torch.eye(4)[:n]

    def paint(
        self,
        networks: Networks,
        pictures: Tensor,
        masks: Tensor,
        labels: Tensor | None,
        options: PictureSampleConfig,
        seed: int,
    ) -> Tensor:
        """Noise everywhere, also where it should not paint: what may change is for the command to see to."""
        assert masks.shape == (len(pictures), 1, *pictures.shape[2:]) and masks.dtype == torch.bool
        return torch.randn(pictures.shape, generator=torch.Generator().manual_seed(seed))

    def vary(
        self,
        networks: Networks,
        pictures: Tensor,
        strength: float,
        labels: Tensor | None,
        options: PictureSampleConfig,
        seed: int,
    ) -> Tensor:
        noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(seed))
        return torch.lerp(pictures, noise, strength)


class UnableConfig(ToyConfig):
    family: Literal["image.unable"] = "image.unable"  # type: ignore[assignment]
    sample: FlowSampleConfig = FlowSampleConfig()


class Unable(PictureFamily[UnableConfig]):
    """Can do nothing but sample."""

    latent_shape = ToyPictures.latent_shape  # type: ignore[assignment]
    networks = ToyPictures.networks  # type: ignore[assignment]
    phases = ToyPictures.phases  # type: ignore[assignment]
    render = ToyPictures.render  # type: ignore[assignment]


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `image.toy` and `image.unable` families that the command line finds."""
    for name, config, family in (("image_toy", ToyConfig, ToyPictures), ("image_unable", UnableConfig, Unable)):
        for part, attribute, value in (("config", "CONFIG", config), ("family", "FAMILY", family)):
            module = types.ModuleType(f"artgen.families.{name}.{part}")
            setattr(module, attribute, value)
            monkeypatch.setitem(sys.modules, module.__name__, module)
    names = [*registry.family_names(), "image.toy", "image.unable"]
    monkeypatch.setattr("artgen.registry.family_names", lambda: names)


def make_run(
    folder: Path,
    channels: str = "rgb",
    classes: tuple[str, ...] = (),
    able: bool = True,
    sample: dict[str, Any] | None = None,
    **data: Any,
) -> tuple[ToyPictures, dict[str, nn.Module]]:
    """A run folder with one checkpoint; returns the family and its networks."""
    kind, schema = (ToyPictures, ToyConfig) if able else (Unable, UnableConfig)
    described = {"size": SIZE, "channels": channels, "classes": bool(classes), **data}
    device = {"accelerator": "cpu", "precision": "32", "threads": 1}
    section = {"sample": {"batch": 4, **sample}} if sample else {}
    config = schema.model_validate({"data": described, "device": device, **section})
    n_channels = {"grey": 1, "rgb": 3, "rgba": 4}[channels]
    family: Any = kind(config, PictureFacts(size=SIZE, n_channels=n_channels, class_names=classes, fingerprint="0" * 64))
    (folder / "data").mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(config))
    family.save_data(folder / "data")
    networks = family.networks()
    save_checkpoint(folder / "checkpoints", 7, {"model": pack_networks(networks)}, {})
    return family, networks


def pixels(path: Path) -> np.ndarray:
    """A picture file as [height, width(, channels)]."""
    with Image.open(path) as image:
        return np.array(image)


def write(path: Path, values: Any, mode: str | None = None) -> Path:
    """An array as a picture file."""
    image = Image.fromarray(np.asarray(values, dtype=np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


# ---------------------------------------------------------------- a run that copies


class Copying(NamedTuple):
    """An opened run whose samples are training pictures for about every third latent, and new pictures for the others."""

    family: Any
    networks: dict[str, nn.Module]
    own: PictureSet


def make_copying_run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    classes: bool = False,
    sample: dict[str, Any] | None = None,
    always: bool = False,
) -> Copying:
    """Makes `folder`/run, which learned from `folder`/own. always: every sample is a copy."""
    pictures = shapes(32, SIZE)
    for number, picture in enumerate(pictures):
        place = folder / "own" / (("even", "odd")[number % 2] if classes else "")
        place.mkdir(parents=True, exist_ok=True)
        write(place / f"{number:02}.png", picture)
    path = [str((folder / "own").resolve())]
    names = ("even", "odd") if classes else ()
    family, networks = make_run(folder / "run", classes=names, sample=sample, path=path)
    own = load_pictures(family.config.data)
    family.of = family.of.model_copy(update={"fingerprint": own.fingerprint})
    (folder / "run/data/pictures.json").unlink()
    family.save_data(folder / "run/data")
    originals = to_signal(to_tensor(np.array(own.train))).contiguous()
    new = ToyPictures.render

    def render(self: Any, networks: Networks, codes: Tensor, labels: Tensor | None, options: PictureSampleConfig) -> Tensor:
        made = new(self, networks, codes, labels, options)
        which = (codes[:, 1] * 1000).long() % len(originals)
        copied = (codes[:, 0] > 0.5) | always
        return torch.where(copied[:, None, None, None], originals[which], made)

    monkeypatch.setattr(ToyPictures, "render", render)
    return Copying(family, networks, own)
