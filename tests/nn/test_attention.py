"""Attention against softmax(QKᵀ/sqrt(d))V written out with loops in float64, and the cache against no cache."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from artgen.nn.attention import CausalSelfAttention, KVCache, attention, causal_mask
from artgen.nn.positions import RotaryPositions

Matrix = list[list[float]]


def by_hand(q: Matrix, k: Matrix, v: Matrix, sees: list[list[int]], penalty: float = 0.0) -> Matrix:
    """One head: for every query the weighted mean of the values it sees; `penalty` per token of distance."""
    out = []
    for i, query in enumerate(q):
        scores = []
        for j in sees[i]:
            product = sum(a * b for a, b in zip(query, k[j], strict=True))
            scores.append(product / math.sqrt(len(query)) - penalty * (len(k) - len(q) + i - j))
        total = sum(math.exp(s) for s in scores)
        weights = [math.exp(s) / total for s in scores]
        out.append([sum(w * v[j][c] for w, j in zip(weights, sees[i], strict=True)) for c in range(len(v[0]))])
    return out


def seen(time: int, keys: int, window: int | None = None) -> list[list[int]]:
    now = range(keys - time, keys)
    return [[j for j in range(keys) if j <= i and (window is None or j > i - window)] for i in now]


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def close(got: Tensor, expected: Matrix) -> None:
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), atol=1e-10, rtol=1e-10)


def test_formula_without_mask() -> None:
    q, k, v = randn(3, 4), randn(5, 4), randn(5, 2)
    close(attention(q, k, v), by_hand(q.tolist(), k.tolist(), v.tolist(), [list(range(5))] * 3))


@pytest.mark.parametrize(("time", "keys"), [(5, 5), (2, 5), (1, 5), (1, 1)])
def test_formula_causal(time: int, keys: int) -> None:
    q, k, v = randn(time, 4), randn(keys, 4), randn(keys, 4)
    close(attention(q, k, v, causal=True), by_hand(q.tolist(), k.tolist(), v.tolist(), seen(time, keys)))


@pytest.mark.parametrize("window", [1, 2, 9])
def test_formula_in_a_window(window: int) -> None:
    q, k, v = randn(4, 4), randn(6, 4), randn(6, 4)
    mask = causal_mask(4, 6, window, dtype=torch.float64)
    close(attention(q, k, v, mask=mask), by_hand(q.tolist(), k.tolist(), v.tolist(), seen(4, 6, window)))


def test_mask_shows_itself() -> None:
    visible = causal_mask(2, 4, window=2) == 0
    assert visible.tolist() == [[False, True, True, False], [False, False, True, True]]
    biased = causal_mask(2, 3, slopes=torch.tensor([1.0, 0.5]))
    assert biased.tolist() == [[[-1.0, 0.0, -math.inf], [-2.0, -1.0, 0.0]], [[-0.5, 0.0, -math.inf], [-1.0, -0.5, 0.0]]]


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("window", [None, 1, 3, 50])
@pytest.mark.parametrize("alibi", [False, True])
def test_module_is_the_formula_head_by_head(kv_heads: int, window: int | None, alibi: bool) -> None:
    d_model, n_heads, d_head, time = 8, 4, 2, 6
    module = CausalSelfAttention(d_model, n_heads, kv_heads, window=window, alibi=alibi, bias=True).double()
    x = randn(1, time, d_model)
    rows = x[0] @ module.qkv.weight.T + module.qkv.bias  # q of all heads, then k, then v
    heads = rows.unflatten(1, (-1, d_head)).transpose(0, 1).tolist()
    together = []
    for head in range(n_heads):
        shared = head // (n_heads // kv_heads)
        k, v = heads[n_heads + shared], heads[n_heads + kv_heads + shared]
        penalty = 2.0 ** (-8 * (head + 1) / n_heads) if alibi else 0.0
        together.append(torch.tensor(by_hand(heads[head], k, v, seen(time, time, window), penalty), dtype=torch.float64))
    expected = torch.cat(together, dim=1) @ module.out.weight.T + module.out.bias
    torch.testing.assert_close(module(x)[0][0], expected, atol=1e-10, rtol=1e-10)


def test_query_key_norm() -> None:
    module = CausalSelfAttention(8, 2, qk_norm=True).double()
    assert module.sharpness is not None
    torch.nn.init.uniform_(module.sharpness, 1.0, 3.0)
    x = randn(1, 5, 8)
    q, k, v = (x[0] @ module.qkv.weight.T).view(5, 3, 2, 4).permute(1, 2, 0, 3)

    def normal(t: Tensor) -> Tensor:
        return (t - t.mean(-1, keepdim=True)) / (t.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    y = attention(normal(q) * module.sharpness[:, None, None], normal(k), v, causal=True)
    torch.testing.assert_close(module(x)[0][0], y.transpose(0, 1).flatten(1) @ module.out.weight.T)


def test_value_residual_mixes_in_the_first_layers_values() -> None:
    module = CausalSelfAttention(8, 2, layer=1, value_residual=True).double()
    assert module.first_share is not None
    torch.nn.init.constant_(module.first_share, 0.3)
    x, first = randn(1, 5, 8), randn(1, 2, 5, 4)
    _, own = module(x)
    _, mixed = module(x, first_values=first)
    torch.testing.assert_close(mixed, 0.7 * own + 0.3 * first)
    assert CausalSelfAttention(8, 2, layer=0, value_residual=True).first_share is None  # it would mix with itself


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_bfloat16_training_on_a_cpu_takes_the_formula_and_agrees(window: int | None, kv_heads: int) -> None:
    module = CausalSelfAttention(32, 4, kv_heads, window=window).bfloat16()
    x = torch.randn(2, 9, 32).bfloat16()
    with torch.no_grad():
        fused = module(x)[0]
    torch.testing.assert_close(module(x)[0], fused, atol=2e-2, rtol=2e-2)


def test_dropout_drops_in_training_only() -> None:
    module = CausalSelfAttention(64, 4, dropout=0.5)
    x = torch.randn(2, 10, 64)
    assert 0.3 < (module.train()(x)[0] == 0).float().mean() < 0.7
    assert torch.equal(module.eval()(x)[0], module(x)[0])


@pytest.mark.parametrize("prefill", [1, 4, 9])
@pytest.mark.parametrize("kv_heads", [4, 1])
@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("alibi", [False, True])
def test_cache_equals_no_cache(prefill: int, kv_heads: int, window: int | None, alibi: bool) -> None:
    module = CausalSelfAttention(16, 4, kv_heads, window=window, qk_norm=True, alibi=alibi)
    rotary = RotaryPositions(12, 4)
    x = torch.randn(3, 12, 16)
    with torch.no_grad():
        whole, _ = module(x, rotary(0, 12))
        cache = KVCache(1, 3, kv_heads, 12, 4)
        parts, start = [], 0
        for length in [prefill, 1, 1, 12 - prefill - 2]:  # the last piece is one of several tokens behind a filled cache
            if length:
                parts.append(module(x[:, start : start + length], rotary(start, length), cache)[0])
                cache.advance(length)
                start += length
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)


def test_cache_is_filled_in_place_and_says_when_it_is_full() -> None:
    cache = KVCache(n_layers=2, batch_size=1, n_kv_heads=2, capacity=3, d_head=4)
    assert (cache.room(), cache.keys.shape) == (3, (2, 1, 2, 3, 4))
    where = cache.keys.data_ptr()
    piece = torch.ones(1, 2, 2, 4)
    for layer in range(2):
        keys, values = cache.append(layer, piece * (layer + 1), piece * -(layer + 1))
        assert keys.data_ptr() == cache.keys[layer].data_ptr()
        assert keys.unique().tolist() == [layer + 1]
        assert values.unique().tolist() == [-(layer + 1)]
    cache.advance(2)
    assert (cache.room(), cache.length, cache.keys.data_ptr()) == (1, 2, where)
    with pytest.raises(ValueError, match=r"room for 1 more tokens \(capacity 3\), not for 2"):
        cache.append(0, piece, piece)
