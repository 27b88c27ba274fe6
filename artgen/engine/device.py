"""The `device` section of a config as a Lightning Fabric."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import sys
import warnings
from typing import Any

import torch

from artgen.config import ACCELERATOR, DeviceConfig
from artgen.engine.launch import launched_processes
from artgen.engine.optimizers import cpu_has_fast_bfloat16
from artgen.errors import UsageError, counted


def make_fabric(config: DeviceConfig) -> Any:
    """A Fabric that is ready to launch. Raises UsageError where the asked device is not there."""
    accelerator, index = pick_accelerator(config.accelerator)
    launched = launched_processes()
    if launched:
        devices, nodes = launched
    else:
        devices, nodes = (1 if config.devices == "auto" else config.devices), config.nodes
    _check_devices(accelerator, devices, index)
    several = devices * nodes > 1
    set_threads(config.threads, processes=devices if several else 1)
    if accelerator == "cpu":
        keep_freed_memory()
        torch.set_flush_denormal(True)
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment

    _quieten()  # after the import, which sets the level itself
    return Fabric(
        accelerator="gpu" if accelerator == "cuda" else accelerator,
        devices=[index] if index is not None else devices,
        num_nodes=nodes,
        strategy="ddp" if several else "auto",
        precision=fabric_precision(config.precision, accelerator),
        plugins=None if launched else LightningEnvironment(),  # Fabric would take every SLURM job for several processes
    )


def pick_accelerator(name: str) -> tuple[str, int | None]:
    """(`cpu`, `cuda` or `mps`, device index if one was named), checked to be there."""
    if not re.fullmatch(ACCELERATOR, name):
        raise UsageError(f"device {name}: expected auto, cpu, cuda, cuda:1 or mps")
    kind, _, index = name.partition(":")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        built = "this torch is built for the CPU only" if torch.version.cuda is None else "no NVIDIA GPU is visible"
        raise UsageError(f"device {name}: there is no CUDA here ({built}); use --device cpu or auto (artgen doctor tells more)")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("device mps: there is no Apple GPU here; use --device cpu or auto (artgen doctor tells more)")
    if index and int(index) >= torch.cuda.device_count():
        raise UsageError(f"device {name}: there are {torch.cuda.device_count()} GPUs here, numbered from 0")
    return kind, int(index) if index else None


def torch_device(name: str) -> torch.device:
    """The single device that sampling and evaluation use."""
    kind, index = pick_accelerator(name)
    return torch.device(kind, index) if index is not None else torch.device(kind)


def set_threads(threads: int, processes: int = 1) -> None:
    """Gives this process its share of the cores it may run on, or what OMP_NUM_THREADS says if that is less."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    share = max(1, cores // processes)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        share = min(share, int(asked))
    torch.set_num_threads(threads or share)


def keep_freed_memory() -> None:
    """Makes glibc keep large freed blocks for the next step, for a process that trains on the CPU.

    By default it returns them to the system and takes them back page by page: thousands of page faults a step, about a tenth
    of its time (docs/experiments.md). Does nothing where there is no glibc.
    """
    _mallopt({_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 64 << 20})


def return_freed_memory() -> None:
    """Makes glibc give blocks of a megabyte and more back to the system at once, for work that hardly fits into memory.

    What it keeps otherwise lies in pieces between blocks that are in use: with large pictures as much again as all that is in use.
    """
    _mallopt({_MMAP_THRESHOLD: 1 << 20, _TRIM_THRESHOLD: 1 << 20})


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def _mallopt(settings: dict[int, int]) -> None:
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return
    for option, value in settings.items():
        mallopt(option, value)


def fabric_precision(precision: str, accelerator: str) -> Any:
    """Fabric's name of a precision. auto: bf16 where the hardware multiplies it faster than float32."""
    if precision == "auto":
        fast = {"cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False), "cpu": cpu_has_fast_bfloat16}
        precision = "bf16" if fast.get(accelerator, bool)() else "32"
    return {"32": "32-true", "bf16": "bf16-mixed"}[precision]


def describe_device(fabric: Any) -> str:
    """The device in words, for the start of a run."""
    device = fabric.device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    elif device.type == "mps":
        name = "Apple GPU"
    else:
        name = f"CPU, {counted(torch.get_num_threads(), 'thread')}"
    processes = f", {fabric.world_size} processes" if fabric.world_size > 1 else ""
    precision = {"32-true": "float32", "bf16-mixed": "bfloat16 mixed"}
    return f"{name}{processes}, {precision[fabric._precision.precision]}"


def _check_devices(accelerator: str, devices: int, index: int | None) -> None:
    if devices < 1:
        raise UsageError(f"device.devices: expected a number from 1, or auto (got {devices})")
    if index is not None and devices > 1:
        raise UsageError(f"device.devices: {devices} devices were asked for, but device {accelerator}:{index} names one")
    if accelerator == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(f"device.devices: {devices} GPUs were asked for, {torch.cuda.device_count()} are visible")


def _quieten() -> None:
    """Fabric's notices are for programmers; ours tell a user what it runs on."""
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning_fabric\..*")
