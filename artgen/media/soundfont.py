"""Which SoundFont plays: the user's, or the small General MIDI one that comes with pretty_midi."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from artgen.errors import UsageError
from artgen.media.recipe import read_bytes

EMBEDDED = "TimGM6mb.sf2"  # in the folder of pretty_midi


def read_soundfont(path: Path | None = None) -> bytes:
    """The bytes of a SoundFont 2 file; None: the embedded one.

    Raises UsageError if there is no such file, or it is no SoundFont, or its end is missing.
    """
    where = path or embedded_soundfont()
    data = read_bytes(where)
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise UsageError(f"{where}: not a SoundFont (.sf2)")
    whole = int.from_bytes(data[4:8], "little") + 8
    if len(data) < whole:
        raise UsageError(f"{where}: truncated SoundFont: {len(data):,} bytes of {whole:,}")
    return data


def embedded_soundfont() -> Path:
    """Where the embedded SoundFont lies. Raises UsageError where pretty_midi is missing or came without it."""
    found = importlib.util.find_spec("pretty_midi")  # imports nothing
    if found is None or found.origin is None:
        raise UsageError(
            "the embedded SoundFont comes with pretty_midi: pip install pretty_midi; or name one: --soundfont FILE"
        )
    path = Path(found.origin).with_name(EMBEDDED)
    if not path.is_file():
        raise UsageError(f"{EMBEDDED}: missing in the installed pretty_midi; name a SoundFont: --soundfont FILE")
    return path
