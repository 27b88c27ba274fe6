"""Convolution, pooling and normalisation of channels against their textbook formulas, computed by loops in float64."""

from __future__ import annotations

import math
import typing
from itertools import product

import pytest
import torch
from torch import nn

from artgen.families.image_vae.config import Activation
from artgen.nn.activations import CONVOLUTIONAL
from artgen.nn.convolution import DownStage, UpStage, pool
from artgen.nn.norms import EPSILON, build_channel_norm
from artgen.nn.sizes import convolved, pool_padding, transposed

Picture = list[list[list[float]]]  # [channels][rows][columns]

SIZE = 7


def picture(channels: int = 2, size: int = SIZE) -> torch.Tensor:
    return torch.randn(1, channels, size, size, dtype=torch.float64)


def convolve_by_loops(x: Picture, weight: torch.Tensor, bias: list[float], stride: int, padding: int) -> Picture:
    """y[o][r][c] = b[o] + Σ_i Σ_u Σ_v w[o][i][u][v] x[i][r s + u - p][c s + v - p], zero outside the picture."""
    n_out, n_in, kernel, _ = weight.shape
    w, size = weight.tolist(), len(x[0])
    side = (size + 2 * padding - kernel) // stride + 1
    y = [[[bias[o] for _ in range(side)] for _ in range(side)] for o in range(n_out)]
    for o, r, c, i, u, v in product(range(n_out), range(side), range(side), range(n_in), range(kernel), range(kernel)):
        row, column = r * stride + u - padding, c * stride + v - padding
        if 0 <= row < size and 0 <= column < size:
            y[o][r][c] += w[o][i][u][v] * x[i][row][column]
    return y


def transpose_by_loops(x: Picture, weight: torch.Tensor, bias: list[float], stride: int, padding: int, side: int) -> Picture:
    """What the convolution reads from (row, column) for (r, c), its transpose writes from (r, c) to (row, column)."""
    n_in, n_out, kernel, _ = weight.shape
    w, size = weight.tolist(), len(x[0])
    y = [[[bias[o] for _ in range(side)] for _ in range(side)] for o in range(n_out)]
    for o, r, c, i, u, v in product(range(n_out), range(size), range(size), range(n_in), range(kernel), range(kernel)):
        row, column = r * stride + u - padding, c * stride + v - padding
        if 0 <= row < side and 0 <= column < side:
            y[o][row][column] += w[i][o][u][v] * x[i][r][c]
    return y


def pool_by_loops(x: Picture, kind: str, window: int, stride: int, padding: int) -> Picture:
    size = len(x[0])
    side = (size + 2 * padding - window) // stride + 1
    y = []
    for channel in x:
        rows = []
        for r in range(side):
            row = []
            for c in range(side):
                seen = [
                    channel[a][b]
                    for a in range(r * stride - padding, r * stride - padding + window)
                    for b in range(c * stride - padding, c * stride - padding + window)
                    if 0 <= a < size and 0 <= b < size
                ]
                row.append(max(seen) if kind == "max" else sum(seen) / len(seen))
            rows.append(row)
        y.append(rows)
    return y


