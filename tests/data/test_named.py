"""Known sets, from a server on this machine that does what servers do."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from artgen.data import download
from artgen.data.named import SETS, fetch
from artgen.data.text_config import DOWNLOADS
from artgen.errors import ArtgenError, UsageError
from tests.data.helpers import read

TEXT = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 3000
NAME = "tinyshakespeare"


class Server:
    """Answers any address with `body`, and says it is `announced` bytes long."""

    def __init__(self) -> None:
        self.body, self.status, self.announced = TEXT, 200, len(TEXT)
        self.asked: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                self.send_response(server.status)
                self.send_header("Content-Length", str(server.announced))
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("ARTGEN_MIRROR", running.address + "/mirror/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(SETS, NAME, replace(SETS[NAME], n_bytes=len(TEXT), sha256=hashlib.sha256(TEXT).hexdigest()))
    yield running
    running.http.shutdown()
    running.http.server_close()
    thread.join()


def refusal(cache: Path) -> str:
    """The message, checked to be one line that says what to do; nothing may be left behind."""
    with pytest.raises(ArtgenError) as caught:
        fetch(NAME)
    said = str(caught.value)
    assert said.startswith("tinyshakespeare: ")
    assert "/karpathy/char-rnn/master/data/tinyshakespeare/input.txt" in said
    assert f"put the file at {cache / 'sets' / 'tinyshakespeare.txt'} yourself" in said
    assert "--data FILE" in said
    assert "\n" not in said
    assert caught.value.status == 1
    assert not (cache / "sets").exists() or not list((cache / "sets").iterdir())
    return said


def test_a_set_is_fetched_once(server: Server, cache: Path) -> None:
    assert read(NAME) == [TEXT.decode()]
    assert server.asked == ["/mirror/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"]
    assert fetch(NAME).read_bytes() == TEXT
    assert len(server.asked) == 1
    assert [path.name for path in (cache / "sets").iterdir()] == ["tinyshakespeare.txt"]


def test_a_file_put_there_by_hand_is_taken_if_it_is_right(server: Server, cache: Path) -> None:
    (cache / "sets").mkdir()
    (cache / "sets" / "tinyshakespeare.txt").write_bytes(TEXT)
    assert fetch(NAME).read_bytes() == TEXT
    assert server.asked == []
    (cache / "sets" / "tinyshakespeare.txt").write_bytes(TEXT[:-1] + b"!")
    assert fetch(NAME).read_bytes() == TEXT
    assert len(server.asked) == 1


def test_a_wrong_file(server: Server, cache: Path) -> None:
    server.body = TEXT.replace(b"hear", b"here")
    assert "another SHA-256" in refusal(cache)


def test_a_body_cut_short(server: Server, cache: Path) -> None:
    server.body = TEXT[:1000]
    said = refusal(cache)
    assert "gave 1,000 bytes, expected 183,000" in said or "cannot be reached" in said
    server.announced = 1000
    assert f"gave 1,000 bytes, expected {len(TEXT):,}" in refusal(cache)


def test_a_body_too_long(server: Server, cache: Path) -> None:
    server.body, server.announced = TEXT * 2, 2 * len(TEXT)
    assert "gave more bytes, expected" in refusal(cache)


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_of_the_server(server: Server, cache: Path, status: int) -> None:
    server.status = status
    assert f"answered {status}" in refusal(cache)


def test_no_server(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.http.socket.close()
    assert "cannot be reached (" in refusal(cache)
    monkeypatch.setenv("ARTGEN_MIRROR", "nonsense")
    assert "cannot be reached (unknown url type" in refusal(cache)


def test_a_server_that_says_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ARTGEN_MIRROR", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "timed out" in refusal(cache)


def test_a_cache_that_cannot_be_written(server: Server, cache: Path) -> None:
    (cache / "sets").write_text("in the way")
    with pytest.raises(ArtgenError, match="the cache cannot be written"):
        fetch(NAME)


def test_names() -> None:
    assert set(SETS) == set(DOWNLOADS)
    with pytest.raises(UsageError, match="did you mean 'tinyshakespeare'"):
        fetch("tinyshakespear")


def test_the_checksum_is_that_of_the_real_file(shared: Path) -> None:
    data = (shared / "tinyshakespeare" / "input.txt").read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (SETS[NAME].n_bytes, SETS[NAME].sha256)
