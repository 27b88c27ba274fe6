"""One file as a square: sizes, modes, orientation, transparency, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from artgen.data.picture_decoding import BrokenPicture, Pixels, decode, size_limit, to_square
from tests.data.pictures import config, noise, png_that_says

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = 64, height: int = 64) -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (width, height))
    for i, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        image.paste(colour, (width // 2 * (i % 2), height // 2 * (i // 2), width, height))
    return image


def read(path: Path, **options: Any) -> Pixels:
    with size_limit(config(**options).max_pixels):
        return decode(path, config(**options))[0]


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(BrokenPicture) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def corners(pixels: Pixels) -> list[tuple[int, ...]]:
    return [tuple(int(v) for v in pixels[y, x]) for y, x in ((2, 2), (2, -3), (-3, 2), (-3, -3))]


# ---------------------------------------------------------------- modes


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.ppm", "a.tga", "a.jp2"])
def test_formats_without_loss(tmp_path: Path, name: str) -> None:
    quarters().save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    assert corners(read(tmp_path / name)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_jpeg_is_close(tmp_path: Path, mode: str) -> None:
    quarters(3000, 2000).convert(mode).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(np.array(corners(read(tmp_path / "a.jpg"))) - [RED, GREEN, BLUE, WHITE]).max() < 8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
@pytest.mark.parametrize(("channels", "n"), [("rgb", 3), ("rgba", 4), ("grey", 1)])
def test_every_mode_becomes_what_is_asked_for(mode: str, channels: str, n: int) -> None:
    grey = Image.new("L", (50, 70), 255)
    grey.paste(0, (0, 0, 50, 35))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = grey.convert("RGB").convert("P" if mode == "PA" else mode).convert(mode)
    pixels = to_square(image, config(channels=channels))
    assert pixels.shape == (32, 32, n)
    assert pixels.dtype == np.uint8
    assert pixels[:14, :, : min(n, 3)].max() <= 8
    assert pixels[18:, :, : min(n, 3)].min() >= 247
    assert channels != "rgba" or (pixels[..., 3] == 255).all()


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 32768, dtype=np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.full((40, 40), 100, dtype=np.uint16)).save(tmp_path / "dark.png")
    Image.fromarray(np.full((40, 40), 0.5, dtype=np.float32)).save(tmp_path / "a.tif")
    assert read(tmp_path / "a.png").flat[0] == 128
    assert read(tmp_path / "dark.png").max() == 0, "a dark picture is not made bright"
    assert read(tmp_path / "a.tif").flat[0] == 128


def test_numbers_of_no_known_range_are_stretched() -> None:
    values = np.linspace(-3, 5, 32 * 32, dtype=np.float32).reshape(32, 32)
    values[0, 1] = np.nan
    pixels = to_square(Image.fromarray(values), config(channels="grey"))
    assert (pixels.flat[0], pixels.flat[-1]) == (0, 255)


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (40, 40), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (0, 0, 40, 20))
    image.save(tmp_path / "a.png", transparency=0)
    assert corners(read(tmp_path / "a.png", background="#00ff00")) == [BLUE, BLUE, GREEN, GREEN]
    assert corners(read(tmp_path / "a.png", channels="rgba")) == [(*BLUE, 255)] * 2 + [(*WHITE, 0)] * 2


def test_a_colour_that_stands_for_transparency(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png", transparency=RED)
    assert corners(read(tmp_path / "a.png", background="black")) == [(0, 0, 0), GREEN, BLUE, WHITE]


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    """In a space whose red and green are swapped, red is green."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    quarters().save(tmp_path / "odd.png", icc_profile=lab)
    assert corners(read(tmp_path / "odd.png")) == [RED, GREEN, BLUE, WHITE], "a profile for something else is passed over"
    quarters().save(tmp_path / "damaged.png", icc_profile=b"no profile")
    assert corners(read(tmp_path / "damaged.png")) == [RED, GREEN, BLUE, WHITE]
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    linear = bytearray(plain)
    for tag in (b"rTRC", b"gTRC", b"bTRC"):  # the curves of brightness: point them at one that is a straight line
        entry = linear.index(tag)
        linear[entry + 4 : entry + 12] = len(plain).to_bytes(4, "big") + (12).to_bytes(4, "big")
    linear += b"curv" + bytes(8)
    linear[:4] = len(linear).to_bytes(4, "big")
    linear = linear.replace("sRGB built-in".encode("utf-16-be"), "straight line".encode("utf-16-be"))
    Image.new("RGBA", (40, 40), (55, 55, 55, 255)).save(tmp_path / "linear.png", icc_profile=bytes(linear))
    assert abs(int(read(tmp_path / "linear.png").flat[0]) - 128) <= 3, "a fifth of the light looks half as bright as all"


