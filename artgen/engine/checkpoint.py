"""Checkpoints: folders of safetensors and JSON that appear whole or not at all.

checkpoints/step-00002000/model.safetensors       weights, "network.parameter"
                          ema.safetensors         averaged weights, where the run keeps them
                          optimizer.safetensors   moments, "phase.optimizer.parameter.name"
                          carried.safetensors     what goes from batch to batch, where the family carries something
                          state.json              step, figures, and size and SHA-256 of every other file
checkpoints/best.json                             which step had the lowest validation loss
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from artgen.errors import ArtgenError, UsageError
from artgen.files import sha256_of

FORMAT = 1
STATE = "state.json"


@dataclass
class Checkpoint:
    """One saved step, opened: the folder and its state.json. Tensors are read when asked for."""

    folder: Path
    step: int
    state: dict[str, Any] = field(repr=False)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of one file ("model", "ema", "optimizer", "carried"), its hash checked; {} if it was not saved."""
        file = f"{name}.safetensors"
        if file not in self.state["files"]:
            return {}
        path = self._checked(file)
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise ArtgenError(f"{path}: cannot be read: {_reason(error)}{self._advice()}") from None

    def check(self) -> None:
        """Raises ArtgenError that names the first file that is not as it was saved."""
        for file in self.state["files"]:
            self._checked(file)

    def weights(self) -> dict[str, Tensor]:
        """The weights that sampling uses: averaged where the run averages, else as trained."""
        return self.tensors("ema") or self.tensors("model")

    def weights_sha256(self) -> str:
        """The hash that names these weights in recipes."""
        files = self.state["files"]
        return str(files.get("ema.safetensors", files.get("model.safetensors"))["sha256"])

    def _checked(self, file: str) -> Path:
        """The path of a file, its size and hash compared with those it was saved with."""
        path, facts = self.folder / file, self.state["files"][file]
        try:
            size = path.stat().st_size
            if size != facts["bytes"]:
                raise ArtgenError(
                    f"{path}: damaged, it has {size:,} bytes and was saved with {facts['bytes']:,}{self._advice()}"
                )
            if sha256_of(path) != facts["sha256"]:
                raise ArtgenError(f"{path}: damaged, its SHA-256 is not the one it was saved with{self._advice()}")
        except FileNotFoundError:
            raise ArtgenError(f"{path}: missing{self._advice()}") from None
        except OSError as error:
            raise ArtgenError(f"{path}: cannot be read: {_reason(error)}{self._advice()}") from None
        return path

    def _advice(self) -> str:
        return _advice(self.folder.parent, self.step)


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Checkpoint:
    """Writes `folder`/step-… under a temporary name, then renames it. Raises ArtgenError where the disk refuses."""
    final = folder / f"step-{step:08d}"
    partial = folder / f".step-{step:08d}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        files = {}
        for name, group in tensors.items():
            if not group:
                continue
            path = partial / f"{name}.safetensors"
            save_file({key: t.detach().cpu().contiguous() for key, t in group.items()}, path)
            _sync(path)
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        complete = {"format": FORMAT, "step": step, **state, "files": files}
        write_json(partial / STATE, complete)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        last = list_steps(folder)
        kept = f"; the last good checkpoint is {folder / f'step-{last[-1]:08d}'}" if last else ""
        raise ArtgenError(f"{final}: could not be saved: {_reason(error)}{kept}") from None
    return Checkpoint(final, step, complete)


def open_checkpoint(folder: Path, step: int) -> Checkpoint:
    """The checkpoint of `step` in a run's checkpoints folder. Raises ArtgenError where it is missing or damaged."""
    path = folder / f"step-{step:08d}"
    if not path.is_dir():
        steps = list_steps(folder)
        there = "saved steps: " + ", ".join(map(str, steps)) if steps else "nothing was saved yet"
        raise UsageError(f"{path}: no such checkpoint ({there})")
    advice = _advice(folder, step)
    try:
        state = read_json(path / STATE)
    except ArtgenError as error:
        raise ArtgenError(f"{error}{advice}") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT or not _has_facts(state.get("files")):
        raise ArtgenError(f"{path / STATE}: not a checkpoint that this artgen can read (expected format {FORMAT}){advice}")
    if state.get("step") != step:
        raise ArtgenError(f"{path / STATE}: damaged, it says step {state.get('step')!r} in the folder of step {step}{advice}")
    return Checkpoint(path, step, state)


