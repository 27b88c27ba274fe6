"""VGG-19's weights, from a server on this machine that does what servers do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from artgen.errors import ArtgenError
from artgen.style import download
from artgen.style.download import fetch_vgg19, vgg19_path
from tests.data.test_named import TEXT, Server, server

__all__ = ["server"]  # a fixture


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "N_BYTES", len(TEXT))
    monkeypatch.setattr(download, "SHA256", hashlib.sha256(TEXT).hexdigest()[:8])


def files() -> list[str]:
    folder = vgg19_path().parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_it_is_fetched_once(server: Server) -> None:
    assert fetch_vgg19().read_bytes() == TEXT
    assert fetch_vgg19() == vgg19_path()
    assert server.asked == ["/mirror/models/vgg19-dcbb9e9d.pth"]
    vgg19_path().write_bytes(TEXT[:-1] + b"x")
    assert fetch_vgg19().read_bytes() == TEXT
    assert len(server.asked) == 2 and files() == ["vgg19-dcbb9e9d.pth"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (TEXT[:-1] + b"x", "SHA-256"),
        (TEXT[:1000], "gave 1,000 bytes, expected"),
        (TEXT + b"x" * 10_000_000, "gave more bytes"),
        (b"", "gave 0 bytes"),
    ],
)
def test_what_is_not_the_file_is_not_kept(server: Server, body: bytes, said: str) -> None:
    server.body, server.announced = body, len(body)
    with pytest.raises(ArtgenError) as error:
        fetch_vgg19()
    assert said in str(error.value) and "--weights FILE" in str(error.value) and str(vgg19_path()) in str(error.value)
    assert files() == []


def test_a_server_that_has_it_not_and_none_at_all(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = 404
    with pytest.raises(ArtgenError, match="cannot be had"):
        fetch_vgg19()
    monkeypatch.setenv("ARTGEN_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(ArtgenError, match="cannot be had"):
        fetch_vgg19()
    assert files() == []
