"""The text networks as a whole: caches, causality, carried state, sizes, and what their configs refuse."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from artgen.config import Section, validate
from artgen.errors import UsageError
from artgen.families.text_gpt.config import TextGPTConfig
from artgen.families.text_rnn.config import TextRNNConfig
from artgen.lm.config import TextSampleConfig
from artgen.lm.gpt import GPT
from artgen.lm.gpt_config import GPTModelConfig
from artgen.lm.rnn import RNN
from artgen.lm.rnn_config import RNNModelConfig
from artgen.nn.attention import KVCache
from artgen.nn.recurrent import RecurrentState

CPU = torch.device("cpu")
N_VOCAB = 11

VARIANTS: dict[str, dict[str, Any]] = {
    "rotary": {},
    "learned": {"positions": "learned"},
    "sinusoidal": {"positions": "sinusoidal"},
    "alibi": {"positions": "alibi"},
    "none": {"positions": "none"},
    "grouped": {"n_kv_heads": 2},
    "window": {"window": 4},
    "window alibi": {"window": 4, "positions": "alibi"},
    "rms qk-norm": {"norm": "rms", "qk_norm": True},
    "value residual": {"value_residual": True, "n_kv_heads": 1},
    "swiglu bias": {"activation": "swiglu", "bias": True},
    "untied softcap": {"tie_embeddings": False, "logit_softcap": 3.0},
}


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)


def gpt(**choices: Any) -> GPT:
    """A small one with weights far from their start, so that nothing is hidden by small numbers."""
    shape: dict[str, Any] = {"n_layers": 2, "n_heads": 4, "d_model": 32, "context": 16}
    network = GPT(GPTModelConfig(**(shape | choices)), N_VOCAB)
    for parameter in network.parameters():
        nn.init.normal_(parameter, mean=float(parameter.ndim < 2), std=0.2)
    return network.eval()


def rnn(**choices: Any) -> RNN:
    return RNN(RNNModelConfig(**({"n_layers": 2, "d_model": 8} | choices)), N_VOCAB).eval()


def tokens(batch: int, time: int) -> Tensor:
    return torch.randint(N_VOCAB, (batch, time))


# ---------------------------------------------------------------- text.gpt


@pytest.mark.parametrize("choices", VARIANTS.values(), ids=VARIANTS.keys())
def test_cached_steps_equal_one_pass(choices: dict[str, Any]) -> None:
    network, text = gpt(**choices), tokens(3, 16)
    with torch.no_grad():
        whole, none = network(text)
        assert none is None
        state = network.start(3, 16, CPU)
        parts = []
        for piece in text.split([7, 1, 1, 4, 1, 1, 1], dim=1):
            logits, after = network(piece, state)
            assert after is state
            parts.append(logits)
    assert state.room() == 0
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("choices", VARIANTS.values(), ids=VARIANTS.keys())
def test_no_logit_depends_on_a_later_token(choices: dict[str, Any]) -> None:
    network = gpt(**choices)
    embedded: list[Tensor] = []
    network.embedding.register_forward_hook(lambda _m, _i, out: embedded.append(out.retain_grad() or out) and None)
    logits, _ = network(tokens(1, 10))
    for t in (0, 4, 9):
        (gradient,) = torch.autograd.grad(logits[0, t].square().sum(), embedded[0], retain_graph=True)
        sizes = gradient[0].abs().sum(dim=-1)
        assert sizes[t + 1 :].eq(0).all()
        assert sizes[t] > 0
        if "window" not in choices:
            assert (sizes[: t + 1] > 0).all()  # and on all the earlier ones it does


def test_window_reaches_back_so_far_in_every_layer() -> None:
    network = gpt(window=3, n_layers=1, positions="none")
    text = tokens(1, 12)
    other = text.clone()
    other[0, :9] = (other[0, :9] + 1) % N_VOCAB
    with torch.no_grad():
        a, b = network(text)[0][0], network(other)[0][0]
    torch.testing.assert_close(a[11], b[11])  # sees 9, 10 and 11
    assert not torch.allclose(a[10], b[10])  # sees 8


def test_order_of_the_past_matters_only_with_positions() -> None:
    text = torch.tensor([[1, 2, 3, 4]])
    swapped = torch.tensor([[2, 1, 3, 4]])
    for positions, same in [("none", True), ("rotary", False), ("learned", False), ("sinusoidal", False), ("alibi", False)]:
        network = gpt(positions=positions, n_layers=1)
        with torch.no_grad():
            a, b = network(text)[0][0, -1], network(swapped)[0][0, -1]
        assert torch.allclose(a, b, atol=1e-5) == same, positions


@pytest.mark.parametrize("make", [gpt, rnn])
def test_last_only(make: Callable[[], nn.Module]) -> None:
    network, text = make(), tokens(2, 6)
    with torch.no_grad():
        whole, last = network(text)[0], network(text, last_only=True)[0]
    assert last.shape == (2, 1, N_VOCAB)
    torch.testing.assert_close(last, whole[:, -1:])


def test_start_is_cut_to_the_context_and_a_full_cache_says_so() -> None:
    network = gpt(n_kv_heads=2)
    state = network.start(5, 1000, CPU, torch.bfloat16)
    assert state.keys.shape == (2, 5, 2, 16, 8)
    assert state.keys.dtype == torch.bfloat16
    assert network.start(5, 4, CPU).room() == 4
    state = network.start(1, 16, CPU)
    network(tokens(1, 16), state)
    with pytest.raises(ValueError, match="room for 0 more tokens"):
        network(tokens(1, 1), state)
    assert state.length == 16
    with pytest.raises(ValueError, match="17 tokens do not fit into the context of 16"):
        network(tokens(1, 17))
    with pytest.raises(TypeError, match="KVCache, not from a RecurrentState"):
        network(tokens(1, 1), RecurrentState(torch.zeros(1)))


def test_softcap_bounds_logits_and_is_the_formula() -> None:
    capped, text = gpt(logit_softcap=0.5), tokens(1, 8)
    free = copy.deepcopy(capped)
    free.config = free.config.model_copy(update={"logit_softcap": 0.0})
    with torch.no_grad():
        a, b = capped(text)[0], free(text)[0]
    assert b.abs().max() > 0.5 > a.abs().max()
    torch.testing.assert_close(a, 0.5 * torch.tanh(b / 0.5))


@pytest.mark.parametrize(
    ("n_layers", "n_heads", "d_model", "context", "n_vocab"), [(6, 6, 384, 256, 65), (12, 12, 768, 1024, 50304)]
)
def test_as_many_parameters_as_nanogpt(n_layers: int, n_heads: int, d_model: int, context: int, n_vocab: int) -> None:
    """nanoGPT's formula: tied table, learned positions, and per block 12 d² of matrices and two norms without bias."""
    config = GPTModelConfig(
        n_layers=n_layers,
        n_heads=n_heads,
        d_model=d_model,
        context=context,
        positions="learned",
        norm="layer",
        activation="gelu",
    )
    with torch.device("meta"):
        network = GPT(config, n_vocab)
    count = sum(p.numel() for p in network.parameters())
    assert count == (n_vocab + context) * d_model + n_layers * (12 * d_model**2 + 2 * d_model) + d_model
    without_positions = count - context * d_model
    if n_layers == 12:
        assert without_positions == 123_587_328  # "number of parameters: 123.59M"
    else:
        assert without_positions == 10_646_784  # "number of parameters: 10.65M"


