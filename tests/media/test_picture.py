"""Pictures as files that carry their recipes, sheets, and pictures that move."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from artgen.errors import UsageError
from artgen.media import sheet as sheet_module
from artgen.media.picture import check_out, write_animation, write_pictures
from artgen.media.picture_recipes import read_recipe
from artgen.media.recipe import Recipe
from artgen.media.sheet import Pixels, Sheet, make_sheet

RED, BLUE = (255, 0, 0), (0, 0, 255)


def recipe(index: int = 0, prompt: str = "春, \ud800 and \0") -> Recipe:
    options = {"truncation": 0.7, "class": "cats", "prompt": prompt, "none": None}
    return Recipe("sample", "image.gan", "runs/cats", "ab" * 32, seed=7, index=index, options=options, licence="MIT, 诗")


def picture(seed: int = 0, height: int = 20, width: int = 30, channels: int = 3) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def plain(colour: tuple[int, ...], height: int = 4, width: int = 4) -> Pixels:
    return np.tile(np.array(colour, dtype=np.uint8), (height, width, 1))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# ---------------------------------------------------------------- one picture


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_picture_and_its_recipe_are_read_back(tmp_path: Path, channels: int, mode: str) -> None:
    out = tmp_path / "春 天.png"
    pixels = picture(channels=channels)
    made = recipe(prompt="春, 'quotes', \0 and \n")
    assert write_pictures([pixels], out, [made]) == [out]
    assert names(tmp_path) == ["春 天.png"]
    with Image.open(out) as image:
        assert image.mode == mode
        assert (np.asarray(image).reshape(pixels.shape) == pixels).all()
    found = read_recipe(out)
    assert found.recipes == [made]
    assert found.unchanged


def test_a_recipe_is_a_text_chunk_that_other_programs_can_read(tmp_path: Path) -> None:
    write_pictures([picture()], tmp_path / "a.png", [recipe(prompt="春")])
    data = (tmp_path / "a.png").read_bytes()
    assert b"iTXtartgen-recipe\0" in data
    assert '"prompt": "春"'.encode() in data


def test_the_same_work_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write_pictures([picture()], tmp_path / f"{name}.png", [recipe()])
        write_animation([picture(0), picture(1)], tmp_path / f"{name}.gif", [recipe()])
    for suffix in ("png", "gif"):
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes()


def test_a_text_that_is_no_utf8_does_not_stop_a_picture(tmp_path: Path) -> None:
    write_pictures([picture()], tmp_path / "a.png", [recipe(prompt="\ud800")])
    assert read_recipe(tmp_path / "a.png").recipes[0].options["prompt"] == "?"


def test_a_picture_that_was_edited_is_told_apart(tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    write_pictures([picture()], out, [recipe()])
    with Image.open(out) as image:
        image.load()
        text = image.text["artgen-recipe"]  # type: ignore[attr-defined]
        edited = image.copy()
    edited.putpixel((3, 3), (1, 2, 3))
    edited.save(out, pnginfo=chunk(text))
    found = read_recipe(out)
    assert found.recipes[0].seed == 7
    assert not found.unchanged


def test_a_picture_that_was_only_packed_anew_is_unchanged(tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    write_pictures([np.repeat(picture(channels=1), 3, axis=2)], out, [recipe()])
    with Image.open(out) as image:
        image.load()
        text = image.text["artgen-recipe"]  # type: ignore[attr-defined]
        image.convert("L").save(out, pnginfo=chunk(text), compress_level=9)
    assert read_recipe(out).unchanged


def chunk(text: str) -> object:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("artgen-recipe", text, zip=True)
    return info


# ---------------------------------------------------------------- folders and sheets


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_gets_a_file_for_each(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "cats"
    if exists:
        folder.mkdir()
    written = write_pictures([picture(0), picture(1)], folder if exists else f"{folder}/", [recipe(0), recipe(1)])
    assert written == [folder / "0001.png", folder / "0002.png"]
    assert read_recipe(written[1]).recipes[0].index == 1


def test_several_pictures_in_one_file_are_a_sheet_with_all_recipes(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    works = [plain(RED), plain(BLUE), plain(RED)]
    write_pictures(works, out, [recipe(i) for i in range(3)], sheet=Sheet(columns=3, padding=1))
    found = read_recipe(out)
    assert [made.index for made in found.recipes] == [0, 1, 2]
    assert found.unchanged
    with Image.open(out) as image:
        assert image.size == (3 * 5 + 1, 6)
        assert [image.getpixel((2 + 5 * i, 2)) for i in range(3)] == [RED, BLUE, RED]
        assert image.getpixel((0, 0)) == image.getpixel((5, 3)) == (255, 255, 255)


@pytest.mark.parametrize(("n", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (5, (2, 3)), (9, (3, 3)), (10, (3, 4))])
def test_a_sheet_is_about_as_wide_as_high(n: int, shape: tuple[int, int]) -> None:
    sheet = make_sheet([plain(RED)] * n, Sheet(padding=0))
    assert sheet.shape == (4 * shape[0], 4 * shape[1], 3)
    assert (sheet == RED).all(2).sum() == 16 * n


def test_pictures_of_all_kinds_fit_on_a_sheet() -> None:
    grey, small, clear = plain((9,), 8, 8), plain(RED, 2, 4), plain((0, 0, 255, 0))
    assert make_sheet([grey, grey]).ndim == 2
    mixed = make_sheet([grey, small], Sheet(padding=0))
    assert mixed.shape == (8, 16, 3)
    assert tuple(mixed[3, 10]) == RED and tuple(mixed[0, 10]) == (255, 255, 255), "the small one is in the middle"
    transparent = make_sheet([small, clear], Sheet(padding=1))
    assert transparent.shape[2] == 4
    assert (transparent[0] == (255, 255, 255, 0)).all()
    assert tuple(transparent[2, 7]) == (0, 0, 255, 0), "what is transparent stays as it is"
    on_green = make_sheet([small, clear], Sheet(padding=1, background=(0, 255, 0)))
    assert tuple(on_green[2, 7]) == (0, 255, 0, 255)


def test_captions_are_written_under_the_pictures() -> None:
    works = [plain(RED, 40, 60)] * 2
    without = make_sheet(works, Sheet(padding=2))
    texts = ["cat", "a caption far too long to stand under so small a picture"]
    sheet = make_sheet(works, Sheet(padding=2, captions=texts))
    assert sheet.shape[0] == without.shape[0] + 16
    assert (sheet[:42] == without[:42]).all()
    below = sheet[42:]
    assert below[:, 2:62].min() < 100, "there are letters"
    assert (below[:, 62:64] == 255).all(), "and they keep to their picture"
    assert (make_sheet(works, Sheet(captions=["", ""], background=(0, 0, 0)))[-14:] == 0).all()


def test_a_sheet_can_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_module, "LARGEST", 1000)
    with pytest.raises(UsageError, match=r"a sheet of 50 pictures would have 50 x 44 pixels; ask for fewer"):
        make_sheet([plain(RED)] * 50)


# ---------------------------------------------------------------- pictures that move


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.apng"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_frames_become_an_animation_with_a_recipe(tmp_path: Path, name: str, channels: int) -> None:
    frames = [picture(i, 16, 16, channels) for i in range(4)]
    for frame in frames:
        frame[..., 3:] = 255 * (frame[..., 3:] > 127)
    out = write_animation(frames, tmp_path / name, [recipe(prompt="x" * 1000)], frame_ms=50, hold_ms=900)
    with Image.open(out) as image:
        shown = [(frame.convert("RGBA"), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
        assert image.info["loop"] == 0
    assert [duration for _, duration in shown] == [50, 50, 50, 900]
    if not name.endswith("gif"):
        for frame, (image_of, _) in zip(frames, shown, strict=True):
            assert (np.asarray(image_of)[..., :3] == frame[..., :3])[frame[..., -1] > 0 if channels == 4 else ...].all()
    found = read_recipe(out)
    assert found.recipes == [recipe(prompt="x" * 1000)]
    assert found.unchanged


def test_a_gif_is_close_to_its_frames(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    frames = [
        np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 50 * i, np.uint8)], 2)
        for i in range(3)
    ]
    out = write_animation(frames, tmp_path / "a.gif", [recipe()])
    with Image.open(out) as image:
        for frame, shown in zip(frames, ImageSequence.Iterator(image), strict=True):
            assert np.abs(np.asarray(shown.convert("RGB")).astype(int) - frame).mean() < 8


def test_one_frame_is_an_animation_too(tmp_path: Path) -> None:
    for name in ("a.gif", "a.png"):
        assert read_recipe(write_animation([picture()], tmp_path / name, [recipe()])).unchanged


def test_an_animation_that_was_edited_is_told_apart(tmp_path: Path) -> None:
    out = write_animation([picture(i) for i in range(3)], tmp_path / "a.gif", [recipe()])
    with Image.open(out) as image:
        comment = image.info["comment"]
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]
    frames[1].putpixel((0, 0), (1, 2, 3))
    frames[0].save(out, save_all=True, append_images=frames[1:], comment=comment)
    assert not read_recipe(out).unchanged


# ---------------------------------------------------------------- what goes wrong


def test_nothing_is_overwritten_or_written_in_part_without_force(tmp_path: Path) -> None:
    (tmp_path / "0002.png").write_text("mine")
    works, recipes = [picture(0), picture(1)], [recipe(0), recipe(1)]
    with pytest.raises(UsageError, match=r"0002\.png: exists \(--force overwrites it\)"):
        write_pictures(works, tmp_path, recipes)
    with pytest.raises(UsageError, match=r"0002\.png: exists"):
        check_out(tmp_path, 2)
    assert names(tmp_path) == ["0002.png"]
    assert (tmp_path / "0002.png").read_text() == "mine"
    write_pictures(works, tmp_path, recipes, force=True)
    assert read_recipe(tmp_path / "0002.png").recipes[0].index == 1
    with pytest.raises(UsageError, match="exists"):
        write_animation(works, tmp_path / "0002.png", recipes)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("mine")
    for place, expected in [
        (tmp_path / "nowhere" / "x.png", "nowhere: there is no such folder"),
        (f"{tmp_path}/nowhere/deep/", "nowhere: there is no such folder"),
        (f"{tmp_path}/x.png/", "x.png: is a file, expected a folder"),
        (tmp_path / "a.jpg", r"a\.jpg: expected a name that ends in \.png, which can carry a recipe"),
        (tmp_path / "a", r"a: expected a name that ends in \.png"),
    ]:
        with pytest.raises(UsageError, match=expected):
            write_pictures([picture()], place, [recipe()])
        with pytest.raises(UsageError, match=expected):
            check_out(place, 1)
    with pytest.raises(UsageError, match=r"a\.mp4: expected a name that ends in \.gif or \.png or \.apng"):
        write_animation([picture()], tmp_path / "a.mp4", [recipe()])
    assert names(tmp_path) == ["x.png"]


def test_check_out_lets_free_places_pass(tmp_path: Path) -> None:
    check_out(tmp_path / "a.png", 1)
    check_out(f"{tmp_path}/new/", 100)
    check_out(tmp_path, 100)
    assert names(tmp_path) == []


def test_files_without_a_recipe(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "plain.png")
    Image.fromarray(picture()).save(tmp_path / "plain.gif", comment=b"made by hand")
    Image.fromarray(picture()).save(tmp_path / "plain.jpg")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, expected in [
        ("plain.png", "carries no recipe"),
        ("plain.gif", "carries no recipe"),
        ("plain.jpg", "carries no recipe"),
        ("text.png", "not a PNG, GIF, JPEG, WebP or TIFF file"),
        ("empty.png", "not a PNG, GIF, JPEG, WebP or TIFF file"),
        ("gone.png", "no such file"),
        (".", "is a folder"),
    ]:
        with pytest.raises(UsageError, match=expected) as caught:
            read_recipe(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_damaged_file_or_recipe(tmp_path: Path) -> None:
    write_pictures([picture(0, 100, 100)], tmp_path / "a.png", [recipe()])
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UsageError, match=r"cut\.png: damaged: "):
        read_recipe(tmp_path / "cut.png")
    for text, expected in (("{", "no valid JSON"), ('{"format": "artgen-recipe"}', "a recipe of format None")):
        buffer = io.BytesIO()
        Image.fromarray(picture()).save(buffer, "PNG", pnginfo=chunk(text))
        (tmp_path / "b.png").write_bytes(buffer.getvalue())
        with pytest.raises(UsageError, match=expected):
            read_recipe(tmp_path / "b.png")


def test_calls_that_make_no_sense(tmp_path: Path) -> None:
    for works, recipes in (
        ([], []),
        ([picture()], []),
        ([picture().astype(float)], [recipe()]),
        ([picture()[..., :2]], [recipe()]),
    ):
        with pytest.raises(ValueError, match="work|picture"):
            write_pictures(works, tmp_path / "a.png", recipes)
    with pytest.raises(ValueError, match="different shapes"):
        write_animation([picture(), picture(0, 9, 9)], tmp_path / "a.gif", [recipe()])
    with pytest.raises(ValueError, match="2 pictures and 1 captions"):
        make_sheet([picture(), picture()], Sheet(captions=["one"]))
    assert names(tmp_path) == []
