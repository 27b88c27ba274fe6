"""Linear layers against the formula, whichever library multiplies."""

from __future__ import annotations

import pytest
import torch

from artgen.nn import linear as module
from artgen.nn.linear import Linear, linear


def graph_of(y: torch.Tensor) -> str:
    """The names of the operations behind a tensor."""
    names, waiting = [], [y.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None:
            names.append(node.name())
            waiting += [before for before, _ in node.next_functions]
    return " ".join(names)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 12), (2, 5, 12)])
def test_values_and_gradients_are_the_formula_s(monkeypatch: pytest.MonkeyPatch, bias: bool, shape: tuple[int, ...]) -> None:
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(module, "onednn_is_faster", lambda: True)
    torch.manual_seed(0)
    layer = Linear(12, 8, bias=bias)
    x = torch.randn(shape, requires_grad=True)
    y = layer(x)
    assert "OneDNN" in graph_of(y)
    grad = torch.randn_like(y)
    y.backward(grad)
    flat, g = x.detach().double().flatten(0, -2), grad.double().flatten(0, -2)
    weight = layer.weight.detach().double()
    expected = flat @ weight.T + (layer.bias.detach().double() if bias else 0)
    torch.testing.assert_close(y.detach().double().flatten(0, -2), expected, atol=1e-5, rtol=1e-5)
    assert x.grad is not None and layer.weight.grad is not None
    torch.testing.assert_close(x.grad.double().flatten(0, -2), g @ weight, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer.weight.grad.double(), g.T @ flat, atol=1e-5, rtol=1e-5)


def test_other_precisions_and_inference_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "onednn_is_faster", lambda: True)
    layer = Linear(4, 3).double()
    assert "OneDNN" not in graph_of(layer(torch.randn(2, 4, dtype=torch.float64)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear(torch.randn(2, 4), torch.randn(3, 4, requires_grad=True)).dtype == torch.bfloat16
