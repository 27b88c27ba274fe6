"""What the music families have in common: pieces to learn from, and pieces that are made, finished and judged.

A family composes pieces on its grid. What was asked for beside that is the same for all, and is done here: the key, the tempo, the
instruments, the range.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt

from artgen.config import RunConfig, Section
from artgen.data.music import MusicSet, load_music
from artgen.errors import UsageError, counted
from artgen.families.base import Family, Networks, Sample
from artgen.families.facts import check_fingerprint, read_facts, write_facts
from artgen.metrics.scorecard import Figure, ScoreCard
from artgen.music.config import MusicSampleConfig
from artgen.music.finishing import describe, finish, fits_key, key_of
from artgen.music.piece import Part, Piece, sort_notes
from artgen.music.primer import read_primer

C = TypeVar("C", bound=RunConfig)

FACTS = "music.json"
TRIES = 8  # pieces that are made, at most, until one is no silence, and in major or minor as asked
TOGETHER = 32  # pieces that are made side by side, and between which progress is told
PREVIEW_BARS = 8
MOST_PARTS = 16  # of a run; pieces with more keep those that most pieces have


class PartFacts(BaseModel):
    """Who plays: a part of `artgen.music.piece.Part`, and the how manieth of a piece that is played so."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    program: int
    is_drum: bool
    number: int


