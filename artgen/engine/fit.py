"""The training loop. It knows phases, not families: for each due phase, loss, backward, clip, step; then average, log,
validate, preview, save."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artgen.config import RunConfig
from artgen.engine import checkpoint as ckpt
from artgen.engine.ema import EMA
from artgen.engine.logbook import Logbook
from artgen.engine.phases import Meter, RunningPhase, pack_phases, restore_phases
from artgen.engine.progress import Progress, duration
from artgen.engine.run import RunFolder
from artgen.engine.schedule import learning_rate_factor
from artgen.engine.signals import catch_signals
from artgen.errors import ArtgenError, UsageError, counted
from artgen.families.base import Family, Networks, Share


@dataclass
class Fitted:
    """How a training ended."""

    step: int
    seconds: float
    train_loss: float | None  # None where there was nothing to do
    validation_loss: float | None
    best_step: int | None
    checkpoint: Path
    interrupted: int | None = None  # the signal that ended it early


class NotFinite(ArtgenError):
    """The loss became NaN or infinite."""


def fit(
    family: Family[Any],
    networks: dict[str, nn.Module],
    run: RunFolder,
    config: RunConfig,
    fabric: Any,
    announce: Callable[[str, str], None] = lambda label, text: None,
    quiet: bool = False,
) -> Fitted:
    """Trains until `train.steps`, from the newest checkpoint of `run` where there is one.

    announce: called with a remark for a person and a label for it, such as how long it will take.
    networks: fresh ones on the CPU; they hold the last weights when this returns. Whatever is random at a step is a function
    of (seed, step, process), so a resumed run needs no random state and ends with the same weights as an unbroken one.
    Raises NotFinite where the loss stops being a number, ArtgenError where a checkpoint cannot be read or written.
    """
    train = config.train
    part = check_batch(config, fabric.world_size)
    main = fabric.is_global_zero

    def damaged(text: str) -> None:
        if main:
            announce("damaged", text)

    saved = ckpt.newest_readable(run.checkpoints, damaged)
    start = saved.step if saved else 0

    # Networks and optimizers, on their device, as a checkpoint left them.
    if saved:
        ckpt.unpack_networks(networks, saved.tensors("model"), saved.folder)
    torch.manual_seed(config.seed)
    trained = {name: _wrap(fabric, net, config.device.compile) for name, net in networks.items()}
    phases = [RunningPhase(phase, trained, train.optimizer, fabric) for phase in family.phases()]
    if saved:
        restore_phases(phases, saved)
    ema = EMA(networks, train.ema) if train.ema else None
    if saved and ema:
        averages = saved.tensors("ema")
        if averages:  # else the average was switched on with this resume, and starts here
            ckpt.unpack_networks(ema.networks, averages, saved.folder)
    rounds = train.accumulate
    shares = [Share(fabric.global_rank * rounds + r, fabric.world_size * rounds) for r in range(rounds)]
    if saved:
        rows = slice(fabric.global_rank * rounds * part, (fabric.global_rank + 1) * rounds * part)
        if saved.state.get("batch_size") == train.batch_size:  # else it is of other rows than those to come
            family.carry({key: value[rows] for key, value in saved.tensors("carried").items()})
    best = (saved.state.get("best_loss"), saved.state.get("best_step")) if saved else (None, None)
    best_loss, best_step = best if best[1] in ckpt.list_steps(run.checkpoints) else (None, None)
    validation_loss: float | None = saved.state.get("validation_loss") if saved else None
    if main:
        ckpt.mark_best(run.checkpoints, best_step, best_loss)  # a kill may have come between the save and this
    log = Logbook(run, start) if main else None
    progress = Progress(train.steps, start, family.unit, train.batch_size * family.units_per_example, quiet=quiet or not main)
    shown = ema.networks if ema else networks  # what is validated, previewed and later sampled from
    meter = Meter(phases[0].phase.name)
    begun, last_saved = time.monotonic(), start
    step = start

    def save(finished: int) -> None:
        nonlocal last_saved
        carried = {key: _gather(fabric, value) for key, value in family.carried().items()}
        if main:
            moments, numbers = pack_phases(phases)
            tensors = {"model": ckpt.pack_networks(networks), "optimizer": moments, "carried": carried}
            if ema:
                tensors["ema"] = ckpt.pack_networks(ema.networks)
            figures = {"validation_loss": validation_loss, "best_loss": best_loss, "best_step": best_step}
            state = {
                **figures,
                "batch_size": train.batch_size,
                "optimizer": numbers,
                "seconds": time.monotonic() - begun + earlier,
            }
            ckpt.save_checkpoint(run.checkpoints, finished, tensors, state)
            ckpt.mark_best(run.checkpoints, best_step, best_loss)
            ckpt.prune(run.checkpoints, train.keep, best_step, newest=finished)
        fabric.barrier()
        last_saved = finished

    earlier = float(saved.state.get("seconds", 0.0)) if saved else 0.0
    with ExitStack() as stack:
        stack.callback(progress.close)
        if log:
            stack.callback(log.close)
        signals = stack.enter_context(catch_signals())
        for net in trained.values():
            net.train()
        for step in range(start, train.steps):
            # One optimizer step of every due phase. Dropout and noise depend on seed, step and process alone.
            torch.manual_seed(_mix(config.seed, step, fabric.global_rank))
            factor = learning_rate_factor(train.schedule, step, train.steps)
            for phase in phases:
                if step % phase.phase.every == 0:
                    phase.train(family, trained, fabric, step, shares, factor, train.clip, meter)
            if ema:
                ema.update(networks, step)
            finished = step + 1
            last = finished == train.steps

            # Stop for a signal, or for a loss or weights that are no numbers; every process must decide alike.
            due_log = finished % train.log_every == 0 or last
            due_save = finished % train.checkpoint_every == 0 or finished % train.validate_every == 0
            stop, enough = False, False
            if due_log or due_save or fabric.device.type == "cpu":
                stop = signals.caught is not None
                # The loss is of the weights before this step, so weights are looked at before they are saved.
                finite = meter.finite() and (_all_finite(networks) or not (due_save or last or stop))
                stop, broken = _agree(fabric, stop, not finite)
                if broken:
                    raise NotFinite(_not_finite_message(run, finished))

            # Log, validate, preview, save.
            figures = meter.average(fabric) if due_log or stop else None
            progress.advance({"loss": figures["loss"]} if figures and "loss" in figures else None)
            if finished - start == 5 and not last and not quiet and main:
                with progress.aside():
                    announce("time", f"expects to take about {duration(progress.seconds_left())} on this machine")
            line: dict[str, float] = {}
            if figures:
                line = {**figures, "lr": train.optimizer.lr * factor, f"{family.unit}_per_second": progress.window_rate()}
            new_best = False
            if finished % train.validate_every == 0 or last:
                validation_loss = validate(family, shown, fabric)
                if validation_loss is not None:
                    if not math.isfinite(validation_loss):
                        raise NotFinite(_not_finite_message(run, finished))
                    line["validation_loss"] = validation_loss
                    new_best = best_loss is None or validation_loss < best_loss
                    if new_best:
                        best_loss, best_step = validation_loss, finished
                    elif train.patience and best_step is not None:
                        enough = finished - best_step >= train.patience * train.validate_every
                    progress.figures["validation"] = validation_loss
            if log and line:
                log.write(finished, line)
            if main and (finished % train.preview_every == 0 or last) and not stop:
                _preview(family, shown, run, finished, log, progress)
            if finished % train.checkpoint_every == 0 or new_best or last or stop or enough:
                save(finished)
            if enough and main:
                with progress.aside():
                    announce("stops", f"no better than at step {best_step:,} for {counted(train.patience, 'validation')}")
            if stop or enough:
                step = finished
                break
        else:
            step = max(start, train.steps)
        if last_saved < step or not ckpt.list_steps(run.checkpoints):
            save(step)
    return Fitted(
        step=step,
        seconds=time.monotonic() - begun,
        train_loss=meter.latest if step > start else None,
        validation_loss=validation_loss,
        best_step=best_step,
        checkpoint=run.checkpoints / f"step-{step:08d}",
        interrupted=signals.caught if step < train.steps and not enough else None,
    )


def check_batch(config: RunConfig, world_size: int) -> int:
    """Examples in one share of the batch. Raises UsageError where the batch does not divide evenly."""
    train = config.train
    shares = train.accumulate * world_size
    if train.batch_size % shares:
        fitting = max(shares, round(train.batch_size / shares) * shares)
        why = f"{counted(world_size, 'process', 'processes')} x {counted(train.accumulate, 'accumulation round')}"
        raise UsageError(f"train.batch_size: {train.batch_size} cannot be divided evenly among {why}; {fitting} can")
    return train.batch_size // shares


@torch.no_grad()
def validate(family: Family[Any], networks: dict[str, nn.Module], fabric: Any) -> float | None:
    """The mean held-out loss over all processes, with each network in evaluation mode; None where nothing is held out."""
    totals = torch.zeros(2, dtype=torch.float64 if fabric.device.type != "mps" else torch.float32, device=fabric.device)
    with _evaluating(networks):
        for batch in family.validation(Share(fabric.global_rank, fabric.world_size)):
            with fabric.autocast():
                loss, count = family.score(networks, fabric.to_device(batch))
            totals += torch.stack([loss.to(totals.dtype), count.to(totals)])
    if fabric.world_size > 1:
        totals = fabric.all_reduce(totals, reduce_op="sum")
    return float(totals[0] / totals[1]) if totals[1] > 0 else None


# ---------------------------------------------------------------- helpers


@contextmanager
def _evaluating(networks: Networks) -> Iterator[None]:
    """Every network in evaluation mode, and afterwards in the mode it was in."""
    modes = {name: net.training for name, net in networks.items()}
    for net in networks.values():
        net.eval()
    yield
    for name, net in networks.items():
        net.train(modes[name])


def _wrap(fabric: Any, network: nn.Module, compiled: bool) -> nn.Module:
    if compiled:
        network = torch.compile(network)  # type: ignore[assignment]
    wrapped: nn.Module = fabric.setup_module(network)
    return wrapped


def _mix(seed: int, step: int, rank: int) -> int:
    """One well-mixed 63-bit seed of three numbers."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


