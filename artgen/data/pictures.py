"""Pictures as memory-mapped squares of bytes, split into what is trained on and what is held out. Imports no torch.

Decoded once and kept in the cache under a name that is a hash of the config and of the files' names, sizes and times; the
next start only opens it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, PositiveInt
from tqdm import tqdm

from artgen.data.cache import cache_folder, cached
from artgen.data.demo_pictures import draw_picture
from artgen.data.finding import printable
from artgen.data.picture_config import PictureDataConfig
from artgen.data.picture_decoding import BrokenPicture, Pixels, decode, size_limit, to_square
from artgen.data.picture_files import Found, PictureFile, check_unchanged, find_pictures
from artgen.errors import UsageError
from artgen.files import sha256_of

FORMAT = 1  # of a cached set; a change of it, of the decoding or of the drawings makes all anew
PIXELS, FACTS = "pixels.bin", "pictures.json"
FEWEST = 3  # two to train on and one held out
FEW = 20  # under which a user is told what to expect
NAMED = 8  # broken files that get a line each
WINDOW = 256  # pictures that are decoded before the first of them is written


@dataclass(frozen=True)
class PictureSet:
    """Pictures of one size. Two pictures with the same content, also mirrored, are always in the same part."""

    train: Pixels  # [n, size, size, channels], read-only, not in memory but on disk
    validation: Pixels  # [m, size, size, channels], likewise
    train_labels: NDArray[np.int64]  # [n], numbers of classes; all 0 where there are none
    validation_labels: NDArray[np.int64]  # [m]
    train_sources: tuple[str, ...]  # the file that each is from
    validation_sources: tuple[str, ...]
    class_names: tuple[str, ...]  # by number; () where data.classes is off
    fingerprint: str  # SHA-256 of pixels, classes and split; the same wherever the files lie
    left_out: str  # what was not used, in words
    warnings: tuple[str, ...]  # one line each, for the user

    @property
    def n_pictures(self) -> int:
        """Of both parts together."""
        return len(self.train) + len(self.validation)

    @property
    def size(self) -> int:
        """Side of a picture in pixels."""
        return int(self.train.shape[1])

    @property
    def n_channels(self) -> int:
        return int(self.train.shape[3])

    def evenly(self, most: int) -> tuple[NDArray[np.int64], Pixels]:
        """At most so many pictures, evenly from those to train on and then those held out: their numbers and themselves."""
        n, n_train = self.n_pictures, len(self.train)
        chosen = evenly(n, most)
        return chosen, np.stack([self.train[i] if i < n_train else self.validation[i - n_train] for i in chosen])

    def describe(self) -> str:
        """One line, such as: 128 pictures of 64 x 64 pixels in 5 classes."""
        kind = {1: " in grey", 3: "", 4: " with transparency"}[self.n_channels]
        classes = f" in {len(self.class_names):,} classes" if self.class_names else ""
        left_out = f" (left out: {self.left_out})" if self.left_out else ""
        return f"{self.n_pictures:,} pictures of {self.size} x {self.size} pixels{kind}{classes}{left_out}"

    def require(self, training: int, validation: int = 1) -> None:
        """Raises UsageError unless the parts have so many pictures."""
        if len(self.train) < training or len(self.validation) < validation:
            raise UsageError(
                f"data.path: too few pictures: {len(self.train):,} to train on and {len(self.validation):,} held out, "
                f"expected at least {training:,} and {validation:,}"
            )


def evenly(n: int, most: int) -> NDArray[np.int64]:
    """The numbers of at most so many of n things, from the first to the last."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)


def load_pictures(config: PictureDataConfig, cache: Path | None = None) -> PictureSet:
    """The pictures that `config` names, from the cache if they are there.

    cache: None is `cache_folder()`. Several processes may build the same set at the same time.
    Raises UsageError where there are too few pictures (broken ones are left out, unless `config.strict`), ArtgenError where
    the cache cannot be written.
    """
    cache = cache or cache_folder()
    found = find_pictures(config)
    folder = cache / "pictures" / _key(config, found)
    return cached(folder, lambda there: _open(there, found.notes), lambda partial: _build(config, found.files, partial))


# ---------------------------------------------------------------- the cache


