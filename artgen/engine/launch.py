"""What the environment says to this process, and what it must say to torch before torch is imported. Imports no torch."""

from __future__ import annotations

import os


def launched_processes() -> tuple[int, int] | None:
    """(processes on each node, nodes) where torchrun or srun started this process as one of several, else None.

    A batch script that calls artgen without srun is one process, however many tasks its job may start: only a job step has
    SLURM_STEP_NUM_TASKS.
    """
    env = os.environ
    if "LOCAL_WORLD_SIZE" in env and "WORLD_SIZE" in env:
        local = int(env["LOCAL_WORLD_SIZE"])
        return local, max(1, int(env["WORLD_SIZE"]) // local)
    if launched_by_srun():
        nodes = int(env.get("SLURM_STEP_NUM_NODES", 1))
        return max(1, int(env["SLURM_STEP_NUM_TASKS"]) // nodes), nodes
    return None


def launched_by_srun() -> bool:
    """Whether this process is a task of a job step, and no command in a shell that srun started."""
    env = os.environ
    return {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"} <= env.keys() and env.get("SLURM_JOB_NAME") not in ("bash", "interactive")


def global_rank() -> int:
    """This process's number among those of the run, known before any of them talk.

    Those that Fabric starts for `device.devices` know their LOCAL_RANK only; the first one has none.
    """
    number = os.environ.get("RANK") or (os.environ.get("SLURM_PROCID") if launched_by_srun() else os.environ.get("LOCAL_RANK"))
    return int(number or 0)


def share_cores_politely() -> None:
    """Has OpenMP's threads wait briefly for each other, then sleep. Call it before torch is imported.

    By default they spin for milliseconds on the core that a thread they wait for may need: where another program runs, a
    training was up to thirty times slower. So short a wait costs nothing where none runs (docs/experiments.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
