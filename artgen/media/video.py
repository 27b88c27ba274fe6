"""Pictures that move, as MP4, with the recipe inside. PyAV (the extra `video`) is imported when it is needed."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artgen.errors import UsageError
from artgen.files import atomic_write, check_writable
from artgen.media.recipe import FileRecipes, Recipe, carried_recipes, read_bytes, to_json
from artgen.media.sheet import Pixels

SUFFIX = ".mp4"
# x264's look-ahead reads memory that nothing was written to where pictures are small, so that the same frames make other
# bytes now and then: what is decided by it is turned off.
BLIND = "mbtree=0:rc-lookahead=0:scenecut=0:b-adapt=0:weightp=0"
CODECS = {  # the first that PyAV was built with, with its settings: nearly as good as the pictures
    "libx264": {"crf": "16", "preset": "slow", "x264-params": BLIND},
    "mpeg4": {"qmin": "1", "qmax": "2", "b": "8000000"},
}
BT709 = 1  # FFmpeg's number for the colours of HD video
LIMITED = 1  # likewise for luminance from 16 to 235


def write_video(
    frames: Sequence[Pixels], out: Path | str, recipes: Sequence[Recipe], force: bool = False, fps: float = 24
) -> Path:
    """Writes frames of one size, [height, width] or [height, width, 1 | 3], as MP4 that any player shows; returns the file.

    Odd sizes get their last row or column twice, because colours have half the resolution. The same frames make the same file,
    byte for byte: one thread encodes, and there is no date in it.
    Raises UsageError as `check_video`, and as `artgen.files.atomic_write`.
    """
    if not frames or not recipes:
        raise ValueError(f"{len(frames)} frames and {len(recipes)} recipes")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError("frames of different shapes")
    check_video(out, force)
    colours = [_rgb(frame) for frame in frames]
    digest = _packets_digest(_encode(colours, fps, ""))
    atomic_write(Path(out), _encode(colours, fps, to_json(recipes, packets_sha256=digest)), force)
    return Path(out)


def check_video(out: Path | str, force: bool = False) -> None:
    """Raises what `write_video` would about the place and about what is installed."""
    if Path(out).suffix.lower() != SUFFIX:
        raise UsageError(f"{out}: expected a name that ends in {SUFFIX}")
    if importlib.util.find_spec("av") is None:
        raise UsageError(f"{out}: MP4 needs PyAV: pip install 'artgen[video]'; a name that ends in .gif needs nothing more")
    check_writable(Path(out), force)


def read_recipe(path: Path) -> FileRecipes:
    """The recipes of an MP4 file. Whether it is unchanged is known by its compressed pictures.

    Raises UsageError if there is no such file, or it is no MP4, or carries no recipe, or PyAV is missing.
    """
    data = read_bytes(path)
    if importlib.util.find_spec("av") is None:
        raise UsageError(f"{path}: reading MP4 needs PyAV: pip install 'artgen[video]'")
    import av

    try:
        with av.open(io.BytesIO(data)) as container:
            comment = container.metadata.get("comment", "")
        digest = _packets_digest(data)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise UsageError(f"{path}: not an MP4 file, or damaged: {getattr(error, 'strerror', None) or error}") from None
    recipes, was = carried_recipes(comment or None, path, "packets_sha256")
    return FileRecipes(recipes, unchanged=was == digest)


def _rgb(frame: Pixels) -> Pixels:
    """[height, width, 3] of even sizes."""
    pixels = frame[..., None] if frame.ndim == 2 else frame
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(f"not an opaque picture: {frame.dtype} {list(frame.shape)}")
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(np.broadcast_to(even, (*even.shape[:2], 3)))


def _encode(frames: Sequence[Pixels], fps: float, comment: str) -> bytes:
    from fractions import Fraction

    import av

    name = next(name for name in CODECS if name in av.codecs_available)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        if comment:
            container.metadata["comment"] = comment
        stream: Any = container.add_stream(name, rate=Fraction(fps).limit_denominator(1001), options=CODECS[name])
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= av.codec.context.Flags.bitexact
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode(None))
    return out.getvalue()


def _packets_digest(data: bytes) -> str:
    """SHA-256 of the compressed pictures, which a program that only repacks a file leaves as they are."""
    import av

    digest = hashlib.sha256()
    with av.open(io.BytesIO(data), "r") as container:
        for packet in container.demux(video=0):
            digest.update(bytes(packet))
    return digest.hexdigest()
