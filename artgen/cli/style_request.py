"""What a call of `artgen style-transfer` asks for, and what stands of it in a recipe. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from artgen.config import Fraction, PositiveInt, Section, merge, nest, parse_override, validate
from artgen.errors import UsageError, did_you_mean
from artgen.files import check_file, sha256_of

CONTENT_WORDS = {"hint": 0.0, "loose": 0.25, "normal": 0.5, "close": 0.75, "exact": 1.0}
INIT_WORDS = ("content", "noise")
LARGEST_SIDE = 32_768


class GivenFile(Section):
    """A file that a picture is made from."""

    path: str
    sha256: str


class GivenStyle(GivenFile):
    weight: float = Field(1.0, gt=0)


class StyleRequest(Section):
    """All that one picture is made from but the seed: the options of its recipe."""

    content: GivenFile
    styles: list[GivenStyle] = Field([])  # none where the style is that of a run
    masks: list[GivenFile] = Field([])  # none, or one for each style
    method: str | None = None  # None: the network of a run
    method_options: dict[str, Any] = Field({})  # all of them
    weights: GivenFile | None = None
    size: PositiveInt | None = Field(None, le=LARGEST_SIDE)  # None: the content's own, at most styling's default
    content_strength: Fraction = CONTENT_WORDS["normal"]
    strength: Fraction = 1.0
    style_scale: float = Field(1.0, ge=0.05, le=20)
    preserve_color: Literal["luminance", "statistics"] | None = None
    init: Literal["content", "noise"] | GivenFile | None = None
    steps: PositiveInt | None = None
    tile: bool = False
    interrupted: str | None = None  # at which step of how many, where it was not finished

    def same_work(self, other: StyleRequest) -> bool:
        """Whether both ask for the same finished picture, wherever its files lie."""
        return not other.interrupted and not self.interrupted and _contents(self) == _contents(other)

    def files(self) -> list[GivenFile]:
        """All that it is made from."""
        init = [self.init] if isinstance(self.init, GivenFile) else []
        return [self.content, *self.styles, *self.masks, *init, *([self.weights] if self.weights else [])]


def parse_style(text: str) -> tuple[str, float]:
    """`a.jpg:2` as ("a.jpg", 2.0), `a.jpg` as ("a.jpg", 1.0). Raises UsageError for a weight that is none.

    What is after the last colon is a weight only if it is a number, and no file has the whole as its name.
    """
    path, colon, number = text.rpartition(":")
    if not colon or not path or _exists(text):
        return text, 1.0
    try:
        weight = float(number)
    except ValueError:
        return text, 1.0
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"{text}: a style's weight is {weight:g}, expected a number above 0, such as {path}:2")
    return path, weight


def parse_content_strength(text: str) -> float:
    """A word, or a number from 0 to 1. Raises UsageError."""
    if text in CONTENT_WORDS:
        return CONTENT_WORDS[text]
    try:
        value = float(text)
    except ValueError:
        words = ", ".join(CONTENT_WORDS)
        raise UsageError(f"--content {text}: {did_you_mean(text, CONTENT_WORDS)} Expected {words}, or 0 to 1") from None
    if not 0 <= value <= 1:
        raise UsageError(f"--content {text}: expected 0 (a hint of the layout) to 1 (exact)")
    return value


def parse_method_options(assignments: Sequence[str], schema: type[Section], where: str) -> Section:
    """What `--set` lays over a method's options. Raises UsageError that begins with `where`."""
    changes: dict[str, Any] = {}
    for assignment in assignments:
        keys, value = parse_override(assignment)
        changes = merge(changes, nest(keys, value))
    return validate(schema, changes, where=where)


def given_file(path: str, what: str) -> GivenFile:
    """A file and its hash. Raises UsageError where there is none that can be read. what: such as `picture`."""
    return GivenFile(path=path, sha256=_hash(path, what))


def check_same(file: GivenFile) -> None:
    """Raises UsageError where a file is not there, or not the one that it was."""
    if _hash(file.path, "file; the picture was made from it") != file.sha256:
        raise UsageError(f"{file.path}: is not the file that the picture was made from, it was changed since")


def _hash(path: str, what: str) -> str:
    try:
        check_file(path, what)
        return sha256_of(Path(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:  # a null character in it
        raise UsageError(f"{path!r}: no such {what}") from None


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _contents(request: StyleRequest) -> Any:
    return _without_paths(request.model_dump(mode="json"))


def _without_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_paths(item) for key, item in value.items() if not (key == "path" and "sha256" in value)}
    return [_without_paths(item) for item in value] if isinstance(value, list) else value
