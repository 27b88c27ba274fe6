"""The network of `music.chorale`: what every voice sings at every step, given some of it (Huang et al. 2017).

Coconet is a deep convolutional network over time and pitch. Here a Transformer looks forward and back in time and at all voices;
a token is what one voice sings in a short time (`patch` steps). A small convolution in each block mixes what is near in a voice.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.families.music_chorale.config import ChoraleModelConfig
from artgen.families.music_chorale.voicing import FAR, MOST_PHASES, N_VOICES, NEAR
from artgen.nn.activations import FeedForward
from artgen.nn.attention import SHORT, attention
from artgen.nn.dropout import dropout
from artgen.nn.linear import Linear, linear
from artgen.nn.norms import build_norm, layer_norm
from artgen.nn.positions import RotaryPositions, rotate

CLASSES = 15  # the pitch classes, rest, masked, beyond the end
REST_ID = 0  # pitches follow: number i is the pitch `low + i - 1`
SOUNDS_ON, BEGINS, UNKNOWN = 0, 1, 2  # what is known of an attack
WIDTH = 5  # tokens of a voice that the convolution in each block spans


class ChoraleNet(nn.Module):
    """Logits of pitches and attacks for every voice and step.

    n_ids: ids of pitches, the rest among them. Two more are read: what is masked, and what is beyond the end.
    """

    def __init__(self, config: ChoraleModelConfig, n_ids: int) -> None:
        super().__init__()
        self.config, self.n_ids = config, n_ids
        self.masked, self.beyond = n_ids, n_ids + 1
        # One table for all that is known of a token: pitches, pitch classes and attacks of each of its places, whose voice it is, and
        # where its first step is.
        slots = torch.arange(config.patch)
        sizes = [config.patch * (n_ids + 2), config.patch * CLASSES, config.patch * 3, N_VOICES, FAR]
        begins = torch.tensor(sizes).cumsum(0) - torch.tensor(sizes)
        self.pitch_rows: Tensor
        self.class_rows: Tensor
        self.attack_rows: Tensor
        self.voice_rows: Tensor
        self.place_rows: Tensor
        self.register_buffer("pitch_rows", slots * (n_ids + 2), persistent=False)
        self.register_buffer("class_rows", begins[1] + slots * CLASSES, persistent=False)
        self.register_buffer("attack_rows", begins[2] + slots * 3, persistent=False)
        self.register_buffer("voice_rows", begins[3] + torch.arange(N_VOICES)[:, None], persistent=False)
        self.register_buffer("place_rows", begins[4] + torch.tensor([0, MOST_PHASES, MOST_PHASES + NEAR]), persistent=False)
        # Pitch classes, so that what is learned of one octave, or of one voice, helps in another.
        classes = torch.cat((torch.tensor([12]), torch.arange(n_ids - 1) % 12, torch.tensor([13, 14])))
        self.classes: Tensor
        self.register_buffer("classes", classes, persistent=False)
        self.table = nn.Parameter(torch.empty(sum(sizes), config.d_model))
        self.rotary = RotaryPositions(-(-config.context // config.patch), config.d_model // config.n_heads)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = build_norm("rms", config.d_model)
        self.head = Linear(config.d_model, config.patch * (n_ids + 1), bias=True)  # of each place: its pitch, and its attack
        self._initialise()

    def forward(self, ids: Tensor, attacks: Tensor, mask: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """ids, attacks and mask [batch, steps, 4], places [batch, steps, 3] -> [batch, steps, 4, n_ids] and [batch, steps, 4].

        ids: of pitches, `beyond` after a piece's end; where the mask is true, neither they nor the attacks are looked at.
        steps: at most the config's context, and a multiple of its patch. The second result is the logit that a note or a rest
        begins, and does not go on from the step before; the first says which, if one begins.
        """
        batch, steps, _ = ids.shape
        patch, patches = self.config.patch, steps // self.config.patch
        ended = (ids == self.beyond).view(batch, patches, -1).all(dim=-1).repeat_interleave(N_VOICES, dim=1)
        x = dropout(self._read(ids, attacks, mask, places), self.config.dropout, self.training)
        hidden = None
        if ended.any():
            hidden = torch.zeros(batch, 1, 1, ended.shape[1], device=x.device).masked_fill(ended[:, None, None], float("-inf"))
        cos, sin = (
            of.repeat_interleave(N_VOICES, dim=0) for of in self.rotary(0, patches)
        )  # voices of a time are at one place
        for block in self.blocks:
            x = block(x, (cos, sin), hidden)
        out = linear(self.norm(x), self.head.weight, self.head.bias).view(batch, patches, N_VOICES, patch, self.n_ids + 1)
        out = out.transpose(2, 3).reshape(batch, steps, N_VOICES, self.n_ids + 1)
        return out[..., :-1], out[..., -1]

    def _read(self, ids: Tensor, attacks: Tensor, mask: Tensor, places: Tensor) -> Tensor:
        """The sum of the table's rows for what is known of each token: [batch, steps / patch * 4, d_model], voices inside times."""
        batch, steps, _ = ids.shape
        patch, patches = self.config.patch, steps // self.config.patch

        def by_voice(of: Tensor) -> Tensor:
            return of.view(batch, patches, patch, N_VOICES).transpose(2, 3)

        known = by_voice(ids.masked_fill(mask, self.masked))
        begun = by_voice(attacks.long().masked_fill(mask, UNKNOWN))
        where = (places[:, ::patch] + self.place_rows)[:, :, None].expand(-1, -1, N_VOICES, -1)
        voice = self.voice_rows.expand(batch, patches, -1, -1)
        rows = [known + self.pitch_rows, self.classes[known] + self.class_rows, begun + self.attack_rows, voice, where]
        together = torch.cat(rows, dim=-1).view(batch * patches * N_VOICES, -1)
        return F.embedding_bag(together, self.table, mode="sum").view(batch, patches * N_VOICES, -1)

    def vocabulary_parameters(self) -> Iterator[Tensor]:
        """What maps between hidden vectors and names, and convolutions of single features: not for Muon."""
        yield from (self.table, self.head.weight)
        for block in self.blocks:
            yield block.near  # type: ignore[misc]

    @torch.no_grad()
    def _initialise(self) -> None:
        """At first every block is the identity and every pitch equally likely, as with `zero` in artgen.lm.gpt."""
        self.table.normal_(std=(3 * self.config.patch + 4) ** -0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(std=module.in_features**-0.5)
        for block in self.blocks:
            assert isinstance(block, Block)
            block.out.weight.zero_()
            block.feed_forward.down.weight.zero_()
        self.head.weight.zero_()
        self.head.bias.zero_()


class Block(nn.Module):
    """x = x + attention(near(norm(x)));  x = x + feed_forward(norm(x)).

    near: every feature is averaged with its neighbours in time by learned weights, at first by none (So et al. 2021, section 3,
    do so with queries, keys and values).
    """

    def __init__(self, config: ChoraleModelConfig) -> None:
        super().__init__()
        width = config.d_model
        self.n_heads, self.dropout = config.n_heads, config.dropout
        self.attention_norm = build_norm("rms", width)
        self.near = nn.Parameter(torch.zeros(WIDTH, width))
        with torch.no_grad():
            self.near[WIDTH // 2] = 1
        self.qkv = Linear(width, 3 * width, bias=False)
        self.sharpness = nn.Parameter(torch.ones(config.n_heads))
        self.out = Linear(width, width, bias=False)
        self.feed_forward_norm = build_norm("rms", width)
        self.feed_forward = FeedForward(width, 4 * width, "relu2", dropout=config.dropout)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], hidden: Tensor | None) -> Tensor:
        """x [batch, time, d_model]; hidden [batch, 1, 1, time]: -inf where there is nothing to look at."""
        x = x + self._attend(self._mix(self.attention_norm(x)), rotation, hidden)
        return x + self.feed_forward(self.feed_forward_norm(x))

    def _mix(self, x: Tensor) -> Tensor:
        """Along the time of each voice: x [batch, times * 4, d_model]."""
        n, reach = x.shape[1], WIDTH // 2 * N_VOICES
        padded = F.pad(x, (0, 0, reach, reach))
        mixed = padded[:, :n] * self.near[0]
        for i in range(1, WIDTH):
            mixed = torch.addcmul(mixed, padded[:, i * N_VOICES : i * N_VOICES + n], self.near[i])
        return mixed

    def _attend(self, x: Tensor, rotation: tuple[Tensor, Tensor], hidden: Tensor | None) -> Tensor:
        """Attention in both directions; queries and keys are normalised (Dehghani et al. 2023), their product sharpened by head."""
        batch, time, width = x.shape
        heads = self.qkv(x).view(batch, time, 3 * self.n_heads, -1).transpose(1, 2)
        qk, v = heads.split_with_sizes((2 * self.n_heads, self.n_heads), 1)
        qk = rotate(layer_norm(qk).to(v.dtype), *rotation)
        q, k = qk.chunk(2, dim=1)
        q = q * self.sharpness.to(q.dtype)[:, None, None]
        rate = self.dropout if self.training else 0.0
        if hidden is not None:
            hidden = hidden.to(q.dtype)
        if q.requires_grad and q.device.type == "cpu" and (q.dtype == torch.bfloat16 or rate or time <= SHORT):
            y = attention(q, k, v, mask=hidden, dropout=rate)  # its gradient is the faster one here
        else:
            y = F.scaled_dot_product_attention(q, k, v, hidden, rate)
        return dropout(self.out(y.transpose(1, 2).reshape(batch, time, width)), self.dropout, self.training)