def _gather(fabric: Any, value: Tensor) -> Tensor:
    """[rows, …] of every process, in order of process, as one [all rows, …]."""
    if fabric.world_size == 1:
        return value
    return fabric.all_gather(value).flatten(0, 1)


def _agree(fabric: Any, stop: bool, broken: bool) -> tuple[bool, bool]:
    """Whether any process wants to stop, and whether any saw a loss that is no number."""
    if fabric.world_size == 1:
        return stop, broken
    votes = torch.tensor([float(stop), float(broken)], device=fabric.device)
    votes = fabric.all_reduce(votes, reduce_op="sum")
    return bool(votes[0] > 0), bool(votes[1] > 0)


def _preview(
    family: Family[Any], networks: dict[str, nn.Module], run: RunFolder, step: int, log: Logbook | None, progress: Progress
) -> None:
    run.previews.mkdir(exist_ok=True)
    with _evaluating(networks):
        said = family.preview(networks, step, run.previews)
    progress.note(said)
    if log:
        log.text(step, "preview", said)


def _all_finite(networks: dict[str, nn.Module]) -> bool:
    """Whether every weight is a number."""
    return all(bool(torch.isfinite(parameter).all()) for net in networks.values() for parameter in net.parameters())


def _not_finite_message(run: RunFolder, step: int) -> str:
    steps = ckpt.list_steps(run.checkpoints)
    last = f"the last good checkpoint is {run.checkpoints / f'step-{steps[-1]:08d}'}" if steps else "nothing was saved before"
    return f"the loss is no longer a finite number at step {step}; {last}. A lower train.optimizer.lr or clip may help"
