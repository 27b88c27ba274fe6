"""Methods of style transfer whose every answer can be computed by hand."""

from __future__ import annotations

import os
import signal
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from artgen import registry
from artgen.config import PositiveInt, RunConfig, Section, to_yaml
from artgen.engine.checkpoint import pack_networks, save_checkpoint
from artgen.style.job import StyleJob, Watch
from artgen.style.methods import METHODS, Method

SEEN: list[StyleJob] = []  # the jobs that the methods were given
SIZE = 48


class ToyOptions(Section):
    rounds: PositiveInt = 4
    lift: float = 0.0  # added to all
    stop_at: int | None = None  # the process gets a SIGINT in this round
    fall_apart: bool = False


def mean_style(job: StyleJob, options: ToyOptions, watch: Watch) -> Tensor:
    """Each pixel goes from the content's colour to the mean of the styles' mean colours by `strength`."""
    SEEN.append(job)
    colour = sum(
        (style.pixels.mean(dim=(1, 2), keepdim=True) * weight for style, weight in zip(job.styles, job.weights, strict=True)),
        torch.zeros(3, 1, 1),
    )
    goal = job.content.lerp(colour.expand_as(job.content), job.strength) + options.lift
    noise = torch.rand(goal.shape, generator=torch.Generator().manual_seed(job.seed)) / 50
    rounds = job.steps or options.rounds
    if options.fall_apart:
        return goal * float("nan")
    for done in range(1, rounds + 1):
        if options.stop_at == done:
            os.kill(os.getpid(), signal.SIGINT)
        share = done / rounds
        watch(done, rounds, lambda share=share: job.content.lerp(goal, share))
    return goal + noise


@dataclass
class ToyNetwork:
    name: str
    sha256: str
    value: float


def lookup(job: StyleJob, network: ToyNetwork, options: ToyOptions, watch: Watch) -> Tensor:
    """A method that needs a network: all pixels are its value."""
    return job.content * 0 + network.value


class ToyStyleConfig(RunConfig):
    family: Literal["style.toy"] = "style.toy"
    data: Section = Section()
    sample: ToyOptions = ToyOptions()


class ToyStyle:
    """As much of a family as `artgen style-transfer` asks of one."""

    def __init__(self, config: ToyStyleConfig) -> None:
        self.config = config

    @classmethod
    def open(cls, config: ToyStyleConfig, folder: Path) -> ToyStyle:
        return cls(config)

    def networks(self) -> dict[str, nn.Module]:
        torch.manual_seed(self.config.seed)
        return {"model": nn.Linear(1, 3)}

    def stylize(self, networks: dict[str, nn.Module], job: StyleJob, options: ToyOptions, watch: Watch) -> Tensor:
        SEEN.append(job)
        bias: Any = networks["model"].bias
        return job.content * 0 + torch.sigmoid(bias).view(3, 1, 1) + options.lift


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `mean` the default method, `lookup` one that needs weights, and `style.toy` a family."""
    SEEN.clear()
    here = "tests.cli.toy_style"
    toys = {
        "mean": Method(f"{here}:ToyOptions", f"{here}:mean_style"),
        "lookup": Method(f"{here}:ToyOptions", f"{here}:lookup", needs_weights=True),
    }
    for name in list(METHODS):
        monkeypatch.delitem(METHODS, name)
    for name, method in toys.items():
        monkeypatch.setitem(METHODS, name, method)
    monkeypatch.setattr("artgen.cli.style_plan.DEFAULT", "mean")
    for part, attribute, value in (("config", "CONFIG", ToyStyleConfig), ("family", "FAMILY", ToyStyle)):
        module = types.ModuleType(f"artgen.families.style_toy.{part}")
        setattr(module, attribute, value)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    names = [*registry.family_names(), "style.toy"]
    monkeypatch.setattr("artgen.registry.family_names", lambda: names)


def make_run(folder: Path, seed: int = 0) -> Tensor:
    """A run folder of `style.toy`; returns the colour that its network makes everything."""
    config = ToyStyleConfig.model_validate({"seed": seed, "device": {"accelerator": "cpu", "precision": "32", "threads": 1}})
    (folder / "data").mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(config))
    networks = ToyStyle(config).networks()
    save_checkpoint(folder / "checkpoints", 3, {"model": pack_networks(networks)}, {})
    bias: Any = networks["model"].bias
    return torch.sigmoid(bias.detach())


def photo(path: Path, width: int = SIZE, height: int = SIZE, seed: int = 0, mode: str = "RGB") -> np.ndarray:
    """Writes soft noise as a picture, and returns its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(mode)
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, channels), dtype=np.uint8)
    image = Image.fromarray(small.squeeze()).resize((width, height), Image.Resampling.BICUBIC)
    image.save(path)
    return np.asarray(image)


def plain(path: Path, colour: tuple[int, ...], width: int = SIZE, height: int = SIZE) -> Path:
    """Writes one colour as a picture: grey, RGB or RGBA by how many numbers it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new({1: "L", 3: "RGB", 4: "RGBA"}[len(colour)], (width, height), colour if len(colour) > 1 else colour[0]).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def settle(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The toys, and in the folder, which becomes the working one, c.png and red.png."""
    install(monkeypatch)
    monkeypatch.chdir(folder)
    photo(Path("c.png"))
    plain(Path("red.png"), (200, 40, 20))
