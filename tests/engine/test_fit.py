"""The loop: phases, resuming, averaging, best checkpoints, broken losses."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from artgen.engine import checkpoint as ckpt
from artgen.engine import run as runs
from artgen.engine.device import make_fabric
from artgen.engine.fit import Fitted, NotFinite, fit
from artgen.engine.logbook import read_metrics
from artgen.engine.phases import Meter
from artgen.errors import ArtgenError, UsageError
from artgen.families.base import Loss, Networks, Phase
from tests.engine.toy import Toy, ToyConfig, toy_config


def train(path: Path, config: ToyConfig, stop_after: int | None = None, nan_at: int | None = None) -> tuple[Fitted, Toy]:
    family = Toy(config, nan_at)
    run = runs.RunFolder(path) if path.exists() else runs.create(path, config, family.save_data)
    if stop_after is not None:
        _stop_at(family, stop_after)
    fabric = make_fabric(config.device)
    fabric.launch()
    networks = family.networks()
    fitted = fit(family, networks, run, config, fabric, quiet=True)
    return fitted, family


def _stop_at(family: Toy, step: int) -> None:
    """Raises SIGTERM in this process when the loss of `step` is asked for."""
    import signal

    plain = family.loss

    def loss(networks, batch, now):  # type: ignore[no-untyped-def]
        if now == step:
            signal.raise_signal(signal.SIGTERM)
        return plain(networks, batch, now)

    family.loss = loss  # type: ignore[method-assign]


def last_weights(path: Path) -> dict[str, torch.Tensor]:
    found = ckpt.newest_readable(path / "checkpoints")
    assert found is not None
    return {**found.tensors("model"), **{f"ema.{k}": v for k, v in found.tensors("ema").items()}, **found.tensors("optimizer")}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("stop", [0, 3, 5, 10])
def test_a_run_stopped_and_resumed_ends_with_the_same_bits(tmp_path: Path, optimizer: str, stop: int) -> None:
    config = toy_config(optimizer={"name": optimizer}, ema=0.9, accumulate=2)
    whole, _ = train(tmp_path / "whole", config)
    part, _ = train(tmp_path / "part", config, stop_after=stop)
    assert part.interrupted and part.step == stop + 1
    resumed, _ = train(tmp_path / "part", config)
    assert resumed.step == whole.step == 12
    assert resumed.interrupted is None
    assert same(last_weights(tmp_path / "whole"), last_weights(tmp_path / "part"))
    ends = [read_metrics(tmp_path / name / "metrics.jsonl")[-1]["validation_loss"] for name in ("whole", "part")]
    assert ends[0] == ends[1]


def test_losing_the_newest_checkpoint_still_gives_the_same_weights(tmp_path: Path) -> None:
    config = toy_config(keep=5)
    train(tmp_path / "run", config)
    expected = last_weights(tmp_path / "run")
    for step in (12, 10, 8):
        shutil.rmtree(tmp_path / "run/checkpoints" / f"step-{step:08d}", ignore_errors=True)
    train(tmp_path / "run", config)
    assert same(expected, last_weights(tmp_path / "run"))
    steps = [line["step"] for line in read_metrics(tmp_path / "run/metrics.jsonl")]
    assert steps == sorted(set(steps)), "a line was written twice"


def test_accumulation_gives_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    def losses(name: str, rounds: int) -> list[float]:
        config = toy_config(accumulate=rounds, optimizer={"name": "adamw"})
        family = Toy(config)
        family.networks = lambda: {"model": torch.nn.Linear(4, 6), "other": torch.nn.Linear(4, 1)}  # type: ignore[method-assign]
        family.carried = lambda: {}  # type: ignore[method-assign]
        plain = family.loss

        def forgetful(networks, batch, step):  # type: ignore[no-untyped-def]
            family.memory = None
            return plain(networks, batch, step)

        family.loss = forgetful  # type: ignore[method-assign]
        torch.manual_seed(3)
        networks = family.networks()
        run = runs.create(tmp_path / name, config, family.save_data)
        fabric = make_fabric(config.device)
        fit(family, networks, run, config, fabric, quiet=True)
        return [line["loss"] for line in read_metrics(run.metrics) if "loss" in line]

    assert losses("one", 1) == pytest.approx(losses("four", 4), rel=1e-5)


def test_phases_run_when_they_are_due(tmp_path: Path) -> None:
    fitted, family = train(tmp_path / "run", toy_config(log_every=1))
    assert fitted.step == 12
    rare = [line["step"] for line in read_metrics(tmp_path / "run/metrics.jsonl") if "rare/loss" in line]
    assert rare == [1, 4, 7, 10]  # steps 0, 3, 6, 9 counted as finished
    assert [step for step, _ in family.seen] == list(range(12))


def test_the_best_checkpoint_is_kept_and_marked(tmp_path: Path) -> None:
    config = toy_config(steps=40, validate_every=3, checkpoint_every=7, keep=1)
    fitted, _ = train(tmp_path / "run", config)
    folder = tmp_path / "run/checkpoints"
    scores = {
        line["step"]: line["validation_loss"]
        for line in read_metrics(tmp_path / "run/metrics.jsonl")
        if "validation_loss" in line
    }
    best = min(scores, key=scores.__getitem__)
    assert fitted.best_step == best == ckpt.best_step(folder)
    assert set(ckpt.list_steps(folder)) == {best, 40}
    assert json.loads((folder / "best.json").read_text())["validation_loss"] == scores[best]
    assert runs.choose_checkpoint(runs.RunFolder(tmp_path / "run"), "best").step == best
    assert runs.choose_checkpoint(runs.RunFolder(tmp_path / "run"), "latest").step == 40
    with pytest.raises(UsageError, match="saved steps"):
        runs.choose_checkpoint(runs.RunFolder(tmp_path / "run"), "39")


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NotFinite, match=r"step 10; the last good checkpoint is .*step-00000008"):
        train(tmp_path / "run", toy_config(), nan_at=9)
    assert all(torch.isfinite(t).all() for t in last_weights(tmp_path / "run").values())


def test_the_first_phase_s_loss_is_the_loss_also_where_another_logs_first() -> None:
    meter = Meter("rare")
    fabric = make_fabric(toy_config().device)
    meter.add("often", torch.tensor(2.0), {})
    assert meter.average(fabric) == {"often/loss": 2.0}
    for loss in (1.0, 3.0):
        meter.add("often", torch.tensor(loss), {"size": torch.tensor(5.0)})
    meter.add("rare", torch.tensor(7.0), {})
    assert meter.average(fabric) == {"often/loss": 2.0, "often/size": 5.0, "loss": 7.0}
    assert meter.latest == 7.0


def test_averaged_weights_follow_their_formula(tmp_path: Path) -> None:
    train(tmp_path / "run", toy_config(steps=1, ema=0.9, batch_size=8))
    saved = ckpt.newest_readable(tmp_path / "run/checkpoints")
    assert saved is not None
    start = {f"model.{k}": v for k, v in Toy(toy_config()).networks()["model"].state_dict().items()}
    for key, begun in start.items():
        expected = 0.1 * begun + 0.9 * saved.tensors("model")[key]  # decay (1 + 0) / (10 + 0) at the first step
        torch.testing.assert_close(saved.tensors("ema")[key], expected)


def test_a_batch_that_does_not_divide_is_refused_with_one_that_does() -> None:
    from artgen.engine.fit import check_batch

    with pytest.raises(UsageError, match="10 cannot be divided evenly among 1 process x 3 accumulation rounds; 9 can"):
        check_batch(toy_config(batch_size=10, accumulate=3), 1)


def test_learning_rates_in_the_log_follow_the_schedule(tmp_path: Path) -> None:
    schedule = {"name": "cosine", "warmup": 4, "floor": 0.1}
    config = toy_config(log_every=1, schedule=schedule, optimizer={"name": "adamw", "lr": 0.5})
    train(tmp_path / "run", config)
    for line in read_metrics(tmp_path / "run/metrics.jsonl"):
        step = line["step"] - 1
        factor = (step + 1) / 4 if step < 4 else 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - 4) / 8))
        assert line["lr"] == pytest.approx(0.5 * factor)


@pytest.mark.parametrize(("before", "after"), [("muon", "adamw"), ("adamw", "muon")])
def test_another_optimizer_than_the_checkpoint_s_is_told(tmp_path: Path, before: str, after: str) -> None:
    train(tmp_path / "run", toy_config(optimizer={"name": before}), stop_after=4)
    with pytest.raises(ArtgenError, match="was train.optimizer changed"):
        train(tmp_path / "run", toy_config(optimizer={"name": after}))


def damage(path: Path, step: int, file: str = "model.safetensors") -> None:
    damaged = path / f"checkpoints/step-{step:08d}" / file
    damaged.write_bytes(damaged.read_bytes()[:-9])


def test_a_damaged_checkpoint_is_named_and_an_older_one_gives_the_same_weights(tmp_path: Path) -> None:
    config = toy_config(keep=3)
    train(tmp_path / "run", config)
    expected = {key: value.clone() for key, value in last_weights(tmp_path / "run").items()}  # they are mapped from the file
    newest = ckpt.list_steps(tmp_path / "run/checkpoints")
    damage(tmp_path / "run", newest[-1], "optimizer.safetensors")
    damage(tmp_path / "run", newest[-2], "state.json")
    heard: list[str] = []
    found = ckpt.newest_readable(tmp_path / "run/checkpoints", heard.append)
    assert found and found.step == newest[-3]
    assert [f"step-{step:08d}" in text for step, text in zip(reversed(newest), heard, strict=False)] == [True, True]
    resumed, _ = train(tmp_path / "run", config)
    assert resumed.step == 12
    assert same(expected, last_weights(tmp_path / "run"))


def test_a_damaged_checkpoint_never_pushes_out_a_whole_one(tmp_path: Path) -> None:
    train(tmp_path / "run", toy_config(keep=2, validate_every=100))
    damage(tmp_path / "run", 12)
    train(tmp_path / "run", toy_config(keep=1, validate_every=100, checkpoint_every=1), stop_after=8)
    saved = ckpt.newest_readable(tmp_path / "run/checkpoints")
    assert saved and saved.step == 9


def test_where_every_checkpoint_is_damaged_nothing_is_begun_anew(tmp_path: Path) -> None:
    train(tmp_path / "run", toy_config())
    for step in ckpt.list_steps(tmp_path / "run/checkpoints"):
        damage(tmp_path / "run", step)
    with pytest.raises(ArtgenError, match=r"step-00000012.*damaged.*no other checkpoint of this run is whole"):
        train(tmp_path / "run", toy_config())


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
    """The loss of the last step is that of the weights before it, and finite."""
    config = toy_config(steps=8, optimizer={"name": "adamw", "lr": 1e38, "weight_decay": 1e30}, schedule={"warmup": 0}, clip=0)
    config = config.model_copy(update={"train": config.train.model_copy(update={"steps": 1})})
    with pytest.raises(NotFinite, match="step 1; nothing was saved before"):
        train(tmp_path / "run", config)
    assert ckpt.list_steps(tmp_path / "run/checkpoints") == []


def test_a_kill_between_a_save_and_its_mark_is_mended(tmp_path: Path) -> None:
    train(tmp_path / "run", toy_config())
    mark = tmp_path / "run/checkpoints/best.json"
    marked = mark.read_text()
    mark.unlink()
    train(tmp_path / "run", toy_config())
    assert mark.read_text() == marked


def test_a_run_that_has_its_steps_is_left_as_it_is(tmp_path: Path) -> None:
    train(tmp_path / "run", toy_config())
    for steps in (12, 6):
        again, family = train(tmp_path / "run", toy_config(steps=steps))
        assert (again.step, again.train_loss, family.seen) == (12, None, [])
        assert again.checkpoint.is_dir()


def test_what_was_carried_in_a_batch_of_another_size_is_dropped(tmp_path: Path) -> None:
    train(tmp_path / "run", toy_config(), stop_after=4)
    resumed, _ = train(tmp_path / "run", toy_config(batch_size=4))
    assert resumed.step == 12


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    run = runs.create(tmp_path / "run", toy_config(), Toy(toy_config()).save_data)
    with runs.held(run), pytest.raises(UsageError, match="another process is training this run"), runs.held(run):
        pass
    with runs.held(run):
        assert sorted(p.name for p in run.path.iterdir()) == ["config.yaml", "data"]


class _Pair(Toy):
    """Two phases, the second of which goes through the network of the first."""

    def rare(self, networks: Networks, batch: torch.Tensor, step: int) -> Loss:
        through = networks["model"](batch).square().mean()
        return Loss((networks["other"](batch) - 1).square().mean() * (1 + through))

    def phases(self) -> list[Phase]:
        return [Phase("map", ("model",), self.loss), Phase("pair", ("other",), self.rare)]


def test_a_phase_leaves_no_gradient_in_what_it_does_not_train(tmp_path: Path) -> None:
    """Else the next step of the first phase would carry gradients of the second."""
    config = toy_config(steps=4, clip=0)
    weights = []
    for kind in (Toy, _Pair):
        family = kind(config)
        run = runs.create(tmp_path / kind.__name__, config, family.save_data)
        fabric = make_fabric(config.device)
        fabric.launch()
        networks = family.networks()
        fit(family, networks, run, config, fabric, quiet=True)
        weights.append({key: value.clone() for key, value in networks["model"].state_dict().items()})
    assert same(weights[0], weights[1])


def test_patience_ends_a_training_that_gets_no_better(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    config = toy_config(steps=40, validate_every=2, patience=3)
    config.train.optimizer.lr = config.train.optimizer.muon_lr = 1e-12
    family = Toy(config)
    scores = iter([5.0, 4.0, 4.5, 4.4, 4.3, 1.0])
    family.score = lambda networks, batch: (torch.tensor(next(scores)), torch.tensor(1.0))  # type: ignore[method-assign]
    run = runs.create(tmp_path / "run", config, family.save_data)
    fabric = make_fabric(config.device)
    fabric.launch()
    fitted = fit(family, family.networks(), run, config, fabric, lambda label, text: said.append((label, text)), quiet=True)
    assert (fitted.step, fitted.best_step, fitted.interrupted) == (10, 4, None)
    assert ("stops", "no better than at step 4 for 3 validations") in said
    assert {4, 10} <= set(ckpt.list_steps(run.checkpoints))


def test_optimizer_states_come_back_in_the_layout_of_their_weights() -> None:
    """The fused step reads memory in order, so a state in another layout would be the state of other weights."""
    from artgen.config import OptimizerConfig
    from artgen.engine.optimizers import build_optimizers, pack, unpack

    def fresh() -> tuple[torch.nn.Module, list[torch.optim.Optimizer]]:
        torch.manual_seed(0)
        net = torch.nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return net, build_optimizers(OptimizerConfig(name="adamw"), [net])

    def step(net: torch.nn.Module, optimizers: list[torch.optim.Optimizer], seed: int) -> None:
        net(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    net, optimizers = fresh()
    step(net, optimizers, 1)
    tensors, numbers = pack(optimizers)
    saved = {key: value.clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}
    again, others = fresh()
    again.load_state_dict(net.state_dict())
    unpack(others, saved, numbers)
    step(net, optimizers, 2)
    step(again, others, 2)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