class MusicFacts(BaseModel):
    """What sampling needs of the data, whatever the family: music.json in a run's data folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fingerprint: str  # SHA-256 of the pieces that were learned from
    parts: tuple[PartFacts, ...]  # who plays in the pieces, in the order of the score, those in most pieces
    tempo: float  # the median, quarter notes a minute
    beats: PositiveInt  # of a bar, of most pieces
    unit: PositiveInt  # of a beat: 4 a quarter, 8 an eighth
    keys: tuple[tuple[int, bool], ...]  # (tonic as a pitch class, whether minor) of each piece that was trained on

    @property
    def piece_parts(self) -> tuple[Part, ...]:
        return tuple(Part(part.name, part.program, part.is_drum) for part in self.parts)

    @property
    def bar(self) -> float:
        """Quarter notes of a bar."""
        return self.beats * 4 / self.unit

    @property
    def meters(self) -> tuple[tuple[float, int, int], ...]:
        return ((0.0, self.beats, self.unit),)


class MusicFamily(Family[C]):
    """Learns to make pieces of music."""

    evaluated: ClassVar[int] = 50

    def __init__(self, config: C, of: MusicFacts, music: MusicSet | None = None) -> None:
        super().__init__(config)
        self.of = of
        self._music = music

    @classmethod
    def prepare(cls, config: C, folder: Path) -> MusicFamily[C]:
        music = load_music(config.data)  # type: ignore[attr-defined]
        if (folder / FACTS).exists():
            check_fingerprint(folder, read_facts(folder / FACTS, MusicFacts).fingerprint, music.fingerprint, "pieces")
        family = cls(config, facts_of(music), music)
        family.learn_about(music)
        return family

    @classmethod
    def open(cls, config: C, folder: Path) -> MusicFamily[C]:
        family = cls(config, read_facts(folder / FACTS, MusicFacts))
        family.recall(folder)
        return family

    def save_data(self, folder: Path) -> None:
        write_facts(folder / FACTS, self.of)

    def learn_about(self, music: MusicSet) -> None:
        """Takes from the pieces what else the family must know, such as a vocabulary. Raises UsageError where they do not do."""

    def recall(self, folder: Path) -> None:
        """Reads what the family's own `save_data` wrote beside the facts."""

    @property
    def music(self) -> MusicSet:
        """The pieces; only while training."""
        assert self._music is not None
        return self._music

    # ---- what a family defines

    @abstractmethod
    def compose(
        self, networks: Networks, options: MusicSampleConfig, numbers: Sequence[int], seed: int, primer: Piece | None
    ) -> list[Piece]:
        """The samples of a seed with these numbers, as the family makes them: `options.bars` bars on its grid.

        Each depends on (seed, number) alone, not on what is made beside it. primer: what they go on from; it is their beginning.
        Key, tempo, instruments and range are done by the caller.
        """

    def own_figures(self, networks: Networks, held_out: Sequence[Piece]) -> list[Figure]:
        """What the family says of held-out pieces: lines of the score card, such as nats per frame and per note."""
        return []

    # ---- training

    def facts(self) -> list[tuple[str, str]]:
        music = self.music
        tested = f"; {len(music.test):,} are left for a test" if music.test else ""
        return [
            ("learns", music.describe()),
            ("reads", f"{self.reading()}; {counted(len(music.validation), 'piece')} held out{tested}"),
            *(("note", warning) for warning in music.warnings),
        ]

    def reading(self) -> str:
        """How much is read in training, in words."""
        shown = self.config.train.steps * self.config.train.batch_size
        return f"{shown:,} excerpts of {counted(len(self.music.train), 'piece')}"

    def preview(self, networks: Networks, step: int, folder: Path) -> str:
        """Always the same seed, so that the growth is heard: a MIDI file and its piano roll."""
        from artgen.media.midi import write_midi
        from artgen.media.pianoroll import piano_roll

        options: MusicSampleConfig = self.config.sample  # type: ignore[attr-defined]
        options = options.model_copy(update={"bars": PREVIEW_BARS, "key": None, "primer": None})
        made = self.sample(networks, options, n=1, seed=self.config.seed)[0]
        if not len(made.work.notes):
            return f"preview at step {step:,}: silence"
        path = write_midi(made.work, folder / f"step-{step:08d}.mid", force=True)
        piano_roll(made.work).save(path.with_suffix(".png"))
        said = made.figures
        return f"preview at step {step:,}: {path}, {counted(said['notes'], 'note')}, {said['key'] or 'no key'}"

    # ---- sampling

    def sample(
        self,
        networks: Networks,
        options: Section,
        n: int,
        seed: int,
        stream: Callable[[int, str], None] | None = None,
    ) -> list[Sample]:
        """`n` pieces. Sample i of a seed is the same piece whatever n is."""
        assert isinstance(options, MusicSampleConfig)
        primer = read_primer(options.primer, options.bars) if options.primer else None
        if primer and not len(in_known_parts(primer, self.of).notes):
            raise UsageError(f"{options.primer}: nothing but drums in it, and the pieces that were learned from have none")
        tempo = primer.tempos[0][1] if primer else self.of.tempo
        samples = []
        for first in range(0, n, TOGETHER):
            numbers = range(first, min(n, first + TOGETHER))
            begun = time.perf_counter()
            pieces = self._in_mode(networks, options, numbers, seed, primer)
            if primer is None and options.key is None:
                pieces = [self.in_own_key(piece, seed, number) for piece, number in zip(pieces, numbers, strict=True)]
            works = [finish(piece, options, tempo) for piece in pieces]
            seconds = (time.perf_counter() - begun) / len(numbers)
            samples += [Sample(work, {"seconds": seconds, **describe(work)}) for work in works]
            if stream:
                stream(len(samples), "")
        return samples

    def evaluate(
        self, networks: Networks, run_data: Path, paths: list[str] | None, n_samples: int, seed: int, **asked: Any
    ) -> ScoreCard:
        from artgen.music.evaluate import evaluate_music

        return evaluate_music(self, networks, paths, n_samples, seed)

    def _in_mode(
        self, networks: Networks, options: MusicSampleConfig, numbers: Sequence[int], seed: int, primer: Piece | None
    ) -> list[Piece]:
        """Pieces in major or minor as asked. Whoever asked for minor gets another try where major came, and everyone where
        silence came, up to TRIES."""
        pieces = dict(zip(numbers, self.compose(networks, options, numbers, seed, primer), strict=True))
        for again in range(1, TRIES):
            others = [i for i, piece in pieces.items() if not len(piece.notes) or not fits_key(piece, options.key)]
            if not others:
                break
            later = int(np.random.SeedSequence([seed, again]).generate_state(1)[0] >> 1)
            pieces |= zip(others, self.compose(networks, options, others, later, primer), strict=True)
        return list(pieces.values())

    def in_own_key(self, piece: Piece, seed: int, number: int) -> Piece:
        """In the key of a piece that was trained on: a family that was shown all of them transposed has none of its own."""
        found = key_of(piece)
        tonics = [tonic for tonic, minor in self.of.keys if found and minor == found.minor]
        if found is None or not tonics or tuple(self.config.data.transpose) == (0, 0):  # type: ignore[attr-defined]
            return piece
        tonic = int(np.random.default_rng([seed, number, len(tonics)]).choice(tonics))
        return piece.transposed((tonic - found.tonic + 6) % 12 - 6)


