"""What a result of style transfer is worth: how near the style, how much of the content is left, how much is copied."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, device

from artgen.metrics.edges import edge_ssim
from artgen.metrics.style_copying import verbatim
from artgen.metrics.style_distance import feature_distances, patch_distance, perceptual_distance
from artgen.style.color import transfer_colors
from artgen.style.job import StyleImage
from artgen.style.networks import load_style_network

JUDGED = (  # layers of either network, from strokes to things
    ("conv1", "fire2", "fire4", "fire6", "fire8"),
    ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
)


@dataclass(frozen=True)
class Judge:
    """A network whose maps are compared. Figures of different weights cannot be: `name` and `sha256` belong beside them."""

    name: str
    sha256: str
    network: Any  # StyleNetwork
    layers: Sequence[str]
    device: device

    def __call__(self, pictures: Tensor) -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = self.network.maps(pictures.to(self.device), self.layers)
        return found


@dataclass(frozen=True)
class StyleFigures:
    """Of one picture, against the content and the styles it was made of. None: no network was given.

    Of several styles distances are the mean over them, and copying is from whichever is copied from most.
    """

    patch_distance: float  # 0 is the style itself, see artgen.metrics.style_distance
    feature_distance: float | None
    gram_distance: float | None
    edge_ssim: float  # 1 is the content's, see artgen.metrics.edges
    perceptual_distance: float | None  # 0 is the content itself
    copied_side: int  # pixels of the largest verbatim square, see artgen.metrics.style_copying
    copied_share: float  # of the picture, in verbatim squares of 16 pixels


ROWS = (  # field, what it is called, which way is better
    ("patch_distance", "style distance, patches", "0 is the style"),
    ("feature_distance", "style distance, features", "0 is the style"),
    ("gram_distance", "style distance, Gram", "0 is the style"),
    ("edge_ssim", "content, edge SSIM", "1 is the content"),
    ("perceptual_distance", "content, feature distance", "0 is the content"),
    ("copied_side", "copied square, pixels", "verbatim in the style"),
    ("copied_share", "copied share", "of the picture"),
)


@dataclass(frozen=True)
class StyleReport:
    """A result beside what is had without any style transfer: the content with the styles' colours, and as it is."""

    result: StyleFigures
    color_transfer: StyleFigures
    content: StyleFigures
    size: tuple[int, int]  # width and height, at which they were compared
    judge: tuple[str, str] | None  # name and SHA-256 of the network

    def as_dict(self) -> dict[str, Any]:
        columns = {"result": self.result, "color_transfer": self.color_transfer, "content": self.content}
        found: dict[str, Any] = {name: asdict(figures) for name, figures in columns.items()}
        return {**found, "size": list(self.size), "network": self.judge and {"name": self.judge[0], "sha256": self.judge[1]}}

    def as_text(self) -> str:
        columns = (self.result, self.color_transfer, self.content)
        lines = [f"{'':<26}{'result':>10}{'colour only':>13}{'content':>10}"]
        for field, label, better in ROWS:
            values = [getattr(figures, field) for figures in columns]
            if values[0] is not None:
                shown = [f"{value}" if isinstance(value, int) else f"{value:.3f}" for value in values]
                lines.append(f"{label:<26}{shown[0]:>10}{shown[1]:>13}{shown[2]:>10}  {better}")
        seen = f"features of {self.judge[0]}, {self.judge[1][:12]}" if self.judge else "no features: --weights gives a network"
        return "\n".join([*lines, "", f"compared at {self.size[0]} x {self.size[1]} pixels; {seen}"])


def load_judge(path: Path | str, where: str | device = "cpu") -> Judge:
    """The network of a weights file, as it was trained: all in float32, maxima where it has them. Raises UsageError."""
    network = load_style_network(path, where, precision="32", pooling="max")
    layers = next(layers for layers in JUDGED if set(layers) <= set(network.layers))
    return Judge(network.name, network.sha256, network, layers, device(where))


def style_report(
    result: Tensor, content: Tensor, styles: Sequence[Tensor], judge: Judge | None = None, seed: int = 0
) -> StyleReport:
    """A result and what is to be compared with it, all scored alike.

    result and content: [3, h, w], 0 to 1, of one size; styles: [3, any, any], one or more, as large as they are in the result.
    Raises UsageError where pictures are too small: under 11 pixels, or 16 with a network.
    """
    colored = transfer_colors(content, [StyleImage(style) for style in styles])
    figures = [style_figures(picture, content, styles, judge, seed) for picture in (result, colored, content)]
    seen = (judge.name, judge.sha256) if judge else None
    return StyleReport(figures[0], figures[1], figures[2], (result.shape[2], result.shape[1]), seen)


def style_figures(
    result: Tensor, content: Tensor, styles: Sequence[Tensor], judge: Judge | None = None, seed: int = 0
) -> StyleFigures:
    """As `style_report`, of one picture."""
    seen = [feature_distances(result, style, judge, seed) for style in styles] if judge else []
    copied = [verbatim(result, style) for style in styles]
    return StyleFigures(
        patch_distance=statistics.fmean(patch_distance(result, style, seed) for style in styles),
        feature_distance=statistics.fmean(sliced for sliced, _ in seen) if seen else None,
        gram_distance=statistics.fmean(gram for _, gram in seen) if seen else None,
        edge_ssim=edge_ssim(result, content),
        perceptual_distance=perceptual_distance(result, content, judge) if judge else None,
        copied_side=max(found.side for found in copied),
        copied_share=max(found.share for found in copied),
    )
