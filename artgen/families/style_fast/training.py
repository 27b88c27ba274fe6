"""What `style.fast` learns from: parts of photographs in the colours of their paintings, perhaps with what was painted of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artgen.data.picture_decoding import Pixels
from artgen.data.pictures import PictureSet, evenly
from artgen.families.base import Share
from artgen.families.style_fast.config import StyleFastConfig
from artgen.families.style_fast.network import noise_shape
from artgen.families.style_fast.painted import load_painted
from artgen.families.style_fast.paintings import Painting, recolored
from artgen.image.batches import ShuffledPictures, to_tensor
from artgen.style.color import color_map, color_statistics

JUDGED = 32  # held-out pictures that a checkpoint is judged by, at most
NORMAL = 0.5  # content strength; half of all pictures are seen with it, the others with any


@dataclass(frozen=True)
class Batch:
    """layout: pictures in the colours of their styles, [n, 3, h, w], 0 to 1. styles: their numbers. content: strengths [n].
    painted: what the method `patch` made of them, likewise; [n, 0, h, w] where nothing was painted."""

    layout: Tensor
    painted: Tensor
    styles: Tensor
    content: Tensor
    noise: Tensor

    def to(self, device: Any, **how: Any) -> Batch:
        """As Fabric moves a batch."""
        return Batch(
            *(tensor.to(device, **how) for tensor in (self.layout, self.painted, self.styles, self.content, self.noise))
        )


class Training:
    """Batches of what is learned from, and of what is held out. What is not painted yet is painted first."""

    def __init__(self, config: StyleFastConfig, pictures: PictureSet, paintings: Sequence[Painting]) -> None:
        self.config, self.pictures, self.paintings = config, pictures, paintings
        self.crop = min(config.style.crop, config.data.size)  # side of what is seen of a picture in a step, in pixels
        self.learned_from: Pixels = pictures.train  # [n, size, size, 3]
        self.painted: Pixels | None = None  # [paintings, n, size, size, 3]: what they became by each painting
        if config.style.loss == "painted":
            self.learned_from = pictures.train[evenly(len(pictures.train), config.style.painted)]
            self.painted = load_painted(self.learned_from, [painting.pixels for painting in paintings])

    @property
    def n_styles(self) -> int:
        return len(self.paintings)

    def batch(self, step: int, share: Share) -> Batch:
        size, count = self.config.train.batch_size, self.config.train.batch_size // share.count
        pictures, _ = self._shuffled.batch(step, share)
        mine = slice(share.index * count, share.index * count + count)
        random = np.random.Generator(np.random.Philox(key=[self.config.seed, (1 << 62) + step]))
        styles = random.permuted((step * size + np.arange(size)) % self.n_styles)[mine]
        free = random.random(size) < 0.5
        content = np.where(free, random.random(size), NORMAL)[mine]
        noise = self._noise(int(random.integers(1 << 62)), size)[mine]
        corners = random.integers(self.config.data.size - self.crop + 1, size=(size, 2))[mine]
        return self._batch(pictures, styles.tolist(), content.tolist(), noise, corners.tolist())

    def validation(self, share: Share) -> Iterator[Batch]:
        held_out, size = self.pictures.validation, self.config.train.batch_size
        judged = min(len(held_out), JUDGED)
        noise, mine = self._noise(0, judged), range(share.index, judged, share.count)
        for first in range(0, len(mine), size):
            chosen = list(mine[first : first + size])
            styles = [number % self.n_styles for number in chosen]
            middle = [[(self.config.data.size - self.crop) // 2] * 2] * len(chosen)
            yield self._batch(to_tensor(held_out[chosen]), styles, [NORMAL] * len(chosen), noise[chosen], middle)

    def _batch(
        self, pictures: Tensor, styles: Sequence[int], content: Sequence[float], noise: Tensor, corners: Sequence[Sequence[int]]
    ) -> Batch:
        """pictures: uint8 [n, 3 and perhaps 3 for each painting, h, w]. corners: top and left of the part that is seen."""
        colors = [painting.facts.colors() for painting in self.paintings]
        layout, painted = [], []
        for picture, style, (top, left) in zip(pictures.float() / 255, styles, corners, strict=True):
            change = color_map(color_statistics(picture[:3]), colors[style])  # by all of it, as when a photograph is painted
            part = picture[:, top : top + self.crop, left : left + self.crop]
            layout.append(recolored(part[:3], change))
            painted.append(part[3 + 3 * style : 6 + 3 * style])
        strengths = torch.tensor(content, dtype=torch.float32)
        return Batch(torch.stack(layout), torch.stack(painted), torch.tensor(styles), strengths, noise)

    def _noise(self, seed: int, n: int) -> Tensor:
        """For n parts of pictures."""
        shape = noise_shape(self.config.model.noise, self.crop, self.crop)
        return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))

    @cached_property
    def _shuffled(self) -> ShuffledPictures:
        """With what was painted of each picture behind its channels."""
        config, pictures = self.config, self.learned_from
        if self.painted is not None:
            pictures = np.concatenate([pictures, *self.painted], axis=3)
        labels = np.zeros(len(pictures), dtype=np.int64)
        return ShuffledPictures(pictures, labels, config.train.batch_size, config.seed, config.data.flip)
