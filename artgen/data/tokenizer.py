"""Text to tokens and back: characters, bytes, or learned pieces. Imports no torch.

Whatever the kind, a token stands for a few bytes of UTF-8 (`token_bytes`), and a text is what its tokens' bytes make. The
token that ends a document stands for none; it exists only where there is more than one document.
"""

from __future__ import annotations

import codecs
import json
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from artgen.errors import ArtgenError, UsageError

Tokens = NDArray[np.unsignedinteger[Any]]

FILE = "tokenizer.json"
FORMAT = 1
BLOCK = 1 << 16  # characters that bpe encodes in one go: enough to share out between threads
SHOWN = 5  # unknown characters in a message


class Tokenizer(ABC):
    """A vocabulary, and how text is written in it.

    n_vocab: number of tokens. end_id: the token that ends a document, None if there is none. token_bytes: the UTF-8 of each
    token. dtype: the smallest of uint16 and uint32 that holds every token.
    """

    kind: ClassVar[str]

    def __init__(self, token_bytes: Sequence[bytes], end: bool) -> None:
        self.token_bytes = [*token_bytes, b""] if end else list(token_bytes)
        self.n_vocab = len(self.token_bytes)
        self.end_id = self.n_vocab - 1 if end else None
        self.dtype = np.dtype(np.uint16 if self.n_vocab <= 1 << 16 else np.uint32).newbyteorder("<")

    @abstractmethod
    def encode(self, text: str) -> Tokens:
        """[n] of `dtype`. Raises UsageError if the text cannot be written in this vocabulary."""

    def encode_many(self, texts: Sequence[str]) -> list[Tokens]:
        """Each text by itself."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int] | Tokens) -> str:
        """The text of tokens; bytes that are not UTF-8 become �, and the end token nothing."""
        return self.to_bytes(np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), dtype=np.int64)).decode(
            "utf-8", "replace"
        )

    def to_bytes(self, ids: NDArray[Any]) -> bytes:
        """The UTF-8 of tokens."""
        return b"".join(map(self.token_bytes.__getitem__, ids.tolist()))

    @cached_property
    def pieces(self) -> list[str | None]:
        """The text of each token; None where it is not valid UTF-8 by itself, or is the end token."""
        return [None if token == self.end_id else _text(data) for token, data in enumerate(self.token_bytes)]

    @cached_property
    def begins_character(self) -> NDArray[np.bool_]:
        """[n_vocab], whether a token begins with a character, rather than inside one."""
        return np.array([not data or not _is_inner(data[0]) for data in self.token_bytes], dtype=bool)

    @cached_property
    def characters_begun(self) -> NDArray[np.int64]:
        """[n_vocab], how many characters begin in a token. Over a text they add up to its length."""
        return np.array([sum(not _is_inner(byte) for byte in data) for data in self.token_bytes], dtype=np.int64)

    @abstractmethod
    def describe(self) -> str:
        """The vocabulary in a few words."""

    # ---- files

    def save(self, folder: Path) -> None:
        """Writes tokenizer.json."""
        facts = {"format": FORMAT, "kind": self.kind, "n_vocab": self.n_vocab, "end": self.end_id is not None, **self._state()}
        (folder / FILE).write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """What tokenizer.json holds of this kind alone."""

    @classmethod
    @abstractmethod
    def _from_state(cls, facts: dict[str, Any]) -> Tokenizer:
        """The tokenizer that gave this. Raises ValueError, KeyError or TypeError."""


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer saved in a folder. Raises ArtgenError, which names the file, if it is missing or damaged."""
    path = folder / FILE
    kinds: dict[str, type[Tokenizer]] = {kind.kind: kind for kind in (CharTokenizer, ByteTokenizer, BPETokenizer)}
    try:
        facts = json.loads(path.read_bytes())
        if facts["format"] != FORMAT:
            raise ArtgenError(f"{path}: has format {facts['format']!r}, this version of artgen reads {FORMAT}")
        tokenizer = kinds[facts["kind"]]._from_state(facts)
        if tokenizer.n_vocab != facts["n_vocab"]:
            raise ValueError(f"{tokenizer.n_vocab} tokens, expected {facts['n_vocab']!r}")
    except FileNotFoundError:
        raise ArtgenError(f"{path}: missing") from None
    except OSError as error:
        raise ArtgenError(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ArtgenError(f"{path}: damaged: not JSON at line {error.lineno}, column {error.colno}") from None
    except KeyError as error:
        raise ArtgenError(f"{path}: damaged: {error} is missing or unknown") from None
    except (ValueError, TypeError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ArtgenError(f"{path}: damaged: {error}") from None
    return tokenizer


class StreamDecoder:
    """Tokens one by one to text, given as soon as it is whole characters.

    The texts that it gives, joined, are what `decode` makes of all tokens.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The text that this token completes; "" while a character is unfinished."""
        return self._decoder.decode(self._tokenizer.token_bytes[token])

    def push_many(self, tokens: NDArray[Any]) -> str:
        """The text that these tokens complete."""
        return self._decoder.decode(self._tokenizer.to_bytes(tokens))

    def flush(self) -> str:
        """� for a character that was never finished, else "". The decoder can be used anew."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text


# ---------------------------------------------------------------- the kinds


class CharTokenizer(Tokenizer):
    """A token is a character (code point)."""

    kind = "char"

    def __init__(self, characters: Sequence[str], end: bool = False) -> None:
        """characters: the vocabulary in order. Raises ValueError unless they are single and distinct."""
        if not all(isinstance(character, str) and len(character) == 1 for character in characters):
            raise ValueError("a character vocabulary of what are not single characters")
        if len(set(characters)) != len(characters):
            raise ValueError("a character vocabulary with the same character twice")
        super().__init__([character.encode() for character in characters], end)
        self.characters = list(characters)
        self._codes = np.array([ord(character) for character in characters], dtype="<u4")
        # From code point to token. The last row is for all code points above, and none of these has a token.
        self._unknown = self.n_vocab
        self._table = np.full(int(self._codes.max(initial=0)) + 2, self._unknown, dtype=np.uint32)
        self._table[self._codes] = np.arange(len(characters))

    def encode(self, text: str) -> Tokens:
        ids = np.take(self._table, code_points(text), mode="clip")
        if ids.size and ids.max() == self._unknown:
            raise UsageError(self._unknown_characters(text))
        return ids.astype(self.dtype)

    def to_bytes(self, ids: NDArray[Any]) -> bytes:
        if self.end_id is not None:
            ids = ids[ids != self.end_id]
        return self._codes[ids].tobytes().decode("utf-32-le").encode()

    def describe(self) -> str:
        return f"{len(self.characters):,} distinct"

    def _unknown_characters(self, text: str) -> str:
        known = set(self.characters)
        unknown = list(dict.fromkeys(character for character in text if character not in known))
        shown = ", ".join(map(_show, unknown[:SHOWN])) + (", …" if len(unknown) > SHOWN else "")
        characters = "1 character" if len(unknown) == 1 else f"{len(unknown):,} characters"
        return f"the text has {characters} that the vocabulary of {len(known):,} characters lacks: {shown}"

    def _state(self) -> dict[str, Any]:
        return {"characters": "".join(self.characters)}

    @classmethod
    def _from_state(cls, facts: dict[str, Any]) -> CharTokenizer:
        return cls(facts["characters"], end=_bool(facts["end"]))


class ByteTokenizer(Tokenizer):
    """A token is a byte of UTF-8, so that every text can be written."""

    kind = "byte"

    def __init__(self, end: bool = False) -> None:
        super().__init__([bytes([byte]) for byte in range(256)], end)

    def encode(self, text: str) -> Tokens:
        return np.frombuffer(_utf8(text), dtype=np.uint8).astype(self.dtype)

    def to_bytes(self, ids: NDArray[Any]) -> bytes:
        if self.end_id is not None:
            ids = ids[ids != self.end_id]
        return ids.astype(np.uint8).tobytes()

    def describe(self) -> str:
        return "written in bytes"

    def _state(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _from_state(cls, facts: dict[str, Any]) -> ByteTokenizer:
        return cls(end=_bool(facts["end"]))


class BPETokenizer(Tokenizer):
    """A token is a frequent piece of text, found by byte-pair encoding (Sennrich et al. 2016) of UTF-8 bytes (Radford et al.
    2019, section 2.2), so that every text can be written. No piece crosses a line end, and a line end is a token of its own:
    the tokens of a text are those of its lines."""

    kind = "bpe"

    def __init__(self, vocabulary: Sequence[str], merges: Sequence[tuple[str, str]], end: bool = False) -> None:
        """vocabulary: the pieces in order, merges: the pairs that make them, in order; bytes are written as in
        `byte_alphabet`. Raises ValueError if they do not belong together."""
        from tokenizers.models import BPE

        if len(set(vocabulary)) != len(vocabulary):
            raise ValueError("a vocabulary with the same piece twice")
        from_letter = {letter: byte for byte, letter in enumerate(byte_alphabet())}
        if missing := set(from_letter) - set(vocabulary):
            raise ValueError(f"a vocabulary without {len(missing)} of the 256 bytes")
        super().__init__([bytes(from_letter[letter] for letter in piece) for piece in vocabulary], end)
        self.vocabulary, self.merges = list(vocabulary), [(left, right) for left, right in merges]
        ids = {piece: token for token, piece in enumerate(vocabulary)}
        for left, right in self.merges:
            if not {left, right, left + right} <= ids.keys():
                raise ValueError(f"a merge of {left!r} and {right!r}, which are not in the vocabulary")
        self._encoder = _bare_encoder(BPE(vocab=ids, merges=self.merges))

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, end: bool = False) -> BPETokenizer:
        """Learns at most `vocab_size` pieces, the 256 bytes and the end token among them, from texts made of whole lines."""
        from tokenizers.models import BPE
        from tokenizers.trainers import BpeTrainer

        encoder = _bare_encoder(BPE())
        trainer = BpeTrainer(
            vocab_size=vocab_size - end, min_frequency=2, initial_alphabet=byte_alphabet(), show_progress=False
        )
        encoder.train_from_iterator(texts, trainer=trainer)
        learned = json.loads(encoder.to_str())["model"]
        vocabulary = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
        return cls(vocabulary, learned["merges"], end)

    def encode(self, text: str) -> Tokens:
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[Tokens]:
        blocks, owners = [], []
        for owner, text in enumerate(texts):
            _utf8(text)
            for block in line_blocks(text, BLOCK):
                blocks.append(block)
                owners.append(owner)
        parts: list[list[Tokens]] = [[] for _ in texts]
        for owner, encoding in zip(owners, self._encoder.encode_batch_fast(blocks, add_special_tokens=False), strict=True):
            parts[owner].append(np.array(encoding.ids, dtype=self.dtype))
        return [np.concatenate(part) if part else np.zeros(0, self.dtype) for part in parts]

    def describe(self) -> str:
        return f"written in {len(self.vocabulary):,} different pieces"

    def _state(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary, "merges": self.merges}

    @classmethod
    def _from_state(cls, facts: dict[str, Any]) -> BPETokenizer:
        return cls(facts["vocabulary"], facts["merges"], end=_bool(facts["end"]))


# ---------------------------------------------------------------- helpers


def code_points(text: str) -> NDArray[np.uint32]:
    """[len(text)], read-only."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def line_blocks(text: str, size: int) -> Iterator[str]:
    """`text` in blocks of about `size` characters, cut at line ends only."""
    begin = 0
    while begin < len(text):
        cut = text.find("\n", begin + size - 1) + 1 or len(text)
        yield text[begin:cut]
        begin = cut


def byte_alphabet() -> list[str]:
    """The letter that GPT-2 writes for each byte: itself if it is printable Latin-1, else one from U+0100 on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _bare_encoder(model: Any) -> Any:
    """A `tokenizers.Tokenizer` that cuts text into lines, then into words as GPT-2 does, and knows no special tokens."""
    import tokenizers
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    encoder = tokenizers.Tokenizer(model)
    encoder.pre_tokenizer = Sequence([Split("\n", "isolated"), ByteLevel(add_prefix_space=False)])
    return encoder


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:  # an argument of the command line that is not UTF-8 comes as surrogates
        raise UsageError(f"the text has {_show(error.object[error.start])}, which is no character (is it UTF-8?)") from None


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _is_inner(byte: int) -> bool:
    """Whether a byte of UTF-8 continues a character."""
    return byte & 0xC0 == 0x80


def _show(character: str) -> str:
    """'春' (U+6625); a character that a terminal cannot show by its number only."""
    code = f"U+{ord(character):04X}"
    shown = character.isprintable() and unicodedata.combining(character) == 0
    return f"{character!r} ({code})" if shown else code


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} where true or false was expected")
    return value
