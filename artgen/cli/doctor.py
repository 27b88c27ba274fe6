"""`artgen doctor`: what this machine can do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import typer

from artgen import __version__
from artgen.cli.common import JsonOption, emit, size

CORE = (
    "torch",
    "lightning-fabric",
    "pydantic",
    "pyyaml",
    "safetensors",
    "tokenizers",
    "numpy",
    "typer",
    "tqdm",
    "tensorboardX",
)


def doctor(as_json: JsonOption = False) -> None:
    """Tell what this machine can do, and what to mend."""
    facts, advice = examine()
    rows = [f"{key:<14}{value}" for key, value in facts.items()]
    rows += [f"! {line}" for line in advice] or ["all is well"]
    emit(as_json, {**facts, "advice": advice}, "\n".join(rows))
    if any(line.startswith("missing") for line in advice):
        raise typer.Exit(1)


def examine() -> tuple[dict[str, Any], list[str]]:
    """(facts, advice)."""
    advice = []
    versions = {}
    for name in CORE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "missing"
            advice.append(f"missing: {name}; pip install {name}")
    affinity = getattr(os, "sched_getaffinity", None)
    facts: dict[str, Any] = {
        "artgen": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        **versions,
        "system": platform.platform(terse=True),
        "processor": f"{processor_name()}, {len(affinity(0)) if affinity else os.cpu_count()} cores",
        "memory": _memory(),
    }
    if versions["torch"] != "missing":
        facts |= _torch_facts(advice)
    facts["compiler"] = next((name for name in ("g++", "clang++", "cl") if shutil.which(name)), "none")
    if facts["compiler"] == "none":
        advice.append("no C++ compiler: device.compile=true will not work on the CPU; all else does")
    from artgen.data.cache import cache_folder

    cache = cache_folder()
    facts["cache"] = f"{cache}, {size(_size_of(cache))}"
    free = shutil.disk_usage(Path.cwd()).free
    facts["free disk"] = size(free)
    if free < 2e9:
        advice.append(f"little free disk here ({size(free)}): checkpoints may not fit")
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    facts["terminal"] = f"{encoding}, {'interactive' if sys.stdout.isatty() else 'not a terminal'}"
    return facts, advice


def _torch_facts(advice: list[str]) -> dict[str, Any]:
    import torch

    from artgen.engine.device import cpu_has_fast_bfloat16

    facts: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "bfloat16": "fast on this CPU" if cpu_has_fast_bfloat16() else "slow on this CPU",
    }
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        facts["cuda"] = ", ".join(f"cuda:{i} {name}" for i, name in enumerate(names))
    else:
        facts["cuda"] = "none" + (" (this torch is built for the CPU only)" if torch.version.cuda is None else "")
        if shutil.which("nvidia-smi") and torch.version.cuda is None:
            advice.append("there is an NVIDIA GPU, but this torch is built for the CPU only: install torch with CUDA")
    facts["mps"] = "yes" if torch.backends.mps.is_available() else "none"
    return facts


def processor_name() -> str:
    """The processor's name as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _memory() -> str:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return "unknown"


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
