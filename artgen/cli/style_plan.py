"""What `artgen style-transfer` is to make, with what, and where it goes; checked before torch is imported."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from artgen.cli.style_inputs import check_content
from artgen.cli.style_request import (
    INIT_WORDS,
    GivenFile,
    GivenStyle,
    StyleRequest,
    given_file,
    parse_content_strength,
    parse_method_options,
    parse_style,
)
from artgen.config import Section, validate
from artgen.data.picture_files import SUFFIXES
from artgen.engine.run import RunFolder, open_run
from artgen.errors import ArtgenError, UsageError, counted
from artgen.files import check_writable
from artgen.media.image_files import check_image_name, image_size
from artgen.media.places import is_folder
from artgen.media.reading import read_recipe
from artgen.style.methods import DEFAULT, METHODS, method_named

LABEL = 80  # letters of a file name that stand for a content or a style in the name of what was made of both


@dataclass(frozen=True)
class Way:
    """What does the work: a method, or the network of a run. options: the method's, or the run's sample section."""

    method: str | None
    options: Section
    weights: GivenFile | None = None
    run: str = ""
    checkpoint: str = "best"


@dataclass(frozen=True)
class Pair:
    """One picture to make. row, column: its place on the contact sheet."""

    request: StyleRequest
    out: Path
    column: int = 0
    row: int = 0
    there: str | None = None  # SHA-256 of the weights (or nothing) with which an earlier call made it
    replace: bool = False  # what an earlier call had not finished


@dataclass
class Plan:
    """All that a call is to make."""

    way: Way
    pairs: list[Pair]
    columns: list[str]  # contents, one above each column of the contact sheet
    rows: list[str]  # pictures of styles, one for each row; none where the style is a run's
    batch: bool
    failed: dict[str, str] = field(default_factory=dict)  # file -> why it cannot be used, of a batch
    notes: list[str] = field(default_factory=list)


def make_plan(
    way: Way,
    content: str,
    styles: Sequence[str],
    asked: Mapping[str, Any],
    out: str,
    any_seed: bool,
    seed: int,
    force: bool,
) -> Plan:
    """Reads headers and hashes of all that is named. Raises UsageError for what is wrong with the call, or in a call for
    one picture with what it names.

    any_seed: a picture that an earlier call made with another seed will do.
    """
    batch = Path(content).is_dir() or (not way.run and any(Path(parse_style(text)[0]).is_dir() for text in styles))
    contents = pictures_in(content) if Path(content).is_dir() else [content]
    mixtures = [] if way.run else _mixtures(styles)
    n_styles = len(mixtures[0]) if mixtures else 0
    _check_run_options(way, asked)
    masks: list[str] = asked["masks"]
    _check_masks(masks, n_styles, way, len(contents))
    _check_out(out, batch, [content, *(parse_style(text)[0] for text in styles)])

    plan = Plan(way, [], contents, [mixture[0][0] for mixture in mixtures], batch)
    common = _common(way, asked)
    # Numbers out of range are told before any file is looked at.
    validate(StyleRequest, {**common, "content": {"path": "", "sha256": ""}, "size": asked["size"]}, where="style-transfer")
    made_sizes = {
        path: made for path in contents if (made := _try(plan, path, lambda path: check_content(path, asked["size"])))
    }
    content_files = {path: given_file(path, "picture") for path in made_sizes}
    style_files: dict[str, GivenFile] = {}
    for path in dict.fromkeys(path for mixture in mixtures for path, _ in mixture):
        if _try(plan, path, image_size):
            style_files[path] = given_file(path, "picture")
    common["masks"] = [given_file(mask, "mask") for mask in masks]

    names = _names(contents, mixtures or [[(styles[0], 1.0)]])
    for column, path in enumerate(contents):
        for row, mixture in enumerate(mixtures or [[]]):
            if path not in content_files or any(style not in style_files for style, _ in mixture):
                continue
            request = validate(
                StyleRequest,
                {
                    **common,
                    "content": content_files[path],
                    "styles": [
                        GivenStyle(path=style, sha256=style_files[style].sha256, weight=weight) for style, weight in mixture
                    ],
                    "size": max(made_sizes[path]),
                },
                where="style-transfer",
            )
            target = Path(out) / names[column, row] if is_folder(out) else Path(out)
            pair = Pair(request, target, column, row)
            if is_folder(out) and not Path(out).exists():
                plan.pairs.append(pair)  # into the folder that is to be made
            else:
                plan.pairs.append(_placed(pair, way, force, batch, None if any_seed else seed))
    return plan


def check_names(names: Sequence[str | None]) -> None:
    """Raises UsageError for what no file can be named."""
    for name in names:
        try:
            if name is not None:
                os.stat(name)
        except ValueError:
            raise UsageError(f"{name!r}: not a file name") from None
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
                raise UsageError(f"{name}: cannot be read: {error.strerror}") from None


def check_apart(flag: str, file: str | Path, plan: Plan) -> None:
    """Raises UsageError where a file that is written is one that a picture is made from."""
    real = os.path.realpath(file)
    for pair in plan.pairs:
        for needed in pair.request.files():
            if os.path.realpath(needed.path) == real:
                raise UsageError(f"{flag} {file}: is one of the files that the picture is made from, expected another")


def choose_way(
    styles: Sequence[str],
    method: str | None,
    changes: Sequence[str],
    weights: str | None,
    checkpoint: str | None,
    download: bool = False,
) -> Way:
    """The method, or the run that stands in place of a style. Raises UsageError where what is given does not fit it.

    download: weights will be fetched.
    """
    paths = [parse_style(text)[0] for text in styles]
    runs = [path for path in paths if RunFolder(Path(path)).holds_run()]
    if runs:
        if len(styles) > 1:
            raise UsageError(f"{runs[0]}: is a run, which has its own style and is mixed with no other: give it alone")
        for flag, given in (("--method", method), ("--weights", weights), ("--download", download)):
            if given:
                raise UsageError(f"{flag}: {runs[0]} is a run, whose network does the work")
        return run_way(runs[0], changes, checkpoint or "best")
    if checkpoint is not None:
        raise UsageError(f"--checkpoint {checkpoint}: is for a run, and none is given as STYLE")
    name = method or DEFAULT
    chosen = method_named(name)
    if weights is not None and download:
        raise UsageError(f"--weights {weights} and --download: expected one of them")
    if (weights is not None or download) and not chosen.needs_weights:
        flag = "--download" if download else f"--weights {weights}"
        others = " or ".join(other for other in METHODS if METHODS[other].needs_weights)
        raise UsageError(f"{flag}: --method {name} needs no weights; did you mean --method {others}?")
    if weights is None and chosen.needs_weights and not download:
        raise UsageError(
            f"--method {name}: looks through a network; give --weights FILE with the weights of VGG-19 or SqueezeNet (.pth, "
            ".safetensors, .npz), or --download, which fetches VGG-19's"
        )
    options = parse_method_options(changes, chosen.options_class(), f"--method {name}")
    return Way(name, options, given_file(weights, "file of weights") if weights is not None else None)


def run_way(run: str, changes: Sequence[str], checkpoint: str) -> Way:
    """The network of a run. Raises UsageError where it does not transfer styles."""
    from artgen.cli.making import parse_changes, sample_options

    _, config = open_run(Path(run))
    if not config.family.startswith("style."):
        raise UsageError(
            f"{run}: is a run of {config.family}, which transfers no style; expected a run of style.…, or a picture"
        )
    return Way(None, sample_options(config, parse_changes(changes)), None, run, checkpoint)


def pictures_in(folder: str) -> list[str]:
    """The pictures in a folder, by their names, sorted. Raises UsageError where there is none."""
    try:
        found = sorted(
            entry.path
            for entry in os.scandir(folder)
            if entry.is_file() and not entry.name.startswith(".") and Path(entry.name).suffix.lower() in SUFFIXES
        )
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {error.strerror}") from None
    if not found:
        raise UsageError(f"{folder}: no pictures: there is no {', '.join(SUFFIXES[:5])} or the like in this folder")
    return found


# ---------------------------------------------------------------- what is named


def _mixtures(styles: Sequence[str]) -> list[list[tuple[str, float]]]:
    """Styles that are each taken alone, of a folder, or the one mixture of those that are named; (path, weight) each."""
    parsed = [parse_style(text) for text in styles]
    folders = [path for path, _ in parsed if Path(path).is_dir()]
    if not folders:
        return [parsed]
    if len(parsed) > 1:
        raise UsageError(f"{folders[0]}: is a folder, whose pictures are taken each in turn and not mixed: give it alone")
    return [[(path, 1.0)] for path in pictures_in(folders[0])]


def _check_run_options(way: Way, asked: Mapping[str, Any]) -> None:
    """Raises UsageError for what a trained network has no use for: it paints in one go, with strokes of the size it learned."""
    for key, default in (("steps", None), ("init", None), ("style_scale", 1.0)):
        if way.run and asked[key] != default:
            raise UsageError(f"--{key.replace('_', '-')} {asked[key]}: {way.run} is a run, whose network has no such option")


def _check_masks(masks: Sequence[str], n_styles: int, way: Way, n_contents: int) -> None:
    if not masks:
        return
    if way.run and len(masks) > 1:
        raise UsageError(f"--mask: {len(masks)} are given, and {way.run} has one style: expected one")
    if not way.run and len(masks) != n_styles:
        raise UsageError(
            f"--mask: {len(masks)} given for {counted(n_styles, 'style')}, expected one for each style, in their order"
        )
    if n_contents > 1:
        raise UsageError(f"--mask {masks[0]}: belongs to one content, and {n_contents} are given")


def _common(way: Way, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that all pictures of a call share."""
    init = asked["init"]
    return {
        **{key: value for key, value in asked.items() if key not in ("masks", "size")},
        "method": way.method,
        "method_options": way.options.model_dump(mode="json"),
        "weights": way.weights,
        "content_strength": parse_content_strength(asked["content_strength"]),
        "init": init if init is None or init in INIT_WORDS else given_file(init, "picture, nor is it content or noise"),
    }


