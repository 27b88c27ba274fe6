"""The work behind `artgen sample` and `artgen reproduce`: a run, options and a seed become files with recipes."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artgen.config import Section, parse_override, validate
from artgen.engine.run import TrainedModel, open_trained
from artgen.errors import UsageError

Stream = Callable[[int, str], None]


@dataclass
class SampleReport:
    """What was made."""

    run: str
    seed: int
    samples: list[Any]
    files: list[Path]
    checkpoint_step: int
    options: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "seed": self.seed,
            "checkpoint_step": self.checkpoint_step,
            "options": self.options,
            "files": [str(path) for path in self.files],
            "samples": [{"text": made.work, **made.figures} for made in self.samples],
        }

    def summary(self) -> str:
        tokens = sum(made.figures["tokens"] for made in self.samples)
        seconds = max(made.figures["seconds"] for made in self.samples)
        rate = f", {tokens / seconds:,.0f} tokens/s" if seconds > 0 else ""
        return f"{tokens:,} tokens in {seconds:.2f} s{rate}; --seed {self.seed} makes the same again"


def read_prompt(prompt: str | None, prompt_file: str | None) -> str | None:
    """The prompt from the command line, standard input (`-`) or a file."""
    if prompt is not None and prompt_file is not None:
        raise UsageError("--prompt and --prompt-file: expected one of them, not both")
    if prompt == "-" or prompt_file == "-":
        if sys.stdin is None:
            raise UsageError("standard input: is closed, expected the prompt")
        data, name = sys.stdin.buffer.read(), "standard input"
    elif prompt_file is not None:
        from artgen.media.recipe import read_bytes

        data, name = read_bytes(Path(prompt_file)), prompt_file
    else:
        return prompt
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text (byte {error.start})") from None
    return text.removesuffix("\n")  # the end of the file's last line is not meant


def start_sampling(
    run: str,
    n: int,
    seed: int | None,
    given: dict[str, Any],
    out: str | None,
    force: bool,
    checkpoint: str,
    device: str,
    stream: Stream | None = None,
) -> SampleReport:
    """Opens a run, lays `given` over its `sample` section, samples, and writes files where `out` names them."""
    from artgen.engine.run import open_run

    _, config = open_run(Path(run))  # a mistake in the call is told before torch is imported
    options = sample_options(config, given)
    if out is not None:
        from artgen.media.text import check_out

        check_out(out, n, force)
    trained = open_trained(Path(run), checkpoint, device)
    seed = secrets.randbelow(2**31) if seed is None else seed
    samples = trained.family.sample(trained.networks, options, n=n, seed=seed, stream=stream)
    files = []
    if out is not None:
        from artgen.media.text import write_text

        recipes = [make_recipe(trained, run, options, seed, index, n) for index in range(n)]
        files = write_text([made.work for made in samples], out, recipes, force)
    return SampleReport(run, seed, samples, files, trained.checkpoint.step, options.model_dump(mode="json"))


def parse_changes(assignments: list[str]) -> dict[str, Any]:
    """What `--set` lays over the sample section: `line_length=null`, or `sample.line_length=null` as in a training call."""
    changes = {}
    for assignment in assignments:
        keys, value = parse_override(assignment)
        if keys[0] == "sample":
            keys = keys[1:]
        if len(keys) != 1:
            raise UsageError(f"--set {assignment}: expected a key of the sample section, such as --set temperature=0.9")
        changes[keys[0]] = value
    return changes


def sample_options(config: Any, given: dict[str, Any]) -> Section:
    """The config's `sample` section with the call's options laid over it."""
    section = config.sample
    return validate(type(section), {**section.model_dump(), **given}, where="sample")


def make_recipe(trained: TrainedModel, run: str, options: Section, seed: int, index: int, n_samples: int) -> Any:
    """How sample `index` of `n_samples` was made."""
    import torch

    from artgen.media.recipe import Recipe

    network = next(iter(trained.networks.values()))
    return Recipe(
        command="sample",
        family=trained.config.family,
        run=run,
        checkpoint=trained.checkpoint.weights_sha256(),
        seed=seed,
        index=index,
        n_samples=n_samples,
        options=options.model_dump(mode="json"),
        device=next(network.parameters()).device.type,
        torch=str(torch.__version__),
        threads=torch.get_num_threads(),
        licence="made by a model trained on the run's data; the rights in that data still hold",
    )
