"""Recipes of music through the installed command, made small: learn, break off, go on, write, write again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from artgen.media.midi import midi_bytes, read_midi
from tests.e2e.helpers import artgen
from tests.e2e.test_bad_music import tune

SMALL = ["model.d_model=16", "model.n_layers=1", "model.context=32", "train.batch_size=2", "device.threads=1"]
RECIPES = {
    "lstm": ["model.d_embed=8"],
    "polyphony": ["model.n_heads=2"],
}  # the others learn and write in test_bad_music.py and tests/cli


def call(folder: Path, *arguments: object) -> str:
    done = artgen(*arguments, cwd=folder, env={"ARTGEN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tunes")
    for seed in range(6):
        (folder / f"{seed}.mid").write_bytes(midi_bytes(tune(seed)))
    return folder


@pytest.mark.parametrize("recipe", ["lstm", pytest.param("polyphony", marks=pytest.mark.slow)])
def test_a_recipe_of_music(tmp_path: Path, tunes: Path, recipe: str) -> None:
    settings = [part for each in SMALL + RECIPES[recipe] for part in ("--set", each)]
    train = ("train", f"music/{recipe}", "--data", tunes, *settings)
    call(tmp_path, *train, "--out", "whole", "--set", "train.steps=4", "--set", "train.checkpoint_every=2")
    call(tmp_path, *train, "--out", "broken", "--set", "train.steps=2", "--set", "train.schedule.cooldown=0")
    weights = [path.read_bytes() for path in sorted((tmp_path / "whole/checkpoints/step-00000002").glob("model.*"))]
    assert weights == [path.read_bytes() for path in sorted((tmp_path / "broken/checkpoints/step-00000002").glob("model.*"))]
    call(tmp_path, "train", "broken", "--resume", "--set", "train.steps=4", "--set", "train.schedule.cooldown=0.5")

    made = json.loads(
        call(tmp_path, "sample", "whole", "--bars", 3, "--seed", 1, "-o", "new.mid", "-o", "new.png", "--tempo", 90, "--json")
    )
    assert {Path(name).name for name in made["files"]} == {"new.mid", "new.png"}
    piece = read_midi(tmp_path / "new.mid")
    assert len(piece.notes) and piece.end <= 12 and piece.tempos == ((0.0, 90.0),)
    assert "identical" in call(tmp_path, "reproduce", "new.mid")
