"""Pictures of 16 bits a channel, which Pillow opens but cuts down to 8: their samples, and PNG and TIFF files of them.

PNG: https://www.w3.org/TR/png-3/; TIFF 6.0: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf. Imports no torch.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

Samples = NDArray[np.uint16]

TOP = 65535
SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of a PNG file, by the number of channels
BLOCK = 1 << 20  # samples that are filtered at once, and about as many in a strip of a TIFF file
LEVEL = 3  # of zlib; higher ones take many times as long and make files of 16 bits hardly smaller
OTHER_BYTE = {
    "B": "L",
    "L": "B",
    "N": "B" if sys.byteorder == "little" else "L",
}  # an order that finds the lower byte as the upper


def is_deep(image: Image.Image) -> bool:
    """Whether an opened file has 16 bits a channel (or 12, for grey)."""
    return image.mode.startswith("I;16") or bool(_rawmodes(image))


def deep_samples(image: Image.Image, path: Path | io.BytesIO) -> Samples:
    """All 16 bits of an opened file for which `is_deep` holds, [height, width, 1 to 4]: grey, grey and alpha, RGB or RGBA.

    Pillow keeps the upper byte of each sample. Told that the bytes are in the other order, it keeps the lower one: the file is
    decoded twice. path: the same file again. Raises whatever Pillow does with a damaged file, and ValueError for a layout that
    it gets wrong.
    """
    if getattr(image, "tag_v2", {}).get(PLANAR) == 2:
        raise ValueError("a TIFF with 16 bits in separate planes is not read; save it with the channels interleaved")
    if image.mode.startswith("I;16"):
        return _grey(image)
    rawmodes = _rawmodes(image)
    if rawmodes == {"LA;16B"}:  # as long as 8 bits of RGBA: upper and lower byte of grey, upper and lower of alpha
        _relabel(image, {"LA;16B": "RGBA"})
        image.load()
        return np.asarray(image).view(">u2").astype(np.uint16)
    lower = {mode: mode[:-1].replace("a", "A") + OTHER_BYTE[mode[-1]] for mode in rawmodes}
    with Image.open(path, formats=[str(image.format)]) as again:
        _relabel(again, lower)
        again.load()
        low = np.array(again)
    _relabel(
        image, {mode: mode.replace("a", "A") for mode in rawmodes}
    )  # RGBa: colours times alpha; divided here, not by bytes
    image.load()
    samples = np.asarray(image).astype(np.uint16)
    samples <<= 8
    samples |= low
    return _divided(samples) if any("a" in mode for mode in rawmodes) else samples


def encode_png(samples: Samples, chunks: Mapping[bytes, bytes]) -> bytes:
    """A PNG file of [height, width, 1 to 4]. chunks: what stands before the pixels, by name: eXIf, iCCP, iTXt."""
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    out = [SIGNATURE, _chunk(b"IHDR", header), *(_chunk(name, data) for name, data in chunks.items())]
    packer = zlib.compressobj(LEVEL, strategy=zlib.Z_RLE)  # made for PNG; what is left of 16 bits repeats nothing longer
    above = np.zeros((1, width, 2 * channels), dtype=np.uint8)
    for block in _blocks(samples):
        rows = block.astype(">u2").view(np.uint8)
        filtered = _paeth(rows, np.concatenate([above, rows[:-1]]))
        above = rows[-1:]
        lines = np.full((len(rows), 1 + width * 2 * channels), 4, dtype=np.uint8)  # each line begins with its filter: 4, Paeth
        lines[:, 1:] = filtered.reshape(len(rows), -1)
        out.append(_chunk(b"IDAT", packer.compress(lines.tobytes())))
    out += [_chunk(b"IDAT", packer.flush()), _chunk(b"IEND", b"")]
    return b"".join(out)


def encode_tiff(samples: NDArray[np.uint8] | Samples, tags: Mapping[int, Any], kinds: Mapping[int, int]) -> bytes:
    """A TIFF file of [height, width, 1 to 4] of 8 or 16 bits, without loss.

    tags: more of its entries; kinds: their types, where they should not be guessed.
    """
    height, width, channels = samples.shape
    strips = [_strip(block) for block in _blocks(samples)]
    ifd = ImageFileDirectory_v2(prefix=b"II")
    for tag, value in tags.items():
        ifd[tag] = value
        if tag in kinds:
            ifd.tagtype[tag] = kinds[tag]
    ifd[IMAGE_WIDTH], ifd[IMAGE_LENGTH], ifd[SAMPLES_PER_PIXEL], ifd[PLANAR] = width, height, channels, 1
    ifd[BITS_PER_SAMPLE] = (8 * samples.itemsize,) * channels
    ifd[COMPRESSION], ifd[PREDICTOR] = 8, 2  # zlib, of the steps from pixel to pixel
    ifd[PHOTOMETRIC] = 2 if channels > 2 else 1
    if channels in (2, 4):
        ifd[EXTRA_SAMPLES] = 2  # alpha, by which colours are not multiplied
    ifd[ROWS_PER_STRIP] = _rows(samples)
    for tag in (STRIP_OFFSETS, STRIP_BYTE_COUNTS):
        ifd.tagtype[tag] = LONG
    ifd[STRIP_BYTE_COUNTS] = tuple(len(strip) for strip in strips)
    ifd[STRIP_OFFSETS] = tuple(
        int(at) for at in np.cumsum([0, *map(len, strips[:-1])])
    )  # after the directory: it adds its size
    out = io.BytesIO()
    ifd.save(out)
    return out.getvalue() + b"".join(strips)


def text_chunk(key: str, text: bytes) -> bytes:
    """The content of an iTXt chunk. text: UTF-8."""
    return key.encode() + b"\0\0\0\0\0" + text


def profile_chunk(profile: bytes) -> bytes:
    """The content of an iCCP chunk."""
    return b"ICC Profile\0\0" + zlib.compress(profile, LEVEL)


# ---------------------------------------------------------------- reading


def _rawmodes(image: Image.Image) -> set[str]:
    """How the file's bytes become pixels, as far as it is 16 bits of RGB or RGBA, or of grey with alpha."""
    if image.mode not in ("RGB", "RGBA"):
        return set()
    modes = {args if isinstance(args, str) else args[0] for _, _, _, args in getattr(image, "tile", ()) if args}
    return {mode for mode in modes if isinstance(mode, str) and ";16" in mode and mode[-1] in OTHER_BYTE}