def _try(plan: Plan, path: str, check: Any) -> Any:
    """What `check(path)` gives. In a batch a file that it refuses is noted as failed."""
    try:
        return check(path)
    except ArtgenError as error:
        if not plan.batch:
            raise
        plan.failed[path] = str(error)
        return None


# ---------------------------------------------------------------- where it goes


def _check_out(out: str, batch: bool, given: Sequence[str]) -> None:
    if not is_folder(out):
        if batch:
            raise UsageError(f"-o {out}: several pictures go into a folder: -o {out}/")
        check_image_name(out)
    elif not Path(out).exists():
        check_writable(Path(out))  # a name that is free, in a folder that is there
    elif not Path(out).is_dir():
        raise UsageError(f"-o {out}: is a file, expected a folder")
    elif batch and any(os.path.realpath(out) == os.path.realpath(folder) for folder in given):
        raise UsageError(f"-o {out}: is a folder that pictures are taken from; results among them would be taken next time")


def _names(contents: Sequence[str], mixtures: Sequence[Sequence[tuple[str, float]]]) -> dict[tuple[int, int], str]:
    """(column, row) -> `<content>--<style>.png`, each name once, also where a system takes A and a for the same."""
    tops = _labels(contents)
    flat = _labels([path for mixture in mixtures for path, _ in mixture])
    sides, begin = [], 0
    for mixture in mixtures:
        sides.append("+".join(flat[begin : begin + len(mixture)])[:LABEL])
        begin += len(mixture)
    names: dict[tuple[int, int], str] = {}
    taken: set[str] = set()
    for column, top in enumerate(tops):
        for row, side in enumerate(sides):
            name, number = f"{top}--{side}", 2
            while name.casefold() in taken:
                name, number = f"{top}--{side}-{number}", number + 1
            taken.add(name.casefold())
            names[column, row] = f"{name}.png"
    return names


