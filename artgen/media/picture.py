"""Pictures as files: PNG, and GIF or PNG that move, with the recipe inside."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from artgen.errors import UsageError
from artgen.files import atomic_write_all, check_writable
from artgen.media.picture_recipes import KEY, recipe_text
from artgen.media.places import check_places, is_folder, make_folder, work_files
from artgen.media.recipe import Recipe
from artgen.media.sheet import Pixels, Sheet, make_sheet, to_image

ANIMATED = (".gif", ".png", ".apng")


def write_pictures(
    works: Sequence[Pixels], out: Path | str, recipes: Sequence[Recipe], force: bool = False, sheet: Sheet | None = None
) -> list[Path]:
    """Writes pictures ([height, width] or [height, width, 1 | 3 | 4], uint8) as PNG; returns the files.

    out: a file, which gets the picture, or a sheet if there are several; or a folder (it exists, or its name ends with a
    slash), which gets a file for each: 0001.png, 0002.png, …. A folder that does not exist is made, its parent is not.
    recipes: one for each work; a sheet carries all.

    All files are written in full before the first gets its name. Raises as `artgen.files.atomic_write`.
    """
    if len(works) != len(recipes):
        raise ValueError(f"{len(works)} works and {len(recipes)} recipes")
    if not works:
        raise ValueError("no works to write")
    _check_name(out, (".png",))
    if is_folder(out):
        make_folder(Path(out))
        parts = [(work, [recipe]) for work, recipe in zip(works, recipes, strict=True)]
    elif len(works) == 1 and not (sheet and sheet.captions):
        parts = [(works[0], list(recipes))]
    else:
        parts = [(make_sheet(works, sheet), list(recipes))]
    files = work_files(out, len(works), ".png")
    atomic_write_all({path: _png([work], made) for path, (work, made) in zip(files, parts, strict=True)}, force)
    return files


def write_animation(
    frames: Sequence[Pixels],
    out: Path,
    recipes: Sequence[Recipe],
    force: bool = False,
    frame_ms: int = 100,
    hold_ms: int = 1500,
) -> Path:
    """Writes frames of one size as GIF (256 colours a frame) or animated PNG (exact), by the name's end; returns the file.

    frame_ms: how long a frame is shown; hold_ms: the last one. It begins anew for ever.
    """
    if not frames or not recipes:
        raise ValueError(f"{len(frames)} frames and {len(recipes)} recipes")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError("frames of different shapes")
    _check_name(out, ANIMATED)
    check_writable(out, force)
    encode = _gif if Path(out).suffix.lower() == ".gif" else _png
    atomic_write_all({Path(out): encode(frames, recipes, [*[frame_ms] * (len(frames) - 1), hold_ms])}, force)
    return Path(out)


def check_out(out: Path | str, n_works: int, force: bool = False) -> None:
    """Raises what `write_pictures` would about the place, for work that takes long and would else find out at its end."""
    _check_name(out, (".png",))
    check_places(out, n_works, ".png", force)


def on_background(work: Pixels, background: tuple[int, int, int] | None) -> Pixels:
    """A transparent picture laid on a colour, without transparency then; None, or an opaque picture: as it is."""
    if background is None or work.ndim < 3 or work.shape[2] != 4:
        return work
    ground = Image.new("RGBA", (work.shape[1], work.shape[0]), background)
    return np.asarray(Image.alpha_composite(ground, to_image(work)).convert("RGB"))


def enlarge(work: Pixels, factor: int, smooth: bool = True) -> Pixels:
    """A picture with so many times the pixels on each side, smooth, or each pixel as a square."""
    if factor == 1:
        return work
    image = to_image(work)
    size = (image.width * factor, image.height * factor)
    if not smooth:
        return np.asarray(image.resize(size, Image.Resampling.NEAREST))
    if image.mode == "RGBA":  # colours weighted by alpha: else those of pixels that cannot be seen would show at the edges
        return np.asarray(image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA"))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


# ---------------------------------------------------------------- encoding


def _png(frames: Sequence[Pixels], recipes: Sequence[Recipe], durations: Sequence[int] = ()) -> bytes:
    first, *rest = [to_image(frame) for frame in frames]

    def encode(info: PngInfo | None) -> bytes:
        out = io.BytesIO()
        if rest:
            first.save(out, "PNG", save_all=True, append_images=rest, duration=list(durations), loop=0, pnginfo=info)
        else:
            first.save(out, "PNG", pnginfo=info)
        return out.getvalue()

    info = PngInfo()
    info.add_itxt(KEY, recipe_text(encode(None), recipes))
    return encode(info)


def _gif(frames: Sequence[Pixels], recipes: Sequence[Recipe], durations: Sequence[int]) -> bytes:
    first, *rest = [to_image(frame) for frame in frames]
    disposal = 2 if first.mode == "RGBA" else 0  # clear a transparent frame before the next one is laid on it

    def encode(comment: bytes) -> bytes:
        out = io.BytesIO()
        first.save(
            out,
            "GIF",
            save_all=True,
            append_images=rest,
            duration=list(durations) if rest else durations[0],
            loop=0,
            disposal=disposal,
            comment=comment,
        )
        return out.getvalue()

    return encode(recipe_text(encode(b""), recipes))


def _check_name(out: Path | str, suffixes: Sequence[str]) -> None:
    if not is_folder(out) and Path(out).suffix.lower() not in suffixes:
        raise UsageError(f"{out}: expected a name that ends in {' or '.join(suffixes)}, which can carry a recipe")
