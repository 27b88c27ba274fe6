"""`artgen evaluate --content --style`: figures of pictures in files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artgen.metrics.squeezenet import CAFFE, SqueezeNet
from artgen.metrics.style import ROWS, style_report
from artgen.style.color import transfer_color
from tests.cli.helpers import Call
from tests.cli.test_main import imported_by
from tests.metrics.drawn import noise, shapes


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A content of 96 x 64, a style of 48 x 40, and a result of half the content's size."""
    rough = noise(1, 48)[0, :40].astype(float) * [1, 0.6, 0.2]
    pixels = {"content": shapes(1, 96)[0, :64], "style": rough.astype(np.uint8), "other": shapes(1, 50, seed=3)[0]}
    pixels["result"] = np.asarray(Image.fromarray(shapes(1, 96, seed=1)[0, :64]).resize((48, 32)))
    for name, values in pixels.items():
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    return {name: tmp_path / f"{name}.png" for name in pixels}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    arrays = {name: tensor.numpy() for name, tensor in SqueezeNet(CAFFE).state_dict().items()}
    np.savez(tmp_path / "weights.npz", **arrays)
    return tmp_path / "weights.npz"


def score(call: Call, files: dict[str, Path], *more: object, result: str = "result") -> dict[str, dict[str, float]]:
    said = call("evaluate", "--content", files["content"], "--style", files["style"], files[result], "--json", *more)
    assert (said.status, said.err) == (0, ""), said
    found: dict[str, dict[str, float]] = json.loads(said.out)
    return found


def test_figures_are_those_of_the_pictures_at_the_result_s_size(call: Call, files: dict[str, Path]) -> None:
    found = score(call, files)

    def read(name: str, size: tuple[int, int] | None = None) -> torch.Tensor:
        image = Image.open(files[name])
        return torch.tensor(np.asarray(image.resize(size) if size else image)).permute(2, 0, 1) / 255

    expected = style_report(read("result"), read("content", (48, 32)), [read("style")])
    assert found["size"] == [48, 32]
    assert found["network"] is None
    for column in ("result", "color_transfer", "content"):
        figures = getattr(expected, column)
        for field in ("patch_distance", "edge_ssim"):
            assert found[column][field] == pytest.approx(getattr(figures, field), rel=0.05)  # of another filter of scaling
        assert found[column]["feature_distance"] is None
    assert found["content"]["edge_ssim"] == pytest.approx(1)


def test_the_baseline_s_own_file_scores_as_the_baseline(call: Call, files: dict[str, Path], weights: Path) -> None:
    content, style = (torch.tensor(np.asarray(Image.open(files[name]))).permute(2, 0, 1) / 255 for name in ("content", "style"))
    made = transfer_color(content, style)
    Image.fromarray((made.permute(1, 2, 0) * 255).round().byte().numpy()).save(files["result"])
    found = score(call, files, "--weights", weights, "--style-size", 48)
    assert found["network"]["name"] == "SqueezeNet v1.0"
    for field, value in found["color_transfer"].items():
        assert found["result"][field] == pytest.approx(value, rel=0.05), field
    assert found["content"]["patch_distance"] > 1.2 * found["result"]["patch_distance"]


def test_what_is_pieced_together_from_the_style_is_told(call: Call, files: dict[str, Path]) -> None:
    patched = np.array(Image.open(files["content"]))
    patched[5:38, 20:53] = np.asarray(Image.open(files["style"]))[2:35, 8:41]
    Image.fromarray(patched).save(files["result"])
    found = score(call, files, "--style-size", 48)
    assert found["result"]["copied_side"] == 32
    assert found["result"]["copied_share"] == pytest.approx(33 * 33 / (96 * 64), abs=0.02)
    assert found["color_transfer"]["copied_side"] == found["content"]["copied_side"] == 0


def test_the_table_has_the_result_beside_colour_transfer_and_content(call: Call, files: dict[str, Path], weights: Path) -> None:
    asked = ("evaluate", "--content", files["content"], "--style", files["style"], "--style", files["other"], files["result"])
    said = call(*asked, "--weights", weights)
    assert said.status == 0
    head, columns, *rows = said.out.splitlines()
    assert head == str(files["result"])
    assert columns.split() == ["result", "colour", "only", "content"]
    assert [row[:26].strip() for row in rows[: len(ROWS)]] == [label for _, label, _ in ROWS]
    assert "compared at 48 x 32 pixels; features of SqueezeNet v1.0" in rows[-1]
    assert "no features: --weights gives a network" in call(*asked).out


def test_sizes_are_asked_for(call: Call, files: dict[str, Path]) -> None:
    assert score(call, files, "--size", 32)["size"] == [32, 21]
    Image.fromarray(shapes(1, 48, seed=1)[0, :32]).resize((1500, 1000)).save(files["result"])
    assert score(call, files)["size"] == [1024, 683]


def test_a_row_more_or_less_is_no_other_shape(call: Call, files: dict[str, Path]) -> None:
    Image.fromarray(shapes(1, 48, seed=1)[0, :31]).save(files["result"])
    assert score(call, files)["size"] == [48, 31]


# ---------------------------------------------------------------- wrong calls


def test_wrong_calls_get_one_line(call: Call, files: dict[str, Path], tmp_path: Path) -> None:
    content, style, result = ["--content", files["content"]], ["--style", files["style"]], files["result"]
    assert "needs both --content and --style" in call.refused("evaluate", *content, result)
    assert "needs both --content and --style" in call.refused("evaluate", *style, result)
    assert "needs both --content and --style" in call.refused("evaluate", "--weights", "x.npz", result)
    assert "--samples: of runs alone" in call.refused("evaluate", *content, *style, "--samples", 3, result)
    missing = tmp_path / "nix.png"
    for arguments in (
        [*content, *style, missing],
        ["--content", missing, *style, result],
        [*content, "--style", missing, result],
    ):
        assert call.refused("evaluate", *arguments).startswith(f"{missing}: ")
    assert "nix.npz: cannot be read" in call.refused("evaluate", *content, *style, "--weights", tmp_path / "nix.npz", result)
    assert "expected a result of the content's shape" in call.refused("evaluate", "--content", files["other"], *style, result)
    (tmp_path / "broken.png").write_bytes(b"")
    assert "broken.png: " in call.refused("evaluate", *content, *style, tmp_path / "broken.png")
    Image.new("RGB", (9, 6)).save(result)
    assert "9 x 6 pixels has no patches of 7 x 7" in call.refused("evaluate", *content, *style, result)


def test_a_missing_picture_is_told_before_torch_is_imported(files: dict[str, Path], tmp_path: Path) -> None:
    call = ("evaluate", "--content", files["content"], "--style", tmp_path / "nix.png", files["result"])
    status, modules = imported_by(*call)
    assert (status, "torch" in modules) == (2, False)
