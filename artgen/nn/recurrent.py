"""Recurrent layers: each recurrence as a formula on explicit weights, and torch's fused layers that compute the same.

The formulas take weights as torch stores them: w_in [gates * width, d_in], w_hidden [gates * width, width], and one bias for
each. They are what the tests compare the fused layers with, and what to read first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def elman_step(
    x: Tensor,
    hidden: Tensor,
    w_in: Tensor,
    w_hidden: Tensor,
    b_in: Tensor,
    b_hidden: Tensor,
    nonlinearity: Callable[[Tensor], Tensor] = torch.tanh,
) -> Tensor:
    """One step of the simple recurrent network (Elman 1990): x [batch, d_in], hidden [batch, width] -> hidden.

    h' = tanh(W x + b + U h + c), or with ReLU instead of tanh.
    """
    return nonlinearity(x @ w_in.T + b_in + hidden @ w_hidden.T + b_hidden)


def gru_step(x: Tensor, hidden: Tensor, w_in: Tensor, w_hidden: Tensor, b_in: Tensor, b_hidden: Tensor) -> Tensor:
    """One step of the gated recurrent unit (Cho et al. 2014, eq. 5 to 8): x [batch, d_in], hidden [batch, width] -> hidden.

    r = σ(W_r x + b_r + U_r h + c_r)            reset gate: how much of the past the candidate sees
    z = σ(W_z x + b_z + U_z h + c_z)            update gate: how much of the past stays
    n = tanh(W_n x + b_n + r * (U_n h + c_n))   candidate
    h' = (1 - z) * n + z * h

    The reset gate multiplies U_n h, as in torch and cuDNN; in the paper it multiplies h before U_n.
    """
    r_in, z_in, n_in = (x @ w_in.T + b_in).chunk(3, dim=-1)
    r_hidden, z_hidden, n_hidden = (hidden @ w_hidden.T + b_hidden).chunk(3, dim=-1)
    r = torch.sigmoid(r_in + r_hidden)
    z = torch.sigmoid(z_in + z_hidden)
    n = torch.tanh(n_in + r * n_hidden)
    return (1 - z) * n + z * hidden


def lstm_step(
    x: Tensor, hidden: Tensor, memory: Tensor, w_in: Tensor, w_hidden: Tensor, b_in: Tensor, b_hidden: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    x [batch, d_in], hidden and memory [batch, width] -> (hidden, memory).

    i = σ(W_i x + b_i + U_i h + c_i)      input gate: how much is written
    f = σ(W_f x + b_f + U_f h + c_f)      forget gate: how much of the memory stays
    g = tanh(W_g x + b_g + U_g h + c_g)   what is written
    o = σ(W_o x + b_o + U_o h + c_o)      output gate: how much is shown
    m' = f * m + i * g,   h' = o * tanh(m')
    """
    i, f, g, o = (x @ w_in.T + b_in + hidden @ w_hidden.T + b_hidden).chunk(4, dim=-1)
    memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(memory), memory


def build_recurrent(cell: str, d_in: int, width: int, nonlinearity: str = "tanh") -> nn.RNNBase:
    """One layer `rnn`, `gru` or `lstm` over [batch, time, d_in], fused over time, with weights that start well.

    Matrices over the hidden state are orthogonal in every gate, so that a state neither grows nor fades by itself (Saxe et al.
    2014); for `rnn` with ReLU they are the identity (Le et al. 2015). An LSTM begins by remembering: the bias of its forget
    gate is 1 (Gers et al. 2000; Jozefowicz et al. 2015).
    """
    layer: nn.RNNBase
    if cell == "rnn":
        layer = nn.RNN(d_in, width, nonlinearity=nonlinearity, batch_first=True)
    else:
        layer = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](d_in, width, batch_first=True)
    weights = dict(layer.named_parameters())
    with torch.no_grad():
        for gate in weights["weight_hh_l0"].split(width):
            nn.init.eye_(gate) if cell == "rnn" and nonlinearity == "relu" else nn.init.orthogonal_(gate)
        for gate in weights["weight_ih_l0"].split(width):
            nn.init.xavier_uniform_(gate)
        weights["bias_ih_l0"].zero_()
        weights["bias_hh_l0"].zero_()
        if cell == "lstm":
            weights["bias_ih_l0"][width : 2 * width] = 1.0  # gates are stored in the order i, f, g, o
    return layer


@dataclass
class RecurrentState:
    """What a recurrent network remembers, an `artgen.lm.model.State` of one size however much was read.

    hidden [layers, batch, width]; memory likewise, of an LSTM only.
    """

    hidden: Tensor
    memory: Tensor | None = None

    def room(self) -> None:
        """It can always read on."""

    def detach(self) -> RecurrentState:
        """The same values without their history: gradients stop here (truncated back-propagation through time)."""
        return RecurrentState(self.hidden.detach(), None if self.memory is None else self.memory.detach())

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name, the batch first: [batch, layers, width]."""
        named = {"hidden": self.hidden, "memory": self.memory}
        return {name: tensor.transpose(0, 1).contiguous() for name, tensor in named.items() if tensor is not None}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> RecurrentState:
        """What `tensors` gave."""
        memory = tensors.get("memory")
        return cls(
            tensors["hidden"].transpose(0, 1).contiguous(), None if memory is None else memory.transpose(0, 1).contiguous()
        )