def same(got: torch.Tensor, expected: Picture) -> None:
    assert got.shape[0] == 1
    wanted = torch.tensor(expected, dtype=torch.float64)
    assert got[0].shape == wanted.shape
    torch.testing.assert_close(got[0], wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_convolution(kernel: int, stride: int, padded: bool) -> None:
    padding = kernel // 2 if padded else 0
    stage = DownStage(2, 3, kernel, stride, padding, activation="relu").double()
    x, layer = picture(), stage.convolution
    assert layer.bias is not None
    y = convolve_by_loops(x[0].tolist(), layer.weight, layer.bias.tolist(), stride, padding)
    same(layer(x), y)
    same(stage(x), [[[max(0.0, value) for value in row] for row in rows] for rows in y])


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_stage_that_pools(kernel: int, stride: int, padded: bool, kind: str) -> None:
    padding = kernel // 2 if padded else 0
    stage = DownStage(2, 3, kernel, stride, padding, pooling=kind, activation="tanh").double()
    x, layer = picture(), stage.convolution
    assert layer.bias is not None
    y = convolve_by_loops(x[0].tolist(), layer.weight, layer.bias.tolist(), 1, padding)
    active = [[[math.tanh(value) for value in row] for row in rows] for rows in y]
    same(stage(x), pool_by_loops(active, kind, stride, stride, 0))


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 5])
def test_pooling(window: int, stride: int, kind: str) -> None:
    x = picture(channels=3)
    padding = pool_padding(window, stride)
    assert padding == (0 if window <= stride else (window - stride + 1) // 2)
    y = pool(x, kind, window, stride)
    same(y, pool_by_loops(x[0].tolist(), kind, window, stride, padding))
    assert y.shape[-1] == convolved(SIZE, window, stride, padding)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_transposed_convolution(kernel: int, stride: int, padded: bool, size: int) -> None:
    padding = (kernel - 1) // 2 if padded else 0
    coarse = convolved(size, kernel, stride, padding)
    stage = UpStage(3, 2, size, kernel, stride, padding, upsampling="transposed", last=True).double()
    x, layer = picture(3, coarse), stage.convolution
    assert isinstance(layer, nn.ConvTranspose2d)
    assert layer.bias is not None
    same(stage(x), transpose_by_loops(x[0].tolist(), layer.weight, layer.bias.tolist(), stride, padding, size))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_the_transpose_is_the_gradient(kernel: int, stride: int) -> None:
    """Dumoulin and Visin 2016, section 4.1: forward and backward pass of a convolution change places."""
    down = nn.Conv2d(2, 3, kernel, stride, 1, bias=False).double()
    up = UpStage(3, 2, SIZE, kernel, stride, 1, upsampling="transposed", last=True).double()
    with torch.no_grad():
        up.convolution.weight.copy_(down.weight)  # type: ignore[operator]
        up.convolution.bias.zero_()  # type: ignore[operator]
    x = picture().requires_grad_()
    y = down(x)
    weights = torch.randn_like(y)
    (gradient,) = torch.autograd.grad((y * weights).sum(), x)
    torch.testing.assert_close(up(weights), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("size", [7, 8])
def test_nearest_upsampling_repeats_and_convolves(size: int, padding: int) -> None:
    stage = UpStage(3, 2, size, 5, 2, padding, upsampling="nearest", last=True).double()
    x, layer = picture(3, 4), stage.convolution
    wide = size + 4 - 2 * padding
    nearest = [math.floor(i * 4 / wide) for i in range(wide)]
    repeated = [[[channel[r][c] for c in nearest] for r in nearest] for channel in x[0].tolist()]
    same(stage(x), convolve_by_loops(repeated, layer.weight, layer.bias.tolist(), 1, padding))  # type: ignore[arg-type, operator]


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize("pooling", ["stride", "max", "average"])
@pytest.mark.parametrize("size", [9, 16, 21])
def test_up_undoes_the_size_of_down(size: int, pooling: str, upsampling: str) -> None:
    for kernel, stride, padding, window in product((2, 3, 5), (1, 2, 3), (0, 1), (None, 3)):
        down = DownStage(1, 2, kernel, stride, padding, pooling, window)
        up = UpStage(2, 1, size, kernel, stride, padding, pooling, upsampling)
        x = torch.randn(2, 1, size, size)
        assert up(down(x)).shape == x.shape


def test_sizes_by_counting_places() -> None:
    for size, kernel, stride, padding in product(range(1, 12), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2)):
        places = len(range(0, size + 2 * padding - kernel + 1, stride))
        assert max(0, convolved(size, kernel, stride, padding)) == places
        if places:
            missing = size - transposed(places, kernel, stride, padding)
            assert 0 <= missing < stride


@pytest.mark.parametrize(("name", "per"), [("batch", None), ("instance", 1), ("group", 2), ("layer", 16)])
def test_channel_norms(name: str, per: int | None) -> None:
    """Mean and variance over pictures and pixels, or over the pixels of `per` channels of one picture."""
    x = torch.randn(3, 16, 4, 4, dtype=torch.float64) * 3 + 1
    norm = build_channel_norm(name, 16).double()
    torch.nn.init.uniform_(norm.weight)  # type: ignore[arg-type]
    torch.nn.init.uniform_(norm.bias)  # type: ignore[arg-type]
    y, scale, shift = norm(x), norm.weight.tolist(), norm.bias.tolist()  # type: ignore[operator]
    for n, c in product(range(3), range(16)):
        if per is None:
            values = x[:, c].flatten().tolist()
        else:
            values = x[n, c // per * per : c // per * per + per].flatten().tolist()
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + EPSILON)
        expected = [(v - mean) / deviation * scale[c] + shift[c] for v in x[n, c].flatten().tolist()]
        assert y[n, c].flatten().tolist() == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_no_channel_norm_changes_nothing() -> None:
    x = picture()
    assert torch.equal(build_channel_norm("none", 2)(x), x)


def test_batch_norm_uses_running_means_when_not_training() -> None:
    norm = build_channel_norm("batch", 2).double()
    for _ in range(200):
        norm(torch.randn(8, 2, 4, 4, dtype=torch.float64) * 2 + 5)
    x = torch.full((1, 2, 4, 4), 5.0, dtype=torch.float64)
    assert norm.eval()(x).abs().max() < 0.2
    assert norm(x + 2).mean().item() == pytest.approx(1, abs=0.2)


def test_activations() -> None:
    assert set(typing.get_args(Activation)) == set(CONVOLUTIONAL)
    points = torch.tensor([-2.0, -0.5, 0.0, 3.0], dtype=torch.float64)
    assert CONVOLUTIONAL["leaky_relu"](points).tolist() == pytest.approx([-0.4, -0.1, 0, 3])
    assert CONVOLUTIONAL["elu"](points).tolist() == pytest.approx([math.exp(-2) - 1, math.exp(-0.5) - 1, 0, 3])


def test_a_stage_normalises_before_the_non_linearity() -> None:
    stage = DownStage(2, 8, 3, 1, 1, norm="instance", activation="sigmoid").double()
    x = picture()
    assert stage.convolution.bias is None  # the shift of the norm takes its place
    torch.testing.assert_close(stage(x), torch.sigmoid(stage.norm(stage.convolution(x))))


def test_the_numbers_of_the_page() -> None:
    """docs/image-vae.md, sections 1, 2 and 4."""
    x = torch.tensor([[1, 2, 0, 1, 0], [0, 1, 3, 0, 1], [2, 0, 1, 2, 0], [1, 1, 0, 1, 3], [0, 2, 1, 0, 1.0]])[None, None]
    kernel = torch.tensor([[1, 0, -1.0]] * 3)[None, None]
    convolve = torch.nn.functional.conv2d
    padded = [[-3, -2, 2, 2, 1], [-3, -1, 0, 3, 3], [-2, -1, -1, 0, 3], [-3, 1, 0, -2, 3], [-3, 0, 2, -3, 1]]
    assert convolve(x, kernel)[0, 0].tolist() == [[-1, 0, 3], [-1, -1, 0], [1, 0, -2]] == [row[1:4] for row in padded[1:4]]
    assert convolve(x, kernel, padding=1)[0, 0].tolist() == padded
    assert convolve(x, kernel, padding=1, stride=2)[0, 0].tolist() == [row[::2] for row in padded[::2]]
    assert pool(x[..., :4, :4], "max", 2, 2)[0, 0].tolist() == [[2, 3], [2, 2]]
    assert pool(x[..., :4, :4], "average", 2, 2)[0, 0].tolist() == [[1, 1], [1, 1]]
    transpose = torch.nn.functional.conv_transpose1d
    got = transpose(torch.tensor([[[1, 3.0]]]), torch.tensor([[[1, 2, 1.0]]]), stride=2, padding=1, output_padding=1)
    assert got[0, 0].tolist() == [2, 4, 6, 3]
    got = transpose(torch.ones(1, 1, 4), torch.ones(1, 1, 3), stride=2, padding=1, output_padding=1)
    assert got[0, 0].tolist() == [1, 2, 1, 2, 1, 2, 1, 1]
    sizes = {(3, 1, 0): [62, 60, 58, 56], (3, 2, 0): [31, 15, 7, 3], (5, 2, 0): [30, 13, 5, 1], (5, 2, 2): [32, 16, 8, 4]}
    for how, expected in sizes.items():
        size, path = 64, []
        for _ in range(4):
            size = convolved(size, *how)
            path.append(size)
        assert path == expected
