"""Pictures in and out of files: depth, transparency, colour profile, EXIF, recipe, and files that are none."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from artgen.errors import UsageError
from artgen.files import atomic_write_all
from artgen.media import image_reading
from artgen.media.deep_images import deep_samples, encode_png, encode_tiff, is_deep
from artgen.media.exif import opened_exif
from artgen.media.image_files import (
    IMAGE_SUFFIXES,
    Picture,
    check_image_name,
    encode_image,
    image_size,
    losses,
    read_image,
    to_profile,
    write_image,
)
from artgen.media.reading import read_recipe
from artgen.media.recipe import Recipe

RECIPE = Recipe("style-transfer", "style.patch", "", "", seed=7, options={"note": "春 <&> \"'\n]]> \ufffe"}, licence="MIT, 诗")
CAMERA_NAME = "Canon 春".encode().decode("latin-1")  # as Pillow reads it
CAMERA, ORIENTATION, EXPOSURE, MAKER_NOTE = 0x0110, 0x0112, 0x829A, 0x927C
WIDTH_IN_EXIF, INTEROP, EXIF_IFD, GPS_IFD = 0xA002, 0xA005, 0x8769, 0x8825


def noise(shape: tuple[int, ...], bits: int = 8, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 1 << bits, shape, dtype=np.uint8 if bits == 8 else np.uint16)


def picture(height: int = 19, width: int = 31, bits: int = 8, alpha: bool = False, grey: bool = False, **more: Any) -> Picture:
    """Noise of exactly so many bits."""
    values = (noise((height, width, 4), bits) / ((1 << bits) - 1)).astype(np.float32)
    pixels = np.repeat(values[..., :1], 3, axis=2) if grey else values[..., :3]
    return Picture(pixels, values[..., 3] if alpha else None, bits=bits, grey=grey, **more)


@cache
def profile() -> bytes:
    """An RGB profile that is not sRGB: sRGB's own with its red and blue exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = [data.index(tag, 128) for tag in (b"rXYZ", b"bXYZ")]
    data[at[0] : at[0] + 4], data[at[1] : at[1] + 4] = b"bXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def grey_profile(gamma: float) -> bytes:
    """A profile of greys with a gamma, as ICC.1:2001-04 has it."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78)
    parts = [(b"desc", text + bytes(-len(text) % 4)), (b"wtpt", white), (b"kTRC", curve)]
    at, table, body = 128 + 4 + 12 * len(parts), struct.pack(">I", len(parts)), b""
    for name, data in parts:
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s12s4s4s", at + len(body), b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ", bytes(12), b"acsp", b""
    )
    head += bytes(24) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


def camera_exif(orientation: int = 1, maker: bytes = b"maker\0\1\2") -> Image.Exif:
    exif = Image.Exif()
    exif[CAMERA], exif[ORIENTATION] = "Canon ###", orientation
    exif.get_ifd(EXIF_IFD).update({EXPOSURE: 0.25, MAKER_NOTE: maker, WIDTH_IN_EXIF: 9999, INTEROP: {1: "R98"}})
    exif.get_ifd(GPS_IFD)[1] = "N"
    return exif


def camera_bytes(orientation: int = 1, maker: bytes = b"maker\0\1\2") -> bytes:
    """With a name that is not ASCII, as files have in spite of the standard."""
    return camera_exif(orientation, maker).tobytes().replace(b"###", "春".encode())


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pixels_of(path: Path, bits: int = 8) -> np.ndarray[Any, Any]:
    """Pixels and alpha as whole numbers."""
    read = read_image(path)
    channels = read.pixels if read.alpha is None else np.dstack([read.pixels, read.alpha])
    return np.rint(channels.astype(np.float64) * ((1 << bits) - 1)).astype(np.int64)


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".tif", ".webp"])
def test_what_is_written_is_read_back_exactly(tmp_path: Path, suffix: str, bits: int, alpha: bool, grey: bool) -> None:
    made = picture(bits=bits, alpha=alpha, grey=grey)
    out = write_image(made, tmp_path / f"春 天{suffix}", [RECIPE])
    read = read_image(out)
    kept = 8 if suffix == ".webp" else bits
    top = (1 << kept) - 1
    assert (np.rint(read.pixels * top) == np.rint(made.pixels * top)).all()
    assert (read.alpha is not None) == alpha
    if alpha:
        assert (np.rint(read.alpha * top) == np.rint(made.alpha * top)).all()  # type: ignore[operator]
    assert read.bits == kept
    assert read.name == str(out)
    assert read.grey == (grey and suffix != ".webp" and not (alpha and bits == 16 and suffix in (".tif", ".tiff")))
    found = read_recipe(out)
    assert found.recipes == [RECIPE]
    assert found.unchanged
    assert bool(losses(made, out)) == (suffix == ".webp" and bits == 16)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg_is_near_and_transparency_lies_on_white(tmp_path: Path, suffix: str) -> None:
    y, x = np.mgrid[:64, :80].astype(np.float32) / 80
    made = Picture(np.dstack([x, y, 1 - x]), alpha=(x + y).clip(0, 1), bits=16)
    out = write_image(made, tmp_path / f"a{suffix}", [RECIPE])
    read = read_image(out)
    laid = made.pixels * made.alpha[..., None] + 1 - made.alpha[..., None]  # type: ignore[index]
    assert np.abs(read.pixels - laid).max() < 0.02
    assert np.abs(read.pixels - laid).mean() < 0.003
    assert read.alpha is None
    assert [note.split(": ")[1][:24] for note in losses(made, out)] == ["JPEG has no transparency", "16 bits a channel are ro"]
    assert not losses(replace(made, alpha=None, bits=8), out)
    assert not losses(replace(made, alpha=np.ones_like(y), bits=8), out)
    assert read_recipe(out).recipes == [RECIPE]
    assert read_recipe(out).unchanged


def test_a_grey_jpeg_stays_grey(tmp_path: Path) -> None:
    out = write_image(picture(grey=True), tmp_path / "a.jpg", [RECIPE])
    with Image.open(out) as image:
        assert image.mode == "L"
    assert read_image(out).grey


def test_a_grey_picture_that_became_coloured_is_written_in_colour(tmp_path: Path) -> None:
    made = replace(picture(), grey=True)
    for suffix in (".png", ".jpg", ".tif"):
        assert not read_image(write_image(made, tmp_path / f"a{suffix}", [RECIPE])).grey


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("bits", [8, 16])
def test_the_same_picture_is_the_same_bytes(suffix: str, bits: int) -> None:
    made = picture(bits=bits, alpha=True, profile=profile(), exif=camera_bytes())
    assert encode_image(made, f"a{suffix}", [RECIPE]) == encode_image(made, f"b{suffix}", [RECIPE])


def test_several_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"mine")
    files: dict[Path, bytes | str] = {tmp_path / name: encode_image(picture(), name, [RECIPE]) for name in ("a.png", "b.jpg")}
    with pytest.raises(UsageError, match="b.jpg: exists"):
        atomic_write_all(files)
    assert [path.name for path in tmp_path.iterdir()] == ["b.jpg"]
    with pytest.raises(UsageError, match="b.jpg: exists"):
        write_image(picture(), tmp_path / "b.jpg", [RECIPE])
    write_image(picture(), tmp_path / "b.jpg", [RECIPE], force=True)
    assert read_recipe(tmp_path / "b.jpg").unchanged


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("bits", [8, 16])
def test_an_edited_picture_is_told_apart(tmp_path: Path, suffix: str, bits: int) -> None:
    """By the lowest bit of one sample, where the format keeps it; a JPEG file by a change that outlives it."""
    made = picture(bits=bits)
    step = 0.5 if suffix in (".jpg", ".jpeg") else 1 / 255 if suffix == ".webp" else 1 / ((1 << bits) - 1)
    pixels = made.pixels.copy()
    pixels[3, 4, 1] += step if pixels[3, 4, 1] < 0.5 else -step
    before, after = (encode_image(replace(made, pixels=each), f"a{suffix}", [RECIPE]) for each in (made.pixels, pixels))
    digests = [data[data.index(b'"pixels_sha256": "') + 18 :][:64] for data in (before, after)]
    assert digests[0] != digests[1]
    edited = after.replace(digests[1], digests[0])  # the recipe of the one in the other
    if suffix == ".png":
        at = edited.index(b"iTXt")
        length = struct.unpack(">I", edited[at - 4 : at])[0]
        edited = edited[: at - 4] + chunk(b"iTXt", edited[at + 4 : at + 4 + length]) + edited[at + 8 + length :]
    (tmp_path / f"a{suffix}").write_bytes(edited)
    assert not read_recipe(tmp_path / f"a{suffix}").unchanged


def test_other_programs_see_the_same_picture(tmp_path: Path) -> None:
    """Pillow's 8 bits of what artgen wrote with 16."""
    made = picture(bits=16)
    for suffix in (".png", ".tiff"):
        with Image.open(write_image(made, tmp_path / f"a{suffix}", [RECIPE])) as image:
            assert (np.asarray(image) == np.rint(made.pixels * 65535).astype(np.uint16) >> 8).all()


