"""`artgen evaluate --content C --style S OUT`: what a result of style transfer is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artgen.cli.common import emit
from artgen.errors import UsageError
from artgen.media.image_files import Picture, read_image, to_profile

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 1024  # pixels of the longer side at which pictures are compared, unless --size says more
SHAPE = 0.02  # how much the shapes of result and content may differ


@dataclass(frozen=True)
class StyleQuestion:
    """What is asked, as it was given. size: pixels of the result's longer side; style_size: of the styles'."""

    result: Path
    content: Path
    styles: Sequence[Path]
    weights: Path | None = None
    size: int | None = None
    style_size: int | None = None
    seed: int = 0
    device: str = "auto"


def evaluate_style(question: StyleQuestion, as_json: bool) -> None:
    """Reads, scores and prints. Raises UsageError at the first thing that is wrong with the call."""
    result = _read(question.result, question.size, largest=LARGEST)
    height, width = result.pixels.shape[:2]
    content = _read(question.content, max(height, width))
    _check_shape(question, result, content)
    styles = [_read(path, question.style_size or max(height, width)) for path in question.styles]

    from artgen.engine.device import pick_accelerator
    from artgen.metrics.pictures import resize
    from artgen.metrics.style import load_judge, style_report

    kind, index = pick_accelerator(question.device)
    judge = load_judge(question.weights, kind if index is None else f"{kind}:{index}") if question.weights else None
    profile = result.profile
    made, wanted, *paintings = (_tensor(to_profile(picture, profile)) for picture in (result, content, *styles))
    if made.shape != wanted.shape:  # by a row or a column, of rounding
        wanted = resize(wanted.permute(1, 2, 0)[None], height, width)[0].clamp(0, 1)
    report = style_report(made, wanted, paintings, judge, question.seed)
    facts: dict[str, Any] = {
        "file": str(question.result),
        "of_content": str(question.content),
        "of_styles": [str(path) for path in question.styles],
        **report.as_dict(),
    }
    emit(as_json, facts, f"{question.result}\n{report.as_text()}")


def _read(path: Path, size: int | None, largest: int | None = None) -> Picture:
    """The picture with `size` pixels on its longer side; or its own, but no more than `largest`."""
    if size is None and largest is not None:
        from artgen.media.image_files import image_size

        size = min(largest, max(image_size(path)))
    return read_image(path, size)


def _check_shape(question: StyleQuestion, result: Picture, content: Picture) -> None:
    shapes = [picture.pixels.shape[1] / picture.pixels.shape[0] for picture in (result, content)]
    slack = SHAPE + 1 / min(result.pixels.shape[:2])  # a row more or less in a small picture
    if abs(math.log(shapes[0] / shapes[1])) > slack:
        raise UsageError(
            f"{question.result}: is {shapes[0]:.2f} times as wide as high, --content {question.content} is "
            f"{shapes[1]:.2f} times: expected a result of the content's shape"
        )


def _tensor(picture: Picture) -> Tensor:
    import torch

    return torch.from_numpy(picture.pixels).permute(2, 0, 1).contiguous()
