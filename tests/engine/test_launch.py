"""What the environment says about processes, as launchers set it."""

from __future__ import annotations

import pytest

from artgen.engine.launch import global_rank, launched_processes

BATCH_SCRIPT = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "poems", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_PROCID": "0"}
STEP = {**BATCH_SCRIPT, "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}

LAUNCHERS = {
    "none": ({}, None, 0),
    "torchrun": ({"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}, (2, 2), 3),
    "torchrun in a batch script": (
        {**BATCH_SCRIPT, "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"},
        (2, 1),
        1,
    ),
    "srun": (STEP, (2, 2), 3),
    "srun of one task in a larger job": ({**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, (1, 1), 3),
    "a batch script without srun": (BATCH_SCRIPT, None, 0),
    "a shell that srun started": ({**STEP, "SLURM_JOB_NAME": "bash", "SLURM_PROCID": "0"}, None, 0),
    "Fabric, for device.devices": ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, None, 1),
}


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_launcher_is_understood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, processes, rank = LAUNCHERS[name]
    for key in {key for other, _, _ in LAUNCHERS.values() for key in other}:
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert launched_processes() == processes
    assert global_rank() == rank
