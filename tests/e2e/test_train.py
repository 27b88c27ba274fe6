"""`artgen train` for real: kill and resume, several processes, interruption, what it prints."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from artgen.engine.logbook import read_metrics
from tests.e2e.helpers import ARTGEN, artgen, one_line, small_config


def final_weights(run: Path) -> bytes:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return (newest / "model.safetensors").read_bytes()


@pytest.mark.parametrize("family", ["text.gpt", "text.rnn"])
def test_killed_at_any_moment_and_resumed_ends_with_the_same_bits(tmp_path: Path, family: str) -> None:
    train = {"steps": 60, "batch_size": 8, "validate_every": 20, "checkpoint_every": 5, "preview_every": 60, "log_every": 5}
    config = small_config(tmp_path, family, train=train)
    assert artgen("train", config, "--out", tmp_path / "whole").returncode == 0
    killed = 0
    for attempt in range(12):
        args = ["train", config, "--out", tmp_path / "part", "--resume"]
        env = {**os.environ, "OMP_NUM_THREADS": "2"}  # as `artgen` has: another number of threads rounds otherwise
        process = subprocess.Popen([*ARTGEN, *map(str, args)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        folder = tmp_path / "part" / "checkpoints"
        before = set(folder.glob("step-*")) if folder.exists() else set()
        while process.poll() is None and killed < 3:
            time.sleep(0.005 * (attempt + 1))
            now = set(folder.glob("step-*")) if folder.exists() else set()
            if now - before:
                process.send_signal(signal.SIGKILL)
                killed += 1
                break
        said = process.communicate()[1].decode()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said
    assert killed == 3
    assert final_weights(tmp_path / "part") == final_weights(tmp_path / "whole")
    assert not list((tmp_path / "part" / "checkpoints").glob(".*")), "a killed save left something behind"


def test_interrupted_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    config = small_config(
        tmp_path, train={"steps": 100000, "batch_size": 8, "checkpoint_every": 100000, "validate_every": 100000}
    )
    run = tmp_path / "run"
    process = subprocess.Popen(
        [*ARTGEN, "train", str(config), "--out", str(run)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if len(read_metrics(run / "metrics.jsonl")) > 1:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "saved; continue: artgen train" in out
    assert "Traceback" not in err
    steps = list((run / "checkpoints").glob("step-*"))
    assert len(steps) == 1
    done = int(steps[0].name[5:])
    result = artgen("train", run, "--resume", "--set", f"train.steps={done + 5}", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["step"] == done + 5


@pytest.mark.parametrize(("family", "port"), [("text.gpt", "29631"), ("text.rnn", "29632")])
def test_two_processes_give_the_losses_of_one(tmp_path: Path, family: str, port: str) -> None:
    train = {"steps": 30, "batch_size": 8, "validate_every": 10, "log_every": 1, "accumulate": 1}
    config = small_config(tmp_path, family, train=train)
    assert artgen("train", config, "--out", tmp_path / "one").returncode == 0
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    both = subprocess.run(
        [*torchrun, "-m", "artgen", "train", str(config), "--out", str(tmp_path / "two"), "--device", "cpu"],
        env=env, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert both.returncode == 0, both.stderr
    one, two = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    assert [line["loss"] for line in one] == pytest.approx([line["loss"] for line in two], abs=1e-5)
    assert [x["validation_loss"] for x in one if "validation_loss" in x] == pytest.approx(
        [x["validation_loss"] for x in two if "validation_loss" in x], abs=1e-5
    )
    assert both.stdout.count("trained ") == 1, "every process reported"


def test_it_says_what_it_will_do_and_leaves_a_whole_run_folder(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    result = artgen("train", config, "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    for word in ("learns", "reads", "parameters", "device", "writes", "expects to take about", "preview at step 30"):
        assert word in result.stderr
    assert result.stdout.startswith("trained ")
    run = tmp_path / "run"
    assert {p.name for p in run.iterdir()} == {"config.yaml", "data", "checkpoints", "metrics.jsonl", "previews", "events"}
    lines = read_metrics(run / "metrics.jsonl")
    assert lines[-1]["step"] == 30
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert load_file(next((run / "checkpoints").glob("step-00000030")) / "model.safetensors")
    again = artgen("train", run / "config.yaml", "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    assert final_weights(run) == final_weights(tmp_path / "again"), "the saved config does not re-make the run"


def test_a_run_can_be_moved_and_sampled_without_its_data(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    assert artgen("train", config, "--out", tmp_path / "run").returncode == 0
    shutil.copytree(tmp_path / "run", tmp_path / "elsewhere" / "moved")
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "text.txt").unlink()
    result = artgen("sample", tmp_path / "elsewhere" / "moved", "--seed", 1, "--max-tokens", 50)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout) > 40


def test_processes_that_a_config_asks_for_report_once(tmp_path: Path) -> None:
    config = small_config(tmp_path, device={"accelerator": "cpu", "precision": "32", "devices": 2, "threads": 1})
    both = artgen("train", config, "--out", tmp_path / "run", "--json", cwd=tmp_path)
    assert both.returncode == 0, both.stderr
    assert json.loads(both.stdout)["step"] == 30
    assert "CPU, 1 thread, 2 processes, float32" in both.stderr


def test_a_batch_script_without_srun_is_one_process(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "x", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_PROCID": "0"}
    alone = artgen("train", config, "--out", tmp_path / "run", "--set", "train.steps=3", env=slurm)
    assert alone.returncode == 0, alone.stderr
    assert "processes" not in alone.stderr


def test_a_finished_run_says_how_to_train_it_longer(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    run = tmp_path / "my poems 春"
    assert f"next: artgen sample '{run}'" in artgen("train", config, "--out", run).stdout
    weights = final_weights(run)
    again = artgen("train", run, "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"{run} has its 30 steps already; longer: artgen train '{run}' --resume --set train.steps=60\n"
    assert json.loads(artgen("train", run, "--resume", "--json").stdout)["train_loss"] is None
    assert final_weights(run) == weights
    said = one_line(artgen("train", run, "--resume", "--out", tmp_path / "other"), 2)
    assert "continues" in said
    assert not (tmp_path / "other").exists()


def test_a_run_goes_on_with_its_text_in_another_place_and_with_no_other_text(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    run = tmp_path / "run"
    assert artgen("train", config, "--out", run, "--set", "train.steps=5").returncode == 0
    (tmp_path / "text.txt").rename(tmp_path / "moved.txt")
    assert "text.txt: no such file" in one_line(artgen("train", run, "--resume"), 2)
    longer = ["train", run, "--resume", "--set", "train.steps=8"]
    (tmp_path / "other.txt").write_text("Quite another text. " * 400)
    said = one_line(artgen(*longer, "--data", tmp_path / "other.txt"), 2)
    assert "not the one that the run was begun with" in said
    moved = artgen(*longer, "--data", tmp_path / "moved.txt", "--json")
    assert moved.returncode == 0, moved.stderr
    assert json.loads(moved.stdout)["step"] == 8


def test_a_damaged_newest_checkpoint_is_told_and_passed_over(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    assert artgen("train", config, "--out", tmp_path / "run").returncode == 0
    weights = final_weights(tmp_path / "run")
    (tmp_path / "run/checkpoints/step-00000030/optimizer.safetensors").write_bytes(b"short")
    again = artgen("train", tmp_path / "run", "--resume")
    assert again.returncode == 0, again.stderr
    assert "optimizer.safetensors: damaged, it has 5 bytes" in again.stderr
    assert final_weights(tmp_path / "run") == weights


def test_a_taken_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    assert artgen("train", config, "--out", tmp_path / "run", "--set", "train.steps=5").returncode == 0
    weights = final_weights(tmp_path / "run")
    said = one_line(artgen("train", config, "--out", tmp_path / "run"), 2)
    assert "--resume" in said
    assert "another name" in said
    assert final_weights(tmp_path / "run") == weights
    other = tmp_path / "other"
    other.mkdir()
    (other / "keep.txt").write_text("mine")
    assert "other things in it" in one_line(artgen("train", config, "--out", other), 2)
    said = one_line(artgen("train", tmp_path / "run", "--resume", "--set", "model.d_model=64"), 2)
    assert "model.d_model = 32" in said
