"""The pictures that `artgen style-transfer` is given, made ready for a method. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from artgen.cli.style_request import LARGEST_SIDE, GivenFile, StyleRequest
from artgen.errors import UsageError
from artgen.media.image_files import Picture, image_size, read_image, to_profile
from artgen.media.image_reading import resized as resized_plane

Plane = NDArray[np.float32]

DEFAULT_SIZE = 512  # pixels of the longest side, where --size does not say
SMALLEST = 16  # pixels of a side, of what is made and of what it is made from: less has no patches and no layout
COARSE = 256  # squares along the longest side of the grid on which the opaque part of a style is looked for
SOFT = 0.01  # of the longest side: how far the border of a masked style is blended with the photo
OPAQUE = 0.99  # of alpha
ENLARGED = 1.5  # a style that is enlarged more than this is told to be


@dataclass
class Given:
    """What a picture is made from, at the size at which it is made; all in the content's colour space, 0 to 1.

    content: of the result's size; its alpha, profile, bits and EXIF go into the result.
    styles: [height, width, 3] each, as large as their brush strokes are to be.
    regions: [result's height, result's width], one for each style, or none.
    init: [result's height, result's width, 3]; None: there is none, or it is a word.
    """

    content: Picture
    styles: list[Plane] = field(default_factory=list)
    regions: list[Plane] = field(default_factory=list)
    init: Plane | None = None
    notes: list[str] = field(default_factory=list)

    def coverage(self) -> Plane | None:
        """How much of the result each pixel takes, the rest being the photo; None: all, everywhere."""
        if not self.regions:
            return None
        total: Plane = np.minimum(np.sum(self.regions, axis=0), 1).astype(np.float32)
        return total


def result_size(width: int, height: int, size: int | None) -> tuple[int, int]:
    """(width, height) of what is made of a content of that size. size: the longest side; None: the content's, at most DEFAULT_SIZE."""
    longest = max(width, height)
    scale = (min(longest, DEFAULT_SIZE) if size is None else size) / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


