"""Texts, their side-cars, and files that are whole or not there."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from artgen import files
from artgen.errors import ArtgenError, UsageError
from artgen.files import atomic_write, atomic_write_all
from artgen.media.recipe import Recipe, from_json, to_json
from artgen.media.text import read_recipe, sidecar, write_text


def recipe(index: int = 0) -> Recipe:
    options = {"temperature": 0.8, "stop": ["\n\n"], "lines": None, "prompt": "春"}
    return Recipe("sample", "text.gpt", "runs/poems", "ab" * 32, seed=7, index=index, options=options, licence="MIT, 诗")


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# ---------------------------------------------------------------- works


def test_one_work_is_the_text_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "poem.txt"
    assert write_text(["春眠不覺曉"], out, [recipe()]) == [out]
    assert out.read_bytes() == "春眠不覺曉\n".encode()
    assert names(tmp_path) == ["poem.txt", "poem.txt.recipe.json"]
    found = read_recipe(out)
    assert found.recipes == [recipe()]
    assert found.unchanged


def test_works_in_one_file_are_parted_by_a_line(tmp_path: Path) -> None:
    write_text(["a\nb", "c\n"], tmp_path / "two.txt", [recipe(0), recipe(1)])
    assert (tmp_path / "two.txt").read_text() == "a\nb\n----\nc\n"
    assert [made.index for made in read_recipe(tmp_path / "two.txt").recipes] == [0, 1]


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_gets_a_file_for_each(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "poems"
    if exists:
        folder.mkdir()
    out = folder if exists else f"{folder}/"
    written = write_text(["a", "b"], out, [recipe(0), recipe(1)])
    assert written == [folder / "0001.txt", folder / "0002.txt"]
    assert written[1].read_text() == "b\n"
    assert read_recipe(written[1]).recipes == [recipe(1)]


def test_a_text_that_was_edited_is_told_apart(tmp_path: Path) -> None:
    out = tmp_path / "poem.txt"
    write_text(["a"], out, [recipe()])
    out.write_text("b\n")
    assert not read_recipe(out).unchanged


def test_the_same_work_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        write_text(["a"], tmp_path / name / "x.txt", [recipe()])
    for name in ("x.txt", "x.txt.recipe.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("existing", ["0002.txt", "0002.txt.recipe.json"])
def test_nothing_is_overwritten_or_written_in_part_without_force(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(UsageError, match=f"{existing}: exists"):
        write_text(["a", "b"], tmp_path, [recipe(0), recipe(1)])
    assert names(tmp_path) == [existing]
    assert (tmp_path / existing).read_text() == "mine"
    write_text(["a", "b"], tmp_path, [recipe(0), recipe(1)], force=True)
    assert (tmp_path / "0002.txt").read_text() == "b\n"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: there is no such folder"):
        write_text(["a"], tmp_path / "nowhere" / "x.txt", [recipe()])
    with pytest.raises(UsageError, match="nowhere: there is no such folder"):
        write_text(["a"], f"{tmp_path}/nowhere/deep/", [recipe()])
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(UsageError, match="x: is a file, expected a folder"):
        write_text(["a"], f"{tmp_path}/x/", [recipe()])
    with pytest.raises(UsageError, match="x: is not a folder"):
        write_text(["a"], tmp_path / "x" / "y.txt", [recipe()])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_folder_that_must_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(UsageError, match="no permission"):
            write_text(["a"], tmp_path / "x.txt", [recipe()])
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_folder_that_denies_access_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match="no permission to write into the folder"):
        atomic_write(tmp_path / "x.txt", "a")


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    out = tmp_path / "x.txt"
    write_text(["old"], out, [recipe()])
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ArtgenError, match=r"x\.txt.*: cannot be written: No space left on device") as raised:
        write_text(["new"], out, [recipe()], force=True)
    assert "\n" not in str(raised.value)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_a_rename_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(ArtgenError, match="cannot be written"):
        atomic_write(tmp_path / ("n" * 255), "a") or atomic_write(tmp_path / ("n" * 256), "a")
    assert [len(name) for name in names(tmp_path)] == [255]


def test_odd_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        atomic_write(tmp_path, "a", force=True)
    with pytest.raises(UsageError, match="cannot be written"):
        atomic_write(tmp_path / "a\0b", "a")
    if os.path.exists(os.devnull) and os.name == "posix":
        with pytest.raises(UsageError, match="device"):  # a rename would replace it
            atomic_write(Path(os.devnull), "a", force=True)


def test_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    atomic_write(link, "new", force=True)
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_files_get_the_permissions_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write_all({tmp_path / "x": b"\x00"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


# ---------------------------------------------------------------- recipes


def test_a_recipe_survives_json() -> None:
    recipes, facts = from_json(to_json([recipe(0), recipe(1)], sha256="00", file="x"), "x")
    assert recipes == [recipe(0), recipe(1)]
    assert facts == {"sha256": "00", "file": "x"}


def damaged(**changes: object) -> str:
    document = json.loads(to_json([recipe()]))
    document["recipes"][0].update(changes)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no valid JSON"),
        (b"\xff\xfe", "no valid JSON"),
        ("[" * 100_000, "no valid JSON"),
        ("[]", "not a recipe that artgen wrote"),
        ('{"format": "other"}', "not a recipe that artgen wrote"),
        ('{"format": "artgen-recipe", "format_version": 2}', "format 2, this artgen .* reads format 1"),
        ('{"format": "artgen-recipe", "format_version": 1}', "damaged recipe: recipes: "),
        ('{"format": "artgen-recipe", "format_version": 1, "recipes": []}', "damaged recipe: recipes: there is none"),
        (damaged(seed="seven"), r"damaged recipe: recipes\.0\.seed: .*integer"),
        (damaged(seeds=7), r"damaged recipe: recipes\.0\.seeds: "),
        (damaged(options=[]), r"damaged recipe: recipes\.0\.options: "),
        (to_json([recipe()])[:200], "no valid JSON"),
    ],
)
def test_what_is_no_recipe_is_named(text: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=f"^file.json: .*{message}") as raised:
        from_json(text, "file.json")
    assert "\n" not in str(raised.value)


def test_reading_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_recipe(tmp_path / "x.txt")
    (tmp_path / "x.txt").write_text("a")
    with pytest.raises(UsageError, match=r"carries no recipe: there is no x\.txt\.recipe\.json beside it"):
        read_recipe(tmp_path / "x.txt")
    sidecar(tmp_path / "x.txt").write_text(to_json([recipe()]))
    with pytest.raises(UsageError, match="sha256: missing"):
        read_recipe(tmp_path / "x.txt")
