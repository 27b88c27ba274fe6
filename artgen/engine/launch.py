"""What torchrun and SLURM say about this process, read from the environment. Imports no torch."""

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