def _has_facts(files: Any) -> bool:
    """Whether size and hash of every file are there."""
    return isinstance(files, dict) and all(isinstance(f, dict) and {"bytes", "sha256"} <= f.keys() for f in files.values())


def _advice(folder: Path, step: int) -> str:
    """Which other checkpoint there is."""
    others = [other for other in list_steps(folder) if other != step]
    return f"; --checkpoint {others[-1]} names another one of this run" if others else ""


def list_steps(folder: Path) -> list[int]:
    """The steps that a run saved, oldest first."""
    if not folder.is_dir():
        return []
    names = [p.name for p in folder.iterdir() if p.is_dir() and p.name.startswith("step-")]
    return sorted(int(name[5:]) for name in names if name[5:].isdigit())


def newest_readable(folder: Path, say: Callable[[str], None] = lambda text: None) -> Checkpoint | None:
    """The newest checkpoint that is whole, None if there is none at all. `say` hears of every one that is not.

    A run ends with the same weights from any of its checkpoints, so a damaged one costs time and nothing else. Raises
    ArtgenError where all are damaged.
    """
    first = ""
    for step in reversed(list_steps(folder)):
        try:
            saved = open_checkpoint(folder, step)
            saved.check()
            return saved
        except ArtgenError as error:
            what = str(error).partition("; --checkpoint")[0]
            say(f"{what}; an older checkpoint is looked for")
            first = first or what
    if first:
        raise ArtgenError(f"{first}; no other checkpoint of this run is whole; without {folder} it would begin anew")
    return None


def mark_best(folder: Path, step: int | None, loss: float | None) -> None:
    """Notes which step had the lowest validation loss, if one had."""
    if step is not None:
        write_json(folder / "best.json", {"step": step, "validation_loss": loss})


def best_step(folder: Path) -> int | None:
    """The step with the lowest validation loss, if one is marked and still there."""
    path = folder / "best.json"
    if not path.exists():
        return None
    best = read_json(path)
    step = best.get("step") if isinstance(best, dict) else None
    return step if step in list_steps(folder) else None


def prune(folder: Path, keep: int, best: int | None, newest: int | None = None) -> None:
    """Removes all but the newest `keep` checkpoints and the best one, and leftovers of killed saves.

    newest: the step that was saved just now. One beyond it is damaged, or the run would have gone on from there: it does not
    count, and will be written anew.
    """
    steps = [step for step in list_steps(folder) if newest is None or step <= newest]
    for step in steps[:-keep]:
        if step != best:
            shutil.rmtree(folder / f"step-{step:08d}", ignore_errors=True)
    for leftover in folder.glob(".step-*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)


# ---------------------------------------------------------------- networks


def pack_networks(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All weights and buffers as "network.parameter". A tensor with two names (tied weights) is kept under the first."""
    packed: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name, network in networks.items():
        for key, tensor in network.state_dict().items():
            identity = (tensor.data_ptr(), tensor.shape)
            if tensor.numel() and identity in seen:
                continue
            seen.add(identity)
            packed[f"{name}.{key}"] = tensor
    return packed


def unpack_networks(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], where: Path) -> None:
    """Puts saved weights into networks. Raises ArtgenError that names the first tensor that does not fit."""
    wanted = pack_networks(networks)
    for key, target in wanted.items():
        if key not in tensors:
            raise ArtgenError(f"{where}: has no tensor {key!r}, so it is not of this model")
        if tensors[key].shape != target.shape:
            have, want = list(tensors[key].shape), list(target.shape)
            raise ArtgenError(f"{where}: tensor {key!r} is {have}, this model's is {want}; was config.yaml changed?")
    extra = [key for key in tensors if key not in wanted]
    if extra:
        raise ArtgenError(f"{where}: has a tensor {extra[0]!r} that this model has not; was config.yaml changed?")
    with torch.no_grad():
        for key, target in wanted.items():
            target.copy_(tensors[key])


# ---------------------------------------------------------------- files


def write_json(path: Path, value: Any) -> None:
    """Writes JSON under a temporary name and renames it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _sync(partial)
    partial.replace(path)


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtgenError(f"{path}: missing") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ArtgenError(f"{path}: damaged: {_reason(error)}") from None


def _sync(path: Path) -> None:
    """Asks the disk to keep what was written, so that a rename never outlives its content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    if "No space left" in text:
        return "the disk is full"
    return text.splitlines()[0] if text else type(error).__name__