# ---------------------------------------------------------------- what stands beside the pixels


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("bits", [8, 16])
def test_profile_and_exif_are_kept(tmp_path: Path, suffix: str, bits: int) -> None:
    made = picture(bits=bits, alpha=True, profile=profile(), exif=camera_bytes())
    read = read_image(write_image(made, tmp_path / f"a{suffix}", [RECIPE]))
    assert read.profile == profile()
    assert read.exif is not None
    exif = opened_exif(read.exif)
    assert exif[CAMERA] == CAMERA_NAME
    details = exif.get_ifd(EXIF_IFD)
    assert float(details[EXPOSURE]) == 0.25
    assert details[MAKER_NOTE] == b"maker\0\1\2"
    assert details[WIDTH_IN_EXIF] == 31
    assert exif.get_ifd(GPS_IFD)[1] == "N"
    assert exif.get_ifd(INTEROP)[1] == "R98"
    assert 0x0100 not in exif and 0x0111 not in exif and 0x02BC not in exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff", "deep.png", "deep.tiff"])
def test_a_picture_is_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / f"a.{kind}"
    y, x = np.mgrid[:24, :40]
    stored = np.dstack([x * 6, y * 10, (x < 20) * 255]).astype(np.uint8)
    exif = camera_exif(orientation)
    if kind == "deep.png":
        path.write_bytes(encode_png(stored.astype(np.uint16) * 257, {b"eXIf": exif.tobytes().removeprefix(b"Exif\0\0")}))
    elif kind == "deep.tiff":
        path.write_bytes(encode_tiff(stored.astype(np.uint16) * 257, {ORIENTATION: orientation}, {}))
    else:
        Image.fromarray(stored).save(path, exif=exif, quality=100, lossless=True)
    expected = Image.fromarray(stored)
    expected.getexif()[ORIENTATION] = orientation
    turned = np.asarray(ImageOps.exif_transpose(expected)) / 255
    read = read_image(path)
    assert read.pixels.shape == turned.shape
    assert np.abs(read.pixels - turned).mean() < 0.01
    assert image_size(path) == (turned.shape[1], turned.shape[0])
    small = read_image(path, size=20)
    assert small.pixels.shape == ((20, 12, 3) if orientation > 4 else (12, 20, 3))
    assert read.exif is None or opened_exif(read.exif).get(ORIENTATION, 1) == 1
    again = read_image(write_image(read, tmp_path / "out.png", [RECIPE]))
    assert (np.rint(again.pixels * 255) == np.rint(read.pixels * 255)).all()


