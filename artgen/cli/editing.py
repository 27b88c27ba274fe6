"""The work behind `artgen edit`: a picture of the user's, or a sample, is projected, moved, painted into or varied."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from artgen.cli.given_pictures import check_hash, read_mask, read_picture
from artgen.cli.making import Stream
from artgen.cli.picture_request import SheetRequest, progress
from artgen.config import Fraction, PositiveInt, RunConfig
from artgen.data.picture_decoding import Pixels
from artgen.engine.run import TrainedModel
from artgen.errors import UsageError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from artgen.families.base import Sample

AMOUNTS = (-3, -2, -1, 0, 1, 2, 3)  # columns of the sheet of directions
SMALLEST = 64  # pixels of a picture on the sheet of directions

Action = Literal["project", "directions", "move", "paint", "outpaint", "vary"]


class PictureEdit(SheetRequest):
    """One edit of one picture."""

    action: Action
    picture: str | None = None  # path; None: a sample is edited
    picture_sha256: str | None = None
    mask: str | None = None  # path
    mask_sha256: str | None = None
    project_steps: PositiveInt = 200
    compare: bool = False  # project: the picture and its reconstruction side by side
    count: PositiveInt = 8  # directions: how many
    moves: dict[PositiveInt, float] = Field({})  # move: number of a direction -> how far
    outpaint: float | None = Field(None, gt=0, lt=1)  # share of the side that the picture keeps
    strength: Fraction | None = None

    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        super().check(config, options, n, out, force)
        if self.picture is None:
            if self.action in NEED_PICTURE:
                raise UsageError(f"artgen edit: {NEED_PICTURE[self.action]} needs a picture: artgen edit RUN PICTURE …")
            return
        data = config.data  # type: ignore[attr-defined]
        _, size = read_picture(self.picture, data)
        if self.picture_sha256:
            check_hash(self.picture, self.picture_sha256)
        if self.mask is not None:
            read_mask(self.mask, data, self.picture, size)
            if self.mask_sha256:
                check_hash(self.mask, self.mask_sha256)
        if self.outpaint is not None and not 0 < round(data.size * self.outpaint) < data.size - 1:
            raise UsageError(f"--outpaint {self.outpaint:g}: leaves no border, or no picture, of {data.size} pixels")

    def make(self, trained: TrainedModel, options: Any, n: int, seed: int, stream: Stream | None = None) -> list[Sample]:
        import torch

        from artgen.families.base import Sample

        torch.manual_seed(seed)
        begun = time.perf_counter()
        made = ACTIONS[self.action](_Work(self, trained, options, n, seed))
        seconds = (time.perf_counter() - begun) / len(made)
        return [Sample(work, {"seconds": seconds, **figures}) for work, figures in made]

    def summary(self, samples: Sequence[Sample], seed: int) -> str:
        line = super().summary(samples, seed)
        error = samples[0].figures.get("rmse")
        return line if error is None else f"{line}; root mean square error {error:.4f} (0: the same, 1: black for white)"

    def notes(self, config: RunConfig, samples: Sequence[Sample]) -> list[str]:
        if self.picture is None:
            return []
        size, (width, height) = config.data.size, read_picture(self.picture, config.data)[1]  # type: ignore[attr-defined]
        if max(width, height) <= size:
            return []
        return [f"{self.picture} has {width} x {height} pixels; the run works at {size} x {size}, and so is the result"]


REQUESTS = (PictureEdit,)

NEED_PICTURE = {"project": "--project", "paint": "--mask", "outpaint": "--outpaint", "vary": "--strength"}

Made = list[tuple[Pixels, dict[str, Any]]]


class _Work:
    """What the actions are done with: a request and an opened run."""

    def __init__(self, request: PictureEdit, trained: TrainedModel, options: Any, n: int, seed: int) -> None:
        from artgen.families.base import device_of

        self.request, self.options, self.n, self.seed = request, options, n, seed
        self.family, self.networks = trained.family, trained.networks
        self.data: Any = trained.config.data  # type: ignore[attr-defined]
        self.device = device_of(trained.networks)

    def picture(self, size: int | None = None) -> tuple[Pixels, tuple[int, int]]:
        """The user's picture as [size, size, channels], and its own size. None: the run's size."""
        assert self.request.picture is not None
        return read_picture(self.request.picture, self.data.model_copy(update={"size": size or self.data.size}))

    def labels(self, n: int) -> Tensor | None:
        """The class of the edited picture, n times: the named one, or the first."""
        label = self.family.labels(self.options.class_name, 0, 1, self.device)
        return None if label is None else label.expand(n)

    def codes(self, n: int) -> tuple[Tensor, Tensor | None]:
        """Codes of the projected picture, or of n samples where there is none, and their classes."""
        import torch

        if self.request.picture is None:
            labels = self.family.labels(self.options.class_name, 0, n, self.device)
            with torch.no_grad():
                return self.family.codes(
                    self.networks, self.family.latents(self.seed, 0, n, self.device), labels, self.options
                ), labels
        steps = self.request.project_steps
        with progress(steps, "step") as reach:
            taken = 0

            def advance(count: int) -> None:
                nonlocal taken
                taken += count
                reach(taken)

            labels = self.labels(1)
            signal = self.signal(self.picture()[0], 1)
            return self.family.project(self.networks, signal, labels, self.options, steps, advance), labels

    def pixels(self, codes: Tensor, labels: Tensor | None) -> list[Pixels]:
        """Codes as pictures, a batch at a time."""
        made: list[Pixels] = []
        for first in range(0, len(codes), self.options.batch):
            some = slice(first, first + self.options.batch)
            made.extend(self.family.pixels(self.networks, codes[some], None if labels is None else labels[some], self.options))
        return made

    def signal(self, pixels: Pixels, n: int) -> Tensor:
        """A picture n times as networks see it: [n, channels, size, size], -1 to 1."""
        from artgen.image.batches import to_signal, to_tensor

        signal: Tensor = to_signal(to_tensor(pixels[None])).to(self.device)
        return signal.expand(n, -1, -1, -1).contiguous()

    def variants(self, make: Callable[[int, int], Tensor]) -> Iterable[Pixels]:
        """n pictures, a batch at a time, by make(how many, seed) -> [.., channels, size, size], -1 to 1."""
        with progress(self.n, "picture") as reach:
            for first in range(0, self.n, self.options.batch):
                count = min(self.options.batch, self.n - first)
                yield from self.family.as_pixels(make(count, self.seed + first))
                reach(first + count)


def _project(work: _Work) -> Made:
    from artgen.media.sheet import make_sheet

    original = work.picture()[0]
    (again,) = work.pixels(*work.codes(1))
    difference = (original.astype(np.float64) - again) / 255
    error = float(np.sqrt(np.square(difference).mean()))
    shown = make_sheet([original, again], work.request.sheet()) if work.request.compare else again
    return [(shown, {"rmse": error})]


def _directions(work: _Work) -> Made:
    """A sheet: a row for each direction, numbered from 1, and in it the same picture moved from -3 to 3."""
    import torch

    from artgen.media.picture import enlarge
    from artgen.media.sheet import Sheet, make_sheet

    directions = work.family.directions(work.networks, work.request.count).to(work.device)
    codes, labels = work.codes(1)
    amounts = torch.tensor(AMOUNTS, dtype=codes.dtype, device=codes.device)
    moved = torch.cat([codes + (amounts[:, None] * direction).view(-1, *codes.shape[1:]) for direction in directions])
    works = work.pixels(moved, None if labels is None else labels.expand(len(moved)))
    captions = [
        f"{number}: {amount:+d}" if amount else f"{number}: 0" for number in range(1, len(directions) + 1) for amount in AMOUNTS
    ]
    factor = -(-SMALLEST // work.data.size)
    sheet = Sheet(len(AMOUNTS), work.request.padding, work.request.background_rgb, captions)
    return [(make_sheet([enlarge(made, factor) for made in works], sheet), {"directions": len(directions)})]


def _move(work: _Work) -> Made:
    moves = work.request.moves
    directions = work.family.directions(work.networks, max(moves)).to(work.device)
    if len(directions) < max(moves):
        raise UsageError(f"--direction {max(moves)}: this run has {counted(len(directions), 'direction')}")
    codes, labels = work.codes(work.n)
    for number, amount in moves.items():
        codes = codes + amount * directions[number - 1].view(1, *codes.shape[1:])
    return [(made, {}) for made in work.pixels(codes, labels)]


def _paint(work: _Work) -> Made:
    assert work.request.mask is not None and work.request.picture is not None
    original, size = work.picture()
    return _painted(work, original, read_mask(work.request.mask, work.data, work.request.picture, size))


def _outpaint(work: _Work) -> Made:
    assert work.request.outpaint is not None
    inner = round(work.data.size * work.request.outpaint)
    begin = (work.data.size - inner) // 2
    inside = slice(begin, begin + inner)
    small = work.picture(inner)[0]
    # What is under the border does not count; its mean colour is nearer to what comes than any other.
    whole = np.empty((work.data.size, work.data.size, small.shape[2]), np.uint8)
    whole[:] = small.reshape(-1, small.shape[2]).mean(axis=0).round()
    whole[inside, inside] = small
    mask = np.ones(whole.shape[:2], bool)
    mask[inside, inside] = False
    return _painted(work, whole, mask)


def _painted(work: _Work, original: Pixels, mask: np.ndarray) -> Made:
    """What is under the mask is made anew; the rest is the original's, bit for bit."""
    import torch

    hidden = torch.from_numpy(mask)[None, None].to(work.device)

    def make(count: int, seed: int) -> Tensor:
        painted: Tensor = work.family.paint(
            work.networks,
            work.signal(original, count),
            hidden.expand(count, -1, -1, -1),
            work.labels(count),
            work.options,
            seed,
        )
        return painted

    return [(np.where(mask[..., None], made, original), {}) for made in work.variants(make)]


def _vary(work: _Work) -> Made:
    original = work.picture()[0]

    def make(count: int, seed: int) -> Tensor:
        varied: Tensor = work.family.vary(
            work.networks, work.signal(original, count), work.request.strength, work.labels(count), work.options, seed
        )
        return varied

    return [(made, {}) for made in work.variants(make)]


ACTIONS: dict[str, Callable[[_Work], Made]] = {
    "project": _project,
    "directions": _directions,
    "move": _move,
    "paint": _paint,
    "outpaint": _outpaint,
    "vary": _vary,
}
