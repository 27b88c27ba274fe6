"""How `artgen reproduce` makes a picture of `artgen style-transfer` again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from artgen.cli.reproducing import ReproduceReport, step_with, why_others
from artgen.cli.style_inputs import prepare
from artgen.cli.style_plan import Pair, Way, run_way
from artgen.cli.style_request import StyleRequest, check_same
from artgen.cli.styling import make_picture
from artgen.config import validate
from artgen.engine.run import RunFolder
from artgen.engine.signals import Signals
from artgen.errors import ArtgenError, UsageError
from artgen.files import check_writable
from artgen.media.image_files import check_image_name
from artgen.media.recipe import FileRecipes, Recipe
from artgen.style.methods import method_named


def reproduce_style(
    file: Path, found: FileRecipes, run: Path | None, target: Path, force: bool, device: str | None
) -> ReproduceReport:
    """Makes `target` by what `file` says. Raises UsageError where that cannot be done, or with other pictures than it was."""
    if len(found.recipes) > 1:
        raise UsageError(f"{file}: is a contact sheet of {len(found.recipes)} pictures; each of their files can be made again")
    recipe = found.recipes[0]
    request = validate(StyleRequest, recipe.options, where=f"{file}: damaged recipe")
    if request.interrupted:
        raise UsageError(
            f"{file}: was interrupted at step {request.interrupted}, which cannot be made again; artgen show {file} tells of what it was made"
        )
    for needed in request.files():
        check_same(needed)
    way = _way(file, request, recipe, run)
    check_image_name(target)
    check_writable(target, force)
    given = prepare(request)

    # Only now torch: a mistake above is told in a tenth of a second.
    from artgen.cli.style_work import open_maker

    if way.run:
        step = step_with(RunFolder(Path(way.run)).checkpoints, recipe.checkpoint)
        if step is None:
            raise ArtgenError(
                f"{way.run}: no checkpoint here has the weights {recipe.checkpoint[:12]}… that {file} was made with"
            )
        way = Way(None, way.options, run=way.run, checkpoint=str(step))
    maker = replace(open_maker(way, device or recipe.device), run=recipe.run)  # as the recipe names it, if it was moved
    make_picture(maker, Pair(request, target), given, recipe.seed, Signals(), target.name, force=force)
    identical = target.read_bytes() == file.read_bytes()
    note = "" if identical else why_others(recipe, maker.recipe(request, recipe.seed), found.unchanged)
    return ReproduceReport(str(file), str(target), identical, note)


def _way(file: Path, request: StyleRequest, recipe: Recipe, run: Path | None) -> Way:
    if request.method is not None:
        if run is not None:
            raise UsageError(f"--run {run}: {file} was made by --method {request.method}, without a run")
        schema = method_named(request.method, f"{file}: was made by --method").options_class()
        return Way(request.method, validate(schema, request.method_options, f"{file}: damaged recipe"), request.weights)
    folder = run or Path(recipe.run)
    if not RunFolder(folder).holds_run():
        raise UsageError(f"{folder}: the run that {file} was made with is not here; --run says where it is now")
    way = run_way(str(folder), [], "best")
    return Way(None, validate(type(way.options), request.method_options, f"{file}: damaged recipe"), run=str(folder))