# ---------------------------------------------------------------- orientation and size


@pytest.mark.parametrize(("orientation", "turned"), [(1, "rgbw"), (2, "grwb"), (3, "wbgr"), (6, "brwg"), (8, "gwrb")])
def test_pictures_stand_upright(tmp_path: Path, orientation: int, turned: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    names = dict(zip("rgbw", (RED, GREEN, BLUE, WHITE), strict=True))
    quarters(64, 64).save(tmp_path / "a.png", exif=exif)
    assert corners(read(tmp_path / "a.png")) == [names[letter] for letter in turned]


def test_cut_padded_or_distorted() -> None:
    image = Image.new("RGB", (90, 30), BLUE)
    image.paste(RED, (30, 0, 60, 30))
    assert np.abs(to_square(image, config(fit="crop"))[:, 2:-2].astype(int) - RED).max() <= 1
    stretched = to_square(image, config(fit="stretch"))
    assert corners(stretched) == [BLUE] * 4
    assert tuple(stretched[16, 16]) == RED
    padded = to_square(image, config(fit="pad", background="#00ff00"))
    assert corners(padded) == [GREEN] * 4
    assert tuple(padded[16, 16]) == RED and tuple(padded[16, 2]) == BLUE
    transparent = to_square(image, config(fit="pad", channels="rgba"))
    assert corners(transparent) == [(*WHITE, 0)] * 4
    assert tuple(transparent[16, 16]) == (*RED, 255)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (31, 33)])
def test_any_shape_is_possible(fit: str, size: tuple[int, int]) -> None:
    pixels = to_square(Image.new("RGBA", size, (*RED, 255)), config(fit=fit, background="#ff0000"))
    assert (pixels == RED).all()


def test_no_dark_or_coloured_edge_around_what_is_transparent() -> None:
    """The colour that transparent pixels happen to have must not be seen."""
    pixels = np.zeros((200, 200, 4), dtype=np.uint8)
    pixels[50:150, 50:150] = (*RED, 255)
    image = Image.fromarray(pixels)
    kept = to_square(image, config(channels="rgba"))
    seen = kept[kept[..., 3] > 0]
    assert len(np.unique(kept[..., 3])) > 2, "edges are smooth"
    assert (seen[:, 0] >= 254).all() and seen[:, 1:3].max() == 0
    flat = to_square(image, config(background="#ff0000"))
    assert np.abs(flat.astype(int) - RED).max() <= 1


def test_fine_patterns_become_grey_and_no_moire() -> None:
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    pixels = to_square(Image.fromarray(board), config())
    assert np.abs(pixels.astype(int) - 127).max() <= 2


# ---------------------------------------------------------------- files that are none


def test_a_moving_gif_is_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 40), (i % 256, 255 - i % 256, 0)) for i in range(500)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert corners(read(tmp_path / "a.gif")) == [(0, 255, 0)] * 4


def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_that_says(30_000, 30_000))
    assert refusal(tmp_path / "a.png") == "has 900,000,000 pixels, more than data.max_pixels (100,000,000)"
    (tmp_path / "b.png").write_bytes(png_that_says(120, 100))
    assert refusal(tmp_path / "b.png", max_pixels=10_000) == "has 12,000 pixels, more than data.max_pixels (10,000)"
    noise(0, 120, 100).save(tmp_path / "c.png")
    assert read(tmp_path / "c.png", max_pixels=12_000).shape == (32, 32, 3)


def test_the_limit_of_pillow_is_given_back() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with size_limit(5):
        assert Image.MAX_IMAGE_PIXELS == 5
    assert before == Image.MAX_IMAGE_PIXELS


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture\n")
    assert refusal(tmp_path / "text.png") == "is not a picture"
    noise(0, 200, 200).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    assert "is damaged: image file is truncated" in refusal(tmp_path / "cut.jpg")
    noise(0).save(tmp_path / "whole.png")
    data = bytearray((tmp_path / "whole.png").read_bytes())
    data[200:300] = bytes(100)
    (tmp_path / "damaged.png").write_bytes(data)
    assert "is damaged" in refusal(tmp_path / "damaged.png")
    assert refusal(tmp_path / "gone.png") == "cannot be read: No such file or directory"
    (tmp_path / "program.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert refusal(tmp_path / "program.png") == "is not a picture", "PostScript would be run"