class _Facts(BaseModel):
    """pictures.json: what is beside the pixels."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    size: PositiveInt
    n_channels: PositiveInt
    n_train: PositiveInt
    labels: list[int]  # of the training part, then of the validation part
    sources: list[str]  # likewise
    class_names: list[str]
    fingerprint: str
    left_out: str
    notes: list[str]


def _key(config: PictureDataConfig, found: Found) -> str:
    options = config.model_dump(exclude={"flip", "demo"})  # flip is for training; demo is in the names of what is drawn
    facts = [FORMAT, options, [[file.identity, file.problem] for file in found.files]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _open(folder: Path, notes: list[str]) -> PictureSet | None:
    """The pictures in a folder; None if there are none, or it is not whole."""
    try:
        facts = _Facts.model_validate_json((folder / FACTS).read_bytes())
        shape = (len(facts.labels), facts.size, facts.size, facts.n_channels)
        n_bytes = (folder / PIXELS).stat().st_size
        if facts.format != FORMAT or n_bytes != np.prod(shape) or not 0 < facts.n_train < len(facts.sources) == shape[0]:
            return None
        pixels = np.memmap(folder / PIXELS, dtype=np.uint8, mode="r", shape=shape)
    except (OSError, ValueError):
        return None
    n, labels = facts.n_train, np.array(facts.labels, dtype=np.int64)
    return PictureSet(
        pixels[:n],
        pixels[n:],
        labels[:n],
        labels[n:],
        tuple(facts.sources[:n]),
        tuple(facts.sources[n:]),
        tuple(facts.class_names),
        facts.fingerprint,
        facts.left_out,
        (*notes, *facts.notes),
    )


# ---------------------------------------------------------------- building


@dataclass
class _Decoded:
    """A file after it was read."""

    pixels: Pixels | None  # [size, size, channels]; None: it is broken
    digest: str = ""  # of the file; what decides over its part, so that a set of another size is split alike
    problem: str = ""
    enlarged: bool = False


@dataclass
class _Kept:
    """A picture that is used."""

    file: PictureFile
    digest: str
    content: str  # hash of its pixels, the same if they are mirrored


@dataclass
class _Tally:
    """What a user should know about the files."""

    broken: list[str] = field(default_factory=list)
    copies: int = 0
    enlarged: int = 0

    def left_out(self) -> str:
        parts = [(self.copies, "copy", "copies"), (len(self.broken), "broken file", "broken files")]
        return ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in parts if count)

    def notes(self, n_pictures: int, size: int) -> list[str]:
        lines = [f"{broken}; skipped" for broken in self.broken[:NAMED]]
        if len(self.broken) > NAMED:
            lines.append(f"{len(self.broken) - NAMED:,} more broken files were skipped, {len(self.broken):,} in all")
        if self.enlarged:
            who, was = ("1 picture is", "was") if self.enlarged == 1 else (f"{self.enlarged:,} pictures are", "were")
            lines.append(f"{who} smaller than {size} x {size} pixels and {was} enlarged")
        if n_pictures < FEW:
            lines.append(
                f"{n_pictures} pictures are very few: expect repetitions and blends of them, not new ones; "
                "50 are a beginning, 200 give variety"
            )
        return lines


def _build(config: PictureDataConfig, files: list[PictureFile], folder: Path) -> None:
    """Writes pixels.bin (the training part, then the validation part) and pictures.json."""
    tally = _Tally()
    decoded = folder / "decoded.bin"
    kept = _decode_all(config, files, decoded, tally)
    check_unchanged(files)
    n_different = len({picture.content for picture in kept})
    if n_different < FEWEST:
        raise UsageError(_too_few(config, n_different, tally))

    class_names = sorted({picture.file.class_name for picture in kept}) if config.classes else []
    if len(class_names) == 1:
        raise UsageError(f"data.classes: all pictures are of one class, {class_names[0]!r}; expected subfolders to be classes")
    labels = [class_names.index(picture.file.class_name) if class_names else 0 for picture in kept]
    held_out = split([picture.content for picture in kept], labels, [picture.digest for picture in kept], config.validation)
    if not held_out.any():
        raise UsageError("data.validation: nothing can be held out, because no class has more than one picture")

    order = [*np.flatnonzero(~held_out), *np.flatnonzero(held_out)]
    pixels_hash = _reorder(decoded, order, (config.size, config.size, config.n_channels), folder / PIXELS)
    said = json.dumps([config.size, config.channels, int(held_out.sum()), class_names, [labels[i] for i in order]])
    facts = _Facts(
        format=FORMAT,
        size=config.size,
        n_channels=config.n_channels,
        n_train=int((~held_out).sum()),
        labels=[labels[i] for i in order],
        sources=[kept[i].file.name for i in order],
        class_names=class_names,
        fingerprint=hashlib.sha256(f"{said}\n{pixels_hash}".encode()).hexdigest(),
        left_out=tally.left_out(),
        notes=tally.notes(len(kept), config.size),
    )
    (folder / FACTS).write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _decode_all(config: PictureDataConfig, files: list[PictureFile], path: Path, tally: _Tally) -> list[_Kept]:
    """Writes the pixels of all that can be used, in the order of the files, without copies within a class."""
    kept = []
    seen: set[tuple[bytes, str]] = set()
    with path.open("wb") as out, closing(_in_threads(config, files)) as results:
        for file, decoded in zip(files, results, strict=True):
            if decoded.pixels is None:
                if config.strict:
                    raise UsageError(f"{file.name}: {decoded.problem} (data.strict refuses broken files)")
                tally.broken.append(f"{file.name}: {decoded.problem}")
                continue
            data, mirrored = decoded.pixels.tobytes(), decoded.pixels[:, ::-1].tobytes()
            exact = (hashlib.sha256(data).digest(), file.class_name if config.classes else "")
            if exact in seen:
                tally.copies += 1
                continue
            seen.add(exact)
            out.write(data)
            tally.enlarged += decoded.enlarged
            kept.append(_Kept(file, decoded.digest, hashlib.sha256(min(data, mirrored)).hexdigest()))
    return kept


def _in_threads(config: PictureDataConfig, files: list[PictureFile]) -> Generator[_Decoded, None, None]:
    """The files decoded, in their order. Pillow lets other threads run while it decodes and resizes."""
    with (
        size_limit(config.max_pixels),
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(total=len(files), desc="pictures", disable=not sys.stderr.isatty(), leave=False, delay=1) as bar,
    ):
        for begin in range(0, len(files), WINDOW):
            for decoded in pool.map(lambda file: _decode(file, config), files[begin : begin + WINDOW]):
                bar.update()
                yield decoded


def _decode(file: PictureFile, config: PictureDataConfig) -> _Decoded:
    if file.problem:
        return _Decoded(None, problem=file.problem)
    if file.path is None:
        drawn = draw_picture(file.class_name, config.demo.seed, file.index, config.size)
        digest = hashlib.sha256(file.name.encode()).hexdigest()
        return _Decoded(to_square(Image.fromarray(drawn), config), digest)
    try:
        pixels, own_size = decode(file.path, config)
        digest = sha256_of(file.path)
    except BrokenPicture as error:
        return _Decoded(None, problem=str(error))
    except OSError as error:
        return _Decoded(None, problem=f"cannot be read: {error.strerror}")
    return _Decoded(pixels, digest, enlarged=(max if config.fit == "pad" else min)(own_size) < config.size)


def _reorder(decoded: Path, order: Sequence[int], shape: tuple[int, int, int], path: Path) -> str:
    """Moves pictures into this order; returns the SHA-256 of all."""
    pixels = np.memmap(decoded, dtype=np.uint8, mode="r").reshape(-1, *shape)
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for i in order:
            data = pixels[i].tobytes()
            digest.update(data)
            out.write(data)
    del pixels
    decoded.unlink()
    return digest.hexdigest()


def _too_few(config: PictureDataConfig, n_different: int, tally: _Tally) -> str:
    where = printable(", ".join(config.path))
    count = {0: "no pictures", 1: "one picture"}.get(n_different, f"{n_different} pictures")
    left_out = (
        f" (left out: {tally.left_out()}" + (f"; {tally.broken[0]})" if tally.broken else ")") if tally.left_out() else ""
    )
    return f"{where}: {count}{left_out}, expected at least {FEWEST}: two to train on and one held out; 50 are a beginning"


# ---------------------------------------------------------------- the split


def split(contents: Sequence[str], labels: Sequence[int], ranks: Sequence[str], share: float) -> NDArray[np.bool_]:
    """Which pictures are held out, [n]: of each class about that share, those of lowest rank, but at least one in all.

    Pictures of the same content stay together; content that is in several classes is trained on, and so is at least one
    picture of each class. ranks: hashes, so that the choice is even, and the same when pictures are added.
    """
    classes: dict[str, set[int]] = defaultdict(set)
    rank: dict[str, str] = {}
    for content, label, hashed in zip(contents, labels, ranks, strict=True):
        classes[content].add(label)
        rank[content] = min(hashed, rank.get(content, hashed))
    members: dict[int, list[str]] = defaultdict(list)  # of each class, what is in no other
    shared: set[int] = set()  # classes that have something else, too
    for content in sorted(classes, key=lambda content: (rank[content], content)):
        if len(classes[content]) == 1:
            members[next(iter(classes[content]))].append(content)
        else:
            shared |= classes[content]

    free = {label: len(own) - (label not in shared) for label, own in members.items()}
    counts = _quotas({label: len(own) for label, own in members.items()}, free, max(1, round(len(classes) * share)))
    chosen = {content for label, own in members.items() for content in own[: counts[label]]}
    return np.array([content in chosen for content in contents], dtype=np.bool_)


def _quotas(sizes: dict[int, int], free: dict[int, int], total: int) -> dict[int, int]:
    """`total` shared out in proportion to `sizes`, at most `free` of each; what is left over goes to the largest remainders."""
    exact = {label: total * size / sum(sizes.values()) for label, size in sizes.items()}
    counts = {label: min(int(exact[label]), free[label]) for label in sizes}
    while sum(counts.values()) < total:
        open_labels: Iterable[int] = [label for label in sizes if counts[label] < free[label]]
        if not open_labels:
            break
        counts[max(open_labels, key=lambda label: (exact[label] - counts[label], -label))] += 1
    return counts
