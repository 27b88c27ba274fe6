"""The kinds of file that music can be written as, and what writes each. A writer is imported when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from artgen.errors import UsageError, counted, did_you_mean
from artgen.media.places import check_places, is_folder, make_folder, work_files
from artgen.media.recipe import Recipe
from artgen.music.piece import Piece

SoundFont = Path | None  # None: the embedded one
Writer = Callable[[Piece, Path, Sequence[Recipe], bool, SoundFont], Path]
Check = Callable[[Path, bool, SoundFont], None]  # of the place and of what is installed


def write_music(
    pieces: Sequence[Piece],
    out: Path | str,
    recipes: Sequence[Recipe],
    force: bool = False,
    soundfont: SoundFont = None,
    suffix: str = ".mid",
) -> list[Path]:
    """Writes pieces as what the name's end says (see KINDS); returns the files.

    out: a file, for one piece; or a folder (it exists, or its name ends with a slash), which gets a file for each: 0001.mid,
    0002.mid, …. A folder that does not exist is made, its parent is not. suffix: of the files in a folder.
    recipes: one for each piece. soundfont: plays them where out is sound.

    Each file is whole or not there; what was written before one fails stays. Raises UsageError as `check_music`, and where a
    piece cannot be written so: it has no notes, or is too long for sound.
    """
    if len(pieces) != len(recipes):
        raise ValueError(f"{len(pieces)} pieces and {len(recipes)} recipes")
    check_music(out, len(pieces), force, soundfont, suffix)
    if is_folder(out):
        make_folder(Path(out))
    files = work_files(out, len(pieces), suffix)
    write, _ = KINDS[_suffix(out, suffix)]
    for piece, path, recipe in zip(pieces, files, recipes, strict=True):
        write(piece, path, [recipe], force, soundfont)
    return files


def check_music(out: Path | str, n_pieces: int, force: bool = False, soundfont: SoundFont = None, suffix: str = ".mid") -> None:
    """Raises what `write_music` would about the place, the ending, what is installed and the SoundFont, for work that takes long."""
    ending = _suffix(out, suffix)
    if n_pieces != 1 and not is_folder(out):
        raise UsageError(f"{out}: one file holds one piece, not {n_pieces:,}: -o FOLDER/ writes {counted(n_pieces, 'file')}")
    check_places(out, n_pieces, ending, force)
    _, check = KINDS[ending]
    for path in work_files(out, n_pieces, ending):
        if path.parent.is_dir():
            check(path, force, soundfont)


def _suffix(out: Path | str, in_folder: str) -> str:
    """One of KINDS. Raises UsageError that names them."""
    ending = in_folder.lower() if is_folder(out) else Path(out).suffix.lower()
    if ending not in KINDS:
        near = f"; {did_you_mean(ending, KINDS)}" if ending else ""
        raise UsageError(f"{out}: music is written to names that end in {', '.join(KINDS)}, or to a folder{near}")
    return ending


# ---------------------------------------------------------------- one function for each kind


def _write_midi(piece: Piece, path: Path, recipes: Sequence[Recipe], force: bool, soundfont: SoundFont) -> Path:
    from artgen.media.midi import write_midi

    return write_midi(piece, path, recipes, force)


def _check_midi(path: Path, force: bool, soundfont: SoundFont) -> None:
    from artgen.media.midi import check_midi

    check_midi(path, force)


def _write_sound(piece: Piece, path: Path, recipes: Sequence[Recipe], force: bool, soundfont: SoundFont) -> Path:
    from artgen.media.audio import write_sound
    from artgen.media.synthesis import render

    return write_sound(render(piece, soundfont), path, recipes, force)


def _check_sound(path: Path, force: bool, soundfont: SoundFont) -> None:
    from artgen.media.audio import check_sound
    from artgen.media.synthesis import check_synthesis

    check_sound(path, force)
    check_synthesis(soundfont)


def _write_roll(piece: Piece, path: Path, recipes: Sequence[Recipe], force: bool, soundfont: SoundFont) -> Path:
    from artgen.media.pianoroll import write_piano_roll

    return write_piano_roll(piece, path, recipes, force)


def _check_roll(path: Path, force: bool, soundfont: SoundFont) -> None:
    from artgen.media.picture import check_out

    check_out(path, 1, force)


def _write_score(piece: Piece, path: Path, recipes: Sequence[Recipe], force: bool, soundfont: SoundFont) -> Path:
    from artgen.media.musicxml import write_musicxml

    return write_musicxml(piece, path, recipes, force)


def _check_score(path: Path, force: bool, soundfont: SoundFont) -> None:
    from artgen.media.musicxml import check_musicxml

    check_musicxml(path, force)


KINDS: dict[str, tuple[Writer, Check]] = {
    ".mid": (_write_midi, _check_midi),
    ".midi": (_write_midi, _check_midi),
    ".wav": (_write_sound, _check_sound),
    ".flac": (_write_sound, _check_sound),
    ".png": (_write_roll, _check_roll),
    ".musicxml": (_write_score, _check_score),
    ".mxl": (_write_score, _check_score),
}
