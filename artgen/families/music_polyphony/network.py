"""A Transformer over the pitches of a piano roll, which says how likely a frame is, exactly.

A frame is a set of pitches. Written in ascending order it is a string, p_1 < p_2 < … < p_n, and then the next frame begins:

    p(frame | past) = p(p_1 | past) p(p_2 | past, p_1) … p(next | past, p_1 … p_n)

Every set has one such string, and after p_i nothing can come but higher pitches or the next frame; what cannot come has
probability 0, so that the probabilities of all sets of pitches sum to 1. RNN-NADE (Boulanger-Lewandowski et al. 2012, section
4.4) asks of each of 88 pitches in turn whether it sounds; this asks only of those that do, some four in a frame of a chorale.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from artgen.families.music_polyphony.config import PolyphonyModelConfig
from artgen.lm.gpt import Block
from artgen.metrics.music_likelihood import LOWEST, N_PITCHES
from artgen.music.frames import PHASES
from artgen.nn.attention import KVCache
from artgen.nn.dropout import dropout
from artgen.nn.linear import Linear
from artgen.nn.norms import build_norm
from artgen.nn.positions import RotaryPositions

NEXT = 0  # the token with which a frame begins, and the one before it ends; token k > 0 is the k-th key of a piano
N_TOKENS = N_PITCHES + 1
SLOTS = 12  # places in a frame that are told apart
OCTAVES = 9


class Polyphony(nn.Module):
    """Logits of what comes next in a string of pitches; see `follow` for what can."""

    def __init__(self, config: PolyphonyModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.d_model
        self.tokens = nn.Embedding(N_TOKENS, width)
        self.classes = nn.Embedding(
            13, width
        )  # the twelve pitch classes, so that what is learned of one octave helps in another
        self.slots = nn.Embedding(SLOTS, width)
        self.phases = nn.Embedding(PHASES, width)
        self.start = nn.Parameter(torch.zeros(width))  # added to the first token of a piece
        self.rotary = RotaryPositions(config.context + 2, width // config.n_heads, base=1000.0)
        blocks = config.blocks
        self.blocks = nn.ModuleList(Block(blocks, layer) for layer in range(config.n_layers))
        self.norm = build_norm(config.norm, width, bias=False)
        self.head = Linear(width, N_TOKENS)
        self.pitch_class: Tensor
        classes = torch.cat((torch.tensor([12]), (torch.arange(N_PITCHES) + LOWEST) % 12))
        self.register_buffer("pitch_class", classes, persistent=False)
        self.allowed: Tensor
        self.register_buffer("allowed", follow(), persistent=False)
        self._initialise()

    def forward(
        self,
        tokens: Tensor,
        frame: Tensor,
        slot: Tensor,
        phase: Tensor,
        first: Tensor,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Logits [rows, n, 89], -inf where a token cannot come next.

        tokens [rows, n]; frame, slot, phase [rows, n]: which frame a token belongs to, counted from the first that is looked
        at and less than the context, the how manieth of its frame it is, and the place of its frame in the bar; first: bool
        [rows, n], whether a token is the first of a piece. cache: of the tokens before, changed in place.
        """
        x = self.tokens(tokens) + self.classes(self.pitch_class[tokens])
        x = x + self.slots(slot.clamp(max=SLOTS - 1)) + self.phases(phase) + first[..., None] * self.start
        x = dropout(x, self.config.dropout, self.training)
        rotation = (self.rotary.cos[frame][:, None], self.rotary.sin[frame][:, None])  # the same for all pitches of a frame
        first_values = None
        for block in self.blocks:
            x, values = block(x, rotation, cache, first_values)
            first_values = values if first_values is None else first_values
        if cache is not None:
            cache.advance(tokens.shape[1])
        logits = self.head(self.norm(x)).float()
        return logits.masked_fill(~self.allowed[tokens], float("-inf"))

    def cache(self, rows: int, capacity: int, device: torch.device) -> KVCache:
        """For so many tokens of so many strings."""
        c = self.config
        return KVCache(c.n_layers, rows, c.n_heads, capacity, c.d_model // c.n_heads, device)

    def vocabulary_parameters(self) -> Iterator[Tensor]:
        """Tables of one row per token or place: not for Muon."""
        yield from (self.tokens.weight, self.classes.weight, self.slots.weight, self.phases.weight, self.head.weight)

    @torch.no_grad()
    def _initialise(self) -> None:
        """Blocks begin as the identity, and all that can come next is equally likely."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(std=module.in_features**-0.5)
                if module.bias is not None:
                    module.bias.zero_()
        for block in self.modules():
            if isinstance(block, Block):
                block.attention.out.weight.zero_()
                block.feed_forward.down.weight.zero_()
        self.head.weight.zero_()
        for table in (self.tokens, self.classes, self.slots, self.phases):
            table.weight.normal_(std=0.5)


def follow() -> Tensor:
    """bool [89, 89]: whether the token of the column can come after that of the row, which is higher or the next frame."""
    number = torch.arange(N_TOKENS)
    return (number > number[:, None]) | (number == NEXT)
