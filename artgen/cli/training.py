"""The work behind `artgen train`: config, data, device, run folder and loop brought together."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from artgen.cli.making import next_call
from artgen.config import RunConfig, load_config, to_yaml
from artgen.engine import run as runs
from artgen.errors import UsageError
from artgen.files import atomic_write
from artgen.recipes import find_recipe

Say = Callable[[str], None]


@dataclass
class TrainReport:
    """What a training came to."""

    run: str
    step: int
    steps: int
    seconds: float
    train_loss: float | None
    validation_loss: float | None
    best_step: int | None
    checkpoint: str
    parameters: int
    signal: int | None = None
    score_name: str = "held-out loss"  # what validation_loss is
    next_call: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        from artgen.engine.progress import duration

        run = shlex.quote(self.run)
        if self.signal:
            return f"stopped at step {self.step:,} of {self.steps:,} and saved; continue: artgen train {run} --resume"
        if self.train_loss is None:
            more = f"artgen train {run} --resume --set train.steps={2 * self.step}"
            return f"{self.run} has its {self.step:,} steps already; longer: {more}"
        held_out = "" if self.validation_loss is None else f", {self.score_name} {self.validation_loss:.4f}"
        best = f" (best at step {self.best_step:,})" if self.best_step not in (None, self.step) else ""
        return f"trained {self.run} in {duration(self.seconds)}{held_out}{best}; next: {self.next_call}"


def start_training(
    config_name: str, overrides: list[str], extra: dict[str, Any], out: Path | None, resume: bool, say: Say
) -> TrainReport:
    """Checks everything that can be checked, makes or opens the run folder, and trains."""
    path, config, run = _plan(config_name, overrides, extra, out, resume)

    # Only now torch: a mistake above is told in a tenth of a second.
    from artgen.engine.device import describe_device, make_fabric
    from artgen.engine.fit import check_batch, fit
    from artgen.registry import family_class

    fabric = make_fabric(config.device)
    fabric.launch()
    main = fabric.is_global_zero
    check_batch(config, fabric.world_size)
    # One process reads (and caches) the data first, the others then find it ready.
    with fabric.rank_zero_first():
        family = family_class(config.family).prepare(config, path / "data")
    networks = family.networks()
    parameters = sum(p.numel() for network in networks.values() for p in network.parameters())
    if main:
        for label, text in family.facts():
            say(f"{label:<9}{text}")
        say(f"{'model':<9}{config.family}, {parameters:,} parameters")
        say(f"{'device':<9}{describe_device(fabric)}")
        say(f"{'writes':<9}{path}")
        if run is None:
            runs.create(path, config, family.save_data)
    fabric.barrier()
    run = runs.RunFolder(path)
    begun = time.monotonic()
    with runs.held(run) if main else nullcontext():
        _keep_changed_config(run, config, main)
        fitted = fit(family, networks, run, config, fabric, announce=lambda label, text: say(f"{label:<9}{text}"))
    return TrainReport(
        run=str(path),
        step=fitted.step,
        steps=config.train.steps,
        seconds=round(time.monotonic() - begun, 3),
        train_loss=fitted.train_loss,
        validation_loss=fitted.validation_loss,
        best_step=fitted.best_step,
        checkpoint=str(fitted.checkpoint),
        parameters=parameters,
        signal=fitted.interrupted,
        score_name=family.score_name,
        next_call=next_call(config, shlex.quote(str(path))),
    )


def _plan(
    config_name: str, overrides: list[str], extra: dict[str, Any], out: Path | None, resume: bool
) -> tuple[Path, RunConfig, runs.RunFolder | None]:
    """(run folder, config, the run if it is continued). Raises UsageError before any work is done."""
    given = Path(config_name)
    if runs.RunFolder(given).holds_run():
        if not resume:
            raise UsageError(f"{given}: is a run; add --resume to continue it, or name a config to begin another")
        if out is not None and out.resolve() != given.resolve():
            raise UsageError(f"--out {out}: --resume continues {given} in its own place; leave --out away")
        config = load_config(runs.RunFolder(given).config, overrides, extra)
        run = runs.RunFolder(given)
        _check_same(run, config)
        return given, config, run
    recipe = find_recipe(config_name)
    config = load_config(recipe, overrides, extra)
    path = out or _free_name(recipe.stem, resume)
    run = runs.RunFolder(path)
    if resume and run.holds_run():
        _check_same(run, config)
        return path, config, run
    if resume and path.exists() and any(path.iterdir()):
        raise UsageError(f"{path}: is not a run, so --resume cannot continue it")
    runs.check_new(path)
    return path, config, None


def _free_name(stem: str, resume: bool) -> Path:
    """runs/<stem>, or runs/<stem>-2 and so on where that is taken."""
    from artgen.engine.launch import launched_processes

    path, number = Path("runs") / stem, 1
    if launched_processes():
        return path  # several processes must choose the same name
    while path.exists() and not resume:
        number += 1
        path = Path("runs") / f"{stem}-{number}"
    return path


def _check_same(run: runs.RunFolder, config: RunConfig) -> None:
    """A continued run keeps its family, seed, data and model; training, device and sampling settings may change.

    The data may lie elsewhere by now: whether they are the same is for the family to find out, when it reads them.
    """
    before = load_config(run.config)
    for section in ("family", "seed", "data", "model"):
        old, new = getattr(before, section, None), getattr(config, section, None)
        if section == "data" and old is not None and new is not None and hasattr(new, "path"):
            old = old.model_copy(update={"path": new.path})
        if old != new:
            key, was, now = _first_difference(section, old, new)
            raise UsageError(f"{run.path}: was begun with {key} = {was!r}, this call says {now!r}; a continued run keeps it")


def _first_difference(name: str, old: Any, new: Any) -> tuple[str, Any, Any]:
    if type(old) is type(new) and hasattr(old, "model_fields_set"):
        for field in type(old).model_fields:
            if getattr(old, field) != getattr(new, field):
                return _first_difference(f"{name}.{field}", getattr(old, field), getattr(new, field))
    return name, old, new


def _keep_changed_config(run: runs.RunFolder, config: RunConfig, main: bool) -> None:
    if main and run.config.read_text(encoding="utf-8") != to_yaml(config):
        atomic_write(run.config, to_yaml(config), force=True)


def describe_run(path: Path) -> dict[str, Any]:
    """What a run folder holds, for `artgen show`."""
    from artgen.engine.checkpoint import best_step, list_steps
    from artgen.engine.logbook import read_metrics

    run, config = runs.open_run(path)
    scores = [line for line in read_metrics(run.metrics) if "validation_loss" in line]
    return {
        "run": str(path),
        "family": config.family,
        "steps": f"{(list_steps(run.checkpoints) or [0])[-1]} of {config.train.steps}",
        "checkpoints": ", ".join(map(str, list_steps(run.checkpoints))) or "none",
        "best step": best_step(run.checkpoints),
        "held-out loss": min((line["validation_loss"] for line in scores), default=None),
        "config": config.model_dump(mode="json"),
    }
