"""The recipe of a file of any kind that artgen writes. Which kind it is, its first bytes say, not its name."""

from __future__ import annotations

from pathlib import Path

from artgen.media.recipe import FileRecipes

PICTURES = (b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
WEBP = b"WEBP"  # from the ninth byte on, after those of RIFF
PICTURE_NAMES = (".png", ".gif", ".apng", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
MP4 = b"ftyp"  # from the fifth byte on
SOUND = (b"RIFF", b"fLaC")
MIDI = b"MThd"
SCORES = (b"<?xml", b"PK\x03\x04")  # where the name says that it is MusicXML, plain or packed


def read_recipe(path: Path) -> FileRecipes:
    """The recipes of a file, one for each work in it. Raises UsageError where it carries none that can be read."""
    try:
        with path.open("rb") as file:
            begin = file.read(12)
    except (OSError, ValueError):
        begin = b""  # the readers of text say what is wrong with it
    if begin.startswith(PICTURES) or begin[8:] == WEBP or (not begin and path.suffix.lower() in PICTURE_NAMES):
        from artgen.media.picture_recipes import read_recipe as read

        return read(path)
    if begin[4:8] == MP4:
        from artgen.media.video import read_recipe as read

        return read(path)
    if begin.startswith(MIDI) or path.suffix.lower() in (".mid", ".midi"):
        from artgen.media.midi import read_recipe as read

        return read(path)
    if begin.startswith(SOUND):
        from artgen.media.audio import read_recipe as read

        return read(path)
    if begin.startswith(SCORES) and path.suffix.lower() in (".musicxml", ".xml", ".mxl"):
        from artgen.media.musicxml import read_recipe as read

        return read(path)
    from artgen.media.text import read_recipe as read

    return read(path)
