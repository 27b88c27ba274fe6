"""What can be named as a source, and what is said where it cannot be read."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from artgen.data.sources import find_sources
from artgen.errors import UsageError
from tests.data.helpers import config, read


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """A folder of texts, and of things that are none."""
    folder = tmp_path / "art"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "b.txt").write_text("bee")
    (folder / "a.md").write_text("ay")
    (folder / "deep" / "c.TXT").write_text("sea")
    (folder / "deep" / "er" / "d.jsonl").write_text('"dee"')
    (folder / "empty.txt").write_text("")
    (folder / "picture.png").write_bytes(b"\x89PNG\0")
    (folder / ".hidden.txt").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.txt").write_text("hidden")
    return folder


def refusal(*paths: Path | str, **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        read(*paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def standard_input(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_folders_are_read_in_order_and_hidden_files_are_not(art: Path) -> None:
    assert read(art) == ["ay", "bee", "sea", "dee"]


def test_a_file_may_have_any_name(art: Path) -> None:
    (art / "notes").write_text("plain")
    assert read(art / "notes", art / "b.txt") == ["plain", "bee"]


def test_globs(art: Path) -> None:
    assert read(art / "*.txt") == ["bee"]
    assert read(art / "**" / "*.[tT][xX][tT]") == ["bee", "sea"]
    (art / "odd [1].txt").write_text("odd")
    assert read(art / "odd [1].txt") == ["odd"], "a name that exists is not a pattern"


def test_a_file_that_is_named_twice_is_read_once(art: Path) -> None:
    (art / "link.txt").symlink_to(art / "b.txt")
    assert read(art / "b.txt", art / "*.txt", art / "link.txt", art / "b.txt") == ["bee"]


def test_links_to_folders_are_followed(art: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.txt").write_text("zed")
    (art / "elsewhere").symlink_to(other)
    assert read(art) == ["ay", "bee", "sea", "dee", "zed"]


def test_the_embedded_manual() -> None:
    found = read("python-docs")
    assert found == [topics[name] for name in sorted(topics)]
    assert len(found) > 50


def test_standard_input(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    standard_input(monkeypatch, "\ufeffone\r\ntwo".encode())
    assert read("-") == ["one\ntwo"]
    assert [file.suffix for file in (cache / "streams").iterdir()] == [".txt"], "and nothing half-made is left"
    for text in ('[{"t": "one"}, {"t": "two"}]', '{"t": "one"}\n{"t": "two"}\n', '[\n{"t": "one"},\n{"t": "two"}\n]'):
        standard_input(monkeypatch, text.encode())
        assert read("-", field="t") == ["one", "two"]


def test_standard_input_is_known_by_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    identities = []
    for text in (b"one", b"two", b"one"):
        standard_input(monkeypatch, text)
        identities.append(find_sources(config("-"))[0].identity)
    assert identities[0] == identities[2] != identities[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("through the pipe"), daemon=True)
    writer.start()
    assert read(pipe) == ["through the pipe"]
    writer.join()


def test_what_cannot_be_read(art: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nowhere.txt: no such file or folder" in refusal(art / "nowhere.txt")
    assert "did you mean 'picture.png'?" in refusal(art / "pictures.png")
    assert "did you mean 'tinyshakespeare'?" in refusal(tmp_path / "tinyshakespear")
    assert "no such file" in refusal(art / "b.txt" / "deeper")
    assert "empty.txt: is empty" in refusal(art / "empty.txt")
    assert "no text but whitespace" in refusal_of_blank(tmp_path)
    assert "nothing-*.txt: matches no file" in refusal(art / "nothing-*.txt")
    assert "matches folders only" in refusal(art / "dee*")
    assert "empty name" in refusal("")
    assert "not a file name" in refusal("a\0b")
    assert "cannot be read" in refusal("x" * 5000)
    (art / "loop.txt").symlink_to("loop.txt")
    assert "loop.txt: cannot be read" in refusal(art / "loop.txt")
    (art / "loop.txt").unlink()
    (art / "gone.txt").symlink_to("not-there.txt")
    assert "gone.txt: is a link to not-there.txt, which does not exist" in refusal(art)
    (art / "gone.txt").unlink()
    (art / "deep" / "back").symlink_to("..")
    assert "back: is a link to a folder that it is in" in refusal(art)
    standard_input(monkeypatch, b"")
    assert refusal("-") == "standard input: is empty, expected text"
    standard_input(monkeypatch, b"ab\0")
    assert "standard input: not text: byte 2 is NUL" in refusal("-")
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input: is closed" in refusal("-")


def refusal_of_blank(tmp_path: Path) -> str:
    from artgen.data.tokens import load_corpus

    (tmp_path / "blank.txt").write_text("\ufeff \n\n\t", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_corpus(config(tmp_path / "blank.txt"))
    return str(caught.value)


def test_folders_without_text(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "a folder without text: there is no .txt or .md" in refusal(tmp_path / "empty")
    (tmp_path / "empty" / "a.txt").write_text("")
    assert "its 1 text files are empty" in refusal(tmp_path / "empty")
    assert "all are empty" in refusal(tmp_path / "empty" / "*.txt")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_an_endless_device_does_not_fill_the_disk(cache: Path) -> None:
    assert "byte 0 is NUL" in refusal("/dev/zero")
    assert list((cache / "streams").iterdir()) == []


@pytest.mark.parametrize("what", ["file", "folder"])
def test_no_permission(art: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    if what == "file":
        monkeypatch.setattr(Path, "open", refuse)
        assert refusal(art / "b.txt").endswith("b.txt: cannot be read: Permission denied")
    else:
        monkeypatch.setattr(os, "listdir", refuse)
        assert refusal(art).endswith("art: cannot be read: Permission denied")


def test_poems_in_json(shared: Path) -> None:
    found = read(shared / "poems-zh" / "tang300.json", field="paragraphs")
    assert found[0].startswith("西陸蟬聲唱，南冠客思侵。\n那堪玄鬢影")
    said = refusal(shared / "poems-zh" / "tang300.json")
    assert "author, paragraphs, tags, title, id" in said
