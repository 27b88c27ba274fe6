"""A text as tokens on disk: the split, the cache, the counts, and what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artgen.data import tokens as tokens_module
from artgen.data.cache import cache_folder
from artgen.data.text_config import FormConfig
from artgen.data.tokens import TextCorpus, load_corpus
from artgen.data.transforms import has_form
from artgen.errors import ArtgenError, UsageError
from tests.data.helpers import config, read

KINDS = ["char", "byte", "bpe"]
TEXT = "".join(f"{i}. Die Straße führt über den Fluß, 春 {i * i}.\n" for i in range(100))
POEMS = [f"poem {i}\nwith {i * 7 % 11} lines\n" for i in range(30)]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def poems(tmp_path: Path) -> Path:
    path = tmp_path / "poems.txt"
    path.write_text("----".join(POEMS), encoding="utf-8")
    return path


def load(*paths: Path, **options: Any) -> TextCorpus:
    return load_corpus(config(*paths, **options))


def both(corpus: TextCorpus) -> tuple[str, str]:
    return "".join(corpus.training_text(chunk=7)), "".join(corpus.validation_text(chunk=7))


def built(cache: Path) -> list[str]:
    return sorted(entry.name for entry in (cache / "tokens").iterdir())


# ---------------------------------------------------------------- the split


@pytest.mark.parametrize("n", [1, 9, 10, 1234])
def test_one_block_is_split_as_nanogpt_does(tmp_path: Path, n: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text(("abcdefghi\n" * n)[:n])
    corpus = load(path)
    assert len(corpus.train) == int(n * 0.9)
    assert len(corpus.train) + len(corpus.validation) == n
    assert "".join(both(corpus)) == path.read_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_blocks(text: Path, kind: str, blocks: int) -> None:
    corpus = load(text, tokenizer={"kind": kind, "vocab_size": 300}, split={"blocks": blocks, "validation": 0.25})
    train, validation = both(corpus)
    assert "�" not in train + validation, "a character was cut"
    assert sorted(train + validation) == sorted(TEXT)
    assert (corpus.train_characters, corpus.validation_characters) == (len(train), len(validation))
    n_tokens = len(corpus.train) + len(corpus.validation)
    assert len(corpus.validation) == pytest.approx(0.25 * n_tokens, abs=4 * blocks)  # 4: the bytes of the longest character
    assert TEXT.endswith(validation[-len(validation) // blocks + 50 :])
    assert (train + validation == TEXT) == (blocks == 1)


def test_blocks_are_the_ends_of_equal_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("abcdefghijklmnopqrst")
    assert both(load(path, split={"blocks": 2, "validation": 0.2})) == ("abcdefghklmnopqr", "ijst")


@pytest.mark.parametrize("kind", KINDS)
def test_documents_stay_whole(poems: Path, kind: str) -> None:
    corpus = load(poems, separator="----", tokenizer={"kind": kind, "vocab_size": 300}, split={"by": "documents"})
    end = corpus.tokenizer.end_id
    assert corpus.n_documents == 30
    held_out = POEMS[9::10]
    for part, expected in ((corpus.validation, held_out), (corpus.train, [poem for poem in POEMS if poem not in held_out])):
        assert part[-1] == end
        bounds = np.flatnonzero(part == end)
        found = [corpus.tokenizer.decode(document) for document in np.split(part, bounds + 1)[:-1]]
        assert found == expected
    assert corpus.validation_characters == sum(map(len, held_out))
    assert corpus.n_characters == sum(map(len, POEMS))


@pytest.mark.parametrize(("share", "held_out"), [(0.001, 1), (0.5, 15), (0.89, 27)])
def test_there_are_documents_on_both_sides(poems: Path, share: float, held_out: int) -> None:
    corpus = load(poems, separator="----", split={"by": "documents", "validation": share})
    assert np.count_nonzero(corpus.validation == corpus.tokenizer.end_id) == held_out
    assert np.count_nonzero(corpus.train == corpus.tokenizer.end_id) == 30 - held_out


def test_one_document_cannot_be_split_by_documents(text: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.split\.by: documents needs 2 documents or more"):
        load(text, split={"by": "documents"})


# ---------------------------------------------------------------- what is in it


@pytest.mark.parametrize("kind", KINDS)
def test_an_end_token_only_where_there_are_documents_to_end(text: Path, poems: Path, kind: str) -> None:
    options = {"kind": kind, "vocab_size": 300}
    assert load(text, tokenizer=options).tokenizer.end_id is None
    corpus = load(text, poems, tokenizer=options)
    assert corpus.n_documents == 2
    assert np.flatnonzero(np.concatenate([corpus.train, corpus.validation]) == corpus.tokenizer.end_id).size == 2
    assert "".join(both(corpus)) == TEXT + "----".join(POEMS)


def test_the_vocabulary_is_that_of_the_whole_text_in_order(text: Path) -> None:
    with text.open("a", encoding="utf-8") as file:
        file.write("🎨")
    corpus = load(text)
    assert corpus.tokenizer.pieces == sorted(set(TEXT + "🎨"))
    assert "🎨" in both(corpus)[1]


def test_descriptions(text: Path, poems: Path, tmp_path: Path) -> None:
    assert load(text).describe() == f"{len(TEXT):,} characters in 1 document, {len(set(TEXT))} distinct"
    assert load(text, tokenizer={"kind": "byte"}).describe().endswith("in 1 document, written in bytes")
    assert load(text, tokenizer={"kind": "bpe", "vocab_size": 300}).describe().endswith("written in 300 different pieces")
    (tmp_path / "more.txt").write_text(POEMS[0])
    said = load(poems, tmp_path / "more.txt", separator="----", deduplicate=True).describe()
    n_characters, n_distinct = sum(map(len, POEMS)), len(set("".join(POEMS)))
    assert said == f"{n_characters} characters in 30 documents, {n_distinct} distinct (left out: 1 duplicate)"


def test_require(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0123456789" * 10)
    corpus = load(path)
    corpus.require(10)
    corpus.require(90, 10)
    with pytest.raises(UsageError, match="90 tokens to train on and 10 held out, expected at least 11 and 11"):
        corpus.require(11)
    with pytest.raises(UsageError, match="expected at least 91 and 5"):
        corpus.require(91, 5)


def test_nothing_left(poems: Path) -> None:
    with pytest.raises(UsageError, match=r"poems\.txt: no text is left: 30 documents not of the form"):
        load(poems, separator="----", form={})


def test_the_fingerprint_is_that_of_text_and_options(text: Path, tmp_path: Path) -> None:
    first = load(text).fingerprint
    elsewhere = tmp_path / "elsewhere.md"
    shutil.copy(text, elsewhere)
    assert load(elsewhere).fingerprint == first
    assert load(text, tokenizer={"kind": "byte"}).fingerprint != first
    assert load(text, split={"blocks": 2}).fingerprint != first
    elsewhere.write_text(TEXT.replace("99.", "98."), encoding="utf-8")
    assert load(elsewhere).fingerprint != first
    cut_otherwise = [tmp_path / name for name in "abcd"]
    for path, content in zip(cut_otherwise, ("one", "two", "on", "etwo"), strict=True):
        path.write_text(content)
    a, b, c, d = cut_otherwise
    assert load(a, b).fingerprint != load(c, d).fingerprint, "documents begin elsewhere"


def test_a_sample_for_bpe_is_even_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "SAMPLE_BYTES", 1000)
    monkeypatch.setattr(tokens_module, "SAMPLE_BLOCK", 10)
    survey = tokens_module._Survey()
    for i in range(10_000):
        survey.take_sample(f"line {i:04}\n")
    numbers = [int(block[5:9]) for block in survey.sample]
    assert 50 <= len(numbers) <= 100
    assert len(set(np.diff(numbers))) == 1
    assert numbers[0] == 0
    assert numbers[-1] > 9_700


def test_long_files_are_read_in_pieces(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the pieces are, the tokens are the same."""
    whole = {kind: load(text, tokenizer={"kind": kind, "vocab_size": 300}) for kind in KINDS}
    monkeypatch.setattr("artgen.data.reading.read_chunks.__defaults__", (lambda n: None, 101))
    for name, size in (("BATCH", 64), ("COPIED", 13)):
        monkeypatch.setattr(tokens_module, name, size)
    for kind in KINDS:
        other = load_corpus(
            config(text, tokenizer={"kind": kind, "vocab_size": 300}, split={"blocks": 1}), cache_folder() / kind
        )
        assert np.array_equal(other.train, whole[kind].train)
        assert np.array_equal(other.validation, whole[kind].validation)
        assert other.fingerprint == whole[kind].fingerprint
        assert other.validation_characters == whole[kind].validation_characters


