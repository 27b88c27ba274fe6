"""Grids that a training writes on its way, and the animation of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from artgen.data.picture_decoding import Pixels
from artgen.media.picture import on_background
from artgen.media.sheet import make_sheet, to_image

LONGEST = 1500  # milliseconds that the last frame is shown
WIDEST = 640  # pixels of the animation's longer side


def write_preview(works: Sequence[Pixels], folder: Path, step: int) -> Path:
    """The works as a grid, `step-00000500.png`."""
    path = folder / f"step-{step:08d}.png"
    to_image(make_sheet(works)).save(path)
    return path


def write_animation_of_previews(folder: Path) -> Path | None:
    """`training.gif` of all grids in a folder; None where there are fewer than two."""
    frames = []
    for path in sorted(folder.glob("step-*.png")):
        with Image.open(path) as image:
            frames.append(_on_white(image))
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    if len(frames) < 2:
        return None
    path = folder / "training.gif"
    durations = [max(80, 4000 // len(frames))] * (len(frames) - 1) + [LONGEST]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return path


def _on_white(image: Image.Image) -> Image.Image:
    whole = Image.fromarray(on_background(np.asarray(image), (255, 255, 255)))
    shrink = min(1.0, WIDEST / max(whole.size))
    size = np.maximum(1, np.round(np.array(whole.size) * shrink)).astype(int)
    return whole.convert("RGB").resize((int(size[0]), int(size[1])), Image.Resampling.LANCZOS)
