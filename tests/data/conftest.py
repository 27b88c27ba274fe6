"""Every test has a cache of its own, and what is in ../shared/data may be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2].parent / "shared/data"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ARTGEN_CACHE", str(folder))
    return folder


@pytest.fixture
def shared() -> Path:
    """The folder of example data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the example data is not there: {SHARED}")
    return SHARED
