"""How good, how varied and how original a text model is: the score card of `artgen evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from artgen.data.sources import Source, find_sources, read_documents
from artgen.data.text_config import STANDARD_INPUT, TextDataConfig
from artgen.data.tokenizer import Tokenizer
from artgen.data.tokens import TextCorpus, load_corpus
from artgen.errors import ArtgenError, UsageError, counted
from artgen.families.base import Networks
from artgen.metrics.copying import Copying, copy_report
from artgen.metrics.diversity import Unit, distinct
from artgen.metrics.likelihood import bits_per_character, nats_per_token, perplexity
from artgen.metrics.scorecard import ScoreCard

FINGERPRINT = "corpus.json"
HELD_OUT_CHARACTERS = 200_000  # of real text that copying is calibrated on


def save_fingerprint(corpus: TextCorpus, folder: Path) -> None:
    """Notes which text a run learned from, so that evaluation knows its held-out part again."""
    facts = {"fingerprint": corpus.fingerprint, "training_tokens": len(corpus.train), "held_out_tokens": len(corpus.validation)}
    (folder / FINGERPRINT).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def check_fingerprint(corpus: TextCorpus, folder: Path) -> None:
    """Raises UsageError if the run of this data folder learned from another text, or read it in another way."""
    if _fingerprint(folder) not in (None, corpus.fingerprint):
        raise UsageError("data.path: the text is not the one that the run was begun with; a continued run keeps its text")


def evaluate_text(
    family: Any, networks: Networks, run_data: Path, paths: list[str] | None, n_samples: int, seed: int, stride: int | None
) -> ScoreCard:
    """Scores held-out text and samples.

    paths: the text to score; None: what the run learned from. Of the run's own text only the held-out part is scored, of any
    other all. The training text, for copying, is `paths` if that is the run's text, else what the run's config names.
    Raises UsageError where the text cannot be read or has characters that the model does not know, or `stride` is more than
    the context.
    """
    if stride is not None and stride > family.units_per_example:
        raise UsageError(f"stride: {stride} is more than the context of {family.units_per_example} tokens")
    data: TextDataConfig = family.config.data
    asked = data.model_copy(update={"path": paths}) if paths else data
    sources = find_sources(asked)  # once: standard input cannot be read again
    own = _own_corpus(asked, sources, run_data)
    tokenizer: Tokenizer = family.tokenizer
    if own is not None:
        tokens, what = np.asarray(own.validation), "the held-out part of the run's text"
        held_out = tokenizer.decode(tokens[: 2 * HELD_OUT_CHARACTERS].tolist())[:HELD_OUT_CHARACTERS]
    else:
        text_tokens = list(_encoded(asked, sources, tokenizer))
        tokens, what = np.concatenate(text_tokens), "all of the given text"
        held_out = ""
        own = _training_corpus(data, run_data)
    if len(tokens) < 2:
        raise UsageError(f"{', '.join(asked.path)}: too short to score, expected 2 tokens or more")
    stride = stride or max(1, family.units_per_example // 2)
    nats, scored = family.likelihood(networks, tokens, stride)
    n_characters = len(tokenizer.decode(tokens[1:].tolist()))

    card = ScoreCard(f"{family.config.family} on {what}: {scored:,} tokens, every one scored once")
    card.add("loss", "loss", nats_per_token(nats, scored), "nats/token", "lower is better")
    card.add("bits_per_character", "bits per character", bits_per_character(nats, max(1, n_characters)), "bits")
    card.add("perplexity", "perplexity", perplexity(nats, scored), "per token")
    card.details |= {"scored_tokens": scored, "scored_characters": n_characters, "stride": stride, "seed": seed}
    if n_samples:
        samples = [made.work for made in family.sample(networks, family.config.sample, n=n_samples, seed=seed)]
        _add_diversity(card, samples, held_out)
        _add_copying(card, samples, own, held_out)
    return card


def _add_diversity(card: ScoreCard, samples: list[str], held_out: str) -> None:
    size = sum(len(sample) for sample in samples)
    real = [held_out[:size]] if len(held_out) >= size else []
    units: tuple[Unit, ...] = ("char", "word")
    for unit in units:
        made, natural = distinct(samples, unit), distinct(real, unit) if real else {}
        for n in (2, 4) if unit == "char" else (1, 2):
            compare = f"held-out text of that size: {natural[n]:.4f}" if natural.get(n) is not None else ""
            card.add(f"distinct_{n}_{unit}", f"distinct {n}-grams of {unit}s", made[n], "", compare)
    card.details |= {"samples": len(samples), "sample_characters": size}


def _add_copying(card: ScoreCard, samples: list[str], own: TextCorpus | None, held_out: str) -> None:
    if own is None:
        card.pages.append("copying: not measured, the training text is not where the run's config says; --data names it")
        return
    report = copy_report(samples, own.training_text(), held_out)
    figures = report.figures()
    for key, label, unit in (
        ("longest", "longest copied span", "characters"),
        ("mean_longest", "mean longest span", "characters"),
        ("shared", "8-grams from training", "share"),
    ):
        normal = figures.get(f"held_out_{key}")
        compare = f"held-out real text: {normal:,.4g}" if normal is not None else ""
        card.add(f"copying_{key}", label, figures.get(f"samples_{key}"), unit, compare)
    worst = report.worst(3)
    card.details["worst_spans"] = [_span_facts(index, found) for index, found in worst]
    title = "the spans with the most letters and digits that stand in the training text:"
    card.pages.append("\n".join([title, *(_span_lines(i, f) for i, f in worst)]))


def _span_facts(index: int, found: Copying) -> dict[str, Any]:
    span = found.wordiest
    return {
        "sample": index,
        "length": span.length if span else 0,
        "letters": span.letters if span else 0,
        "text": span.text if span else "",
        "offset": span.offset if span else None,
    }


def _span_lines(index: int, found: Copying) -> str:
    if found.wordiest is None:
        return f"  sample {index}: nothing"
    span = found.wordiest
    return (
        f"  sample {index}, {counted(span.length, 'character')}: {span.text!r}\n"
        f"    source, character {span.offset:,}: …{span.before!r} [{span.text!r}] {span.after!r}…"
    )


def _own_corpus(data: TextDataConfig, sources: list[Source], run_data: Path) -> TextCorpus | None:
    """The corpus of `sources` if it is what the run learned from."""
    try:
        corpus = load_corpus(data, sources=sources)
    except UsageError:
        if next(read_documents(sources, data), None) is None:
            raise
        return None  # too small to be split, it can still be scored as a whole
    return corpus if corpus.fingerprint == _fingerprint(run_data) else None


def _training_corpus(data: TextDataConfig, run_data: Path) -> TextCorpus | None:
    """What the run learned from; None if it is not where the run's config says."""
    if STANDARD_INPUT in data.path:  # what comes from there now is something else
        return None
    try:
        return _own_corpus(data, find_sources(data), run_data)
    except ArtgenError:
        return None


def _fingerprint(run_data: Path) -> str | None:
    """The fingerprint of what a run learned from, if it was noted."""
    path = run_data / FINGERPRINT
    if not path.exists():
        return None
    try:
        return str(json.loads(path.read_bytes())["fingerprint"])
    except (ValueError, KeyError, TypeError):
        raise ArtgenError(f"{path}: damaged: it has no fingerprint") from None


def _encoded(data: TextDataConfig, sources: list[Source], tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    for piece, ends in read_documents(sources, data):
        yield np.asarray(tokenizer.encode(piece), dtype=np.int64)
        if ends and tokenizer.end_id is not None:
            yield np.array([tokenizer.end_id])
