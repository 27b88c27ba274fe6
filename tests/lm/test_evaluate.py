"""The score card: its figures against direct computation, which text is scored, and copying beside what is normal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from artgen.config import validate
from artgen.errors import ArtgenError, UsageError
from artgen.lm.evaluate import FINGERPRINT
from artgen.lm.family import LanguageModelFamily
from artgen.metrics.diversity import distinct
from artgen.registry import config_class, family_class
from tests.e2e.helpers import TEXT

CONTEXT = 32


@dataclass
class Trained:
    """A family with a random network, beside the data folder of its run."""

    family: LanguageModelFamily[Any]
    network: nn.Module
    folder: Path
    text: Path

    def evaluate(self, *paths: Path, n_samples: int = 0, stride: int | None = None, seed: int = 0) -> dict[str, Any]:
        card = self.family.evaluate(
            {"model": self.network}, self.folder / "data", [str(path) for path in paths] or None, n_samples, seed, stride
        )
        assert len(card.as_text().splitlines()) >= 4
        return card.as_dict()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.getbasetemp() / "evaluate-cache"))


def trained(
    folder: Path, family: str = "text.gpt", text: str = TEXT * 4, sample: dict[str, Any] | None = None, **data: Any
) -> Trained:
    (folder / "text.txt").write_text(text, encoding="utf-8")
    (folder / "data").mkdir()
    raw = {
        "family": family,
        "data": {"path": [str(folder / "text.txt")], **data},
        "model": {"n_layers": 1, "d_model": 16, "context": CONTEXT, **({"n_heads": 2} if family == "text.gpt" else {})},
        "train": {"batch_size": 4},
        "sample": {"max_tokens": 60, **(sample or {})},
    }
    made = family_class(family).prepare(validate(config_class(family), raw, where="test"), folder / "data")
    assert isinstance(made, LanguageModelFamily)
    made.save_data(folder / "data")
    network = made.networks()["model"].eval().requires_grad_(False)
    torch.manual_seed(1)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return Trained(made, network, folder, folder / "text.txt")


def nats_one_by_one(run: Trained, text: str, window: int | None) -> float:
    """Σ -log p of every token but the first, each given at most `window` tokens before it."""
    tokens = torch.from_numpy(run.family.tokenizer.encode(text).astype("int64"))
    total = 0.0
    for place in range(1, len(tokens)):
        begin = 0 if window is None else max(0, place - window)
        logits = run.network(tokens[None, begin:place])[0][0, -1]
        total += float(F.cross_entropy(logits.double(), tokens[place]))
    return total


def held_out(run: Trained) -> str:
    corpus = run.family.corpus
    assert corpus is not None
    return "".join(corpus.validation_text())


# ---------------------------------------------------------------- likelihood


@pytest.mark.parametrize(("family", "window"), [("text.gpt", CONTEXT), ("text.rnn", None)])
def test_likelihood_is_the_sum_over_the_held_out_tokens(tmp_path: Path, family: str, window: int | None) -> None:
    run = trained(tmp_path, family, text=TEXT * 2)
    text = held_out(run)
    nats = nats_one_by_one(run, text, window)
    card = run.evaluate(stride=1)  # every token with as much before it as fits
    n = len(text) - 1
    assert (card["scored_tokens"], card["scored_characters"]) == (n, n)
    assert card["loss"] == pytest.approx(nats / n, rel=1e-5)
    assert card["bits_per_character"] == pytest.approx(nats / n / math.log(2), rel=1e-5)
    assert card["perplexity"] == pytest.approx(math.exp(nats / n), rel=1e-5)
    assert "the held-out part of the run's text" in card["title"]


def test_bits_per_character_count_the_characters_of_larger_tokens(tmp_path: Path) -> None:
    run = trained(tmp_path, tokenizer={"kind": "bpe", "vocab_size": 300})
    card = run.evaluate()
    first = run.family.tokenizer.encode(held_out(run))[:1]
    assert card["scored_characters"] == len(held_out(run)) - len(run.family.tokenizer.decode(first))
    assert card["scored_characters"] > 1.2 * card["scored_tokens"]
    nats = card["loss"] * card["scored_tokens"]
    assert card["bits_per_character"] == pytest.approx(nats / math.log(2) / card["scored_characters"])


def test_a_foreign_text_is_scored_as_a_whole(tmp_path: Path) -> None:
    run = trained(tmp_path)
    other = tmp_path / "other.txt"
    other.write_text("The red hen sees a river. " * 30, encoding="utf-8")
    card = run.evaluate(other)
    assert card["scored_tokens"] == 26 * 30 - 1
    assert "all of the given text" in card["title"]


def test_a_foreign_text_too_small_to_be_split_is_scored_too(tmp_path: Path) -> None:
    run = trained(tmp_path)
    small = tmp_path / "small.txt"
    small.write_text("owl", encoding="utf-8")
    card = run.evaluate(small, stride=1)
    assert card["scored_tokens"] == 2
    assert card["loss"] * 2 == pytest.approx(nats_one_by_one(run, "owl", CONTEXT), rel=1e-5)


def test_the_run_s_text_is_known_again_wherever_it_lies(tmp_path: Path) -> None:
    run = trained(tmp_path)
    before = run.evaluate()
    moved = tmp_path / "elsewhere.txt"
    run.text.rename(moved)
    assert run.evaluate(moved) == before
    with pytest.raises(UsageError, match=r"text\.txt: no such file"):
        run.evaluate()


def test_documents_are_scored_with_their_ends(tmp_path: Path) -> None:
    documents = [f"The owl sees {n} hens" for n in range(40)]
    run = trained(tmp_path, text="\n\n".join(documents), separator="\n\n")
    other = tmp_path / "other.txt"
    other.write_text("The owl sees 1\n\nThe hen sees 2", encoding="utf-8")
    assert run.evaluate(other)["scored_tokens"] == 2 * 15 - 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("o", "too short to score, expected 2 tokens or more"),
        ("", "is empty"),
        ("  \n ", "no text but whitespace"),
        ("The owl sees a 春. " * 20, "'春'"),
    ],
)
def test_a_text_that_cannot_be_scored_is_named(tmp_path: Path, text: str, message: str) -> None:
    run = trained(tmp_path)
    other = tmp_path / "other.txt"
    other.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        run.evaluate(other)
    assert message in str(refused.value)


@pytest.mark.parametrize("family", ["text.gpt", "text.rnn"])
def test_a_stride_of_more_than_the_context_is_refused(tmp_path: Path, family: str) -> None:
    run = trained(tmp_path, family)
    assert run.evaluate(stride=CONTEXT)["scored_tokens"] == len(held_out(run)) - 1
    with pytest.raises(UsageError, match="stride: 33 is more than the context of 32 tokens"):
        run.evaluate(stride=CONTEXT + 1)


# ---------------------------------------------------------------- samples


def test_samples_are_judged_beside_held_out_text(tmp_path: Path) -> None:
    run = trained(tmp_path)
    card = run.evaluate(n_samples=3, seed=7)
    works = [made.work for made in run.family.sample({"model": run.network}, run.family.config.sample, n=3, seed=7)]
    for unit, sizes in (("char", (2, 4)), ("word", (1, 2))):
        for n in sizes:
            assert card[f"distinct_{n}_{unit}"] == distinct(works, unit)[n]  # type: ignore[arg-type]
    assert (card["samples"], card["sample_characters"]) == (3, sum(map(len, works)))

    corpus = run.family.corpus
    assert corpus is not None
    training = "".join(corpus.training_text())
    longest = [
        max(size for size in range(len(work)) if any(piece in training for piece in pieces(work, size))) for work in works
    ]
    assert card["copying_longest"] == max(longest)
    assert card["copying_mean_longest"] == pytest.approx(sum(longest) / 3)
    grams = [[gram in training for gram in pieces(work, 8)] for work in works]
    assert card["copying_shared"] == pytest.approx(sum(sum(found) / len(found) for found in grams) / 3)
    for span in card["worst_spans"]:
        assert span["text"] in works[span["sample"]]
        assert training[span["offset"] :].startswith(span["text"])
        assert span["length"] == len(span["text"]) <= longest[span["sample"]]
        assert span["letters"] == sum(map(str.isalnum, span["text"]))


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[begin : begin + size] for begin in range(len(text) - size + 1))


def test_a_network_that_recites_is_found_out(tmp_path: Path) -> None:
    """Its sample is, by its prompt, a line of the training text."""
    run = trained(tmp_path)
    line = TEXT.splitlines()[3]
    run.family.config.sample.prompt, run.family.config.sample.max_tokens = line, 1
    card = run.evaluate(n_samples=1)
    assert card["copying_longest"] >= len(line)
    assert card["copying_shared"] > 0.9
    assert line in card["worst_spans"][0]["text"]


def test_no_samples_no_figures_of_them(tmp_path: Path) -> None:
    card = trained(tmp_path).evaluate(n_samples=0)
    assert not [key for key in card if key.startswith(("distinct", "copying", "sample"))]


def test_copying_is_measured_against_the_run_s_text_and_says_so_where_that_is_gone(tmp_path: Path) -> None:
    run = trained(tmp_path)
    other = tmp_path / "other.txt"
    other.write_text("The red hen sees a river. " * 30, encoding="utf-8")
    with_text = run.evaluate(other, n_samples=2)
    assert with_text["copying_longest"] == run.evaluate(n_samples=2)["copying_longest"]
    run.text.unlink()
    card = run.family.evaluate({"model": run.network}, tmp_path / "data", [str(other)], 2, 0)
    assert "copying_longest" not in card.as_dict()
    assert "copying: not measured" in card.as_text()


# ---------------------------------------------------------------- the note of what was learned from


def test_a_continued_run_keeps_its_text(tmp_path: Path) -> None:
    run = trained(tmp_path)
    again = type(run.family).prepare(run.family.config, tmp_path / "data")
    assert again.tokenizer.n_vocab == run.family.tokenizer.n_vocab
    run.text.write_text(TEXT.replace("moon", "noom") * 4, encoding="utf-8")
    with pytest.raises(UsageError, match="the text is not the one that the run was begun with"):
        type(run.family).prepare(run.family.config, tmp_path / "data")
    assert type(run.family).prepare(run.family.config, tmp_path / "new-run" / "data")


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    run = trained(tmp_path)
    note = tmp_path / "data" / FINGERPRINT
    assert json.loads(note.read_text())["held_out_tokens"] == len(held_out(run))
    for damaged in ("", "[]", "{}", "\xff"):
        note.write_text(damaged, encoding="latin-1")
        with pytest.raises(ArtgenError, match=f"{FINGERPRINT}: damaged"):
            run.evaluate()
