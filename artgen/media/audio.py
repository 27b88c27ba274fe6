"""Sound as files: WAV and FLAC of 16 bits, with the recipe inside."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artgen.errors import UsageError
from artgen.files import atomic_write, check_writable
from artgen.media.recipe import FORMAT, FileRecipes, Recipe, carried_recipes, read_bytes, to_json
from artgen.media.synthesis import SAMPLE_RATE, Sound, blocks

SUFFIXES = (".wav", ".flac")
COMMENT = b"ICMT"  # the chunk of a WAV file's INFO list in which the recipe stands
VORBIS_COMMENT = 4  # the kind of a FLAC file's block that holds its comments
PADDING = 1  # the kind of an empty one
FLAC_BLOCK = 1 << 24  # what such a block cannot hold


def write_sound(
    sound: Sound, out: Path | str, recipes: Sequence[Recipe], force: bool = False, sample_rate: int = SAMPLE_RATE
) -> Path:
    """Writes samples ([n] or [n, channels], -1 to 1) as WAV or FLAC, by the name's end; returns the file.

    The same samples and recipes make the same file. What is beyond -1 to 1 is clipped.
    Raises UsageError as `check_sound`, and as `artgen.files.atomic_write`.
    """
    if not recipes:
        raise ValueError("no recipe")
    check_sound(out, force)
    samples = _to_16_bits(sound)
    text = to_json(recipes, samples_sha256=_digest(samples, sample_rate)).encode("utf-8", "replace")
    encode = _flac if Path(out).suffix.lower() == ".flac" else _wav
    atomic_write(Path(out), encode(samples, sample_rate, text), force)
    return Path(out)


def check_sound(out: Path | str, force: bool = False) -> None:
    """Raises what `write_sound` would about the place and about what is installed."""
    suffix = Path(out).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{out}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if suffix == ".flac" and importlib.util.find_spec("soundfile") is None:
        raise UsageError(f"{out}: FLAC needs soundfile: pip install 'artgen[audio]'; a name that ends in .wav does not")
    check_writable(Path(out), force)


def read_recipe(path: Path) -> FileRecipes:
    """The recipes of a WAV or FLAC file. Whether it is unchanged is known by its samples.

    Raises UsageError if there is no such file, or it is neither, or carries no recipe, or soundfile is missing (FLAC).
    """
    data = read_bytes(path)
    try:
        text = _flac_comment(data) if data.startswith(b"fLaC") else _wav_comment(data)
    except (ValueError, IndexError):
        raise UsageError(f"{path}: not a WAV or FLAC file, or damaged") from None
    recipes, digest = carried_recipes(text, path, "samples_sha256")
    return FileRecipes(recipes, unchanged=digest == _digest_of_file(data, path))


def _to_16_bits(sound: Sound) -> NDArray[np.int16]:
    """[n, channels]. No dither: it would be noise that the file must carry, and 16 bits are what the synthesiser makes."""
    flat = sound[:, None] if sound.ndim == 1 else sound
    samples = np.empty(flat.shape, "<i2")
    for part in blocks(len(flat)):
        samples[part] = np.clip(np.round(flat[part] * 32767), -32768, 32767)
    return samples


def _digest(samples: NDArray[np.int16], sample_rate: int) -> str:
    digest = hashlib.sha256(f"{sample_rate} Hz, {samples.shape[1]} channels, 16 bits\n".encode())
    digest.update(np.ascontiguousarray(samples).data)
    return digest.hexdigest()


def _digest_of_file(data: bytes, path: Path) -> str | None:
    """`_digest` of what a player would play; None if that is no sound of 16 bits."""
    if not data.startswith(b"fLaC"):
        try:
            with wave.open(io.BytesIO(data)) as file:
                if file.getsampwidth() != 2:
                    return None
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
                return _digest(samples, file.getframerate())
        except (wave.Error, EOFError, ValueError):
            return None
    if importlib.util.find_spec("soundfile") is None:
        raise UsageError(f"{path}: reading FLAC needs soundfile: pip install 'artgen[audio]'")
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.subtype != "PCM_16":
                return None
            return _digest(file.read(dtype="int16", always_2d=True).astype("<i2", copy=False), file.samplerate)
    except soundfile.SoundFileError:
        return None


# ---------------------------------------------------------------- WAV


def _wav(samples: NDArray[np.int16], sample_rate: int, text: bytes) -> bytes:
    """RIFF: the samples, then a list INFO with the recipe as comment, which programs that do not know it skip."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(samples).data)
    info = b"INFO" + _chunk(COMMENT, text + b"\0")
    whole = out.getbuffer().nbytes - 8 + len(info) + 8
    if whole >= 1 << 32:
        raise UsageError("a WAV file holds at most 4 GB")
    out.seek(0, io.SEEK_END)
    out.write(_chunk(b"LIST", info))
    out.seek(4)
    out.write(whole.to_bytes(4, "little"))
    return out.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _wav_comment(data: bytes) -> bytes | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("no WAV file")
    for name, content in _chunks(data, 12):
        if name == b"LIST" and content[:4] == b"INFO":
            for kind, comment in _chunks(content, 4):
                if kind == COMMENT and FORMAT.encode() in comment:
                    return comment.rstrip(b"\0")
    return None


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


# ---------------------------------------------------------------- FLAC


def _flac(samples: NDArray[np.int16], sample_rate: int, text: bytes) -> bytes:
    """FLAC with the recipe as the comment DESCRIPTION, in place of what libsndfile writes there."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, sample_rate, format="FLAC", subtype="PCM_16")
    vendor, comment = b"artgen", b"DESCRIPTION=" + text
    fields = _sized(vendor) + (1).to_bytes(4, "little") + _sized(comment)
    if len(fields) >= FLAC_BLOCK:
        raise UsageError("a FLAC file holds a recipe of at most 16 MB")
    blocks, frames = _flac_blocks(out.getvalue())
    kept = [*[block for block in blocks if block[0] not in (VORBIS_COMMENT, PADDING)], (VORBIS_COMMENT, fields)]
    whole = b"fLaC"
    for i, (kind, content) in enumerate(kept):
        last = 0x80 if i == len(kept) - 1 else 0
        whole += bytes([kind | last]) + len(content).to_bytes(3, "big") + content
    return whole + frames


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(4, "little") + content


def _flac_blocks(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The blocks (kind, content) before the sound, and the sound."""
    blocks, at, last = [], 4, False
    while not last:
        last = bool(data[at] & 0x80)
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        blocks.append((data[at] & 0x7F, data[at + 4 : at + 4 + size]))
        at += 4 + size
    return blocks, data[at:]


def _flac_comment(data: bytes) -> bytes | None:
    blocks, _ = _flac_blocks(data)
    for kind, content in blocks:
        if kind == VORBIS_COMMENT:
            at = 4 + int.from_bytes(content[:4], "little")
            for _ in range(int.from_bytes(content[at : at + 4], "little")):
                size = int.from_bytes(content[at + 4 : at + 8], "little")
                _, _, value = content[at + 8 : at + 8 + size].partition(b"=")
                if FORMAT.encode() in value:
                    return value
                at += 4 + size
    return None
