"""The work behind `artgen style-transfer`: one picture, or all pairs of contents and styles."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artgen.cli.common import note
from artgen.cli.style_inputs import DEFAULT_SIZE, Given, prepare
from artgen.cli.style_plan import Pair, Plan, check_apart, check_names, choose_way, make_plan
from artgen.cli.style_request import parse_style
from artgen.cli.style_sheet import check_sheet, write_sheet
from artgen.cli.style_watch import Interrupted, watching
from artgen.engine.progress import duration
from artgen.engine.signals import Signals, catch_signals
from artgen.errors import ArtgenError, UsageError, counted
from artgen.files import check_writable
from artgen.media.image_files import check_image_name, encode_image, image_size, losses, write_image
from artgen.media.places import is_folder, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from artgen.cli.style_work import Maker

INTERRUPTED = 130


@dataclass
class Made:
    """One picture that was written."""

    file: Path
    content: str
    styles: list[str]
    size: tuple[int, int]
    seconds: float
    interrupted: str | None = None

    def as_dict(self) -> dict[str, Any]:
        width, height = self.size
        facts = {"file": str(self.file), "content": self.content, "styles": self.styles, "width": width, "height": height}
        return {**facts, "seconds": self.seconds, "interrupted": self.interrupted}


@dataclass
class StyleReport:
    """What was made, and what was not."""

    method: str
    seed: int
    options: dict[str, Any]
    batch: bool
    made: list[Made] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)  # made by an earlier call
    failed: dict[str, str] = field(default_factory=dict)  # file, or pair -> why
    sheet: Path | None = None
    notes: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def files(self) -> list[Path]:
        return [made.file for made in self.made] + ([self.sheet] if self.sheet else [])

    @property
    def status(self) -> int:
        return INTERRUPTED if self.stopped else 1 if self.failed else 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "seed": self.seed,
            "options": self.options,
            "files": [str(path) for path in self.files],
            "pictures": [made.as_dict() for made in self.made],
            "there": [str(path) for path in self.there],
            "failed": self.failed,
            "notes": self.notes,
            "interrupted": self.stopped,
        }

    def summary(self) -> str:
        again = f"--seed {self.seed} makes the same again"
        if self.stopped:
            partial = next((made for made in self.made if made.interrupted), None)
            what = f"{partial.file} holds what there was at step {partial.interrupted}" if partial else "nothing is half done"
            line = f"interrupted: {what}" + ("; the same call goes on from there" if self.batch else "")
        elif self.batch:
            seconds = sum(made.seconds for made in self.made)
            there = f", {len(self.there)} {'was' if len(self.there) == 1 else 'were'} there already" if self.there else ""
            failed = f", {len(self.failed)} failed" if self.failed else ""
            line = f"{counted(len(self.made), 'picture')} in {duration(seconds)}{there}{failed}; {again}"
        else:
            (made,) = self.made
            line = f"{made.size[0]} x {made.size[1]} pixels in {duration(made.seconds)}; {again}"
        return "\n".join([*self.notes, line])


def start_styling(
    content: str,
    styles: Sequence[str],
    asked: Mapping[str, Any],
    changes: Sequence[str],
    weights: str | None,
    download: bool,
    checkpoint: str | None,
    out: str,
    preview: str | None,
    sheet: str | None,
    seed: int | None,
    force: bool,
    device: str,
) -> StyleReport:
    """Makes what is asked for and writes each picture as it is finished.

    asked: fields of the request, as on the command line. changes: `key=value` of the method's options.
    Raises UsageError where the call is wrong; in a batch, what is wrong with one file is in the report.
    """
    paths = [parse_style(text)[0] for text in styles]
    check_names([content, *paths, *asked["masks"], asked["init"], weights, out, preview, sheet])
    chosen = secrets.randbelow(2**31) if seed is None else seed
    if download:
        weights = _downloaded(content, styles, asked, changes, weights, checkpoint, out)
    way = choose_way(styles, asked["method"], changes, weights, checkpoint)
    plan = make_plan(way, content, styles, asked, out, seed is None, chosen, force)
    for flag, file in (("-o", plan.pairs[0].out if plan.pairs else None), ("--preview", preview), ("--sheet", sheet)):
        if file is not None:
            check_apart(flag, file, plan)
    if preview is not None:
        check_image_name(preview)
        check_writable(Path(preview), force)
        if any(Path(preview).resolve() == pair.out.resolve() for pair in plan.pairs):
            raise UsageError(f"--preview {preview}: is what -o names, expected another file")
    if sheet is not None:
        check_sheet(sheet, plan, out, force)
    first = prepare(plan.pairs[0].request) if not plan.batch else None

    report = StyleReport(way.method or way.run, chosen, _shared_options(plan), plan.batch, failed=dict(plan.failed))
    for why in plan.failed.values():
        note(why)
    report.notes += _size_notes(plan, asked["size"])
    _make_all(plan, report, first, out, preview, force, device)
    if sheet is not None and not report.stopped and (report.made or report.there):
        report.sheet = write_sheet(sheet, plan, force)
    report.notes = list(dict.fromkeys(report.notes))
    return report


def make_picture(
    maker: Maker,
    pair: Pair,
    given: Given,
    seed: int,
    signals: Signals,
    title: str = "",
    preview: str | None = None,
    force: bool = False,
) -> Made:
    """Makes one picture and writes it; also what there is of it, where a signal is caught."""
    from artgen.cli.style_work import finish, make_job

    request = pair.request
    begun = time.perf_counter()
    show = _previews(maker, pair, given, seed, preview) if preview is not None else None
    with watching(title, signals, show) as watch:
        try:
            made = maker.make(make_job(request, given, seed, maker.device), watch)
        except Interrupted as stop:
            made = stop.picture
            request = request.model_copy(update={"interrupted": f"{stop.done} of {stop.of}"})
    picture = finish(made, request, given)
    recipes = [maker.recipe(request, seed)]
    seconds = time.perf_counter() - begun
    write_image(picture, pair.out, recipes, force=force or pair.replace)
    if preview is not None:
        write_image(picture, Path(preview), recipes, force=True)
    height, width = picture.pixels.shape[:2]
    styles = [style.path for style in request.styles] or [maker.run]
    return Made(pair.out, request.content.path, styles, (width, height), seconds, request.interrupted)


# ---------------------------------------------------------------- all of them


def _make_all(
    plan: Plan, report: StyleReport, first: Given | None, out: str, preview: str | None, force: bool, device: str
) -> None:
    """Fills the report. In a batch, one that fails is named and the rest goes on."""
    due = [pair for pair in plan.pairs if pair.there is None]
    there = [pair for pair in plan.pairs if pair.there is not None]
    report.there = [pair.out for pair in there]
    if not due and not plan.way.run:
        return
    # Only now torch: a mistake above is told in a tenth of a second.
    from artgen.cli.style_work import open_maker

    maker = open_maker(plan.way, device)
    report.notes += [maker.about] if maker.about else []
    for pair in there:
        if pair.there != maker.checkpoint:  # a run was trained on since
            raise UsageError(f"{pair.out}: exists, and was made with other weights (--force makes it anew)")
    if is_folder(out):
        make_folder(Path(out))
    with catch_signals() as signals:
        for number, pair in enumerate(due, 1):
            if signals.caught is not None:
                report.stopped = True
                return
            title = f"{number} of {len(due)}, {pair.out.name}" if plan.batch else pair.out.name
            try:
                given = first if first is not None else prepare(pair.request)
                made = make_picture(maker, pair, given, report.seed, signals, title, preview, force)
            except Exception as error:
                if not plan.batch:
                    raise
                why = str(error) if isinstance(error, ArtgenError) else f"{type(error).__name__}: {error}"
                report.failed[pair.out.name] = why.splitlines()[0]
                note(f"{pair.out}: not made: {report.failed[pair.out.name]}")
                continue
            report.made.append(made)
            report.notes += [*given.notes, *losses(given.content, pair.out)]
            if made.interrupted:
                report.stopped = True
                return


def _previews(maker: Maker, pair: Pair, given: Given, seed: int, preview: str) -> Callable[[Tensor, int, int], None]:
    """Writes what there is; once it cannot, says so and lets the work go on without."""
    from artgen.cli.style_work import finish
    from artgen.files import atomic_write

    failed = False

    def show(made: Tensor, done: int, of: int) -> None:
        nonlocal failed
        if failed:
            return
        request = pair.request.model_copy(update={"interrupted": f"{done} of {of}"})
        try:
            content = encode_image(finish(made, request, given), Path(preview), [maker.recipe(request, seed)])
            atomic_write(Path(preview), content, force=True)
        except ArtgenError as error:
            failed = True
            note(f"--preview: {error}; the work goes on")

    return show


def _shared_options(plan: Plan) -> dict[str, Any]:
    """What all pictures of a call have in common."""
    if not plan.pairs:
        return {}
    options = plan.pairs[0].request.model_dump(mode="json")
    for key in ("content", "styles", "interrupted", *(["size"] if plan.batch else [])):
        options.pop(key)
    return options


def _size_notes(plan: Plan, size: int | None) -> list[str]:
    """That a photo is larger than what is made of it, where nobody asked for that."""
    if size is not None:
        return []
    notes = []
    for path in dict.fromkeys(pair.request.content.path for pair in plan.pairs):
        width, height = image_size(path)
        if max(width, height) > DEFAULT_SIZE:
            notes.append(
                f"{path} has {width} x {height} pixels, the result {DEFAULT_SIZE} on its longest side; --size {max(width, height)} keeps them all"
            )
    return notes[:1] if len(notes) < 2 else [f"{notes[0]} (and {len(notes) - 1} more)"]


def _downloaded(
    content: str,
    styles: Sequence[str],
    asked: Mapping[str, Any],
    changes: Sequence[str],
    weights: str | None,
    checkpoint: str | None,
    out: str,
) -> str:
    """The file of weights that --download fetches, or fetched before. What is wrong with the call is told first."""
    from artgen.style.download import fetch_vgg19

    way = choose_way(styles, asked["method"], changes, weights, checkpoint, download=True)
    make_plan(way, content, styles, asked, out, any_seed=True, seed=0, force=True)
    return str(fetch_vgg19())
