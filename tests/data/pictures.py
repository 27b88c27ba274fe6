"""Pictures to test with."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artgen.data.picture_config import PictureDataConfig
from artgen.data.pictures import PictureSet, load_pictures


def config(*paths: Path | str, **options: Any) -> PictureDataConfig:
    return PictureDataConfig(path=[str(path) for path in paths] or ["geometric"], **{"size": 32, **options})


def load(*paths: Path | str, **options: Any) -> PictureSet:
    return load_pictures(config(*paths, **options))


def noise(seed: int, width: int = 40, height: int = 40, mode: str = "RGB") -> Image.Image:
    """A picture that no other seed has."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def folder_of(folder: Path, n: int, first: int = 0, suffix: str = "png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        noise(i).save(folder / f"{i:03}.{suffix}")
    return folder


def png_that_says(width: int, height: int) -> bytes:
    """A valid PNG header of a grey picture of this size, and next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
