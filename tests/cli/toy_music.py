"""A music family whose every note can be told by hand: scales, up or down as a seeded number says, on the run's first part."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from artgen import registry
from artgen.config import RunConfig, to_yaml
from artgen.data.music_config import MusicDataConfig
from artgen.engine.checkpoint import pack_networks, save_checkpoint
from artgen.families.base import Networks, Phase, Share
from artgen.metrics.scorecard import Figure
from artgen.music.config import MusicSampleConfig
from artgen.music.family import MusicFacts, MusicFamily, PartFacts, in_known_parts
from artgen.music.piece import Part, Piece, make_notes, sort_notes

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)
FLUTE, CELLO, VIOLIN = 73, 42, 40


class ToyConfig(RunConfig):
    family: Literal["music.toy"] = "music.toy"
    data: MusicDataConfig = MusicDataConfig()
    sample: MusicSampleConfig = MusicSampleConfig(bars=4)


class ToyMusic(MusicFamily[ToyConfig]):
    """A quarter note on every beat: a scale on the tonic that the network's weight names, in major or minor by chance."""

    def networks(self) -> dict[str, nn.Module]:
        tonic = nn.Linear(1, 1, bias=False)
        nn.init.constant_(tonic.weight, 60.0)
        return {"model": tonic}

    def phases(self) -> list[Phase]:
        return []

    def batch(self, step: int, share: Share) -> Any:
        raise AssertionError("is not trained")

    def validation(self, share: Share) -> Iterable[Any]:
        raise AssertionError("is not trained")

    def score(self, networks: Networks, batch: Any) -> tuple[Tensor, Tensor]:
        raise AssertionError("is not trained")

    def compose(
        self, networks: Networks, options: MusicSampleConfig, numbers: Sequence[int], seed: int, primer: Piece | None
    ) -> list[Piece]:
        assert options.bars is not None
        tonic = round(float(next(networks["model"].parameters()).detach().sum()))
        begun = in_known_parts(primer, self.of) if primer else None
        first = len(begun.bars()) - 1 if begun else 0
        pieces = []
        for number in numbers:
            noise = np.random.default_rng([seed, number])
            scale = (MAJOR, MINOR)[noise.integers(2)]
            length = int((options.bars - first) * self.of.bar)
            steps = (noise.integers(7) + noise.choice([-1, 1]) * np.arange(length)) % 7
            rows = [
                (first * self.of.bar + i, 1.0, tonic + scale[step], 80, part)
                for i, step in enumerate(steps)
                for part in range(len(self.of.parts))
            ]
            if options.temperature == 0:
                rows = []  # silence
            notes = make_notes(rows)
            if begun is not None:
                notes = sort_notes(np.concatenate([begun.notes, notes]))
            pieces.append(Piece(notes, self.of.piece_parts, meters=self.of.meters))
        return pieces

    def own_figures(self, networks: Networks, held_out: Sequence[Piece]) -> list[Figure]:
        notes = sum(len(piece.notes) for piece in held_out)
        return [Figure("toy_notes", "notes held out", notes, "notes", "")]


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `music.toy` a family that the command line finds."""
    for part, attribute, value in (("config", "CONFIG", ToyConfig), ("family", "FAMILY", ToyMusic)):
        module = types.ModuleType(f"artgen.families.music_toy.{part}")
        setattr(module, attribute, value)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    names = [*registry.family_names(), "music.toy"]
    monkeypatch.setattr("artgen.registry.family_names", lambda: names)


def make_run(
    folder: Path, programs: Sequence[int] = (FLUTE,), data: Path | None = None, **sample: Any
) -> tuple[ToyMusic, dict[str, nn.Module]]:
    """A run folder with one checkpoint; returns the family and its networks. data: what it learned from, if that is there."""
    described: dict[str, Any] = {"device": {"accelerator": "cpu", "precision": "32", "threads": 1}}
    if data is not None:
        described["data"] = {"path": [str(data)]}
    config = ToyConfig.model_validate({**described, "sample": {"bars": 4, **sample}})
    if data is not None:
        family: Any = ToyMusic.prepare(config, folder / "data")
    else:
        parts = tuple(PartFacts(name=f"part {i}", program=p, is_drum=False, number=0) for i, p in enumerate(programs))
        family = ToyMusic(config, MusicFacts(fingerprint="0" * 64, parts=parts, tempo=96.0, beats=4, unit=4, keys=()))
    (folder / "data").mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(config))
    family.save_data(folder / "data")
    torch.manual_seed(0)
    networks = family.networks()
    save_checkpoint(folder / "checkpoints", 7, {"model": pack_networks(networks)}, {})
    return family, networks


def melody(pitches: Sequence[int], program: int = FLUTE, drums: bool = False, **facts: Any) -> Piece:
    """Quarter notes, one after another."""
    notes = make_notes([(float(i), 1.0, pitch, 80, 0) for i, pitch in enumerate(pitches)])
    return replace(Piece(notes, (Part("", program, drums),)), **facts)
