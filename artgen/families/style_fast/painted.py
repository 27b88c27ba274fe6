"""Photographs as the method `patch` paints them: what a fast network learns from. Kept in the cache, each by itself."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm import tqdm

from artgen.data.cache import cache_folder, new_file
from artgen.data.picture_decoding import Pixels
from artgen.errors import counted
from artgen.image.batches import from_unit, to_unit
from artgen.style.job import StyleImage, StyleJob
from artgen.style.options import PatchOptions
from artgen.style.patch import patch

FORMAT = 1  # of what is kept; a change of it, or of the method's pictures, paints all anew


def load_painted(photographs: Pixels, paintings: Sequence[Tensor], cache: Path | None = None) -> Pixels:
    """[paintings, n, h, w, 3] of photographs [n, h, w, 3] and paintings [3, height, width], 0 to 1, whose pixels are as large as theirs.

    What is in the cache is taken from there. Else each takes some seconds, and a line on stderr says so.
    cache: None is `cache_folder()`. Raises ArtgenError where the cache cannot be written.
    """
    folder = (cache or cache_folder()) / "painted"
    pairs = [(photograph, painting) for painting in paintings for photograph in photographs]
    names = [folder / f"{_digest(photograph, painting)}.bin" for photograph, painting in pairs]
    found = [_read(name, photograph.shape) for name, (photograph, _) in zip(names, pairs, strict=True)]
    missing = [number for number, pixels in enumerate(found) if pixels is None]
    if missing:
        print(f"painting {counted(len(missing), 'picture')} to learn from, some seconds each; they are kept", file=sys.stderr)
    for number in tqdm(missing, desc="painting", disable=not sys.stderr.isatty(), leave=False):
        found[number] = painted(*pairs[number])
        with new_file(folder) as partial:
            partial.write_bytes(found[number].tobytes())  # type: ignore[union-attr]
            os.replace(partial, names[number])
    height, width = photographs.shape[1:3]
    return np.stack(found).reshape(len(paintings), len(photographs), height, width, 3)  # type: ignore[arg-type]


def painted(photograph: Pixels, painting: Tensor) -> Pixels:
    """[h, w, 3] of one photograph, as `--method patch` does without options."""
    return from_unit(patch(StyleJob(to_unit(photograph), [StyleImage(painting)]), PatchOptions()))


def _digest(photograph: Pixels, painting: Tensor) -> str:
    """Of all that a painted picture depends on."""
    style = (painting * 255).round().byte().numpy()
    facts = [FORMAT, PatchOptions().model_dump(), list(photograph.shape), list(style.shape)]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for array in (photograph, style):
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]


def _read(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """None if it is not there, or not whole."""
    try:
        pixels = np.fromfile(path, dtype=np.uint8)
    except OSError:
        return None
    return pixels.reshape(shape) if pixels.size == np.prod(shape) else None