def test_exif_behind_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    data = encode_png(noise((10, 20, 3), 16), {})
    exif = camera_exif(6).tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "a.png").write_bytes(data[:-12] + chunk(b"eXIf", exif) + data[-12:])
    assert image_size(tmp_path / "a.png") == (10, 20)
    assert read_image(tmp_path / "a.png").pixels.shape == (20, 10, 3)


def test_exif_that_is_too_long_for_jpeg_loses_what_the_maker_keeps_for_himself(tmp_path: Path) -> None:
    made = picture(exif=camera_bytes(maker=bytes(70_000)))
    read = read_image(write_image(made, tmp_path / "a.jpg", [RECIPE]))
    assert read.exif is not None
    assert opened_exif(read.exif)[CAMERA] == CAMERA_NAME
    assert MAKER_NOTE not in opened_exif(read.exif).get_ifd(EXIF_IFD)


@pytest.mark.parametrize("damage", [b"", b"no profile", profile()[:200]])
def test_a_damaged_profile_or_one_for_other_pictures_is_left_out(tmp_path: Path, damage: bytes) -> None:
    Image.fromarray(noise((8, 9, 3))).save(tmp_path / "a.png", icc_profile=damage or grey_profile(2.2), exif=b"Exif\0\0damaged")
    read = read_image(tmp_path / "a.png")
    assert read.profile is None
    assert read.exif is None


