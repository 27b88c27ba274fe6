"""The data section of picture families, and what is said about a mistake in it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from artgen.config import explain, resolve_paths
from artgen.data.picture_config import PictureDataConfig, rgb


def refusal(**options: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        PictureDataConfig(**options)
    return explain(caught.value, PictureDataConfig)


def test_the_default_needs_no_files() -> None:
    config = PictureDataConfig()
    assert config.path == ["geometric"]
    assert (config.size, config.n_channels, config.background_rgb) == (64, 3, (255, 255, 255))


def test_sizes_that_are_not_allowed_are_refused_with_those_that_are() -> None:
    assert refusal(size=16) == "size: input should be greater than or equal to 32 (got 16)"
    assert refusal(size=512) == "size: input should be less than or equal to 256 (got 512)"


def test_colours_are_names_or_numbers() -> None:
    assert PictureDataConfig(background="#F4ECD8").background_rgb == (0xF4, 0xEC, 0xD8)
    assert rgb("black") == (0, 0, 0)
    expected = 'background: expected white, black, grey or a colour such as "#f4ecd8", in quotes (got '
    for wrong in ("mauve", "#fff", "#12345g", 5, None):  # None: what YAML makes of a colour without quotes
        assert refusal(background=wrong) == f"{expected}{wrong!r})"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"path": []}, "path: list should have at least 1 item"),
        ({"fit": "squeeze"}, "fit: input should be 'crop', 'pad' or 'stretch' (got 'squeeze')"),
        ({"channels": "cmyk"}, "channels: input should be 'rgb', 'rgba' or 'grey' (got 'cmyk')"),
        ({"validation": 0}, "validation: input should be greater than 0"),
        ({"demo": {"count": 2}}, "demo.count: input should be greater than or equal to 3 (got 2)"),
        ({"flipp": True}, "flipp: unknown key, did you mean 'flip'?"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], expected: str) -> None:
    assert refusal(**options).startswith(expected)


def test_paths_are_those_of_the_yaml_and_demo_sets_are_none(tmp_path: Any) -> None:
    raw = {"path": ["photos", "truchet", "/else/*.png"]}
    assert resolve_paths(PictureDataConfig, raw, tmp_path)["path"] == [str(tmp_path / "photos"), "truchet", "/else/*.png"]
    assert PictureDataConfig(path="photos").path == ["photos"]


def test_neither_configs_nor_pictures_import_torch() -> None:
    code = "import sys, artgen.data.pictures, artgen.media.picture; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
