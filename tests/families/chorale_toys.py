"""Small pieces in four voices, and a family that learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from artgen.config import validate
from artgen.families.music_chorale.config import MusicChoraleConfig
from artgen.families.music_chorale.family import MusicChorale
from artgen.media.midi import midi_bytes
from artgen.music.chorales import from_voices
from artgen.music.piece import Piece

SMALL: dict[str, Any] = {"d_model": 32, "n_layers": 2, "n_heads": 2, "context": 32, "dropout": 0.0}


def hymn(seed: int, beats: int = 12) -> Piece:
    """Triads in quarter notes under a random soprano: the alto a third, the tenor a fifth and the bass two octaves below it.

    Every fourth chord is struck twice.
    """
    rng = np.random.default_rng(seed)
    soprano = rng.choice([67, 69, 71, 72, 74], beats)
    chords = soprano[:, None] - np.array([0, 4, 7, 24])
    pitches = np.repeat(chords, 4, axis=0)
    holds = np.ones(pitches.shape, dtype=bool)
    holds[::4] = False
    holds[14::16] = False
    return from_voices(pitches, 4, holds=holds, name=f"hymn {seed}")


def folder_of(folder: Path, count: int = 12, beats: int = 12) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        (folder / f"{seed:02}.mid").write_bytes(midi_bytes(hymn(seed, beats)))
    return folder


def configure(path: Path, data: dict[str, Any] | None = None, train: dict[str, Any] | None = None, **model: Any) -> Any:
    raw = {
        "data": {"path": [str(path)], "transpose": [-2, 3], **(data or {})},
        "model": {**SMALL, **model},
        "sample": {"bars": 4, "sweeps": 6},
        "train": {"batch_size": 8, **(train or {})},
        "device": {"precision": "32", "accelerator": "cpu", "threads": 1},
    }
    return validate(MusicChoraleConfig, raw, where="chorales.yaml")


def prepared(folder: Path, data: dict[str, Any] | None = None, **model: Any) -> MusicChorale:
    family = MusicChorale.prepare(configure(folder_of(folder / "hymns"), data, **model), folder / "data")
    assert isinstance(family, MusicChorale)
    return family
