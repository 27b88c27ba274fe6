"""What every method of style transfer is given: the pictures, what they weigh, and someone who watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Watch = Callable[[int, int, Callable[[], Tensor]], None]
"""watch(done, of, picture): `done` of `of` units of work are done, and `picture()` gives what there is, [3, height, width], 0 to 1,
of the size of the content. It may raise, which ends the work."""


@dataclass(frozen=True)
class StyleImage:
    """One style: a painting, how much it counts, and where.

    pixels: [3, height, width], float32, 0 to 1, in the content's colour space, already scaled by `--style-scale`: one pixel of it is
        as large as one of the result.
    weight: above 0; the weights of a job need not sum to 1.
    region: [content height, content width], float32, 0 to 1: where this style is wanted; None: everywhere.
    """

    pixels: Tensor
    weight: float = 1.0
    region: Tensor | None = None


@dataclass(frozen=True)
class StyleJob:
    """One picture to make.

    content: [3, height, width], float32, 0 to 1.
    styles: at least one.
    content_strength: 0 (a hint of the layout) to 1 (each edge stays where it is); 0.5 is the default of the command.
    strength: 0 (the content as it is) to 1 (as much style as the method can give).
    init: what the work begins from, [3, height, width], 0 to 1; None: as the method likes best.
    seamless: the right border goes on at the left one, and the lower at the upper one.
    seed: the same seed gives the same picture.
    steps: scales the work; None: the method's own number.
    """

    content: Tensor
    styles: Sequence[StyleImage]
    content_strength: float = 0.5
    strength: float = 1.0
    init: Tensor | None = None
    seamless: bool = False
    seed: int = 0
    steps: int | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def weights(self) -> list[float]:
        """What the styles weigh, with 1 as their sum."""
        total = sum(style.weight for style in self.styles)
        return [style.weight / total for style in self.styles]


def unwatched(done: int, of: int, picture: Callable[[], Tensor]) -> None:
    """Nobody watches."""
