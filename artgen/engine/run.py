"""Run folders: made once, opened often. What is in one stands in docs/design.md."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artgen.config import RunConfig, load_config, to_yaml
from artgen.errors import ArtgenError, UsageError

if TYPE_CHECKING:  # a mistake in a call is told before torch is imported
    from torch import nn

    from artgen.engine.checkpoint import Checkpoint


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def previews(self) -> Path:
        return self.path / "previews"

    @property
    def events(self) -> Path:
        return self.path / "events"

    def holds_run(self) -> bool:
        return self.config.is_file()


def check_new(path: Path) -> None:
    """Raises where a new run cannot be made at `path`, before any work is done. Makes nothing."""
    if RunFolder(path).holds_run():
        raise UsageError(f"{path}: holds a run already; continue it with --resume, or give --out another name")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, --out needs the name of a folder to make")
    if path.is_dir() and any(path.iterdir()):
        raise UsageError(f"{path}: is a folder with other things in it, give --out the name of a new folder")
    parent = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not parent.is_dir():
        raise UsageError(f"{path}: {parent} is a file, not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ArtgenError(f"{path}: cannot be made, {parent} is read-only")


def create(path: Path, config: RunConfig, save_data: Any) -> RunFolder:
    """Makes a run folder: the resolved config and what sampling needs of the data, whole or not at all."""
    check_new(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        run = RunFolder(partial)
        run.data.mkdir(parents=True)
        save_data(run.data)
        run.config.write_text(to_yaml(config), encoding="utf-8")
        if path.is_dir():
            path.rmdir()  # empty, as check_new saw
        partial.rename(path)
    except OSError as error:
        if RunFolder(path).holds_run():
            check_new(path)  # which says so: another process was faster
        reason = "the disk is full" if error.errno == 28 else error.strerror or str(error)
        raise ArtgenError(f"{path}: could not be made: {reason}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return RunFolder(path)


@contextmanager
def held(run: RunFolder) -> Iterator[None]:
    """Keeps other processes from training the same run meanwhile. Raises UsageError where one does.

    The lock is on the folder itself, leaves nothing behind, and ends with the process however that ends. Where a system cannot
    lock a folder there is none.
    """
    try:
        import fcntl

        handle = os.open(run.path, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{run.path}: another process is training this run just now") from None
        except OSError:  # some network file systems
            pass
        yield
    finally:
        os.close(handle)


def open_run(path: Path) -> tuple[RunFolder, RunConfig]:
    """An existing run and its config."""
    run = RunFolder(path)
    if not path.exists():
        raise UsageError(f"{path}: no such run (a run is the folder that `artgen train --out` made)")
    if not run.holds_run():
        raise UsageError(f"{path}: not a run, it has no config.yaml")
    return run, load_config(run.config)


@dataclass
class TrainedModel:
    """A run opened for sampling."""

    run: RunFolder
    config: RunConfig
    family: Any
    networks: dict[str, nn.Module]
    checkpoint: Checkpoint


def open_trained(path: Path, which: str = "best", device: str = "auto") -> TrainedModel:
    """A trained model on one device, in evaluation mode.

    which: `best` (lowest validation loss; the newest where none is marked), `latest`, or a step.
    """
    run, config = open_run(path)  # a mistake in the call is told before torch is imported

    from artgen.engine.checkpoint import unpack_networks
    from artgen.engine.device import set_threads, torch_device
    from artgen.registry import family_class

    target = torch_device(device)
    set_threads(config.device.threads)
    saved = choose_checkpoint(run, which)
    family = family_class(config.family).open(config, run.data)
    networks = family.networks()
    unpack_networks(networks, saved.weights(), saved.folder)
    for network in networks.values():
        network.to(target).eval().requires_grad_(False)
    return TrainedModel(run, config, family, networks, saved)


def choose_checkpoint(run: RunFolder, which: str) -> Checkpoint:
    from artgen.engine import checkpoint as ckpt

    steps = ckpt.list_steps(run.checkpoints)
    if not steps:
        raise ArtgenError(f"{run.path}: has no checkpoint yet; train it further with --resume")
    if which == "best":
        best = ckpt.best_step(run.checkpoints)
        return ckpt.open_checkpoint(run.checkpoints, steps[-1] if best is None else best)
    if which == "latest":
        return ckpt.open_checkpoint(run.checkpoints, steps[-1])
    if not which.isdecimal():
        raise UsageError(f"--checkpoint {which}: expected best, latest or a step such as {steps[-1]}")
    return ckpt.open_checkpoint(run.checkpoints, int(which))