def test_tiny_shakespeare(shared: Path) -> None:
    corpus = load(shared / "tinyshakespeare" / "input.txt")
    assert corpus.describe() == "1,115,394 characters in 1 document, 65 distinct"
    assert (len(corpus.train), len(corpus.validation)) == (1003854, 111540)  # as nanoGPT's prepare.py says
    assert corpus.train[:5].tolist() == [18, 47, 56, 57, 58]
    assert corpus.train.dtype == np.uint16


def test_quatrains(shared: Path) -> None:
    corpus = load(
        shared / "poems-zh" / "*.json",
        field="paragraphs",
        break_lines_after="，。？！；",
        stanza_lines=4,
        form={},
        deduplicate=True,
        split={"by": "documents"},
    )
    bounds = np.flatnonzero(corpus.validation == corpus.tokenizer.end_id) + 1
    poems = [corpus.tokenizer.decode(poem) for poem in np.split(corpus.validation, bounds)[:-1]]
    assert all(has_form(poem, FormConfig()) for poem in poems)
    assert len(set(poems)) == len(poems) > 1000
    assert corpus.n_documents > 10_000
    assert "duplicates" in corpus.left_out


# ---------------------------------------------------------------- the cache


def test_the_second_start_does_not_read_the_text(text: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(text)
    assert isinstance(first.train, np.memmap)
    before = built(cache)

    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("the text was read")

    monkeypatch.setattr(tokens_module, "read_documents", refuse)
    second = load(text)
    assert np.array_equal(first.train, second.train)
    assert first.fingerprint == second.fingerprint
    assert built(cache) == before
    with pytest.raises(AssertionError):
        load(text, remove="x")


def test_a_change_of_the_file_is_seen(text: Path) -> None:
    first = load(text)
    info = text.stat()
    text.write_text(TEXT.replace("Fluß", "Bach"), encoding="utf-8")
    assert "Bach" in "".join(both(load(text)))
    os.utime(text, ns=(info.st_atime_ns, info.st_mtime_ns))  # same time, another size
    assert "Bach" in "".join(both(load(text)))
    text.write_text(TEXT.replace("Die", "Das"), encoding="utf-8")
    os.utime(text, ns=(info.st_atime_ns, info.st_mtime_ns + 1))  # same size, another time
    assert "Das" in "".join(both(load(text)))
    assert "Die" in "".join(both(first)), "and what is open stays as it was"


def test_a_change_while_it_is_read_is_seen(text: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = tokens_module._survey

    def survey_and_change(*args: Any) -> Any:
        found = survey(*args)
        text.write_text("other text 🎨", encoding="utf-8")
        return found

    monkeypatch.setattr(tokens_module, "_survey", survey_and_change)
    with pytest.raises(ArtgenError, match=r"text\.txt: was changed while it was read"):
        load(text)
    assert built(cache) == []


@pytest.mark.parametrize(
    "damage", ["cut", "longer", "no tokens", "no facts", "facts", "numbers", "tokenizer", "other format", "a file"]
)
def test_damage_is_mended(text: Path, cache: Path, damage: str) -> None:
    expected = both(load(text))
    folder = cache / "tokens" / built(cache)[0]
    tokens, facts = folder / "tokens.bin", folder / "corpus.json"
    if damage == "cut":
        os.truncate(tokens, tokens.stat().st_size - 1)
    elif damage == "longer":
        tokens.write_bytes(tokens.read_bytes() + b"xx")
    elif damage == "no tokens":
        tokens.unlink()
    elif damage == "no facts":
        facts.unlink()
    elif damage == "facts":
        facts.write_text(facts.read_text()[:30])
    elif damage == "numbers":
        facts.write_text(facts.read_text().replace('"n_train": ', '"n_train": 9'))
    elif damage == "tokenizer":
        (folder / "tokenizer.json").write_bytes(b"\0\0\0")
    elif damage == "other format":
        facts.write_text(facts.read_text().replace('"format": 1', '"format": 99'))
    else:
        shutil.rmtree(folder)
        folder.write_text("in the way")
    assert both(load(text)) == expected
    assert built(cache) == [folder.name], "nothing else is left"


def test_a_failure_leaves_nothing(text: Path, cache: Path) -> None:
    with text.open("ab") as file:
        file.write(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8 at byte"):
        load(text)
    assert built(cache) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes here")
def test_a_full_disk(text: Path, cache: Path) -> None:
    """A limit of file sizes stands in for it."""
    code = (
        "import resource, signal, sys; from tests.data.helpers import config; from artgen.data.tokens import load_corpus;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "from artgen.errors import ArtgenError\n"
        "try: load_corpus(config(sys.argv[1]))\n"
        "except ArtgenError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(text)], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{cache / 'tokens'}: the cache cannot be written: File too large")
    assert built(cache) == []


def test_builders_at_the_same_time(text: Path, cache: Path) -> None:
    """Processes that all begin when all are ready, three times, also with something damaged in the place."""
    code = (
        "import sys; from tests.data.helpers import config; from artgen.data.tokens import load_corpus\n"
        "print('ready', flush=True)\n"
        "for _ in range(3):\n"
        "    sys.stdin.readline(); print(load_corpus(config(sys.argv[1])).train.sum(), flush=True)"
    )
    builders = [
        subprocess.Popen([sys.executable, "-c", code, str(text)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        assert [builder.stdout.readline() for builder in builders if builder.stdout] == ["ready\n"] * 3
        sums = []
        for turn in range(3):
            if turn == 1:
                os.truncate(cache / "tokens" / built(cache)[0] / "tokens.bin", 10)
            elif turn == 2:
                shutil.rmtree(cache / "tokens")
            for builder in builders:
                assert builder.stdin
                builder.stdin.write("go\n")
                builder.stdin.flush()
            sums += [builder.stdout.readline() for builder in builders if builder.stdout]
    finally:
        for builder in builders:
            builder.communicate(timeout=30)
    assert sums == [f"{load(text).train.sum()}\n"] * 9
    assert len(built(cache)) == 1, "and nothing half-made is left"


def test_documents_of_a_corpus_are_those_of_the_source(poems: Path) -> None:
    assert read(poems, separator="----") == POEMS
