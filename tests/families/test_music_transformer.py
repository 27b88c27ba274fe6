"""music.transformer and music.rnn over events: trained on a handful of pieces, opened again, scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from artgen.config import RunConfig, load_config
from artgen.errors import ArtgenError
from artgen.families.base import Share
from artgen.families.music_rnn.events import RNNOverEvents
from artgen.families.music_transformer.config import MusicTransformerConfig
from artgen.families.music_transformer.family import MusicTransformer
from artgen.lm.rnn_config import RNNModelConfig
from artgen.media.midi import write_midi
from artgen.metrics.estimate import Estimate
from artgen.music.config import MusicSampleConfig
from artgen.music.event_batches import NONE
from artgen.music.event_config import EventDataConfig
from artgen.music.event_family import EventFamily
from artgen.music.piece import Part, Piece, make_notes

TWO = (Part("melody", 73), Part("bass", 32))


class EventsConfig(RunConfig):
    family: Literal["music.toy"] = "music.toy"
    data: EventDataConfig = EventDataConfig()
    model: RNNModelConfig = RNNModelConfig()
    sample: MusicSampleConfig = MusicSampleConfig()


def tune(number: int) -> Piece:
    """Scales over a bass that repeats, four bars."""
    step = (1, 2, -1, 3)[number % 4]
    melody = [(i / 2, 0.5, 60 + number + step * (i % 8), 90, 0) for i in range(32)]
    bass = [(2.0 * i, 2.0, 40 + number % 5 + 7 * (i % 2), 70, 1) for i in range(8)]
    return Piece(make_notes(melody + bass), TWO, name=f"tune {number}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pieces").mkdir()
    (tmp_path / "data").mkdir()
    for number in range(10):
        write_midi(tune(number), tmp_path / "pieces" / f"{number}.mid")
    return tmp_path


def prepared(folder: Path, kind: str = "gpt", **data: Any) -> EventFamily[Any]:
    given: dict[str, Any] = {
        "data": {"path": [str(folder / "pieces")], "transpose": [-2, 2], "validation": 0.2, **data},
        "train": {"batch_size": 8, "steps": 60},
    }
    if kind == "gpt":
        given["model"] = {"n_layers": 1, "n_heads": 2, "d_model": 32, "context": 64}
        config: Any = MusicTransformerConfig.model_validate(given)
        return MusicTransformer.prepare(config, folder / "data")  # type: ignore[return-value]
    given["model"] = {"n_layers": 1, "d_model": 48, "cell": "gru", "context": 64}
    return RNNOverEvents.prepare(EventsConfig.model_validate(given), folder / "data")  # type: ignore[return-value]


def held_out(family: EventFamily[Any], networks: Any) -> float:
    with torch.no_grad():
        sums = [family.score(networks, batch) for batch in family.validation(Share())]
    return float(sum(total for total, _ in sums)) / float(sum(count for _, count in sums))


@pytest.mark.parametrize("kind", ["gpt", "rnn"])
def test_it_learns_and_what_was_saved_makes_the_same_pieces(folder: Path, kind: str) -> None:
    family = prepared(folder, kind)
    networks = family.networks()
    uniform = np.log(family.vocabulary.n_vocab)
    assert held_out(family, networks) > 0.85 * uniform
    optimizer = torch.optim.AdamW(networks["model"].parameters(), lr=1e-2)
    for step in range(60):
        optimizer.zero_grad()
        family.loss(networks, family.batch(step, Share()), step).value.backward()
        optimizer.step()
    networks["model"].eval()
    assert held_out(family, networks) < 0.3 * uniform

    family.save_data(folder / "data")
    again = type(family).open(family.config, folder / "data")
    options = MusicSampleConfig(bars=4)
    a, b = (each.sample(networks, options, n=2, seed=3) for each in (family, again))
    for first, second in zip(a, b, strict=True):
        assert np.array_equal(first.work.notes, second.work.notes)
        assert first.figures["bars"] == 4 and first.work.parts == TWO
    assert set(a[0].work.notes["velocity"].tolist()) <= {90, 70}


def test_padding_weighs_nothing_and_every_event_the_same(folder: Path) -> None:
    family = prepared(folder)
    networks = family.networks()
    networks["model"].double()
    batch = family.batch(0, Share())
    padded = batch._replace(
        inputs=torch.nn.functional.pad(batch.inputs[:, :40], (0, 9)),
        targets=torch.nn.functional.pad(batch.targets[:, :40], (0, 9), value=NONE),
        n_scored=8.0 * 40,
    )
    total = 0.0
    with torch.no_grad():
        logits, _ = networks["model"](padded.inputs)
        for row in range(8):
            for at in range(40):
                total -= float(logits[row, at].log_softmax(-1)[padded.targets[row, at]])
        assert float(family.loss(networks, padded, 0).value) == pytest.approx(total / 320, rel=1e-5)


def test_shares_have_the_gradient_of_the_whole(folder: Path) -> None:
    family = prepared(folder)
    networks = family.networks()
    networks["model"].double()

    def gradient(count: int) -> torch.Tensor:
        networks["model"].zero_grad()
        for index in range(count):
            (family.loss(networks, family.batch(5, Share(index, count)), 5).value / count).backward()
        return torch.cat([p.grad.flatten() for p in networks["model"].parameters() if p.grad is not None]).clone()

    assert torch.allclose(gradient(1), gradient(4), atol=1e-6)


@pytest.mark.parametrize("kind", ["gpt", "rnn"])
def test_nats_of_held_out_pieces_against_a_loop(folder: Path, kind: str) -> None:
    family = prepared(folder, kind)
    networks = family.networks()
    networks["model"].eval()
    short = Piece(make_notes([(0, 1, 60, 90, 0), (1, 1, 62, 90, 0), (4, 2, 40, 70, 1)]), TWO)
    events = family.encode(short).astype(np.int64)
    nats = 0.0
    with torch.no_grad():
        for at in range(1, len(events)):
            logits, _ = networks["model"](torch.from_numpy(events[None, :at]))
            nats -= float(logits[0, -1].double().log_softmax(-1)[events[at]])
    figures = {figure.key: figure.value for figure in family.own_figures(networks, [short, short])}
    for key, divisor in (("nats_per_note", 3), ("nats_per_quarter", 8)):
        value = figures[key]
        assert isinstance(value, Estimate)
        assert value.value == pytest.approx(nats / divisor, rel=1e-4)
    assert family.own_figures(networks, []) == []


def test_expressive_timing_is_on_a_fine_grid(folder: Path) -> None:
    family = prepared(folder, steps=None, velocities=8)
    assert family.vocabulary.steps == 48 and len(family.vocabulary.velocities) == 8
    piece = family.sample(family.networks(), MusicSampleConfig(bars=2), n=1, seed=0)[0].work
    assert np.allclose(piece.notes["onset"] * 48, np.round(piece.notes["onset"] * 48))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda facts: facts.update(durations=[3, 2]), "damaged: Value error, durations are not ascending"),
        (lambda facts: facts.update(meters=[[4, 4, -1]]), "damaged: Value error, meters that have no whole number of steps"),
        (lambda facts: facts.update(steps="four"), "damaged: steps: Input should be a valid integer"),
        (
            lambda facts: facts.update(drums=[False]),
            "damaged: Value error, drums, chords and loudness are not of the same parts",
        ),
        (lambda facts: facts.update(drums=[False, True]), "damaged: its parts are not those of music.json"),
        (lambda facts: facts.pop("chords"), "damaged: chords: Field required"),
    ],
)
def test_a_damaged_vocabulary_is_named(folder: Path, change: Any, expected: str) -> None:
    family = prepared(folder)
    family.save_data(folder / "data")
    path = folder / "data/events.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))
    with pytest.raises(ArtgenError) as raised:
        MusicTransformer.open(family.config, folder / "data")
    assert str(raised.value).startswith(f"{path}: {expected}")
    path.unlink()
    with pytest.raises(ArtgenError, match="events.json: missing"):
        MusicTransformer.open(family.config, folder / "data")


def test_the_recipe_can_be_read() -> None:
    config: Any = load_config(Path(__file__).parents[2] / "configs/music/transformer.yaml")
    assert isinstance(config, MusicTransformerConfig)
    assert (config.data.path, config.data.transpose, config.model.context) == (["bach"], (-5, 6), 512)
