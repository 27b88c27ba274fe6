"""What requests for music share: where pieces go, what plays them, and what they go on from. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from artgen.cli.edit_call import hash_of
from artgen.cli.making import Request, Stream
from artgen.cli.picture_request import progress
from artgen.config import RunConfig
from artgen.engine.run import TrainedModel
from artgen.errors import ArtgenError, UsageError, counted
from artgen.files import sha256_of
from artgen.media.music_files import KINDS, check_music, write_music
from artgen.media.recipe import Recipe
from artgen.music.config import MusicSampleConfig
from artgen.music.finishing import check_finish
from artgen.music.primer import read_primer

if TYPE_CHECKING:
    from artgen.families.base import Sample
    from artgen.music.piece import Piece


def _ending(value: Any) -> Any:
    """wav, .wav and .WAV are the same. Raises ValueError for none of KINDS."""
    ending = "." + value.lower().removeprefix(".") if isinstance(value, str) else value
    if ending not in KINDS:
        raise ValueError(f"expected {', '.join(KINDS)} (got {value!r})")
    return ending


class MusicRequest(Request):
    """Makes pieces of music, which cannot go to a terminal: as many places, and kinds of file, as are named."""

    medium: ClassVar[str] = "music"

    soundfont: str | None = None  # path; None: the embedded one
    soundfont_sha256: str | None = None
    format: Annotated[str, BeforeValidator(_ending)] = ".mid"  # of the files in a folder
    primer_sha256: str | None = None  # of what the sample section names

    def settled(self, options: MusicSampleConfig) -> MusicRequest:
        found = {"soundfont_sha256": hash_of(self.soundfont), "primer_sha256": hash_of(options.primer)}
        return self.model_copy(update=found)

    def check_work(self, config: RunConfig, options: MusicSampleConfig) -> None:
        check_finish(options)
        if self.soundfont is not None:
            from artgen.media.soundfont import read_soundfont

            read_soundfont(Path(self.soundfont))
            check_same(self.soundfont, self.soundfont_sha256)
        if options.primer is not None:
            read_primer(options.primer, options.bars)
            check_same(options.primer, self.primer_sha256)

    def check(self, config: RunConfig, options: Any, n: int, out: str | Path | None, force: bool) -> None:
        if out is None:
            raise UsageError(
                "music cannot go to the terminal; give -o FILE.mid, .wav, .flac, .png or .musicxml, or -o FOLDER/ for a file each"
            )
        check_music(out, n, force, self._soundfont, self.format)

    def make(self, trained: TrainedModel, options: Any, n: int, seed: int, stream: Stream | None = None) -> list[Sample]:
        with progress(n, "piece") as reach:
            made: list[Sample] = trained.family.sample(
                trained.networks, options, n=n, seed=seed, stream=lambda done, _: reach(done)
            )
        return made

    def write(self, works: Sequence[Piece], out: str | Path, recipes: Sequence[Recipe], force: bool) -> list[Path]:
        for work, recipe in zip(works, recipes, strict=True):
            if not len(work.notes):
                raise ArtgenError(
                    f"piece {recipe.index + 1} of seed {recipe.seed} is silent, and nothing was written to {out}; "
                    "another --seed makes others"
                )
        return write_music(works, out, recipes, force, self._soundfont, self.format)

    def summary(self, samples: Sequence[Sample], seed: int) -> str:
        bars = sum(made.figures["bars"] for made in samples)
        seconds = sum(made.figures["seconds"] for made in samples)
        made = f"{counted(len(samples), 'piece')}, {counted(bars, 'bar')} in {seconds:.1f} s"
        return f"{made}; --seed {seed} makes the same again"

    @property
    def _soundfont(self) -> Path | None:
        return Path(self.soundfont) if self.soundfont is not None else None


def check_same(path: str, expected: str | None) -> None:
    """Raises UsageError where a file is not the one that a work was made with. expected: its SHA-256; None: not known."""
    if expected is not None and sha256_of(Path(path)) != expected:
        raise UsageError(f"{path}: is not the file that the piece was made with, it was changed since")