def test_colours_go_into_another_space() -> None:
    made = picture(profile=profile())
    assert to_profile(made, profile()).pixels is made.pixels
    there = to_profile(made, None)
    assert there.profile is None
    assert np.abs(there.pixels[..., ::-1] - made.pixels).max() < 1.5 / 255  # red and blue exchanged
    assert np.abs(to_profile(there, profile()).pixels - made.pixels).max() < 2.5 / 255
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert to_profile(replace(made, profile=srgb), None).pixels is made.pixels


@pytest.mark.parametrize("bits", [8, 16])
def test_greys_with_a_profile_become_greys_of_srgb(tmp_path: Path, bits: int) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(4, 0)
    samples = np.rint(ramp * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    Image.fromarray(samples).save(tmp_path / "a.png", icc_profile=grey_profile(1.0))
    read = read_image(tmp_path / "a.png")
    linear = ramp.astype(np.float64)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert read.profile is None
    assert read.grey
    assert np.abs(read.pixels - expected[..., None]).max() < 1.5 / 255


# ---------------------------------------------------------------- kinds of files


def saved(**options: Any) -> Callable[[Image.Image, Path], None]:
    return lambda image, path: image.save(path, **options)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.png", "1", {}),
        ("a.png", "P", {}),
        ("a.png", "L", {}),
        ("a.png", "LA", {}),
        ("a.gif", "P", {}),
        ("a.bmp", "RGB", {}),
        ("a.jpg", "CMYK", {"quality": 100}),
        ("a.tif", "CMYK", {}),
        ("a.tif", "1", {"compression": "group4"}),
        ("a.tif", "P", {"compression": "tiff_lzw"}),
        ("a.tif", "RGB", {"compression": "jpeg", "quality": 100}),
        ("a.tif", "LAB", {}),
        ("a.webp", "RGBA", {"lossless": True}),
    ],
)
def test_any_kind_of_file_is_read(tmp_path: Path, name: str, mode: str, options: dict[str, Any]) -> None:
    y, x = np.mgrid[:48, :64].astype(np.float64) / 64
    rgb = Image.fromarray(np.rint(np.dstack([x, y, 0.5 + 0 * x]) * 255).astype(np.uint8))
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(rgb, srgb, lab, outputMode="LAB")
        assert converted is not None
    else:
        converted = rgb.convert(mode)
        if mode in ("LA", "RGBA"):
            converted.putpixel((0, 0), (0,) * len(mode))
    converted.save(tmp_path / name, **options)
    read = read_image(tmp_path / name)
    expected = np.asarray(converted.convert("RGB") if mode != "LAB" else rgb) / 255
    assert np.abs(read.pixels - expected).mean() < 0.02
    assert read.grey == (mode in ("1", "L", "LA"))
    assert (read.alpha is not None) == (mode in ("LA", "RGBA"))
    assert read.bits == 8


