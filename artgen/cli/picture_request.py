"""What requests for pictures share: where pictures go, how several lie on a sheet, and progress. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from tqdm import tqdm

from artgen.cli.making import Request
from artgen.config import PositiveInt, RunConfig
from artgen.data.picture_config import Colour, rgb
from artgen.errors import UsageError, counted
from artgen.media.places import is_folder
from artgen.media.recipe import Recipe

if TYPE_CHECKING:
    from artgen.families.base import Sample
    from artgen.media.sheet import Sheet


class PictureRequest(Request):
    """Makes pictures, which cannot go to a terminal."""

    medium: ClassVar[str] = "picture"
    one_place: ClassVar[str] = "a file for all pictures, or a folder for a file each"
    places: ClassVar[str] = "-o FILE.png for one picture or a sheet of several, or -o FOLDER/ for a file each"

    background: Colour | None = None  # what is laid under transparent pictures and between those of a sheet

    @property
    def background_rgb(self) -> tuple[int, int, int] | None:
        return rgb(self.background) if self.background else None

    def applicable(self, options: Any) -> Any:
        return options.model_copy(update={"avoid_copies": False})  # of the commands, only `sample` holds works against pictures

    def check_work(self, config: RunConfig, options: Any) -> None:
        if options.avoid_copies and not config.sample.avoid_copies:  # type: ignore[attr-defined]
            raise UsageError("--set avoid_copies: only artgen sample and evaluate can, expected one of them")

    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        if out is None:
            raise UsageError(f"pictures cannot go to the terminal; give {self.places}")

    def summary(self, samples: Sequence[Sample], seed: int) -> str:
        seconds = sum(made.figures["seconds"] for made in samples)
        rate = f", {len(samples) / seconds:,.1f} a second" if seconds > 0 and len(samples) > 1 else ""
        return f"{counted(len(samples), 'picture')} in {seconds:.2f} s{rate}; --seed {seed} makes the same again"


class SheetRequest(PictureRequest):
    """Makes pictures that go into one file, as a sheet if there are several, or into a folder."""

    columns: PositiveInt | None = None
    padding: int = Field(2, ge=0, le=1000)

    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        from artgen.media.picture import check_out
        from artgen.media.sheet import sheet_size

        super().check(config, options, n, out, force)
        assert out is not None
        check_out(out, n, force)
        if not is_folder(out):
            size = config.data.size  # type: ignore[attr-defined]
            sheet_size(n, size, size, self.sheet())

    def sheet(self) -> Sheet:
        from artgen.media.sheet import Sheet

        return Sheet(columns=self.columns, padding=self.padding, background=self.background_rgb)

    def write(self, works: Sequence[Any], out: str | Path, recipes: Sequence[Recipe], force: bool) -> list[Path]:
        from artgen.media.picture import on_background, write_pictures

        return write_pictures([on_background(work, self.background_rgb) for work in works], out, recipes, force, self.sheet())


@contextmanager
def progress(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, where the work takes longer than a second. Gives what is to be called with how much is done."""
    with tqdm(total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False, delay=1, dynamic_ncols=True) as bar:

        def reach(done: int) -> None:
            bar.update(done - bar.n)

        yield reach
