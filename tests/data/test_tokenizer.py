"""Every text comes back from its tokens, in one go and token by token; a saved tokenizer is the same one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgen.data.tokenizer import (
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    StreamDecoder,
    Tokenizer,
    byte_alphabet,
    line_blocks,
    load_tokenizer,
)
from artgen.errors import ArtgenError, UsageError

LEARNED_FROM = "春眠不覺曉，處處聞啼鳥。\nthe theme of the thesis is there\nthe end 🎨🎨\n" * 20
BPE = {end: BPETokenizer.train([LEARNED_FROM], 300, end) for end in (False, True)}

texts = st.text(max_size=60) | st.text(alphabet="the is\n春🎨é", max_size=60)


def tokenizers(text: str, end: bool) -> list[Tokenizer]:
    return [CharTokenizer(sorted(set(text)), end), ByteTokenizer(end), BPE[end]]


@given(text=texts, end=st.booleans())
def test_round_trip(text: str, end: bool) -> None:
    for tokenizer in tokenizers(text, end):
        ids = tokenizer.encode(text)
        assert ids.dtype == np.uint16
        assert tokenizer.decode(ids) == tokenizer.decode(ids.tolist()) == text
        assert ids.size == 0 or ids.max() < tokenizer.n_vocab - end
        assert tokenizer.characters_begun[ids].sum() == len(text)
        assert [tokenizer.encode(part).tolist() for part in (text, "", text)] == [
            many.tolist() for many in tokenizer.encode_many([text, "", text])
        ]


@given(text=texts, data=st.data())
def test_streaming_gives_whole_characters(text: str, data: st.DataObject) -> None:
    """Also for tokens in an order that is no UTF-8: what comes is what `decode` makes of them."""
    for tokenizer in tokenizers(text or "x", end=True):
        ids = tokenizer.encode(text)
        decoder = StreamDecoder(tokenizer)
        parts = [decoder.push(token) for token in ids.tolist()]
        assert "".join(parts) == text
        assert decoder.flush() == ""
        cut = data.draw(st.integers(0, len(ids)))
        assert decoder.push_many(ids[:cut]) + decoder.push_many(ids[cut:]) + decoder.flush() == text
        any_ids = data.draw(st.lists(st.integers(0, tokenizer.n_vocab - 1), max_size=20))
        streamed = "".join([decoder.push(token) for token in any_ids]) + decoder.flush()
        assert streamed == tokenizer.decode(any_ids)


def test_streaming_waits_for_the_last_byte() -> None:
    decoder = StreamDecoder(ByteTokenizer())
    assert [decoder.push(byte) for byte in "é春🎨".encode()] == ["", "é", "", "", "春", "", "", "", "🎨"]
    assert [decoder.push(byte) for byte in b"\xe6\x98"] == ["", ""]
    assert decoder.flush() == "�"
    assert decoder.push(ord("a")) == "a"


@given(first=texts, second=texts)
def test_bpe_tokens_are_those_of_the_lines(first: str, second: str) -> None:
    """So it makes no difference where, between lines, a long text is cut."""
    bpe = BPE[True]
    whole = bpe.encode(f"{first}\n{second}").tolist()
    assert whole == bpe.encode(first + "\n").tolist() + bpe.encode(second).tolist()
    assert all(piece == "\n" for piece in bpe.pieces if piece and "\n" in piece)


@given(text=texts, size=st.integers(1, 9))
def test_line_blocks(text: str, size: int) -> None:
    blocks = list(line_blocks(text, size))
    assert "".join(blocks) == text
    assert all(block.endswith("\n") for block in blocks[:-1])
    assert all("\n" not in block[size - 1 : -1] for block in blocks)


def test_bpe_learns_what_is_frequent() -> None:
    bpe = BPE[True]
    assert bpe.n_vocab == 300, "the end token is among the pieces asked for"
    assert bpe.n_vocab == BPE[False].n_vocab
    assert {"the", " the"} <= set(bpe.pieces)
    assert len(bpe.encode(LEARNED_FROM)) < len(LEARNED_FROM) / 2
    again = BPETokenizer.train([LEARNED_FROM], 300, end=True)
    assert (again.vocabulary, again.merges) == (bpe.vocabulary, bpe.merges)
    assert BPETokenizer.train(["ab"], 300).n_vocab == 256, "one word has nothing frequent in it"


def test_long_text_is_cut_into_blocks_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BPE[False].encode(LEARNED_FROM).tolist()
    monkeypatch.setattr("artgen.data.tokenizer.BLOCK", 7)
    assert BPE[False].encode(LEARNED_FROM).tolist() == whole


def test_the_byte_alphabet_is_that_of_the_library() -> None:
    from tokenizers.pre_tokenizers import ByteLevel

    assert sorted(byte_alphabet()) == sorted(ByteLevel.alphabet())
    assert byte_alphabet()[ord(" ")] == "Ġ"
    assert byte_alphabet()[ord("\n")] == "Ċ"


def test_the_end_token() -> None:
    for tokenizer in tokenizers("ab", end=True):
        end = tokenizer.end_id
        assert end == tokenizer.n_vocab - 1
        assert tokenizer.pieces[end] is None
        assert tokenizer.decode([end, *tokenizer.encode("ab"), end, *tokenizer.encode("a")]) == "aba"
    for tokenizer in tokenizers("ab", end=False):
        assert tokenizer.end_id is None
        assert len(tokenizer.pieces) == tokenizer.n_vocab


def test_pieces() -> None:
    assert CharTokenizer(["a", "春"], end=True).pieces == ["a", "春", None]
    pieces = ByteTokenizer().pieces
    assert pieces[:128] == [chr(byte) for byte in range(128)]
    assert pieces[128:] == [None] * 128
    for token, piece in enumerate(BPE[True].pieces):
        assert piece is None or BPE[True].decode([token]) == piece


def test_a_character_begins_where_utf8_says() -> None:
    begins = ByteTokenizer().begins_character
    assert [bool(begins[byte]) for byte in "a春🎨".encode()] == [True, True, False, False, True, False, False, False]


def test_large_vocabularies_take_32_bits() -> None:
    characters = [chr(code) for code in range(0x20000, 0x20000 + 65536)]
    small, large = CharTokenizer(characters), CharTokenizer(characters, end=True)
    assert (small.dtype, large.dtype) == (np.uint16, np.uint32)
    for tokenizer in (small, large):
        assert tokenizer.encode(characters[-1]).tolist() == [65535]
        with pytest.raises(UsageError, match="U\\+0061"):
            tokenizer.encode("a")


def test_characters_that_the_vocabulary_lacks() -> None:
    tokenizer = CharTokenizer(["a", "b"])
    with pytest.raises(UsageError, match=r"has 1 character that .* 2 characters lacks: '春' \(U\+6625\)$"):
        tokenizer.encode("a春b春")
    with pytest.raises(UsageError, match=r"7 characters .*: 'c' \(U\+0063\), 'd' \(U\+0064\), U\+0000, U\+000A, U\+0301, …$"):
        tokenizer.encode("cd\0\n\u0301🎨x")
    with pytest.raises(UsageError, match=r"U\+DCFF"):
        tokenizer.encode("a\udcff")


def test_what_is_no_unicode() -> None:
    for tokenizer in (ByteTokenizer(), BPE[False]):
        with pytest.raises(UsageError, match=r"U\+DCFF, which is no character"):
            tokenizer.encode("a\udcff")


# ---------------------------------------------------------------- files


@given(text=texts, end=st.booleans())
def test_a_saved_tokenizer_is_the_same(tmp_path_factory: pytest.TempPathFactory, text: str, end: bool) -> None:
    folder = tmp_path_factory.getbasetemp()
    for tokenizer in tokenizers(text, end):
        tokenizer.save(folder)
        loaded = load_tokenizer(folder)
        assert type(loaded) is type(tokenizer)
        assert (loaded.n_vocab, loaded.end_id, loaded.pieces) == (tokenizer.n_vocab, tokenizer.end_id, tokenizer.pieces)
        assert loaded.encode(text).tolist() == tokenizer.encode(text).tolist()


@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
def test_damaged_files_are_named(tmp_path: Path, kind: str) -> None:
    next(t for t in tokenizers("abc", end=True) if t.kind == kind).save(tmp_path)
    path = tmp_path / "tokenizer.json"
    whole = path.read_text(encoding="utf-8")
    facts = json.loads(whole)
    damaged: list[str | bytes] = [
        whole[: len(whole) // 2], "", "[]", "3", "null", b"\xff\xfe", "[" * 100_000, '{"format": 1}',
        json.dumps({**facts, "kind": "word"}), json.dumps({**facts, "kind": ["bpe"]}),
        json.dumps({**facts, "format": 2}), json.dumps({**facts, "n_vocab": facts["n_vocab"] + 1}),
        json.dumps({**facts, "end": "no"}), json.dumps({key: facts[key] for key in facts if key != "end"}),
    ]  # fmt: skip
    if kind == "char":
        damaged += [json.dumps({**facts, "characters": wrong}) for wrong in ("abb", 3, ["ab", "c", "d"], "ab\ud800")]
    if kind == "bpe":
        damaged += [json.dumps({**facts, "merges": wrong}) for wrong in (3, [["a"]], [["a", "zz"]], ["ab"], [[1, 2]])]
        damaged += [
            json.dumps({**facts, "vocabulary": wrong}) for wrong in (3, facts["vocabulary"][1:], ["a"] * 299, [1] * 299)
        ]
    for content in damaged:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(ArtgenError) as caught:
            load_tokenizer(tmp_path)
        assert str(caught.value).startswith(f"{path}: "), content[:60]
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(ArtgenError, match="missing"):
        load_tokenizer(tmp_path)
