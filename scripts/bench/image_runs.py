"""Runs of picture families for scripts/bench/image.py: trained within a time, or given; and what they make."""

from __future__ import annotations

import csv
import json
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, artgen, logged, settings
from PIL import Image

CONFIGS = ROOT / "configs" / "image"
PROBE = 24  # steps that the speed is measured by
EMOJI = {"data.channels": "rgba", "data.classes": "true"}
BY_CLASS: dict[str, dict[str, Any]] = {"flow": {"guidance": 4.0, "truncation": 0.85}}  # how a family keeps to a class


@dataclass(frozen=True)
class Run:
    """A trained run."""

    path: Path
    steps: int
    seconds: float
    timed: str  # what the seconds are of

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "path": self.path.name}


@dataclass(frozen=True)
class Runs:
    """Runs by family, minutes and data: those given, those that a call before left in the work folder, or new ones."""

    work: Path
    animals: Path  # a folder of pictures
    emoji: Path  # a folder with labels.tsv and a folder 64
    given: dict[str, Path]  # by name, such as flow-30, vae-10, flow-emoji-30
    sets: dict[str, dict[str, str]]  # what is changed in a family's config, such as {"gan": {"model.width": "16"}}

    def get(self, family: str, minutes: float, emoji: bool = False) -> Run:
        """The run of a family on the animals or the emoji, trained for so many minutes, start of Python included."""
        name = f"{family}{'-emoji' if emoji else ''}-{minutes:g}"
        if name in self.given:
            return given_run(self.given[name])
        facts, path = self.work / f"{name}.json", self.work / name
        if facts.exists():
            known = json.loads(facts.read_text())
            return Run(path, known["steps"], known["seconds"], known["timed"])
        shutil.rmtree(path, ignore_errors=True)  # of a call that was broken off
        call = self._call(family, emoji)
        steps = self._steps_within(60 * minutes, name, call)
        print(f"  training {name}: {steps:,} steps", flush=True)
        seconds = artgen(*call, "--out", path, *settings({"train.steps": steps}))
        run = Run(path, given_run(path).steps, seconds, "the whole command")  # it may have stopped early
        facts.write_text(json.dumps(run.as_dict()))
        return run

    def _call(self, family: str, emoji: bool) -> list[object]:
        data = emoji_by_category(self.emoji, self.work / "emoji") if emoji else self.animals
        changes = {**(EMOJI if emoji else {}), **self.sets.get(family, {})}
        return ["train", CONFIGS / f"{family}.yaml", "--data", data, *settings(changes)]

    def _steps_within(self, seconds: float, name: str, call: Sequence[object]) -> int:
        """How many steps of a call take 97 % of the time, by a probe: start-up, steps, and what validations and previews take.

        The schedule of the learning rate depends on the number of steps, so this is settled before the run.
        """
        from artgen.engine.run import open_trained
        from artgen.image.family import JUDGED, PREVIEWED

        probe = self.work / f"probe-{name}"
        shutil.rmtree(probe, ignore_errors=True)
        wall = artgen(*call, "--out", probe, *settings({"train.steps": PROBE, "train.log_every": 4}))
        trained = open_trained(probe, "latest", "cpu")
        train = trained.config.train
        step = train.batch_size / statistics.median(logged(probe, "pictures_per_second")[1:])
        begun = time.perf_counter()
        trained.family.sample(trained.networks, trained.family.judging, n=8, seed=0)
        picture = (time.perf_counter() - begun) / 8
        step += picture * (JUDGED / train.validate_every + PREVIEWED / train.preview_every)
        shutil.rmtree(probe)
        return max(10, int((0.97 * seconds - (wall - PROBE * step)) / step))


def given_run(path: Path) -> Run:
    """A run that was made before, with the time that its checkpoint says."""
    from artgen.engine.run import choose_checkpoint, open_run

    saved = choose_checkpoint(open_run(path)[0], "latest")
    return Run(path, saved.step, float(saved.state["seconds"]), "training, without the start of Python")


def sample(run: Run, n: int, **changes: Any) -> tuple[np.ndarray, list[str | None], float]:
    """Samples uint8 [n, height, width, channels] of all classes in turn, the class of each, and seconds a picture.

    changes: of the run's sample section.
    """
    from artgen.engine.run import open_trained

    trained = open_trained(run.path, "best", "cpu")
    config: Any = trained.config
    options = config.sample.model_copy(update={"class_name": None, **changes})
    begun = time.perf_counter()
    made = trained.family.sample(trained.networks, options, n=n, seed=1)
    seconds = (time.perf_counter() - begun) / n
    return np.stack([one.work for one in made]), [one.figures.get("class") for one in made], seconds


def projection_error(run: Run, pictures: np.ndarray, steps: int) -> float:
    """Root mean square error, 0 to 1, of pictures [n, height, width, channels] that are projected and rendered again."""
    from artgen.engine.run import open_trained
    from artgen.image.batches import to_signal, to_tensor

    trained = open_trained(run.path, "best", "cpu")
    config: Any = trained.config
    following = {"steps": steps} if "steps" in type(config.sample).model_fields else {}  # a flow goes back as it came
    options = config.sample.model_copy(update=following)
    codes = trained.family.project(trained.networks, to_signal(to_tensor(pictures)), None, options, steps)
    again = trained.family.pixels(trained.networks, codes, None, options)
    return float(np.sqrt(np.square((pictures.astype(np.float64) - again) / 255).mean()))


def emoji_by_category(source: Path, folder: Path) -> Path:
    """A folder with a folder of links for each category of labels.tsv."""
    if folder.exists():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with (source / "labels.tsv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            picture = source / "64" / f"{row['file'].removesuffix('.png')}.png"
            place = partial / row["category"].replace("/", "-")
            place.mkdir(parents=True, exist_ok=True)
            (place / picture.name).symlink_to(picture.resolve())
    partial.rename(folder)
    return folder


def write_training_part(pictures: Any, folder: Path) -> Path:
    """The training part of a PictureSet as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures.train):
        Image.fromarray(np.array(picture)).save(folder / f"{number:05}.png")
    return folder