def test_of_a_picture_that_moves_the_first_frame_is_read(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (9, 7), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert (read_image(tmp_path / "a.gif").pixels == (1, 0, 0)).all()


def test_one_colour_that_is_seen_through(tmp_path: Path) -> None:
    samples = noise((6, 7, 3), 16)
    samples[2, 3] = (1, 2, 3)
    (tmp_path / "a.png").write_bytes(encode_png(samples, {b"tRNS": struct.pack(">3H", 1, 2, 3)}))
    read = read_image(tmp_path / "a.png")
    assert read.alpha is not None
    assert read.alpha[2, 3] == 0
    assert read.alpha.sum() == 41


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_interlaced_png_of_16_bits(tmp_path: Path, channels: int) -> None:
    samples = noise((11, 13, channels), 16)
    rows = b""
    for top, left, down, right in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        rows += b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples[top::down, left::right])  # Adam7's passes
    head = struct.pack(">IIBBBBB", 13, 11, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 1)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    expected = samples if channels > 2 else samples[..., [0, 0, 0, *range(1, channels)]]
    assert (pixels_of(tmp_path / "a.png", 16) == expected).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiff_of_16_bits_without_compression_in_either_byte_order(tmp_path: Path, order: str, channels: int) -> None:
    samples = noise((5, 6, channels), 16)
    tags = [(256, 6), (257, 5), (259, 1), (262, 1 if channels == 1 else 2), (273, 200), (277, channels), (278, 5)]
    tags += [(279, samples.nbytes), (284, 1)] + ([(338, 2)] if channels == 4 else [])
    entries = [struct.pack(f"{order}HHIHxx", tag, 3, 1, value) for tag, value in tags]
    at = 180 if channels > 1 else 16
    if channels == 1:
        bits = struct.pack(f"{order}HHIHxx", 258, 3, 1, 16)
    else:
        bits = struct.pack(f"{order}HHII", 258, 3, channels, at)
    entries.insert(2, bits)
    data = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    data += struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    data = data.ljust(180, b"\0") + struct.pack(f"{order}{channels}H", *[16] * channels)
    data = data.ljust(200, b"\0") + samples.astype(f"{order}u2").tobytes()
    (tmp_path / "a.tif").write_bytes(data)
    expected = samples.astype(np.int64)
    assert (pixels_of(tmp_path / "a.tif", 16) == (expected.repeat(3, 2) if channels == 1 else expected)).all()


def test_colours_that_were_multiplied_by_alpha(tmp_path: Path) -> None:
    samples = noise((9, 9, 4), 16) // 2 + 20_000
    multiplied = samples.copy()
    multiplied[..., :3] = np.rint(samples[..., :3].astype(np.float64) * samples[..., 3:] / 65535)
    data = encode_tiff(multiplied, {}, {})
    entry = struct.pack("<HHI", 338, 3, 1)
    (tmp_path / "a.tif").write_bytes(data.replace(entry + struct.pack("<H", 2), entry + struct.pack("<H", 1)))
    assert np.abs(pixels_of(tmp_path / "a.tif", 16) - samples.astype(np.int64)).max() <= 3


