"""A decoder-only Transformer (Vaswani et al. 2017, Radford et al. 2019) with the choices that small models profit from."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from artgen.lm.gpt_config import GPTModelConfig
from artgen.lm.model import State
from artgen.nn.activations import FeedForward
from artgen.nn.attention import CausalSelfAttention, KVCache
from artgen.nn.dropout import dropout
from artgen.nn.linear import Linear, linear
from artgen.nn.norms import build_norm
from artgen.nn.positions import LearnedPositions, RotaryPositions, SinusoidalPositions


class GPT(nn.Module):
    """Next-token logits for a batch of sequences: an `artgen.lm.model.LanguageModel`.

    x = embedding[tokens] (+ positions)
    x = x + attention(norm(x));  x = x + feed_forward(norm(x))      n_layers times
    logits = norm(x) head
    """

    def __init__(self, config: GPTModelConfig, n_vocab: int) -> None:
        super().__init__()
        self.config = config
        self.n_vocab = n_vocab
        self.embedding = nn.Embedding(n_vocab, config.d_model)
        self.positions: nn.Module | None = None  # vectors added to the tokens'
        self.rotary: nn.Module | None = None  # angles for queries and keys
        if config.positions == "learned":
            self.positions = LearnedPositions(config.context, config.d_model)
        elif config.positions == "sinusoidal":
            self.positions = SinusoidalPositions(config.context, config.d_model)
        elif config.positions == "rotary":
            self.rotary = RotaryPositions(config.context, config.d_head, config.rotary_base)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.norm = build_norm(config.norm, config.d_model, config.bias)
        # A tied head has no module, so that a checkpoint holds the table once.
        self.head = None if config.tie_embeddings else Linear(config.d_model, n_vocab, bias=False)
        self._initialise()

    def forward(self, tokens: Tensor, state: State | None = None, last_only: bool = False) -> tuple[Tensor, KVCache | None]:
        """tokens [batch, time] -> (logits [batch, time, n_vocab], the cache after these tokens or None).

        state: the KVCache of what was read before; it is changed in place. last_only: logits [batch, 1, n_vocab] of the
        last token. Raises ValueError if the tokens do not fit into the context or the cache.
        """
        cache = _as_cache(state)
        time = tokens.shape[1]
        if cache is not None:
            cache.check_room(time)
        elif time > self.config.context:
            raise ValueError(f"{time} tokens do not fit into the context of {self.config.context}")
        offset = 0 if cache is None else cache.length  # the position of the first token

        x = self.embedding(tokens)
        if self.config.positions == "sinusoidal":
            x = x * math.sqrt(self.config.d_model)  # section 3.4: else the positions, of size 1, would drown the tokens
        if self.positions is not None:
            x = x + self.positions(offset, time)
        x = dropout(x, self.config.dropout, self.training)

        rotation = self.rotary(offset, time) if self.rotary is not None else None
        first_values = None
        for block in self.blocks:
            x, values = block(x, rotation, cache, first_values)
            first_values = values if first_values is None else first_values
        if cache is not None:
            cache.advance(time)

        x = self.norm(x[:, -1:] if last_only else x)
        logits = linear(x, self.embedding.weight if self.head is None else self.head.weight)
        if self.config.logit_softcap:
            logits = self.config.logit_softcap * torch.tanh(logits / self.config.logit_softcap)
        return logits, cache

    def start(self, batch_size: int, capacity: int, device: torch.device, dtype: torch.dtype = torch.float32) -> KVCache:
        """An empty cache for `capacity` tokens, at most the context. `dtype` is that of the weights."""
        c = self.config
        return KVCache(c.n_layers, batch_size, c.kv_heads, min(capacity, c.context), c.d_head, device, dtype)

    def vocabulary_parameters(self) -> Iterator[Tensor]:
        """Tables of one row per token or position, which are no maps between hidden vectors: not for Muon."""
        yield self.embedding.weight
        if isinstance(self.positions, LearnedPositions):
            yield self.positions.weight
        if self.head is not None:
            yield self.head.weight

    @torch.no_grad()
    def _initialise(self) -> None:
        """`scaled`: GPT-2's, normal with deviation 0.02, and less for the 2 n_layers matrices whose outputs are added up in
        the residual stream, so that their sum does not grow with depth (Radford et al. 2019, section 2.3).
        `zero`: those matrices, and a head of its own, are zero, so that at first every block is the identity and every token
        equally likely; the others keep the size of what they are given."""
        zero = self.config.initialisation == "zero"
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(std=module.in_features**-0.5 if zero else 0.02)
                if module.bias is not None:
                    module.bias.zero_()
        for block in self.modules():
            if isinstance(block, Block):
                for added in (block.attention.out, block.feed_forward.down):
                    added.weight.mul_(0.0 if zero else (2 * self.config.n_layers) ** -0.5)
        if zero and self.head is not None:
            self.head.weight.zero_()
        size = 1.0 if zero and self.head is not None else 0.02  # small if it is the head too, or the first logits are wild
        for table in (self.embedding, self.positions):
            if isinstance(table, nn.Embedding | LearnedPositions):
                table.weight.normal_(std=size)


class Block(nn.Module):
    """Attention and a feed-forward network, each on a normalised copy of the stream it adds to (Xiong et al. 2020)."""

    def __init__(self, config: GPTModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = build_norm(config.norm, config.d_model, config.bias)
        self.attention = CausalSelfAttention(
            config.d_model,
            config.n_heads,
            config.n_kv_heads,
            layer=layer,
            window=config.window,
            alibi=config.positions == "alibi",
            qk_norm=config.qk_norm,
            value_residual=config.value_residual,
            bias=config.bias,
            dropout=config.dropout,
        )
        self.feed_forward_norm = build_norm(config.norm, config.d_model, config.bias)
        self.feed_forward = FeedForward(config.d_model, config.ff_width, config.activation, config.bias, config.dropout)

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor] | None, cache: KVCache | None, first_values: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The stream [batch, time, d_model] after this block, and its attention's values."""
        y, values = self.attention(self.attention_norm(x), rotation, cache, first_values)
        x = x + y
        return x + self.feed_forward(self.feed_forward_norm(x)), values


def _as_cache(state: State | None) -> KVCache | None:
    if state is None or isinstance(state, KVCache):
        return state
    raise TypeError(f"a GPT goes on from a KVCache, not from a {type(state).__name__}")
