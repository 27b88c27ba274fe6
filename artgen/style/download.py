"""The weights of VGG-19, which `--download` fetches once and keeps in the cache. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from artgen.data.cache import cache_folder
from artgen.data.download import fetch_file

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
SHA256 = "dcbb9e9d"  # its first digits, which torchvision writes into the name of the file
N_BYTES = 574_673_361


def vgg19_path() -> Path:
    """Where the file is kept."""
    return cache_folder() / "weights" / URL.rpartition("/")[2]


def fetch_vgg19() -> Path:
    """The file, downloaded if it is not in the cache.

    Raises ArtgenError, one line that says what to do by hand, where it cannot be had.
    """
    target = vgg19_path()
    by_hand = f"where it cannot be had, put the file at {target} yourself, or give another with --weights FILE"
    return fetch_file("weights of VGG-19", URL, target, N_BYTES, SHA256, by_hand)
