"""What the environment says to this process, and what it must say to torch before torch is imported. Imports no torch."""

from __future__ import annotations

import os


def launched_processes() -> tuple[int, int] | None:
    """(processes on each node, nodes) where torchrun or SLURM started this process as one of several, else None."""
    env = os.environ
    if "LOCAL_WORLD_SIZE" in env and "WORLD_SIZE" in env:
        local = int(env["LOCAL_WORLD_SIZE"])
        return local, max(1, int(env["WORLD_SIZE"]) // local)
    if "SLURM_PROCID" in env and env.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes = int(env.get("SLURM_NNODES", 1))
        tasks = int(env.get("SLURM_NTASKS", nodes))
        return max(1, tasks // nodes), nodes
    return None


def global_rank() -> int:
    """This process's number among those of the run, known before any of them talk."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0)) or 0)


def share_cores_politely() -> None:
    """Has OpenMP's threads wait briefly for each other, then sleep. Call it before torch is imported.

    By default they spin for milliseconds on the core that a thread they wait for may need: where another program runs, a
    training was up to thirty times slower. So short a wait costs nothing where none runs (docs/experiments.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