def check_content(path: str, size: int | None) -> tuple[int, int]:
    """The size of the result of a content. Raises UsageError where the file is no picture, or either would be too small."""
    width, height = image_size(path)
    _check_side(path, (width, height), "has", "")
    made = result_size(width, height, size)
    least = -(-max(width, height) * SMALLEST // min(width, height))
    advice = f"--size {least} or more" if least <= LARGEST_SIDE else "a picture that is less long"
    _check_side(path, made, "the result would have", f": {advice}")
    return made


def prepare(request: StyleRequest) -> Given:
    """Reads what a request names. Raises UsageError, one line that names the file."""
    original = image_size(request.content.path)
    content = read_image(request.content.path, size=max(check_content(request.content.path, request.size)))
    height, width = content.pixels.shape[:2]
    given = Given(replace(content, pixels=_seen(content)))
    for style in request.styles:
        given.styles.append(_style(style.path, content, request.style_scale * max(width, height), given.notes))
    given.regions = [_region(mask, request.content.path, original, (width, height)) for mask in request.masks]
    if isinstance(request.init, GivenFile):
        given.init = _init(request.init, content, (width, height))
    return given


def resized(pixels: NDArray[np.float32], width: int, height: int) -> Plane:
    """[h, w] or [h, w, channels] at another size, antialiased, 0 to 1."""
    if pixels.shape[:2] == (height, width):
        return pixels
    planes = [pixels] if pixels.ndim == 2 else [np.ascontiguousarray(pixels[..., i]) for i in range(pixels.shape[2])]
    made = [resized_plane(plane, (width, height)) for plane in planes]
    return made[0] if pixels.ndim == 2 else np.stack(made, axis=-1)


def _seen(picture: Picture) -> Plane:
    """The colours, those of pixels that cannot be seen replaced by the mean of the others: they are no part of the layout."""
    if picture.alpha is None or bool((picture.alpha >= OPAQUE).all()):
        return picture.pixels
    total = picture.alpha.sum(dtype=np.float64)
    mean = np.einsum("hw,hwc->c", picture.alpha, picture.pixels, dtype=np.float64) / total if total else np.zeros(3)
    pixels = picture.pixels.copy()
    pixels[picture.alpha == 0] = mean
    return pixels


def _style(path: str, content: Picture, longest: float, notes: list[str]) -> Plane:
    """A style in the content's colours, scaled to that longest side; of one with transparency, the largest rectangle without."""
    _check_side(path, image_size(path), "has", "")
    picture = read_image(path, size=max(1, round(longest)))
    width, height = image_size(path)
    if picture.alpha is not None and not bool((picture.alpha >= OPAQUE).all()):
        picture = read_image(path)
        assert picture.alpha is not None
        top, bottom, left, right = opaque_part(picture.alpha)
        width, height = right - left, bottom - top
        if min(width, height) < SMALLEST:
            raise UsageError(
                f"{path}: transparent parts are no style, and there is no opaque part of {SMALLEST} x {SMALLEST} pixels in it"
            )
        scale = longest / max(width, height)
        size = round(width * scale), round(height * scale)
        cut = np.ascontiguousarray(picture.pixels[top:bottom, left:right])
        picture = replace(picture, pixels=resized(cut, *size), alpha=None)
    made = picture.pixels.shape[1], picture.pixels.shape[0]
    _check_side(path, made, "would be scaled to", ": a larger --style-scale or --size")
    if max(made) > ENLARGED * max(width, height):
        notes.append(f"{path} has {width} x {height} pixels and is enlarged to {made[0]} x {made[1]}: its strokes will be soft")
    return to_profile(picture, content.profile).pixels


def _check_side(path: str, size: tuple[int, int], has: str, advice: str) -> None:
    if min(size) < SMALLEST:
        raise UsageError(f"{path}: {has} {size[0]} x {size[1]} pixels, expected at least {SMALLEST} on each side{advice}")


def opaque_part(alpha: Plane) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the largest rectangle of alpha [h, w] that is opaque; all 0 where there is none.

    Looked for on a grid of squares, COARSE along the longest side: exact where the picture is no larger than that.
    """
    step = -(-max(alpha.shape) // COARSE)
    solid = alpha >= OPAQUE
    if solid.all():
        return 0, alpha.shape[0], 0, alpha.shape[1]
    rows, columns = alpha.shape[0] // step, alpha.shape[1] // step
    squares = solid[: rows * step, : columns * step].reshape(rows, step, columns, step)
    grid = np.asarray(squares.all(axis=(1, 3)))
    heights = np.zeros(columns, int)  # of the run of solid squares that ends in this row, for each column
    best, found = 0, (0, 0, 0, 0)
    for row in range(rows):
        heights = np.where(grid[row], heights + 1, 0)
        open_from: list[tuple[int, int]] = []  # (first column, height) of rectangles that may still grow to the right
        for column, height in enumerate([*heights.tolist(), 0]):
            first = column
            while open_from and open_from[-1][1] >= height:
                first, tall = open_from.pop()
                if tall * (column - first) > best:
                    best, found = tall * (column - first), (row + 1 - tall, row + 1, first, column)
            open_from.append((first, height))
    top, bottom, left, right = found
    return top * step, bottom * step, left * step, right * step


def _region(mask: GivenFile, content: str, original: tuple[int, int], size: tuple[int, int]) -> Plane:
    """How white a mask is, at the result's size. Where it is transparent it is black."""
    found = image_size(mask.path)
    if found not in (original, size):
        raise UsageError(
            f"{mask.path}: the mask has {found[0]} x {found[1]} pixels, expected {original[0]} x {original[1]} as {content}"
        )
    picture = read_image(mask.path)
    white = picture.pixels.mean(axis=-1)
    if picture.alpha is not None:
        white = white * picture.alpha
    if not (white > 0.5).any():
        raise UsageError(f"{mask.path}: names no place for the style: white is where it goes, and there is none")
    return resized(white.astype(np.float32), *size)


def _init(init: GivenFile, content: Picture, size: tuple[int, int]) -> Plane:
    width, height = image_size(init.path)
    if abs(width / height - size[0] / size[1]) * size[1] > 1:  # by more than a pixel of the result's width
        raise UsageError(
            f"{init.path}: --init has {width} x {height} pixels, which is another shape than the {size[0]} x {size[1]} of the result"
        )
    return resized(to_profile(read_image(init.path), content.profile).pixels, *size)
