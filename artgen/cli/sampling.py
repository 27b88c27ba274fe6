"""The work behind `artgen sample`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from artgen.cli.making import Request, Stream
from artgen.cli.music_request import MusicRequest
from artgen.cli.picture_request import SheetRequest, progress
from artgen.config import RunConfig, resolve_paths
from artgen.engine.run import TrainedModel
from artgen.errors import UsageError
from artgen.media.places import is_folder
from artgen.media.recipe import Recipe, read_bytes

if TYPE_CHECKING:
    from artgen.families.base import Sample


class TextSample(Request):
    """Texts. Their options are all in the sample section."""

    medium: ClassVar[str] = "text"
    one_place: ClassVar[str] = "a file for all texts, or a folder for a file each"

    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        from artgen.media.text import check_out

        if out is not None:
            check_out(out, n, force)

    def make(self, trained: TrainedModel, options: Any, n: int, seed: int, stream: Stream | None = None) -> list[Sample]:
        made: list[Sample] = trained.family.sample(trained.networks, options, n=n, seed=seed, stream=stream)
        return made

    def write(self, works: Sequence[str], out: str | Path, recipes: Sequence[Recipe], force: bool) -> list[Path]:
        from artgen.media.text import write_text

        return write_text(works, out, recipes, force)

    def summary(self, samples: Sequence[Sample], seed: int) -> str:
        tokens = sum(made.figures["tokens"] for made in samples)
        seconds = max(made.figures["seconds"] for made in samples)
        rate = f", {tokens / seconds:,.0f} tokens/s" if seconds > 0 else ""
        return f"{tokens:,} tokens in {seconds:.2f} s{rate}; --seed {seed} makes the same again"

    def shown(self, sample: Sample) -> dict[str, Any]:
        return {"text": sample.work, **sample.figures}


class PictureSample(SheetRequest):
    """Pictures: one, a sheet of several, or a file for each."""

    grid: bool = False
    data: list[str] | None = None  # where the pictures are that the run learned from; None: where its config says

    def applicable(self, options: Any) -> Any:
        return options

    def check_work(self, config: RunConfig, options: Any) -> None:
        if self.data and not options.avoid_copies:
            raise UsageError("--data: goes with --avoid-copies; without it no training pictures are needed")

    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        super().check(config, options, n, out, force)
        if self.grid and out is not None and is_folder(out):
            raise UsageError(f"{out}: a folder gets a file for each picture, --grid needs one: -o FILE.png")

    def make(self, trained: TrainedModel, options: Any, n: int, seed: int, stream: Stream | None = None) -> list[Sample]:
        if options.avoid_copies:
            data = type(trained.config.data)  # type: ignore[attr-defined]
            trained.family.learned_from(resolve_paths(data, {"path": self.data}, Path.cwd())["path"] if self.data else None)
        with progress(n, "picture") as reach:
            made: list[Sample] = trained.family.sample(
                trained.networks, options, n=n, seed=seed, stream=lambda done, _: reach(done)
            )
        return made

    def notes(self, config: RunConfig, samples: Sequence[Sample]) -> list[str]:
        from artgen.image.avoiding import tell_avoided

        return tell_avoided([sample.figures for sample in samples])


class MusicSample(MusicRequest):
    """Pieces of music. Their options are all in the sample section."""


REQUESTS = (TextSample, PictureSample, MusicSample)


def read_prompt(prompt: str | None, prompt_file: str | None) -> str | None:
    """The prompt from the command line, standard input (`-`) or a file."""
    if prompt is not None and prompt_file is not None:
        raise UsageError("--prompt and --prompt-file: expected one of them, not both")
    if prompt == "-" or prompt_file == "-":
        if sys.stdin is None:
            raise UsageError("standard input: is closed, expected the prompt")
        data, name = sys.stdin.buffer.read(), "standard input"
    elif prompt_file is not None:
        data, name = read_bytes(Path(prompt_file)), prompt_file
    else:
        return prompt
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text (byte {error.start})") from None
    return text.removesuffix("\n")  # the end of the file's last line is not meant