def part_keys(piece: Piece) -> list[tuple[int, bool, int]]:
    """(program, is_drum, how manieth part of the piece that is played so) of each part; all drums are one."""
    seen: dict[tuple[int, bool], int] = {}
    keys = []
    for part in piece.parts:
        key = (0 if part.is_drum else part.program, part.is_drum)
        keys.append((*key, 0 if part.is_drum else seen.get(key, 0)))
        seen[key] = seen.get(key, 0) + 1
    return keys


def facts_of(music: MusicSet) -> MusicFacts:
    """Who plays in most pieces, the most frequent meter, the median tempo."""
    pieces = music.train + music.validation
    names: dict[tuple[int, bool, int], str] = {}
    count: dict[tuple[int, bool, int], int] = {}
    place: dict[tuple[int, bool, int], int] = {}
    meters: dict[tuple[int, int], float] = {}
    for piece in pieces:
        sounding = set(np.unique(piece.notes["part"]).tolist())
        for i, (key, part) in enumerate(zip(part_keys(piece), piece.parts, strict=True)):
            if i in sounding:
                names.setdefault(key, part.name)
                place.setdefault(key, i)
                count[key] = count.get(key, 0) + 1
        ends = [meter[0] for meter in piece.meters[1:]] + [piece.end]
        for (begin, beats, unit), end in zip(piece.meters, ends, strict=True):
            meters[beats, unit] = meters.get((beats, unit), 0.0) + max(0.0, end - begin)
    most = sorted(count, key=lambda key: (-count[key], place[key], key))[:MOST_PARTS]
    ordered = sorted(most, key=lambda key: (key[1], place[key], key))  # drums last
    beats, unit = max(meters, key=lambda meter: (meters[meter], meter))
    return MusicFacts(
        fingerprint=music.fingerprint,
        parts=tuple(PartFacts(name=names[k], program=k[0], is_drum=k[1], number=k[2]) for k in ordered),
        tempo=float(np.median([piece.tempos[0][1] for piece in pieces])),
        beats=beats,
        unit=unit,
        keys=tuple((key.tonic, key.minor) for key in map(key_of, music.train) if key),
    )


def in_known_parts(piece: Piece, of: MusicFacts) -> Piece:
    """The piece with the run's parts: each of its own becomes the one that is played alike, or else by the most similar instrument.

    Drums become drums, and are left out where the run has none.
    """
    known = [(part.program, part.is_drum, part.number) for part in of.parts]
    pitched = [i for i, key in enumerate(known) if not key[1]]
    place: list[int] = []
    for program, is_drum, number in part_keys(piece):
        if (program, is_drum, number) in known:
            place.append(known.index((program, is_drum, number)))
        elif is_drum or not pitched:
            place.append(next((i for i, key in enumerate(known) if key[1] and is_drum), -1))
        else:
            taken = set(place)
            place.append(
                min(pitched, key=lambda i: (i in taken, known[i][0] // 8 != program // 8, abs(known[i][0] - program), i))
            )
    notes = piece.notes.copy()
    notes["part"] = np.array(place, dtype=int)[notes["part"]]

    return replace(piece, notes=sort_notes(notes[notes["part"] >= 0]), parts=of.piece_parts)