@pytest.mark.parametrize(
    ("choices", "more"),
    [
        ({"positions": "learned"}, 16 * 32),
        ({"tie_embeddings": False}, N_VOCAB * 32),
        ({"n_kv_heads": 1}, -2 * 2 * 3 * 8 * 32),
        ({"qk_norm": True}, 2 * 4),
        ({"value_residual": True}, 1),
        ({"bias": True}, 2 * (3 * 32 + 32 + 4 * 32 + 32 + 2 * 32) + 32),
        ({"activation": "swiglu"}, 2 * 32 * (3 * 96 - 2 * 128)),
        ({"activation": "swiglu", "d_ff": 10}, 2 * 32 * (3 * 10 - 2 * 128)),
        ({"window": 4, "positions": "alibi"}, 0),
    ],
    ids=str,
)
def test_parameters_of_each_choice(choices: dict[str, Any], more: int) -> None:
    def count(network: nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    assert count(gpt(**choices)) - count(gpt()) == more


def test_initialisation() -> None:
    scaled = GPT(GPTModelConfig(n_layers=8, d_model=256), 65)
    block = scaled.blocks[0]
    for weight, std in [
        (scaled.embedding.weight, 0.02),
        (block.attention.qkv.weight, 0.02),
        (block.attention.out.weight, 0.005),
        (block.feed_forward.down.weight, 0.005),
    ]:
        assert weight.std().item() == pytest.approx(std, rel=0.05)
    zero = GPT(GPTModelConfig(n_layers=2, d_model=32, n_heads=4, initialisation="zero", tie_embeddings=False), 65)
    x = torch.randn(1, 5, 32)
    assert torch.equal(zero.blocks[0](x, None, None, None)[0], x)
    assert zero(tokens(1, 5))[0].eq(0).all()  # every token is equally likely at first
    tied = GPT(GPTModelConfig(n_layers=2, d_model=32, n_heads=4, initialisation="zero"), 65)
    assert tied.embedding.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_vocabulary_parameters_are_all_that_is_no_hidden_matrix() -> None:
    network = gpt(positions="learned", tie_embeddings=False, qk_norm=True, value_residual=True)
    listed = {id(p) for p in network.vocabulary_parameters()}
    hidden = {name for name, p in network.named_parameters() if p.ndim >= 2 and id(p) not in listed}
    parts = ("attention.qkv", "attention.out", "feed_forward.up", "feed_forward.down")
    assert hidden == {f"blocks.{i}.{part}.weight" for i in range(2) for part in parts}
    assert len(listed) == 3


def test_state_dict_has_no_tensor_twice_and_no_tables() -> None:
    network = gpt()
    addresses = [tensor.data_ptr() for tensor in network.state_dict().values()]
    assert len(set(addresses)) == len(addresses)
    assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}