def test_floats_of_a_tiff_are_scaled(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    Image.fromarray(values).save(tmp_path / "a.tif")
    read = read_image(tmp_path / "a.tif")
    assert np.abs(read.pixels[..., 0] - values).max() < 1e-4
    assert (read.bits, read.grey) == (16, True)


def test_deep_samples_of_every_number_of_channels() -> None:
    for channels in (1, 2, 3, 4):
        data = encode_png(noise((13, 17, channels), 16), {})
        with Image.open(io.BytesIO(data)) as image:
            assert is_deep(image)
            assert (deep_samples(image, io.BytesIO(data)) == noise((13, 17, channels), 16)).all()
    with Image.open(io.BytesIO(encode_tiff(noise((13, 17, 3)), {}, {}))) as image:
        assert not is_deep(image)
        assert (np.asarray(image) == noise((13, 17, 3))).all()


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"), [(40, 20, 10, (5, 10)), (3, 300, 30, (30, 1)), (1, 1, 7, (7, 7))]
)
def test_the_longest_side_is_as_asked_for(
    tmp_path: Path, width: int, height: int, size: int, expected: tuple[int, int]
) -> None:
    Image.new("RGB", (width, height), (10, 200, 30)).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png", size=size)
    assert read.pixels.shape[:2] == expected
    assert np.abs(read.pixels * 255 - (10, 200, 30)).max() < 0.01


def test_a_shrunk_picture_is_an_average_without_rounding(tmp_path: Path) -> None:
    """Lines of one pixel become an even grey, of which an alias would make stripes."""
    samples = np.zeros((64, 64, 3), dtype=np.uint16)
    samples[:, ::2] = 65535
    (tmp_path / "a.png").write_bytes(encode_png(samples, {}))
    inside = read_image(tmp_path / "a.png", size=16).pixels[:, 2:-2]
    assert np.abs(inside - 0.5).max() < 0.01


