"""The U-Net of `image.flow` (Ronneberger et al. 2015; Ho et al. 2020), with time, class and augmentation as conditions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.families.image_flow.augment import N_CHANGES
from artgen.families.image_flow.config import FlowModelConfig

GROUPS = 8


class Condition(nn.Module):
    """Time [n], class [n] and changes [n, N_CHANGES] -> one vector [n, width].

    The class number n_classes stands for "none".
    """

    def __init__(self, d_time: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.d_time = d_time
        self.time = nn.Sequential(nn.Linear(d_time, width), nn.SiLU(), nn.Linear(width, width))
        self.changes = nn.Linear(N_CHANGES, width, bias=False)
        self.classes = nn.Embedding(n_classes + 1, width) if n_classes else None
        nn.init.zeros_(self.changes.weight)

    def forward(self, times: Tensor, labels: Tensor | None, changes: Tensor | None) -> Tensor:
        half = self.d_time // 2
        rates = torch.exp(torch.arange(half, device=times.device) * (-math.log(1000.0) / half)) * 100
        angles = times.float()[:, None] * rates
        x = self.time(torch.cat([angles.cos(), angles.sin()], dim=1))
        if changes is not None:
            x = x + self.changes(changes)
        if self.classes is not None:
            assert labels is not None
            x = x + self.classes(labels)
        return F.silu(x)


class Block(nn.Module):
    """A residual block whose second normalisation the condition scales and shifts (Dhariwal and Nichol 2021, section 3)."""

    def __init__(self, n_in: int, n_out: int, condition: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, n_in)
        self.first = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.modulate = nn.Linear(condition, 2 * n_out)
        self.norm2 = nn.GroupNorm(GROUPS, n_out)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.skip = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else None
        self.dropout = dropout
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        hidden = self.first(F.silu(self.norm1(x)))
        scale, shift = self.modulate(condition)[:, :, None, None].chunk(2, dim=1)
        hidden = F.silu(torch.addcmul(shift, self.norm2(hidden), scale + 1))
        hidden = self.second(F.dropout(hidden, self.dropout, self.training))
        return (x if self.skip is None else self.skip(x)) + hidden


class Attention(nn.Module):
    """Every place sees every other: [n, c, h, w] -> the same shape."""

    def __init__(self, channels: int, n_heads: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.n_heads = n_heads
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)  # [n, h * w, c]
        q, k, v = self.qkv(places).unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.out(seen).transpose(1, 2).unflatten(2, x.shape[2:])


class UNet(nn.Module):
    """The velocity at a place and time: x [n, channels, height, width], times [n] 0 to 1 -> the shape of x."""

    def __init__(self, model: FlowModelConfig, size: int, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.patch, self.n_classes = model.patch, n_classes
        folded, width = n_channels * model.patch**2, 4 * model.channels[0]
        self.condition = Condition(model.d_time, width, n_classes)
        self.read = nn.Conv2d(folded, model.channels[0], 3, padding=1)

        def level(side: int, n_in: int, n_out: int) -> nn.ModuleList:
            parts: list[nn.Module] = [Block(n_in, n_out, width, model.dropout)]
            if side in model.attention:
                parts.append(Attention(n_out, model.n_heads))
            return nn.ModuleList(parts)

        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        kept, now, side = [model.channels[0]], model.channels[0], size // model.patch
        for number, channels in enumerate(model.channels):
            if number:
                self.shrink.append(nn.Conv2d(now, channels, 3, stride=2, padding=1))
                now, side = channels, side // 2
                kept.append(now)
            stage = nn.ModuleList()
            for _ in range(model.blocks):
                stage.append(level(side, now, channels))
                now = channels
                kept.append(now)
            self.down.append(stage)
        self.middle = nn.ModuleList(
            [Block(now, now, width, model.dropout), Attention(now, model.n_heads), Block(now, now, width, model.dropout)]
        )
        for number, channels in reversed(list(enumerate(model.channels))):
            stage = nn.ModuleList()
            for _ in range(model.blocks + 1):
                stage.append(level(side, now + kept.pop(), channels))
                now = channels
            self.up.append(stage)
            if number:
                self.grow.append(nn.Conv2d(now, now, 3, padding=1))
                side *= 2
        self.norm = nn.GroupNorm(GROUPS, now)
        self.write = nn.Conv2d(now, folded, 3, padding=1)
        nn.init.zeros_(self.write.weight)
        assert self.write.bias is not None
        nn.init.zeros_(self.write.bias)

    def vocabulary_parameters(self) -> list[Tensor]:
        """What Muon leaves to AdamW: what reads and writes pixels."""
        return [self.read.weight, self.write.weight]

    def forward(self, x: Tensor, times: Tensor, labels: Tensor | None = None, changes: Tensor | None = None) -> Tensor:
        condition = self.condition(times, labels, changes)
        x = self.read(F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last))
        kept = [x]
        for number, stage in enumerate(self.down):
            if number:
                x = self.shrink[number - 1](x)
                kept.append(x)
            for parts in stage:  # type: ignore[attr-defined]
                x = _through(parts, x, condition)
                kept.append(x)
        x = _through(self.middle, x, condition)
        for number, stage in enumerate(self.up):
            for parts in stage:  # type: ignore[attr-defined]
                x = _through(parts, torch.cat([x, kept.pop()], dim=1), condition)
            if number < len(self.grow):
                x = self.grow[number](F.interpolate(x, scale_factor=2, mode="nearest"))
        return F.pixel_shuffle(self.write(F.silu(self.norm(x))), self.patch)


def _through(parts: nn.ModuleList, x: Tensor, condition: Tensor) -> Tensor:
    for part in parts:
        x = part(x, condition) if isinstance(part, Block) else part(x)
    return x