def train_in_mixed_precision(network: nn.Module) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = network.train()(tokens(2, 8))
    logits.float().logsumexp(-1).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("choices", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_parameter_learns_in_mixed_precision(choices: dict[str, Any]) -> None:
    train_in_mixed_precision(gpt(**choices))


@pytest.mark.parametrize(("activation", "positions"), [("gelu", "rotary"), ("relu2", "alibi"), ("swiglu", "learned")])
def test_traces_as_one_graph(activation: str, positions: str) -> None:
    """What `device.compile` needs: no part of a training pass falls back to Python."""
    network, text = gpt(activation=activation, positions=positions, qk_norm=True, value_residual=True), tokens(2, 8)
    torch.compiler.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    a, b = network(text)[0], compiled(text)[0]
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    weight = network.blocks[0].feed_forward.up.weight
    gradients = [torch.autograd.grad(logits.square().sum(), weight)[0] for logits in (a, b)]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


# ---------------------------------------------------------------- text.rnn

RECURRENT: dict[str, dict[str, Any]] = {
    "tanh": {"cell": "rnn"},
    "relu": {"cell": "rnn", "nonlinearity": "relu"},
    "gru": {"cell": "gru"},
    "lstm": {"cell": "lstm"},
    "lstm residual norm": {"cell": "lstm", "residual": True, "norm": "layer", "n_layers": 3},
    "gru tied": {"cell": "gru", "tie_embeddings": True, "d_embed": 5},
}


@pytest.mark.parametrize("choices", RECURRENT.values(), ids=RECURRENT.keys())
def test_carried_state_equals_one_pass(choices: dict[str, Any]) -> None:
    network, text = rnn(**choices).double(), tokens(3, 12)
    whole, end = network(text)
    state, parts = None, []
    for piece in text.split([5, 1, 1, 5], dim=1):
        logits, state = network(piece, state)
        state = RecurrentState.from_tensors(state.detach().tensors())  # as a checkpoint would carry it
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    torch.testing.assert_close(state.hidden, end.hidden)


@pytest.mark.parametrize("choices", RECURRENT.values(), ids=RECURRENT.keys())
def test_every_rnn_parameter_learns_in_mixed_precision(choices: dict[str, Any]) -> None:
    train_in_mixed_precision(rnn(**choices))


def test_no_state_is_the_state_of_zeros() -> None:
    network, text = rnn(), tokens(2, 4)
    torch.testing.assert_close(network(text)[0], network(text, network.start(2, 0, CPU))[0])


def test_a_given_state_is_left_as_it_is() -> None:
    network = rnn()
    _, state = network(tokens(2, 4))
    before = state.hidden.clone()
    network(tokens(2, 4), state)
    assert torch.equal(state.hidden, before)


def test_gradients_stop_where_the_state_was_detached() -> None:
    network = rnn()
    _, first = network(tokens(1, 3))
    logits, _ = network(tokens(1, 3), first)
    assert torch.autograd.grad(logits.sum(), first.hidden, allow_unused=True)[0].abs().sum() > 0
    kept = first.detach()
    kept.hidden.requires_grad_()
    logits, _ = network(tokens(1, 3), kept)
    logits.sum().backward()
    assert kept.hidden.grad is not None  # it arrives here and, being a leaf, goes no further
    assert kept.hidden.is_leaf


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_rnn_parameters(cell: str, gates: int) -> None:
    width, embed = 8, 5
    layers = gates * width * ((embed + width + 2) + (width + width + 2))
    network = rnn(cell=cell, d_embed=embed)
    assert sum(p.numel() for p in network.parameters()) == N_VOCAB * embed + layers + N_VOCAB * width + N_VOCAB
    tied = rnn(cell=cell, d_embed=embed, tie_embeddings=True)
    assert sum(p.numel() for p in tied.parameters()) == N_VOCAB * embed + layers + width * embed + N_VOCAB
    assert len(list(network.vocabulary_parameters())) == 2
    assert [p.shape for p in tied.vocabulary_parameters()] == [(N_VOCAB, embed)]


def test_rnn_dropout_leaves_time_alone() -> None:
    """With everything that goes up dropped, the state still moves by its own recurrence: it is not dropped."""
    network = rnn(cell="gru", dropout=0.999, n_layers=1).train()
    nn.init.zeros_(network.layers[0].weight_ih_l0)
    state = RecurrentState(torch.randn(1, 1, 8))
    with torch.no_grad():
        dropped = network(tokens(1, 5), state)[1]
        kept = network.eval()(tokens(1, 5), state)[1]
    torch.testing.assert_close(dropped.hidden, kept.hidden)


def test_rnn_refuses_a_cache() -> None:
    with pytest.raises(TypeError, match="RecurrentState, not from a KVCache"):
        rnn()(tokens(1, 1), KVCache(1, 1, 1, 1, 1))


# ---------------------------------------------------------------- configs


@pytest.mark.parametrize(
    ("schema", "model", "message"),
    [
        (TextGPTConfig, {"d_model": 250}, "model: d_model 250 is not a multiple of n_heads 4: try d_model=248 or n_heads=5"),
        (TextGPTConfig, {"n_kv_heads": 3}, "model: n_heads 4 is not a multiple of n_kv_heads 3: try n_kv_heads=2"),
        (
            TextGPTConfig,
            {"d_model": 20},
            "model: rotary positions turn pairs of features, but d_model 20 / n_heads 4 gives heads of odd width 5: "
            "try d_model=24 or positions=learned",
        ),
        (TextGPTConfig, {"dropout": 1.0}, "model.dropout: input should be less than 1 (got 1.0)"),
        (TextGPTConfig, {"n_head": 4}, "model.n_head: unknown key, did you mean 'n_heads'?"),
        (TextRNNConfig, {"nonlinearity": "relu"}, "model: nonlinearity relu has no meaning for cell lstm"),
        (TextRNNConfig, {"cell": "gruu"}, "model.cell: input should be 'rnn', 'gru' or 'lstm' (got 'gruu')"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_refused(schema: type[Section], model: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(schema, {"model": model}, where="x.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
@pytest.mark.parametrize(
    "shape", [(250, 4, 4), (251, 4, 4), (20, 4, 4), (15, 5, 5), (7, 3, 3), (256, 12, 5), (3, 8, 8), (96, 12, 5)], ids=str
)
def test_what_a_message_suggests_is_accepted(shape: tuple[int, int, int], positions: str) -> None:
    choices: dict[str, Any] = {**dict(zip(("d_model", "n_heads", "n_kv_heads"), shape, strict=True)), "positions": positions}
    for _ in range(3):
        try:
            GPTModelConfig(**choices)
            return
        except ValueError as error:
            for name, value in re.findall(r" or (\w+)=(\w+)", str(error)):
                GPTModelConfig(**{**choices, "n_kv_heads": None, name: value})
            (name, value) = re.findall(r"try (\w+)=(\d+)", str(error))[0]
            choices[name] = int(value)
    pytest.fail(f"still refused after three suggestions: {choices}")


@pytest.mark.parametrize(("activation", "d_model", "width"), [("gelu", 96, 384), ("swiglu", 384, 1024), ("reglu", 256, 704)])
def test_feed_forward_width(activation: Any, d_model: int, width: int) -> None:
    assert GPTModelConfig(d_model=d_model, activation=activation).ff_width == width
    assert GPTModelConfig(d_model=d_model, activation=activation, d_ff=7).ff_width == 7


def test_sample_defaults_change_nothing_but_temperature() -> None:
    options = TextSampleConfig()
    assert (options.temperature, options.top_k, options.top_p, options.min_p, options.repetition_penalty) == (
        0.8,
        0,
        1.0,
        0.0,
        1.0,
    )


def test_configs_do_not_import_torch() -> None:
    code = (
        "import sys, artgen.families.text_gpt.config, artgen.families.text_rnn.config\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
