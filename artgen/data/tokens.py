"""A text as memory-mapped tokens, split into what is trained on and what is held out. Imports no torch.

Made once and kept in the cache under a name that is a hash of the config and of the files' names, sizes and times; the next
start only opens it. The text is read twice, for the vocabulary and for the tokens, and never held as a whole.
"""

from __future__ import annotations

import hashlib
import json
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt
from tqdm import tqdm

from artgen.data.cache import cache_folder, cached
from artgen.data.sources import Source, check_unchanged, find_sources, read_documents
from artgen.data.text_config import SplitConfig, TextDataConfig
from artgen.data.tokenizer import (
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    StreamDecoder,
    Tokenizer,
    Tokens,
    code_points,
    line_blocks,
    load_tokenizer,
)
from artgen.data.transforms import Piece, Tally
from artgen.errors import ArtgenError, UsageError

FORMAT = 1  # of a cached corpus; a change of it, or of what a config means, makes all anew
TOKENS, FACTS = "tokens.bin", "corpus.json"
# bpe learns from an even sample of so many bytes. Its trainer keeps every distinct word, at about 90 bytes of memory for
# each byte of a text whose words hardly repeat (Chinese between two commas), and that must stay well below 1 GB.
SAMPLE_BYTES = 8 << 20
SAMPLE_BLOCK = 1 << 14  # characters
BATCH = 1 << 20  # characters tokenized in one go, if they come as small documents
COPIED = 1 << 22  # tokens moved or counted in one go

Range = tuple[int, int]  # first token, and the one after the last


@dataclass(frozen=True)
class TextCorpus:
    """The tokens of a text. train and validation: read-only [n] of the tokenizer's dtype, not in memory but on disk."""

    tokenizer: Tokenizer
    train: Tokens
    validation: Tokens
    train_characters: int
    validation_characters: int
    n_documents: int  # of both parts together; one that is cut by the split counts once
    fingerprint: str  # SHA-256 of the text and of the options it was read with; the same wherever the files lie
    left_out: str  # documents and records that were not used, in words

    @property
    def n_characters(self) -> int:
        """Characters of both parts together."""
        return self.train_characters + self.validation_characters

    def describe(self) -> str:
        """One line, such as: 1,115,394 characters in 1 document, 65 distinct."""
        documents = "1 document" if self.n_documents == 1 else f"{self.n_documents:,} documents"
        left_out = f" (left out: {self.left_out})" if self.left_out else ""
        return f"{self.n_characters:,} characters in {documents}, {self.tokenizer.describe()}{left_out}"

    def require(self, training: int, validation: int | None = None) -> None:
        """Raises UsageError unless the parts have so many tokens; `validation` is `training` unless it is given."""
        validation = training if validation is None else validation
        if len(self.train) < training or len(self.validation) < validation:
            raise UsageError(
                f"data.path: too little text: {len(self.train):,} tokens to train on and {len(self.validation):,} held out, "
                f"expected at least {training:,} and {validation:,}; give more text, or a smaller model.context"
            )

    def training_text(self, chunk: int = 1 << 20) -> Iterator[str]:
        """The training text again, in pieces of `chunk` tokens. Nothing stands between documents."""
        return _decoded(self.train, self.tokenizer, chunk)

    def validation_text(self, chunk: int = 1 << 20) -> Iterator[str]:
        """The held-out text, likewise."""
        return _decoded(self.validation, self.tokenizer, chunk)


def load_corpus(config: TextDataConfig, cache: Path | None = None, sources: list[Source] | None = None) -> TextCorpus:
    """The text that `config` names as tokens, from the cache if they are there.

    cache: None is `cache_folder()`. sources: what was found before; standard input can be found only once. Several processes
    may build the same corpus at the same time.
    Raises UsageError for text that cannot be read or split, ArtgenError where the cache cannot be written.
    """
    cache = cache or cache_folder()
    sources = find_sources(config, cache) if sources is None else sources
    return cached(cache / "tokens" / _key(config, sources), _open, lambda partial: _build(config, sources, partial))


# ---------------------------------------------------------------- the cache