def _relabel(image: Image.Image, names: Mapping[str, str]) -> None:
    """Has the bytes of a file that is not yet decoded taken for something else."""
    tiles: list[Any] = getattr(image, "tile")  # noqa: B009  (only pictures from files have it)
    for number, (codec, extents, offset, args) in enumerate(tiles):
        mode, *rest = [args] if isinstance(args, str) else args
        renamed = names.get(mode, mode)
        tiles[number] = type(tiles[number])(codec, extents, offset, renamed if isinstance(args, str) else (renamed, *rest))


def _grey(image: Image.Image) -> Samples:
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))
    image.load()
    samples = np.asarray(image).astype(np.uint16)[..., None]
    if bits == (12,):
        samples = ((samples << 4) | (samples >> 8)).astype(np.uint16)
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0:  # 0 is white
        np.subtract(TOP, samples, out=samples)
    return samples


def _divided(samples: Samples) -> Samples:
    """Colours that were multiplied by alpha, as they were before."""
    alpha = samples[..., 3:].astype(np.float32)
    colours = samples[..., :3] * (TOP / np.maximum(alpha, 1))
    samples[..., :3] = np.minimum(np.rint(colours), TOP)
    return samples


# ---------------------------------------------------------------- writing


def _blocks(samples: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The rows, some at a time, so that what is made of them is small beside the picture."""
    step = _rows(samples)
    for top in range(0, len(samples), step):
        yield np.ascontiguousarray(samples[top : top + step])


def _rows(samples: NDArray[Any]) -> int:
    return max(1, min(len(samples), BLOCK // (samples.shape[1] * samples.shape[2])))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def _paeth(rows: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bytes less what the pixels to the left, above and left above make likely. [rows, width, bytes of a pixel]; section 9.4."""
    up = above.astype(np.int16)
    left, corner = np.zeros_like(up), np.zeros_like(up)
    left[:, 1:], corner[:, 1:] = rows[:, :-1], up[:, :-1]
    from_left, from_up = np.abs(up - corner), np.abs(left - corner)  # |p - a| and |p - b| with p = a + b - c
    from_corner = np.abs(left + up - 2 * corner)
    likely = np.where(from_up <= from_corner, up, corner)
    likely = np.where((from_left <= from_up) & (from_left <= from_corner), left, likely)
    return rows - likely.astype(np.uint8)


def _strip(block: NDArray[Any]) -> bytes:
    steps = block.copy()
    steps[:, 1:] -= block[:, :-1]  # modulo 256 or 65,536; section 14
    return zlib.compress(steps.astype(steps.dtype.newbyteorder("<")).tobytes(), LEVEL)


# ---------------------------------------------------------------- tags of TIFF

IMAGE_WIDTH, IMAGE_LENGTH, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, SAMPLES_PER_PIXEL, ROWS_PER_STRIP, STRIP_BYTE_COUNTS, PLANAR = 273, 277, 278, 279, 284
PREDICTOR, EXTRA_SAMPLES = 317, 338
LONG = 4
