"""What the benchmarks share: the machine's name, tables, calls of our command, and results that are saved part by part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"


def machine() -> str:
    """The processor's name, what it multiplies fast, its cores, and torch."""
    from artgen.cli.doctor import processor_name

    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    fast = "".join(f" with {label}" for flag, label in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512 BF16")) if flag in flags)
    return f"{processor_name()}{fast}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}"


def table(rows: list[tuple[str, ...]]) -> None:
    """A Markdown table; the first row is its head."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows[1:]:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def artgen(*args: object, cache: Path | None = None) -> float:
    """Runs a command of ours, its notes thrown away, and gives its wall time in seconds, start of Python included.

    cache: in place of the user's, so that what is made there is part of the time.
    """
    environment = {**os.environ, **({"ARTGEN_CACHE": str(cache)} if cache else {})}
    command = [sys.executable, "-m", "artgen", *map(str, args)]
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"artgen {' '.join(map(str, args))} failed:\n{done.stderr}")
    return time.perf_counter() - begun


def settings(changes: dict[str, Any]) -> list[str]:
    """A mapping as arguments: --set key=value for each."""
    return [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]


def logged(run: Path, key: str) -> list[float]:
    """A figure of all lines of a run's metrics.jsonl that have it."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line[key] for line in lines if key in line]


def run_parts(names: str, parts: dict[str, Callable[[], dict[str, Any]]], results: Path) -> None:
    """Runs the parts named, separated by commas, and writes what each gives into the file of results as soon as it is done."""
    asked = names.split(",")
    if unknown := [name for name in asked if name not in parts]:
        raise SystemExit(f"--only: there is no {unknown[0]!r}, one of: {', '.join(parts)}")
    found: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}
    for name in asked:
        print(f"\n## {name}\n", flush=True)
        found[name] = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), **parts[name]()}
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