class _Facts(BaseModel):
    """corpus.json: what is beside the tokens."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    n_train: NonNegativeInt
    n_tokens: NonNegativeInt
    train_characters: NonNegativeInt
    validation_characters: NonNegativeInt
    n_documents: NonNegativeInt
    fingerprint: str
    left_out: str


def _options(config: TextDataConfig) -> dict[str, Any]:
    """What decides which tokens there are. A family may have keys of its own beside these, about what it does with them."""
    return config.model_dump(include=set(TextDataConfig.model_fields))


def _key(config: TextDataConfig, sources: list[Source]) -> str:
    facts = [FORMAT, _options(config), [source.identity for source in sources]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _open(folder: Path) -> TextCorpus | None:
    """The corpus in a folder; None if there is none, or it is not whole."""
    try:
        facts = _Facts.model_validate_json((folder / FACTS).read_bytes())
        tokenizer = load_tokenizer(folder)
        n_bytes = (folder / TOKENS).stat().st_size
        if facts.format != FORMAT or n_bytes != facts.n_tokens * tokenizer.dtype.itemsize or facts.n_train > facts.n_tokens:
            return None
        tokens = np.memmap(folder / TOKENS, dtype=tokenizer.dtype, mode="r", shape=(facts.n_tokens,))
    except (OSError, ValueError, ArtgenError):
        return None
    return TextCorpus(
        tokenizer,
        tokens[: facts.n_train],
        tokens[facts.n_train :],
        facts.train_characters,
        facts.validation_characters,
        facts.n_documents,
        facts.fingerprint,
        facts.left_out,
    )


# ---------------------------------------------------------------- building


def _build(config: TextDataConfig, sources: list[Source], folder: Path) -> None:
    """Writes tokens.bin (the training part, then the validation part), tokenizer.json and corpus.json."""
    n_bytes = sum(source.n_bytes for source in sources)
    with tqdm(total=2 * n_bytes, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), leave=False, delay=1) as bar:
        try:
            bar.set_description("reading")
            tally = Tally()
            survey = _survey(read_documents(sources, config, tally, bar.update), config)
            if not survey.n_documents:
                left_out = tally.in_words()
                raise UsageError(
                    f"{', '.join(config.path)}: no text" + (f" is left: {left_out}" if left_out else " but whitespace")
                )
            tokenizer = survey.tokenizer(config)

            bar.set_description("tokenizing")
            written = _write_tokens(read_documents(sources, config, Tally(), bar.update), tokenizer, folder / TOKENS)
        except UsageError:
            check_unchanged(sources)
            raise
    check_unchanged(sources)

    held_out = _held_out(config.split, written, tokenizer, folder / TOKENS)
    n_held_out, held_out_characters = _count(held_out, tokenizer, folder / TOKENS)
    _move_to_end(held_out, written.n_tokens, tokenizer, folder / TOKENS)
    options = {key: value for key, value in _options(config).items() if key != "path"}
    facts = _Facts(
        format=FORMAT,
        n_train=written.n_tokens - n_held_out,
        n_tokens=written.n_tokens,
        train_characters=written.n_characters - held_out_characters,
        validation_characters=held_out_characters,
        n_documents=len(written.document_ends),
        fingerprint=hashlib.sha256(f"{json.dumps(options, sort_keys=True)}\n{written.sha256}".encode()).hexdigest(),
        left_out=tally.in_words(),
    )
    tokenizer.save(folder)
    (folder / FACTS).write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")


class _Survey:
    """What a vocabulary is made from: which characters there are, and an even sample of the text."""

    def __init__(self) -> None:
        self.n_documents = 0
        self.present = np.zeros(sys.maxunicode + 1, dtype=bool)  # by code point
        self.sample: list[str] = []
        self._stride, self._seen, self._size = 1, 0, 0

    def note_characters(self, text: str) -> None:
        self.present[code_points(text)] = True

    def take_sample(self, text: str) -> None:
        """Keeps every `stride`-th block, and when that becomes too much every second of them."""
        for block in line_blocks(text, SAMPLE_BLOCK):
            if self._seen % self._stride == 0:
                self.sample.append(block)
                self._size += len(block.encode())
            self._seen += 1
            while self._size > SAMPLE_BYTES and len(self.sample) > 1:
                self.sample = self.sample[::2]
                self._size = sum(len(kept.encode()) for kept in self.sample)
                self._stride *= 2

    def tokenizer(self, config: TextDataConfig) -> Tokenizer:
        end = self.n_documents > 1
        if config.tokenizer.kind == "char":
            return CharTokenizer([chr(code) for code in np.flatnonzero(self.present)], end)
        if config.tokenizer.kind == "byte":
            return ByteTokenizer(end)
        return BPETokenizer.train(self.sample, config.tokenizer.vocab_size, end)


def _survey(pieces: Iterable[Piece], config: TextDataConfig) -> _Survey:
    survey = _Survey()
    kind = config.tokenizer.kind
    for text, ends in pieces:
        survey.n_documents += ends
        if kind == "char":
            survey.note_characters(text)
        elif kind == "bpe":
            survey.take_sample(text)
    return survey


@dataclass
class _Written:
    """What was written into a token file."""

    n_tokens: int
    n_characters: int
    document_ends: array[int]  # the token after the last of each document
    sha256: str  # of the text


def _write_tokens(pieces: Iterable[Piece], tokenizer: Tokenizer, path: Path) -> _Written:
    """Writes the tokens of all documents in order, with the end token after each if there is one."""
    n_tokens = n_characters = 0
    document_ends = array("q")
    digest = hashlib.sha256()
    end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], dtype=tokenizer.dtype)
    with path.open("wb") as file:
        for batch in _batches(pieces):
            for (text, ends), tokens in zip(batch, tokenizer.encode_many([text for text, _ in batch]), strict=True):
                digest.update(text.encode())
                file.write(tokens.tobytes())
                n_tokens += len(tokens)
                n_characters += len(text)
                if ends:
                    digest.update(b"\xff")  # which is in no UTF-8
                    file.write(end.tobytes())
                    n_tokens += len(end)
                    document_ends.append(n_tokens)
    return _Written(n_tokens, n_characters, document_ends, digest.hexdigest())


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Small documents together, so that they can be tokenized side by side."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# ---------------------------------------------------------------- the split


def _held_out(split: SplitConfig, written: _Written, tokenizer: Tokenizer, path: Path) -> list[Range]:
    """The ranges of tokens that are held out, in order.

    blocks: the text is cut into as many equal parts, and the last share of each is held out, from the beginning of a
    character on. documents: that share of them, evenly spread, but at least one, and one to train on.
    """
    if split.by == "documents":
        ends = np.array(written.document_ends)
        n = len(ends)
        if n < 2:
            raise UsageError(
                "data.split.by: documents needs 2 documents or more, but the text is 1; try blocks, or set data.separator"
            )
        n_held_out = min(max(1, round(n * split.validation)), n - 1)
        chosen = np.arange(1, n_held_out + 1) * n // n_held_out - 1
        starts = np.concatenate([[0], ends[:-1]])
        return [(int(starts[i]), int(ends[i])) for i in chosen]
    tokens = np.memmap(path, dtype=tokenizer.dtype, mode="r", shape=(written.n_tokens,))
    ranges = []
    for block in range(split.blocks):
        begin, end = written.n_tokens * block // split.blocks, written.n_tokens * (block + 1) // split.blocks
        begin, end = _character_start(tokens, begin, tokenizer), _character_start(tokens, end, tokenizer)
        cut = _character_start(tokens, begin + int((end - begin) * (1 - split.validation)), tokenizer)
        if cut < end:
            ranges.append((cut, end))
    return ranges


def _character_start(tokens: Tokens, place: int, tokenizer: Tokenizer) -> int:
    """The last place up to `place` where a character begins."""
    while 0 < place < len(tokens) and not tokenizer.begins_character[tokens[place]]:
        place -= 1
    return place


def _count(ranges: list[Range], tokenizer: Tokenizer, path: Path) -> tuple[int, int]:
    """(tokens, characters) in these ranges of a token file."""
    characters = sum(int(tokenizer.characters_begun[tokens].sum()) for tokens in _read(ranges, tokenizer.dtype, path))
    return sum(end - begin for begin, end in ranges), characters


def _move_to_end(ranges: list[Range], n_tokens: int, tokenizer: Tokenizer, path: Path) -> None:
    """Puts what is in these ranges behind all the rest, both in their order."""
    if len(ranges) == 1 and ranges[0][1] == n_tokens:
        return  # that is where it is
    edges = [0, *(edge for held_out in ranges for edge in held_out), n_tokens]
    rest = list(zip(edges[::2], edges[1::2], strict=True))
    moved = path.with_suffix(".moved")
    with moved.open("wb") as file:
        for tokens in _read([*rest, *ranges], tokenizer.dtype, path):
            file.write(tokens.tobytes())
    moved.replace(path)


def _read(ranges: list[Range], dtype: np.dtype[Any], path: Path) -> Iterator[NDArray[Any]]:
    """These tokens in pieces. Read, not mapped: mapped pages would count as this process's memory."""
    with path.open("rb") as file:
        for begin, end in ranges:
            file.seek(begin * dtype.itemsize)
            for place in range(begin, end, COPIED):
                yield np.frombuffer(file.read(min(COPIED, end - place) * dtype.itemsize), dtype=dtype)


def _decoded(tokens: Tokens, tokenizer: Tokenizer, chunk: int) -> Iterator[str]:
    decoder = StreamDecoder(tokenizer)
    for begin in range(0, len(tokens), chunk):
        if text := decoder.push_many(np.asarray(tokens[begin : begin + chunk])):
            yield text
    if text := decoder.flush():
        yield text
