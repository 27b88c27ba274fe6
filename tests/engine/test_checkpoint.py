"""Checkpoints: whole or not at all, and every kind of damage named."""

from __future__ import annotations

import errno
import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from artgen.engine import checkpoint as ckpt
from artgen.errors import ArtgenError, UsageError


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight


def saved(folder: Path, step: int = 3) -> ckpt.Checkpoint:
    torch.manual_seed(step)
    return ckpt.save_checkpoint(folder, step, {"model": ckpt.pack_networks({"net": Tied()})}, {"validation_loss": 1.5})


def test_tied_weights_are_saved_once_and_come_back(tmp_path: Path) -> None:
    net = Tied()
    folder = ckpt.save_checkpoint(tmp_path, 1, {"model": ckpt.pack_networks({"net": net})}, {}).folder
    other = Tied()
    opened = ckpt.open_checkpoint(tmp_path, 1)
    assert list(opened.tensors("model")) == ["net.embed.weight"]
    ckpt.unpack_networks({"net": other}, opened.tensors("model"), folder)
    assert torch.equal(other.head.weight, net.embed.weight)
    assert other.head.weight is other.embed.weight
    assert opened.tensors("ema") == {}


def test_truncated_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    file = saved(tmp_path).folder / "model.safetensors"
    saved(tmp_path, 2)
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with pytest.raises(ArtgenError, match=r"model.safetensors: damaged, it has \d+ bytes .*--checkpoint 2"):
        ckpt.open_checkpoint(tmp_path, 3).tensors("model")
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ArtgenError, match="SHA-256"):
        ckpt.open_checkpoint(tmp_path, 3).tensors("model")
    file.unlink()
    with pytest.raises(ArtgenError, match="missing"):
        ckpt.open_checkpoint(tmp_path, 3).tensors("model")
    (file.parent / "state.json").write_text("{")
    with pytest.raises(ArtgenError, match=r"state.json: damaged"):
        ckpt.open_checkpoint(tmp_path, 3)
    (file.parent / "state.json").write_text(json.dumps({"format": 99, "files": {}}))
    with pytest.raises(ArtgenError, match="format 1"):
        ckpt.open_checkpoint(tmp_path, 3)
    with pytest.raises(UsageError, match="saved steps: 2, 3"):
        ckpt.open_checkpoint(tmp_path, 7)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(str(tmp_path / "sprung")),))  # type: ignore[return-value]

    opened = saved(tmp_path)
    file = opened.folder / "model.safetensors"
    file.write_bytes(pickle.dumps(Trap()))
    state = json.loads((opened.folder / "state.json").read_text())
    state["files"][file.name] = {"bytes": file.stat().st_size, "sha256": ckpt.sha256_of(file)}
    (opened.folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(ArtgenError, match=r"model.safetensors: cannot be read"):
        ckpt.open_checkpoint(tmp_path, 3).tensors("model")
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_model_are_named(tmp_path: Path) -> None:
    tensors = saved(tmp_path).tensors("model")
    with pytest.raises(ArtgenError, match="no tensor 'net.weight'"):
        ckpt.unpack_networks({"net": nn.Linear(4, 5)}, tensors, tmp_path)
    with pytest.raises(ArtgenError, match=r"\[5, 4\], this model's is \[7, 4\]"):
        ckpt.unpack_networks({"net": nn.ModuleDict({"embed": nn.Embedding(7, 4)})}, tensors, tmp_path)
    with pytest.raises(ArtgenError, match="that this model has not"):
        ckpt.unpack_networks({}, tensors, tmp_path)


def test_a_full_disk_leaves_nothing_half_written_and_names_the_last_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path, 2)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ckpt, "save_file", full)
    with pytest.raises(ArtgenError, match=r"the disk is full; the last good checkpoint is .*step-00000002"):
        saved(tmp_path, 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002"]


def test_pruning_keeps_the_newest_and_the_best_and_clears_leftovers(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        saved(tmp_path, step)
    (tmp_path / ".step-00000009.77.partial").mkdir()
    ckpt.prune(tmp_path, keep=2, best=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000001", "step-00000003", "step-00000004"]