def test_hidden_colours_do_not_show_at_the_edges(tmp_path: Path) -> None:
    four = np.zeros((32, 32, 4), dtype=np.uint8)
    four[:] = (0, 255, 0, 0)
    four[8:21, 8:21] = (255, 0, 0, 255)
    Image.fromarray(four).save(tmp_path / "a.png")
    for size in (12, 50):
        read = read_image(tmp_path / "a.png", size=size)
        assert read.alpha is not None
        seen = read.pixels[read.alpha > 0.02]
        assert np.abs(seen - (1, 0, 0)).max() < 0.01
        assert read.pixels[read.alpha == 0][:, 1].min() > 0.9  # where nothing is seen the colour is what it was


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path: Path) -> None:
    small = Image.fromarray(np.dstack([*np.mgrid[:30, :45] * 5, np.zeros((30, 45))]).astype(np.uint8))
    small.resize((4500, 3000), Image.Resampling.BILINEAR).save(tmp_path / "a.jpg")
    tracemalloc.start()
    try:
        read = read_image(tmp_path / "a.jpg", size=200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read.pixels.shape == (133, 200, 3)
    assert np.abs(read.pixels * 255 - np.asarray(small.resize((200, 133), Image.Resampling.BILINEAR))).mean() < 2
    assert peak < 3000 * 4500  # bytes; a channel of the whole picture as float32 has four times as many


def bomb(width: int, height: int) -> bytes:
    """The header of a PNG file that says that it is so large."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"")


def test_a_picture_that_is_too_large_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(bomb(30_000, 30_000))
    tracemalloc.start()
    try:
        for size in (None, 512):
            with pytest.raises(UsageError, match=r"a.png: has 30,000 x 30,000 pixels, more than the 150,000,000 that are read"):
                read_image(tmp_path / "a.png", size=size)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert image_size(tmp_path / "a.png") == (30_000, 30_000)
    Image.new("L", (40, 30)).save(tmp_path / "b.png")
    with pytest.raises(
        UsageError, match="b.png: would have 20,000 x 15,000 pixels, more than 150,000,000; give a smaller size"
    ):
        read_image(tmp_path / "b.png", size=20_000)
    monkeypatch.setattr(image_reading, "MAX_PIXELS", 100_000)
    Image.new("RGB", (800, 800), "red").save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "c.jpg", size=200).pixels.shape == (200, 200, 3)  # 3 times that would be too much to decode
    with pytest.raises(UsageError, match="c.jpg: has 800 x 800 pixels"):
        read_image(tmp_path / "c.jpg")
    Image.new("RGB", (800, 800), "red").save(tmp_path / "d.jpg", progressive=True)
    with pytest.raises(UsageError, match="d.jpg: has 800 x 800 pixels"):
        read_image(tmp_path / "d.jpg", size=50)


def test_a_side_that_the_format_does_not_allow() -> None:
    wide = Picture(np.zeros((1, 16_384, 3), dtype=np.float32))
    with pytest.raises(UsageError, match=r"a.webp: 16,384 pixels on a side, of which this format allows 16,383"):
        encode_image(wide, "a.webp", [RECIPE])
    assert encode_image(wide, "a.png", [RECIPE])


# ---------------------------------------------------------------- what is no picture


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    whole = {name: encode_image(picture(64, 64), name, [RECIPE]) for name in ("a.png", "a.jpg", "a.webp", "a.tif")}
    deep = {name: encode_image(picture(64, 64, bits=16), name, [RECIPE]) for name in ("a.png", "a.tif")}
    cases = {
        "empty.png": (b"", "is empty"),
        "text.png": (b"I am a text, \x89PNG", "is not a picture"),
        "page.jpg": (b"<html></html>", "is not a picture"),
        "phone.HEIC": (b"\0\0\0\x18ftypheic", "a format that is not read, save it as PNG or JPEG"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
        "planes.tif": (planes(), "is damaged: a TIFF with 16 bits in separate planes is not read"),
        "floats.tif": (floats(), "a kind of TIFF that is not read, save it with 8 or 16 bits a channel"),
    }
    for name, data in whole.items():
        cases["cut " + name] = (data[: len(data) * 2 // 3], "is damaged")
    for name, data in deep.items():
        cases["cut deep " + name] = (data[: len(data) * 2 // 3], "")
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError) as raised:
            read_image(tmp_path / name)
        said = str(raised.value)
        assert said.startswith(f"{tmp_path / name}: {message}"), said
        assert "\n" not in said
        assert raised.value.status == 2
    for place, message in (
        ("", "is a folder"),
        ("none.png", "no such file"),
        ("x" * 300, ""),
        ("\0", ""),
    ):
        for read in (read_image, image_size):
            with pytest.raises(UsageError, match=f": {message}"):
                read(tmp_path / place)


def planes() -> bytes:
    data = encode_tiff(noise((4, 4, 3), 16), {}, {})
    entry = struct.pack("<HHI", 284, 3, 1)
    return data.replace(entry + struct.pack("<H", 1), entry + struct.pack("<H", 2))


def floats() -> bytes:
    return encode_tiff(noise((4, 4, 3), 16), {339: (3, 3, 3)}, {339: 3})


def test_names_that_no_format_has(tmp_path: Path) -> None:
    for name in ("a.gif", "a", "a.png.txt", ".png"):
        with pytest.raises(UsageError, match=r"expected a name that ends in \.png, \.jpg, \.jpeg, \.webp, \.tif or \.tiff"):
            check_image_name(name)
        with pytest.raises(UsageError, match="expected a name"):
            write_image(picture(), tmp_path / name, [RECIPE])
    with pytest.raises(UsageError, match="there is no such folder"):
        write_image(picture(), tmp_path / "none" / "a.png", [RECIPE])
    for name in IMAGE_SUFFIXES:
        check_image_name("a" + name.upper())


def test_recipes_that_a_jpeg_has_no_room_for() -> None:
    many = [replace(RECIPE, index=index) for index in range(200)]
    with pytest.raises(UsageError, match="a.jpg: the 200 recipes are too long for a JPEG file; PNG, WebP and TIFF have room"):
        encode_image(picture(), "a.jpg", many)
    assert encode_image(picture(), "a.tif", many)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_a_picture_without_a_recipe(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise((8, 8, 3))).save(path)
    with pytest.raises(UsageError, match="carries no recipe"):
        read_recipe(path)
    path.write_bytes(encode_image(picture(), path, [RECIPE])[:300])
    with pytest.raises(UsageError, match="a\\..*: (damaged|not a PNG|carries no recipe)"):
        read_recipe(path)
