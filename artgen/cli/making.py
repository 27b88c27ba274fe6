"""The work behind the commands that make files: a run, options and a request become works, and works become files.

A command is a `Request`: what it was told beside the run, the run's `sample` section, the number of works and the seed. It
knows how to make and to write; `artgen reproduce` reads it back from a file's recipe and does the same again. Imports no
torch, so that a mistake in a call is told at once.
"""

from __future__ import annotations

import importlib
import os
import secrets
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from artgen.config import RunConfig, Section, parse_override, validate
from artgen.engine.run import TrainedModel, open_run, open_trained
from artgen.errors import UsageError
from artgen.media.recipe import Recipe

if TYPE_CHECKING:
    from artgen.families.base import Sample

Stream = Callable[[int, str], None]

MODULES = {"sample": "sampling", "harmonize": "harmonizing", "interpolate": "interpolating", "edit": "editing"}
"""Command -> the module of `artgen.cli` whose `REQUESTS` make its works, one for each medium."""


class Request(Section):
    """What one command was told for one medium. Its fields stand in the recipe, under the names that they have here."""

    medium: ClassVar[str]  # as in the `sample` section of the runs that it is for
    one_place: ClassVar[str] = ""  # why its works are written to one place; empty: they can be written to several

    def settled(self, options: Any) -> Request:
        """The request with what a recipe must know of the files that it and the options name, such as their hashes."""
        return self

    def applicable(self, options: Any) -> Any:
        """The options without what its works do not heed, which is not to stand in their recipes."""
        return options

    def check_work(self, config: RunConfig, options: Any) -> None:
        """Raises UsageError for what is wrong with the work, wherever it goes, and can be told before torch is imported."""

    @abstractmethod
    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        """Raises UsageError for what is wrong and can be told before torch is imported, also where `write` could not write
        n works to `out`. Called once for each place."""

    @abstractmethod
    def make(self, trained: TrainedModel, options: Any, n: int, seed: int, stream: Stream | None = None) -> list[Sample]:
        """The works, the same for the same arguments on the same kind of device.

        stream: called with (number of the work, new text) as it grows, where the medium can be streamed.
        """

    @abstractmethod
    def write(self, works: Sequence[Any], out: str | Path, recipes: Sequence[Recipe], force: bool) -> list[Path]:
        """Writes the works, or those of them that a file is to hold; returns the files. Called once for each place."""

    @abstractmethod
    def summary(self, samples: Sequence[Sample], seed: int) -> str:
        """What was made, how fast, and how it is made again, in a line."""

    def shown(self, sample: Sample) -> dict[str, Any]:
        """A work in a report for programs."""
        return sample.figures

    def notes(self, config: RunConfig, samples: Sequence[Sample]) -> list[str]:
        """What a person should know about the works, a line each."""
        return []


@dataclass
class Report:
    """What was made."""

    run: str
    seed: int
    request: Request
    options: Section
    samples: list[Any]
    files: list[Path]
    checkpoint_step: int
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "seed": self.seed,
            "checkpoint_step": self.checkpoint_step,
            "options": all_options(self.options, self.request),
            "files": [str(path) for path in self.files],
            "samples": [self.request.shown(made) for made in self.samples],
            **({"notes": self.notes} if self.notes else {}),
        }

    def summary(self) -> str:
        return "\n".join([*self.notes, self.request.summary(self.samples, self.seed)])


def request_class(command: str, config: RunConfig, where: str) -> type[Request]:
    """How a command makes works of the run's medium. Raises UsageError that begins with `where` if it cannot."""
    if command not in MODULES:
        raise UsageError(f"{where}: was made by artgen {command}, which this artgen cannot make again")
    requests: Sequence[type[Request]] = importlib.import_module(f"artgen.cli.{MODULES[command]}").REQUESTS
    medium = config.sample.medium  # type: ignore[attr-defined]
    for request in requests:
        if request.medium == medium:
            return request
    if hasattr(config.sample, "used_by"):  # type: ignore[attr-defined]
        raise UsageError(f"{where}: is a {medium} run ({config.family}): {next_call(config, where)}")
    media = " or ".join(request.medium for request in requests)
    raise UsageError(f"{where}: is a {medium} run ({config.family}), artgen {command} takes a {media} run")


def next_call(config: RunConfig, run: str) -> str:
    """The call that makes works with a run. run: as the shell takes it."""
    section: Any = getattr(config, "sample", None)
    call: str = getattr(section, "used_by", "artgen sample {run}")
    return call.replace("{run}", run)


