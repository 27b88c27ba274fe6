"""Folders of pictures: what is found, split, kept in the cache, and refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artgen.data import pictures as pictures_module
from artgen.data.demo_pictures import draw_picture
from artgen.data.pictures import load_pictures, split
from artgen.errors import ArtgenError, UsageError
from tests.data.pictures import config, folder_of, load, noise, png_that_says


def refusal(*paths: Path | str, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load(*paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """30 pictures."""
    return folder_of(tmp_path / "art", 30)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """10 cats, 20 dogs, one of them deeper, and 30 birds."""
    folder = tmp_path / "zoo"
    folder_of(folder / "cats", 10)
    folder_of(folder / "dogs", 19, first=10)
    folder_of(folder / "dogs" / "old", 1, first=29)
    folder_of(folder / "birds", 30, first=30)
    return folder


# ---------------------------------------------------------------- what is found


def test_a_folder_of_pictures(art: Path) -> None:
    found = load(art)
    assert found.train.shape == (27, 32, 32, 3)
    assert found.validation.shape == (3, 32, 32, 3)
    assert found.train.dtype == np.uint8
    assert not found.train.flags.writeable
    assert (found.n_pictures, found.size, found.n_channels) == (30, 32, 3)
    assert found.describe() == "30 pictures of 32 x 32 pixels"
    assert found.warnings == ()
    assert sorted(found.train_sources + found.validation_sources) == sorted(str(path) for path in art.iterdir())
    for pixels, source in zip(found.train, found.train_sources, strict=True):
        with Image.open(source) as image:
            expected = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS))
        assert (pixels == expected).all()


def test_globs_files_and_names_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "春 天"
    folder.mkdir()
    for i, name in enumerate(["a b.png", "山水.jpg", "[1].png", "line\nend.png", "UPPER.PNG"]):
        noise(i).save(folder / name)
    os.symlink(folder / "a b.png", folder / "again.png")
    (folder / ".hidden.png").write_text("hidden")
    (folder / "notes.txt").write_text("not asked for")
    found = load(folder, folder / "*.png", folder / "a b.png")
    assert found.n_pictures == 5, "every file once"
    assert any(source.endswith("春 天/山水.jpg") for source in found.train_sources + found.validation_sources)
    assert not any("\n" in source for source in found.train_sources + found.validation_sources)
    assert load(folder / "*.[pP]*").n_pictures == 4
    assert load(folder / "[1].png", folder / "a b.png", folder / "山水.jpg").n_pictures == 3


def test_mixed_sizes_and_modes_become_alike(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for i, mode in enumerate(["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"]):
        noise(i, 20 + 30 * i, 200 - 20 * i, "L" if mode == "I;16" else mode).convert(mode).save(
            folder / f"{i}.{'tif' if mode == 'CMYK' else 'png'}"
        )
    for channels, n in (("rgb", 3), ("rgba", 4), ("grey", 1)):
        found = load(folder, channels=channels)
        assert found.train.shape[1:] == (32, 32, n)
        assert found.n_pictures == 8
    assert "1 picture is smaller than 32 x 32 pixels and was enlarged" in found.warnings
    assert load(folder, channels="rgba").describe() == "8 pictures of 32 x 32 pixels with transparency"
    assert load(folder, channels="grey").describe() == "8 pictures of 32 x 32 pixels in grey"


def test_demo_sets() -> None:
    found = load(demo={"count": 12, "seed": 5})
    both = [*found.train, *found.validation]
    by_source = dict(zip(found.train_sources + found.validation_sources, both, strict=True))
    assert (by_source["geometric 5:7"] == draw_picture("geometric", 5, 7, 32)).all()
    assert load(demo={"count": 12, "seed": 6}).fingerprint != found.fingerprint
    mixed = load("truchet", "geometric", demo={"count": 4}, classes=True, channels="rgba")
    assert mixed.class_names == ("geometric", "truchet")
    assert mixed.train.shape[3] == 4


def test_a_set_of_another_size_is_split_alike(art: Path) -> None:
    assert load(art).validation_sources == load(art, size=48, fit="pad").validation_sources
    small, large = (load(demo={"count": 20}, size=size) for size in (32, 40))
    assert small.validation_sources == large.validation_sources


# ---------------------------------------------------------------- classes


def test_subfolders_are_classes(classes: Path) -> None:
    found = load(classes, classes=True)
    assert found.class_names == ("birds", "cats", "dogs")
    assert np.bincount(found.train_labels).tolist() == [27, 9, 18]
    assert np.bincount(found.validation_labels).tolist() == [3, 1, 2]
    for label, source in zip(found.train_labels, found.train_sources, strict=True):
        assert Path(source).relative_to(classes).parts[0] == found.class_names[label]
    assert found.describe() == "60 pictures of 32 x 32 pixels in 3 classes"
    assert load(classes).class_names == ()
    assert not load(classes).train_labels.any()


def test_several_folders_and_globs_are_classes(classes: Path) -> None:
    assert load(classes / "cats", classes / "dogs" / "*.png", classes=True).class_names == ("cats", "dogs")


def test_one_class_is_none(art: Path) -> None:
    assert refusal(art, classes=True) == "data.classes: all pictures are of one class, 'art'; expected subfolders to be classes"


# ---------------------------------------------------------------- the split


def test_copies_are_left_out_and_mirrored_ones_stay_on_one_side(art: Path) -> None:
    shutil.copy(art / "000.png", art / "copy.png")
    with Image.open(art / "001.png") as image:
        image.save(art / "other format.bmp")
    for i in range(30):
        with Image.open(art / f"{i:03}.png") as image:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(art / f"mirrored {i}.png")
    found = load(art, validation=0.3)
    assert found.n_pictures == 60
    assert found.describe() == "60 pictures of 32 x 32 pixels (left out: 2 copies)"
    assert len(found.validation) == 18
    train = {pixels.tobytes() for pixels in found.train}
    assert not any(pixels[:, ::-1].tobytes() in train for pixels in found.validation)


def test_the_same_picture_in_two_classes_is_trained_on_in_both(classes: Path) -> None:
    shutil.copy(classes / "cats" / "000.png", classes / "dogs" / "cat.png")
    for share in (0.1, 0.8):
        found = load(classes, classes=True, validation=share)
        assert found.n_pictures == 61
        assert sum(Path(source).name in ("000.png", "cat.png") for source in found.train_sources) == 2


@pytest.mark.parametrize("share", [0.001, 0.1, 0.34, 0.5, 0.89])
def test_shares_are_kept_in_all_and_in_each_class(share: float) -> None:
    labels = [0] * 100 + [1] * 50 + [2] * 3 + [3]
    names = [f"{i:04}" for i in range(len(labels))]
    held_out = split(names, labels, [name[::-1] for name in names], share)
    assert held_out.sum() == max(1, round(share * len(labels)))
    for label in range(4):
        mine = held_out[np.array(labels) == label]
        assert abs(mine.sum() - share * len(mine)) <= 1
        assert not mine.all()


def test_what_is_held_out_stays_so_when_pictures_are_added() -> None:
    rng = np.random.default_rng(0)
    ranks = [rng.bytes(8).hex() for _ in range(220)]
    before = split(ranks[:200], [0] * 200, ranks[:200], 0.1)
    after = split(ranks, [0] * 220, ranks, 0.1)
    assert (before & after[:200]).sum() >= 18


def test_nothing_can_be_held_out_of_classes_of_one(tmp_path: Path) -> None:
    for i in range(4):
        folder_of(tmp_path / f"class {i}", 1, first=i)
    assert refusal(tmp_path, classes=True).startswith("data.validation: nothing can be held out")


# ---------------------------------------------------------------- the cache


def test_the_second_time_nothing_is_decoded(art: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(art)
    monkeypatch.setattr(pictures_module, "decode", None)
    again = load(art)
    assert (again.train == first.train).all()
    assert again.fingerprint == first.fingerprint
    assert again.validation_sources == first.validation_sources
    assert load(art, flip=True).n_pictures == 30, "mirroring is for training"


def test_a_changed_folder_is_read_again(art: Path) -> None:
    first = load(art)
    noise(100).save(art / "new.png")
    assert load(art).n_pictures == 31
    (art / "new.png").unlink()
    noise(101).save(art / "000.png")
    changed = load(art)
    assert changed.n_pictures == 30
    assert changed.fingerprint != first.fingerprint
    (art / "001.png").write_bytes(b"")
    assert load(art).n_pictures == 29


def test_every_option_that_changes_the_pixels_counts(art: Path) -> None:
    fingerprints = {
        load(art, **options).fingerprint for options in ({}, {"size": 33}, {"channels": "grey"}, {"validation": 0.5})
    }
    assert len(fingerprints) == 4


def test_the_fingerprint_is_that_of_the_pictures_wherever_they_lie(art: Path, tmp_path: Path) -> None:
    shutil.copytree(art, tmp_path / "elsewhere")
    assert load(tmp_path / "elsewhere").fingerprint == load(art).fingerprint


def test_a_damaged_cache_is_made_again(art: Path, cache: Path) -> None:
    load(art)
    (folder,) = (cache / "pictures").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["pictures.json", "pixels.bin"]
    for name in ("pictures.json", "pixels.bin"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
        assert load(art).n_pictures == 30
        assert (folder / name).read_bytes() == data


def test_many_windows_are_as_one(art: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load(art)
    monkeypatch.setattr(pictures_module, "WINDOW", 7)
    in_parts = load_pictures(config(art), tmp_path / "other cache")
    assert in_parts.fingerprint == whole.fingerprint


def test_a_file_that_changes_while_it_is_read(art: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = pictures_module.decode

    def meddle(path: Path, *rest: Any) -> Any:
        if path.name == "007.png":
            noise(200, 50, 50).save(path)
        return decode(path, *rest)

    monkeypatch.setattr(pictures_module, "decode", meddle)
    with pytest.raises(ArtgenError, match=r"007\.png: was changed while it was read; try again"):
        load(art)
    assert list((cache / "pictures").iterdir()) == []


def test_a_cache_that_cannot_be_written(art: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtgenError, match="the cache cannot be written"):
        load_pictures(config(art), tmp_path / "file")


# ---------------------------------------------------------------- bad input


def test_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty: no pictures: there is no .png, .jpg," in refusal(tmp_path / "empty")
    (tmp_path / "empty" / "a.heic").write_bytes(b"1")
    (tmp_path / "empty" / "b.heic").write_bytes(b"2")
    assert "a.heic and 1 more like it: a format that is not read, save it as PNG or JPEG" in refusal(tmp_path / "empty")
    assert "nowhere: no such file or folder" in refusal(tmp_path / "nowhere")
    assert "did you mean 'geometric'?" in refusal(tmp_path / "geometrics")
    assert "matches no file" in refusal(tmp_path / "*.png")
    assert "matches folders only" in refusal(tmp_path / "emp*")
    assert "empty name" in refusal("")
    assert "not a file name" in refusal("a\0b")


def test_one_picture_is_too_few_and_so_are_copies_of_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "one", 1)
    assert refusal(folder) == (
        f"{folder}: one picture, expected at least 3: two to train on and one held out; 50 are a beginning"
    )
    for i in range(5):
        shutil.copy(folder / "000.png", folder / f"copy {i}.png")
    assert "one: one picture (left out: 5 copies), expected at least 3" in refusal(folder)
    folder_of(folder, 1, first=1)
    assert "2 pictures (left out: 5 copies), expected at least 3" in refusal(folder)


def test_three_pictures_work_with_a_warning_that_says_what_to_expect(tmp_path: Path) -> None:
    found = load(folder_of(tmp_path / "three", 3))
    assert (len(found.train), len(found.validation)) == (2, 1)
    assert found.warnings == (
        "3 pictures are very few: expect repetitions and blends of them, not new ones; 50 are a beginning, 200 give variety",
    )
    assert load(tmp_path / "three").warnings == found.warnings, "also when they come from the cache"


@pytest.fixture
def with_broken_files(art: Path) -> Path:
    (art / "a text.png").write_text("not a picture")
    (art / "b bomb.png").write_bytes(png_that_says(30_000, 30_000))
    (art / "c empty.png").write_bytes(b"")
    (art / "d cut.jpg").write_bytes(jpeg(art)[:500])
    (art / "e loop.png").symlink_to(art / "e loop.png")
    (art / "f gone.png").symlink_to("nowhere.png")
    return art


def jpeg(folder: Path) -> bytes:
    noise(99, 100, 100).save(folder / "d cut.jpg")
    return (folder / "d cut.jpg").read_bytes()


def test_broken_files_are_named_counted_and_skipped(with_broken_files: Path) -> None:
    found = load(with_broken_files)
    assert found.n_pictures == 30
    assert found.left_out == "6 broken files"
    said = [line.removeprefix(f"{with_broken_files}/") for line in found.warnings]
    assert said[:3] == [
        "a text.png: is not a picture; skipped",
        "b bomb.png: has 900,000,000 pixels, more than data.max_pixels (100,000,000); skipped",
        "c empty.png: is empty; skipped",
    ]
    assert said[3].startswith("d cut.jpg: is damaged: ")
    assert said[4] == "e loop.png: Too many levels of symbolic links; skipped"
    assert said[5] == "f gone.png: is a link to nowhere.png, which does not exist; skipped"


def test_strict_refuses_broken_files(with_broken_files: Path) -> None:
    load(with_broken_files)
    expected = f"{with_broken_files}/a text.png: is not a picture (data.strict refuses broken files)"
    assert refusal(with_broken_files, strict=True) == expected
    assert load(folder_of(with_broken_files.parent / "fine", 5), strict=True).n_pictures == 5


def test_a_refusal_gives_back_what_was_set_for_all_of_pillow(with_broken_files: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(UsageError) as caught:
        load(with_broken_files, strict=True)
    assert caught.tb is not None, "which keeps alive whatever was not closed"
    assert before == Image.MAX_IMAGE_PIXELS


def test_many_broken_files_are_summed_up(art: Path) -> None:
    for i in range(20):
        (art / f"broken {i:02}.png").write_text("no")
    warnings = load(art).warnings
    assert len(warnings) == 9
    assert warnings[-1] == "12 more broken files were skipped, 20 in all"


def test_nothing_but_broken_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no")
    assert f"no pictures (left out: 1 broken file; {tmp_path}/a.png: is not a picture), expected at least 3" in refusal(
        tmp_path
    )


def test_a_folder_that_links_to_itself_is_read_once(art: Path) -> None:
    (art / "deeper").mkdir()
    (art / "deeper" / "back").symlink_to(art)
    found = load(art)
    assert found.n_pictures == 30
    assert found.warnings == (f"{art}/deeper/back: is a link to a folder that was read already; skipped",)
    (art / "round").symlink_to("round")
    assert load(art).n_pictures == 30
    assert "round: cannot be read: Too many levels" in refusal(art / "round")


def test_a_gif_with_many_frames_is_one_picture(art: Path) -> None:
    frames = [Image.new("P", (32, 32), i % 256) for i in range(500)]
    frames[0].save(art / "moving.gif", save_all=True, append_images=frames[1:])
    assert load(art).n_pictures == 31


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read_is_skipped_until_it_may(art: Path) -> None:
    (art / "000.png").chmod(0)
    assert f"{art}/000.png: no permission to read it; skipped" in load(art).warnings
    (art / "000.png").chmod(0o600)
    assert load(art).n_pictures == 30


def test_require(art: Path) -> None:
    found = load(art)
    found.require(27, 3)
    with pytest.raises(UsageError, match="too few pictures: 27 to train on and 3 held out, expected at least 28 and 1"):
        found.require(28)
    with pytest.raises(UsageError, match="expected at least 1 and 4"):
        found.require(1, 4)