def _labels(paths: Sequence[str]) -> list[str]:
    """File names without their ends; with them where only they tell two apart."""
    names = [Path(os.path.abspath(path)) for path in paths]
    count = Counter(name.stem.casefold() for name in names)
    return [(name.stem if count[name.stem.casefold()] == 1 else name.name)[:LABEL] for name in names]


def _placed(pair: Pair, way: Way, force: bool, batch: bool, seed: int | None) -> Pair:
    """The pair with what is said about the file that is in its place. Raises UsageError where it must not be overwritten."""
    if force or not batch or not pair.out.exists():
        check_writable(pair.out, force)
        return pair
    there, unfinished = _made_before(pair, way, seed)
    if there is None and not unfinished:
        raise UsageError(f"{pair.out}: exists, and is not what this call would make (--force makes it anew)")
    return replace(pair, there=there, replace=unfinished)


def _made_before(pair: Pair, way: Way, seed: int | None) -> tuple[str | None, bool]:
    """(with what weights the file was made if it is what the pair asks for, whether it is that but was interrupted)."""
    try:
        found = read_recipe(pair.out)
        (recipe,) = found.recipes
        was = validate(StyleRequest, recipe.options, where=str(pair.out))
    except (ArtgenError, ValueError):
        return None, False
    same = found.unchanged and recipe.command == "style-transfer" and recipe.run == way.run and seed in (None, recipe.seed)
    if not same or not was.model_copy(update={"interrupted": None}).same_work(pair.request):
        return None, False
    return (None, True) if was.interrupted else (recipe.checkpoint, False)