def start_making(
    command: str,
    run: str,
    n: int,
    seed: int | None,
    given: Mapping[str, Any],
    asked: Mapping[str, Any],
    changes: Mapping[str, Any],
    out: Sequence[str],
    force: bool,
    checkpoint: str,
    device: str,
    stream: Stream | None = None,
) -> Report:
    """Opens a run, makes works, and writes them to each of the places that `out` names: none, one, or for music several.

    given: values of the `sample` section by command-line options, None where an option was not given; changes: likewise by
    `--set`, laid under them. asked: fields of the command's request, likewise.
    """
    _, config = open_run(Path(run))
    kind = request_class(command, config, run)
    _refuse_unknown(kind, config, {**given, **asked})
    request = validate(kind, _without_none(asked), where=command)
    options = sample_options(config, {**changes, **_without_none(given)})
    request.check_work(config, options)
    options = request.applicable(options)
    check_places(request, config, options, n, out, force)
    request = request.settled(options)

    # Only now torch: a mistake above is told in a tenth of a second.
    trained = open_trained(Path(run), checkpoint, device)
    seed = secrets.randbelow(2**31) if seed is None else seed
    samples = request.make(trained, options, n, seed, stream)
    files = []
    if out:
        recipes = [make_recipe(command, trained, run, options, request, seed, i, len(samples)) for i in range(len(samples))]
        for place in out:
            files += request.write([made.work for made in samples], place, recipes, force)
    return Report(run, seed, request, options, samples, files, trained.checkpoint.step, request.notes(config, samples))


def check_places(request: Request, config: RunConfig, options: Section, n: int, out: Sequence[str | Path], force: bool) -> None:
    """Raises UsageError where `n` works cannot be written to each of the places, or these are not one where there can be but one."""
    if len(out) > 1 and request.one_place:
        raise UsageError(f"-o: {len(out)} places are named, expected one: {request.one_place}")
    seen: dict[str, str | Path] = {}
    for place in out:
        real = os.path.realpath(place)
        if real in seen:
            raise UsageError(f"-o {place}: is the same place as -o {seen[real]}")
        seen[real] = place
    places: Sequence[str | Path | None] = out or [None]
    for each in places:
        request.check(config, options, n, each, force)


def parse_changes(assignments: Sequence[str]) -> dict[str, Any]:
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


def make_recipe(
    command: str, trained: TrainedModel, run: str, options: Section, request: Request, seed: int, index: int, n: int
) -> Recipe:
    """How work `index` of `n` was made."""
    import torch

    network = next(iter(trained.networks.values()))
    return Recipe(
        command=command,
        family=trained.config.family,
        run=run,
        checkpoint=trained.checkpoint.weights_sha256(),
        seed=seed,
        index=index,
        n_samples=n,
        options=all_options(options, request),
        device=next(network.parameters()).device.type,
        torch=str(torch.__version__),
        threads=torch.get_num_threads(),
        licence="made by a model trained on the run's data; the rights in that data still hold",
    )


def all_options(options: Section, request: Request) -> dict[str, Any]:
    """The options of a recipe: the sample section's and the request's, which share no name."""
    return {**options.model_dump(mode="json"), **request.model_dump(mode="json")}


def from_recipe(recipe: Recipe, config: RunConfig, where: str) -> tuple[Section, Request]:
    """(options, request) that `all_options` was made of. Raises UsageError that begins with `where`."""
    kind = request_class(recipe.command, config, where)
    known = type(config.sample).model_fields  # type: ignore[attr-defined]
    options = sample_options(config, {key: value for key, value in recipe.options.items() if key in known})
    rest = {key: value for key, value in recipe.options.items() if key not in known}
    return options, validate(kind, rest, where=f"{where}: damaged recipe")


def _refuse_unknown(kind: type[Request], config: RunConfig, told: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that works of this run do not have, and says which they have."""
    known = {**type(config.sample).model_fields, **kind.model_fields}  # type: ignore[attr-defined]
    for key, value in told.items():
        if value is not None and key not in known:
            there = ", ".join(_flag(other) for other in told if other in known)
            raise UsageError(f"{_flag(key)}: {config.family} has no such option, it has {there}")


def _flag(key: str) -> str:
    return {"class_name": "--class"}.get(key, "--" + key.replace("_", "-"))


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
