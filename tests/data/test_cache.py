"""Things that appear in the cache whole or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from artgen.data.cache import STALE_SECONDS, cache_folder, new_file, new_folder
from artgen.errors import ArtgenError


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTGEN_CACHE", "beside")
    assert cache_folder() == tmp_path / "beside"
    monkeypatch.setenv("ARTGEN_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder().is_absolute()
    assert cache_folder().name.lower() == "artgen" or "artgen" in cache_folder().parts


def always(folder: Path) -> bool:
    return True


def never(folder: Path) -> bool:
    return False


def test_a_folder_appears_when_it_is_done(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "thing"
    with new_folder(target, never) as partial:
        (partial / "a").write_text("a")
        assert not target.exists()
    assert (target / "a").read_text() == "a"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(("is_whole", "kept"), [(always, "old"), (never, "new")])
def test_what_is_whole_stays_and_what_is_damaged_goes(tmp_path: Path, is_whole: object, kept: str) -> None:
    target = tmp_path / "thing"
    target.mkdir()
    (target / "a").write_text("old")
    with new_folder(target, is_whole) as partial:  # type: ignore[arg-type]
        (partial / "a").write_text("new")
    assert (target / "a").read_text() == kept
    assert list(tmp_path.iterdir()) == [target]


def fail_half_way(path: Path) -> None:
    path.write_text("half")
    raise KeyError


def test_failures_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "thing", never):
        raise KeyboardInterrupt
    with pytest.raises(KeyError), new_file(tmp_path) as partial:
        fail_half_way(partial)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for context in (new_folder(tmp_path / "file" / "thing", never), new_file(tmp_path / "file")):
        with pytest.raises(ArtgenError, match=r"the cache cannot be written: .*; ARTGEN_CACHE=FOLDER"), context:
            pass


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, young = tmp_path / ".x.1-aa.partial", tmp_path / ".y.2-bb.partial"
    for folder in (old, young):
        folder.mkdir()
        (folder / "tokens.bin").write_text("half")
    long_ago = time.time() - STALE_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    with new_folder(tmp_path / "thing", never):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "thing"]
