"""The work behind `artgen interpolate`: a walk through the space of latents, as pictures that move."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from artgen.cli.making import Stream
from artgen.cli.picture_request import PictureRequest, progress
from artgen.config import PositiveInt, RunConfig
from artgen.engine.run import TrainedModel
from artgen.errors import UsageError, counted
from artgen.media.places import is_folder
from artgen.media.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from artgen.families.base import Sample

Floats = NDArray[np.float64]

ANIMATED = (".mp4", ".gif", ".png", ".apng")
WATCHABLE = 256  # pixels that an MP4 has at least on each side


class PictureWalk(PictureRequest):
    """From the sample of one seed to that of the next, on the sphere that latents lie near."""

    places: ClassVar[str] = "-o FILE.mp4, .gif or .png (which moves, too), or -o FOLDER/ for a file of each frame"

    seeds: list[int] = Field(min_length=2)
    loop: bool = False  # from the last seed back to the first
    frames: PositiveInt = 24  # from seed to seed
    fps: float = Field(24, ge=1, le=60)
    ease: bool = False  # slowly away from each seed and slowly towards the next
    classes: list[str] = Field([])  # of all seeds, or one for each; none: the run's, or the first
    scale: int | None = Field(None, ge=1, le=16)  # enlargement; None: 1, but as much as a video needs
    resample: Literal["lanczos", "nearest"] = "lanczos"
    apart: bool = False  # a work for each frame, instead of one that moves

    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        super().check(config, options, n, out, force)
        assert out is not None
        if len(self.classes) not in (0, 1, len(self.seeds)):
            raise UsageError(
                f"--class: {counted(len(self.classes), 'class', 'classes')} for {len(self.seeds)} seeds, "
                "expected one for all, or one for each"
            )
        if is_folder(out):
            from artgen.media.places import check_places

            check_places(out, len(self.path()), ".png", force)
            return
        suffix = Path(out).suffix.lower()
        if suffix not in ANIMATED:
            raise UsageError(f"{out}: expected a name that ends in {', '.join(ANIMATED[:-1])} or {ANIMATED[-1]}, or in /")
        if suffix == ".mp4":
            from artgen.media.video import check_video

            check_video(out, force)
            return
        from artgen.files import check_writable

        check_writable(Path(out), force)

    def path(self) -> list[tuple[int, int, float]]:
        """(number of a seed, number of the next, share of the way between them) of every frame."""
        n = len(self.seeds)
        shares = np.arange(self.frames) / self.frames
        if self.ease:
            shares = shares * shares * (3 - 2 * shares)
        steps = [(i, (i + 1) % n, float(t)) for i in range(n if self.loop else n - 1) for t in shares]
        return steps if self.loop else [*steps, (n - 1, n - 1, 0.0)]

    def make(self, trained: TrainedModel, options: Any, n: int, seed: int, stream: Stream | None = None) -> list[Sample]:
        import torch

        from artgen.families.base import Sample, device_of

        family, networks = trained.family, trained.networks
        device = device_of(networks)
        begun = time.perf_counter()
        latents = [family.latents(seed, 0, 1)[0].double().numpy() for seed in self.seeds]
        labels = self._labels(family, options, device)
        path = self.path()
        made: list[NDArray[np.uint8]] = []
        with torch.no_grad(), progress(len(path), "frame") as reach:
            for first in range(0, len(path), options.batch):
                some = path[first : first + options.batch]
                between = np.stack([slerp(latents[i], latents[j], t) for i, j, t in some])
                at = torch.from_numpy(between).float().to(device)
                share = torch.tensor([t for _, _, t in some], device=device)
                here, there = (
                    (None, None) if labels is None else (labels[[i for i, _, _ in some]], labels[[j for _, j, _ in some]])
                )
                codes = family.codes(networks, at, here, options)
                nearer = here
                if here is not None and there is not None and bool((here != there).any()):
                    shape = (-1, *[1] * (codes.ndim - 1))
                    codes = torch.lerp(codes, family.codes(networks, at, there, options), share.view(shape))
                    nearer = torch.where(share < 0.5, here, there)
                made.extend(family.pixels(networks, codes, nearer, options))
                reach(len(made))
        seconds = time.perf_counter() - begun
        if self.apart:
            return [Sample(frame, {"seconds": seconds / len(made)}) for frame in made]
        return [Sample(made, {"frames": len(made), "seconds": seconds})]

    def write(self, works: Sequence[Any], out: str | Path, recipes: Sequence[Recipe], force: bool) -> list[Path]:
        from artgen.media.picture import enlarge, on_background, write_animation, write_pictures
        from artgen.media.video import write_video

        pictures = works if self.apart else works[0]
        movie = not self.apart and Path(out).suffix.lower() == ".mp4"
        factor = self.scale or (-(-WATCHABLE // min(pictures[0].shape[:2])) if movie else 1)
        ground = self.background_rgb or ((255, 255, 255) if movie else None)
        pictures = [enlarge(on_background(work, ground), factor, self.resample == "lanczos") for work in pictures]
        if self.apart:
            return write_pictures(pictures, out, recipes, force)
        if movie:
            return [write_video(pictures, out, recipes, force, self.fps)]
        each = round(1000 / self.fps)
        return [write_animation(pictures, Path(out), recipes, force, frame_ms=each, hold_ms=each)]

    def summary(self, samples: Sequence[Sample], seed: int) -> str:
        seconds = sum(made.figures["seconds"] for made in samples)
        return f"{counted(len(self.path()), 'frame')} in {seconds:.2f} s"

    def _labels(self, family: Any, options: Any, device: Any) -> Tensor | None:
        """The class of each seed, int64 [seeds]; None where the run has none."""
        import torch

        found = [family.labels(name, 0, 1, device) for name in self.classes or [options.class_name]]
        return None if found[0] is None else torch.cat(found).expand(len(self.seeds))


REQUESTS = (PictureWalk,)


def slerp(a: Floats, b: Floats, t: float) -> Floats:
    """The point at share t of the arc from a to b, arrays of one shape.

    sin((1 - t) Ω) / sin Ω · a + sin(t Ω) / sin Ω · b, Ω the angle between them (Shoemake 1985, section 3.3). Normal noise in
    many dimensions has nearly one length; straight lines would go through shorter ones, which a network never saw (White 2016,
    https://arxiv.org/abs/1609.04468). Where a and b have nearly one direction, or opposite ones, it is the straight line.
    """
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float((a * b).sum()) / lengths if lengths else 1.0
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    if np.sin(angle) < 1e-6:
        return (1 - t) * a + t * b
    across = np.sin(angle)
    return np.asarray(np.sin((1 - t) * angle) / across * a + np.sin(t * angle) / across * b)


def parse_seeds(text: str) -> list[int]:
    """1,2,3 as numbers. Raises UsageError."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not part.isascii() or not part.isdecimal() or int(part) >= 2**63:
            raise UsageError(f"--seeds {text}: {part!r} is not a seed, expected whole numbers such as 1,2,3,4")
    if len(parts) < 2:
        raise UsageError(f"--seeds {text}: expected at least two, such as 1,2,3,4")
    return [int(part) for part in parts]
