"""The recurrences number by number in float64, and torch's fused layers against them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from artgen.nn.recurrent import RecurrentState, build_recurrent, elman_step, gru_step, lstm_step

D_IN, WIDTH = 3, 2


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def weights(gates: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return randn(gates * WIDTH, D_IN), randn(gates * WIDTH, WIDTH), randn(gates * WIDTH), randn(gates * WIDTH)


def rows(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, c: Tensor) -> list[tuple[float, float]]:
    """(W x + b, U h + c) row by row, with loops."""
    return [
        (
            sum(float(w[r, i] * x[i]) for i in range(len(x))) + float(b[r]),
            sum(float(u[r, i] * h[i]) for i in range(len(h))) + float(c[r]),
        )
        for r in range(len(w))
    ]


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_elman(nonlinearity: str) -> None:
    x, h, parts = randn(D_IN), randn(WIDTH), weights(1)
    act = {"tanh": math.tanh, "relu": lambda s: max(0.0, s)}[nonlinearity]
    expected = [act(a + b) for a, b in rows(x, h, *parts)]
    got = elman_step(x[None], h[None], *parts, nonlinearity=getattr(torch, nonlinearity))
    assert got[0].tolist() == pytest.approx(expected, rel=1e-12)


def test_gru() -> None:
    x, h, parts = randn(D_IN), randn(WIDTH), weights(3)
    s = rows(x, h, *parts)
    expected = []
    for i in range(WIDTH):
        r, z = sigmoid(sum(s[i])), sigmoid(sum(s[WIDTH + i]))
        n = math.tanh(s[2 * WIDTH + i][0] + r * s[2 * WIDTH + i][1])
        expected.append((1 - z) * n + z * float(h[i]))
    assert gru_step(x[None], h[None], *parts)[0].tolist() == pytest.approx(expected, rel=1e-12)


def test_lstm() -> None:
    x, h, m, parts = randn(D_IN), randn(WIDTH), randn(WIDTH), weights(4)
    s = [sum(pair) for pair in rows(x, h, *parts)]
    hidden, memory = [], []
    for j in range(WIDTH):
        i, f, g, o = sigmoid(s[j]), sigmoid(s[WIDTH + j]), math.tanh(s[2 * WIDTH + j]), sigmoid(s[3 * WIDTH + j])
        memory.append(f * float(m[j]) + i * g)
        hidden.append(o * math.tanh(memory[-1]))
    got_hidden, got_memory = lstm_step(x[None], h[None], m[None], *parts)
    assert got_hidden[0].tolist() == pytest.approx(hidden, rel=1e-12)
    assert got_memory[0].tolist() == pytest.approx(memory, rel=1e-12)


@pytest.mark.parametrize(("cell", "nonlinearity"), [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")])
def test_fused_layer_is_the_formula_step_by_step(cell: str, nonlinearity: str) -> None:
    layer = build_recurrent(cell, D_IN, WIDTH, nonlinearity).double()
    for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
        nn.init.normal_(bias)
    parts = (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
    x, h, m = randn(2, 7, D_IN), randn(1, 2, WIDTH), randn(1, 2, WIDTH)
    outputs, hidden, memory = [], h[0], m[0]
    for t in range(7):
        if cell == "rnn":
            hidden = elman_step(x[:, t], hidden, *parts, nonlinearity=getattr(torch, nonlinearity))
        elif cell == "gru":
            hidden = gru_step(x[:, t], hidden, *parts)
        else:
            hidden, memory = lstm_step(x[:, t], hidden, memory, *parts)
        outputs.append(hidden)
    got, last = layer(x, (h, m) if cell == "lstm" else h)
    torch.testing.assert_close(got, torch.stack(outputs, dim=1), atol=1e-10, rtol=1e-10)
    if cell == "lstm":
        torch.testing.assert_close(last[1][0], memory, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_weights_start_well(cell: str, gates: int) -> None:
    layer = build_recurrent(cell, 5, 8)
    for gate in layer.weight_hh_l0.split(8):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    total = (layer.bias_ih_l0 + layer.bias_hh_l0).tolist()
    assert total == [1.0 if cell == "lstm" and 8 <= i < 16 else 0.0 for i in range(8 * gates)]


def test_relu_network_starts_as_the_identity() -> None:
    assert torch.equal(build_recurrent("rnn", 5, 8, "relu").weight_hh_l0, torch.eye(8))


@pytest.mark.parametrize("has_memory", [False, True])
def test_state_round_trip(has_memory: bool) -> None:
    hidden = torch.randn(2, 3, 4, requires_grad=True) * 1.0
    state = RecurrentState(hidden, hidden + 1 if has_memory else None)
    tensors = state.tensors()
    assert {name: tuple(t.shape) for name, t in tensors.items()} == dict.fromkeys(tensors, (3, 2, 4))
    again = RecurrentState.from_tensors(tensors)
    assert torch.equal(again.hidden, state.hidden)
    assert (again.memory is not None) == has_memory
    if state.memory is not None and again.memory is not None:
        assert torch.equal(again.memory, state.memory)
    assert state.room() is None
    assert state.hidden.requires_grad
    assert not state.detach().hidden.requires_grad
