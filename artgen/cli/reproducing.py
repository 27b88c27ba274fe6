"""The work behind `artgen reproduce`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from artgen.errors import ArtgenError, UsageError
from artgen.media.recipe import Recipe


@dataclass
class ReproduceReport:
    """Whether the same file came out."""

    file: str
    again: str
    identical: bool
    note: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        verdict = "identical, byte for byte" if self.identical else f"NOT identical{self.note}"
        return f"{self.again}: {verdict}"


def start_reproducing(
    file: Path, run: Path | None, out: Path | None, force: bool, device: str | None, data: list[str] | None = None
) -> ReproduceReport:
    """Makes anew what `file`'s recipes say, writes it to `out`, and compares. Raises where the run's weights are others.

    run, data: where the run, and the training pictures of what was made without copies, are now.
    """
    from artgen.cli.making import from_recipe, make_recipe
    from artgen.engine.run import RunFolder, open_run, open_trained
    from artgen.media.reading import read_recipe

    found = read_recipe(file)
    first = found.recipes[0]
    target = out or file.with_name(f"{file.stem}-again{file.suffix}")
    if target.is_dir():
        target = target / file.name
    if data and not first.options.get("avoid_copies"):
        raise UsageError(f"--data: {file} was made without --avoid-copies, no training pictures are needed")
    if first.command == "style-transfer":
        from artgen.cli.restyling import reproduce_style

        return reproduce_style(file, found, run, target, force, device)
    folder = run or Path(first.run)
    if not RunFolder(folder).holds_run():
        raise UsageError(f"{folder}: the run that {file} was made with is not here; --run says where it is now")
    _, config = open_run(folder)
    options, request = from_recipe(first, config, where=str(file))
    request.check_work(config, options)
    request.check(config, options, len(found.recipes), target, force)

    # Only now torch: a mistake above is told in a tenth of a second.
    step = step_with(RunFolder(folder).checkpoints, first.checkpoint)
    if step is None:
        raise ArtgenError(f"{folder}: no checkpoint here has the weights {first.checkpoint[:12]}… that {file} was made with")
    trained = open_trained(folder, str(step), device or first.device)
    # Works of one call share a batch, so all of them are made again together, also those that are in other files.
    n = first.n_samples
    _check_numbers(file, found.recipes, n)
    making = request.model_copy(update={"data": data}) if data else request
    samples = making.make(trained, options, n, first.seed)
    _check_numbers(file, found.recipes, len(samples))
    works = [samples[recipe.index].work for recipe in found.recipes]
    recipes = [
        make_recipe(first.command, trained, first.run, options, request, first.seed, recipe.index, n)
        for recipe in found.recipes
    ]
    request.write(works, target, recipes, force)
    identical = target.read_bytes() == file.read_bytes()
    note = "" if identical else why_others(first, recipes[0], found.unchanged)
    return ReproduceReport(str(file), str(target), identical, note)


def _check_numbers(file: Path, recipes: Sequence[Recipe], n: int) -> None:
    if not all(0 <= recipe.index < n for recipe in recipes):
        raise UsageError(f"{file}: damaged recipe: it numbers its samples beyond the {n} that it says were made")


def step_with(checkpoints: Path, weights: str) -> int | None:
    """The newest step that has these weights. One that cannot be read has not."""
    from artgen.engine.checkpoint import list_steps, open_checkpoint

    for step in reversed(list_steps(checkpoints)):
        try:
            if open_checkpoint(checkpoints, step).weights_sha256() == weights:
                return step
        except ArtgenError:
            continue
    return None


def why_others(made: Recipe, again: Recipe, unchanged: bool) -> str:
    """What may be the reason that another file came out."""
    if not unchanged:
        return ": the file was changed since it was made"
    then = {"artgen": made.version, "torch": made.torch, "device": made.device, "threads": made.threads}
    now = {"artgen": again.version, "torch": again.torch, "device": again.device, "threads": again.threads}
    others = [f"{what} {then[what]}, now {now[what]}" for what in then if then[what] and then[what] != now[what]]
    if others:
        return f": it was made with {'; '.join(others)}, which may round a number otherwise"
    return ": another processor, or another build of torch, may round a number otherwise"
