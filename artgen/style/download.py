"""The weights of VGG-19, which `--download` fetches once and keeps in the cache. Imports no torch."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from artgen.data.cache import cache_folder, new_file
from artgen.data.named import MIRROR, TIMEOUT
from artgen.errors import ArtgenError
from artgen.files import sha256_of

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
SHA256 = "dcbb9e9d"  # its first digits, which torchvision writes into the name of the file
N_BYTES = 574_673_361


def vgg19_path() -> Path:
    """Where the file is kept."""
    return cache_folder() / "weights" / URL.rpartition("/")[2]


def vgg19_is_here() -> bool:
    """Whether a whole file is in the cache."""
    path = vgg19_path()
    return path.is_file() and path.stat().st_size == N_BYTES and sha256_of(path).startswith(SHA256)


def fetch_vgg19() -> Path:
    """The file, downloaded if it is not in the cache, and checked: its size and the first digits of its SHA-256.

    Raises ArtgenError, one line that says what to do by hand, where it cannot be had.
    """
    if vgg19_is_here():
        return vgg19_path()
    target = vgg19_path()
    mirror = os.environ.get(MIRROR)
    url = mirror.rstrip("/") + urlsplit(URL).path if mirror else URL
    by_hand = f"put the file at {target} yourself, or give another with --weights FILE"
    with new_file(target.parent) as partial:
        got, found = _download(url, partial, by_hand)
        if got != N_BYTES:
            size = f"{got:,} bytes" if got < N_BYTES else "more bytes"
            raise ArtgenError(f"weights of VGG-19: {url} gave {size}, expected {N_BYTES:,}; try again, or {by_hand}")
        if not found.startswith(SHA256):
            raise ArtgenError(
                f"weights of VGG-19: the SHA-256 of what {url} gave begins with {found[: len(SHA256)]}, expected {SHA256}, so it is "
                f"not used; {by_hand}"
            )
        partial.replace(target)
    return target


def _download(url: str, partial: Path, by_hand: str) -> tuple[int, str]:
    """(bytes, SHA-256) of what was written. Ends one byte after the expected size: that is enough to know."""
    from tqdm import tqdm

    got, digest = 0, hashlib.sha256()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "artgen"})
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT) as answer,
            tqdm(total=N_BYTES, unit="B", unit_scale=True, desc="VGG-19", disable=not sys.stderr.isatty()) as bar,
            partial.open("wb") as file,
        ):
            while got <= N_BYTES and (block := answer.read(min(1 << 20, N_BYTES + 1 - got))):
                file.write(block)
                digest.update(block)
                got += len(block)
                bar.update(len(block))
    except (OSError, ValueError, http.client.HTTPException) as error:  # HTTPError and URLError are OSErrors
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise ArtgenError(f"weights of VGG-19: {url} cannot be had ({reason}); {by_hand}") from None
    return got, digest.hexdigest()
