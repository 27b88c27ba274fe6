"""The training loop. It knows phases, not families: for each due phase, loss, backward, clip, step; then average, log,
validate, preview, save."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artgen.config import OptimizerConfig, RunConfig
from artgen.engine import checkpoint as ckpt
from artgen.engine.ema import EMA
from artgen.engine.logbook import Logbook
from artgen.engine.optimizers import build_optimizers, pack, unpack
from artgen.engine.progress import Progress
from artgen.engine.run import RunFolder
from artgen.engine.schedule import learning_rate_factor
from artgen.errors import ArtgenError, UsageError, counted
from artgen.families.base import Family, Phase, Share


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
    validation_log: Callable[[int, float], None] | None = None,
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
    phases = [_Running(phase, trained, train.optimizer, fabric) for phase in family.phases()]
    if saved:
        _restore_optimizers(phases, saved)
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
    meter = _Meter()
    begun, last_saved = time.monotonic(), start
    step = start

    def save(finished: int) -> None:
        nonlocal last_saved
        carried = {key: _gather(fabric, value) for key, value in family.carried().items()}
        if main:
            moments, numbers = _pack_all(phases)
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
        signals = stack.enter_context(_catch_signals())
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
            stop = False
            if due_log or due_save or fabric.device.type == "cpu":
                stop = signals.caught is not None
                # The loss is of the weights before this step, so weights are looked at before they are saved.
                finite = meter.finite() and (_all_finite(networks) or not (due_save or last or stop))
                stop, broken = _agree(fabric, stop, not finite)
                if broken:
                    raise NotFinite(_not_finite_message(run, finished))

            # Log, validate, preview, save.
            figures = meter.average(fabric) if due_log or stop else None
            progress.advance(figures and {"loss": figures["loss"]})
            if finished - start == 5 and not last and not quiet and main:
                with progress.aside():
                    announce("time", f"expects to take about {_in_words(progress.seconds_left())} on this machine")
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
                    progress.figures["validation"] = validation_loss
                    if validation_log and main:
                        validation_log(finished, validation_loss)
            if log and line:
                log.write(finished, line)
            if main and (finished % train.preview_every == 0 or last) and not stop:
                _preview(family, shown, run, finished, log, progress)
            if finished % train.checkpoint_every == 0 or new_best or last or stop:
                save(finished)
            if stop:
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
        interrupted=signals.caught if step < train.steps else None,
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
    modes = {name: net.training for name, net in networks.items()}
    for net in networks.values():
        net.eval()
    totals = torch.zeros(2, dtype=torch.float64 if fabric.device.type != "mps" else torch.float32, device=fabric.device)
    for batch in family.validation(Share(fabric.global_rank, fabric.world_size)):
        with fabric.autocast():
            loss, count = family.score(networks, fabric.to_device(batch))
        totals += torch.stack([loss.to(totals.dtype), count.to(totals)])
    if fabric.world_size > 1:
        totals = fabric.all_reduce(totals, reduce_op="sum")
    for name, net in networks.items():
        net.train(modes[name])
    return float(totals[0] / totals[1]) if totals[1] > 0 else None


# ---------------------------------------------------------------- a step


class _Running:
    """A phase with its optimizers."""

    def __init__(self, phase: Phase, trained: dict[str, nn.Module], default: OptimizerConfig, fabric: Any) -> None:
        self.phase = phase
        self.modules = [trained[name] for name in phase.trains]
        exact = fabric._precision.precision == "32-true"
        self.plain = build_optimizers(phase.optimizer or default, self.modules, full_precision=exact)
        wrapped = fabric.setup_optimizers(*self.plain)
        self.optimizers = list(wrapped) if isinstance(wrapped, (tuple, list)) else [wrapped]

    def train(
        self,
        family: Family[Any],
        trained: dict[str, nn.Module],
        fabric: Any,
        step: int,
        shares: list[Share],
        factor: float,
        clip: float,
        meter: _Meter,
    ) -> None:
        """One optimizer step over all shares of this process. Gradients meet only on the last share's way back."""
        for i, share in enumerate(shares):
            batch = fabric.to_device(family.batch(step, share))
            with ExitStack() as stack:
                if i + 1 < len(shares):
                    for module in self.modules:
                        stack.enter_context(fabric.no_backward_sync(module) if fabric.world_size > 1 else nullcontext())
                loss = self.phase.loss(trained, batch, step)
                fabric.backward(loss.value / len(shares) if len(shares) > 1 else loss.value)
            meter.add(self.phase.name, loss.value, loss.figures)
        if clip:
            parameters = [p for o in self.plain for g in o.param_groups for p in g["params"] if p.grad is not None]
            meter.add_norm(self.phase.name, torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


class _Meter:
    """Means of logged figures between two log lines, kept on the device so that a GPU is not waited for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.latest = math.nan

    def add(self, phase: str, loss: Tensor, figures: dict[str, Tensor]) -> None:
        """The first phase's loss is `loss`; others carry their phase's name."""
        first = not self.sums or next(iter(self.sums)) == f"loss:{phase}"
        self._add(f"loss:{phase}" if first else f"{phase}/loss", loss)
        for name, value in figures.items():
            self._add(f"{phase}/{name}", value)

    def add_norm(self, phase: str, norm: Tensor) -> None:
        self._add(f"{phase}/gradient_norm", norm)

    def finite(self) -> bool:
        """Whether every loss since the last line was a number."""
        return all(math.isfinite(float(value)) for name, value in self.sums.items() if "loss" in name)

    def average(self, fabric: Any) -> dict[str, float]:
        """The means over steps and processes; the count starts anew."""
        means = {}
        for name, total in self.sums.items():
            mean = total / self.counts[name]
            if fabric.world_size > 1:
                mean = fabric.all_reduce(mean, reduce_op="mean")
            means[name.partition(":")[0]] = float(mean)
        self.latest = means.get("loss", math.nan)
        self.sums, self.counts = {}, {}
        return means

    def _add(self, name: str, value: Tensor) -> None:
        value = value.detach().float()
        self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.counts[name] = self.counts.get(name, 0) + 1


# ---------------------------------------------------------------- helpers


def _wrap(fabric: Any, network: nn.Module, compiled: bool) -> nn.Module:
    if compiled:
        network = torch.compile(network)  # type: ignore[assignment]
    wrapped: nn.Module = fabric.setup_module(network)
    return wrapped


def _mix(seed: int, step: int, rank: int) -> int:
    """One well-mixed 63-bit seed of three numbers."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


def _pack_all(phases: list[_Running]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for running in phases:
        some, plain = pack(running.plain)
        tensors.update({f"{running.phase.name}.{key}": value for key, value in some.items()})
        numbers.update({f"{running.phase.name}.{key}": value for key, value in plain.items()})
    return tensors, numbers


def _restore_optimizers(phases: list[_Running], saved: ckpt.Checkpoint) -> None:
    tensors, numbers = saved.tensors("optimizer"), saved.state.get("optimizer", {})
    for running in phases:
        prefix = f"{running.phase.name}."
        # Copied, because they are mapped from a file that will be removed.
        mine = {key.removeprefix(prefix): value.clone() for key, value in tensors.items() if key.startswith(prefix)}
        plain = {key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)}
        try:
            unpack(running.plain, mine, plain)
        except (KeyError, ValueError, IndexError) as error:
            name = saved.folder / "optimizer.safetensors"
            raise ArtgenError(f"{name}: is not of this config's optimizer ({error}); was train.optimizer changed?") from None


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
    modes = {name: net.training for name, net in networks.items()}
    for net in networks.values():
        net.eval()
    said = family.preview(networks, step, run.previews)
    for name, net in networks.items():
        net.train(modes[name])
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


def _in_words(seconds: float) -> str:
    from artgen.engine.progress import duration

    return duration(seconds)


class _Signals:
    caught: int | None = None


@contextmanager
def _catch_signals() -> Iterator[_Signals]:
    """The first SIGINT, SIGTERM or SIGUSR1 asks the loop to save and stop; a second SIGINT interrupts at once."""
    state = _Signals()

    def handle(number: int, frame: object) -> None:
        if state.caught is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        state.caught = number

    names = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    previous = {}
    try:
        for name in names:
            previous[name] = signal.signal(name, handle)
    except ValueError:  # not the main thread: the embedding program owns the signals
        previous = {}
    try:
        yield state
    finally:
        for name, old in previous.items():
            signal.signal(name, old)
