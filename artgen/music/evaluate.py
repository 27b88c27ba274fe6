"""How good, how near to the style and how original a music model is: the score card of `artgen evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from artgen.errors import UsageError, counted
from artgen.families.base import Networks
from artgen.metrics.music_copying import Copies, melodic_copying
from artgen.metrics.music_style import style_overlap, style_share
from artgen.metrics.music_theory import Voices, part_ranges, piece_figures, voice_figures
from artgen.metrics.scorecard import ScoreCard
from artgen.music.chorales import REST, voices
from artgen.music.family import MusicFacts, PartFacts, in_known_parts
from artgen.music.instruments import instrument_name, pitch_name
from artgen.music.piece import Piece
from artgen.music.real_pieces import Real, evenly, find_real

COMPARED = 300  # real pieces of each kind whose style samples are compared with, at most: time grows with the square
WORST = 5  # copied spans that are shown
GRID = 4  # steps to a quarter note at which voices are read where the run has no grid
IN_FOUR = 0.5  # share of the sounding steps at which four voices sound, from which on pieces are in four voices

FOUR_VOICES = {
    "parallels": ("parallels, of chord changes", "per 100"),
    "parallel_fifths": ("  parallel fifths", "per 100"),
    "parallel_octaves": ("  parallel octaves", "per 100"),
    "crossings": ("crossing voices", "share"),
    "wide_spacing": ("upper voices far apart", "share"),
}


def evaluate_music(family: Any, networks: Networks, paths: list[str] | None, n_samples: int, seed: int) -> ScoreCard:
    """Scores held-out pieces and `n_samples` samples, made as the run's sample section says but in whatever key and range comes.

    paths: the pieces to compare with; None: those that the run held out. Copying is judged against what it learned from, and
    beside what it held out, in either case.
    Raises UsageError where there are no real pieces, or there is one sample, which nothing can be said of.
    """
    if n_samples == 1:
        raise UsageError("--samples 1: too few to compare, expected 2 or more; 0 judges no samples")
    real = find_real(family.config.data, family.of.fingerprint, paths)
    card = ScoreCard(f"{family.config.family}: {n_samples:,} samples, seed {seed}, against {real.what}")
    card.details |= {"samples": n_samples, "seed": seed, "real": real.what}
    card.figures += family.own_figures(networks, real.pieces)
    if n_samples:
        as_it_comes = dict.fromkeys(("primer", "key", "play_range", "instrument"))
        options = family.config.sample.model_copy(update=as_it_comes)
        samples = [made.work for made in family.sample(networks, options, n_samples, seed)]
        judge(card, samples, real, family.of, seed)
    return card


def judge(card: ScoreCard, samples: Sequence[Piece], real: Real, of: MusicFacts, seed: int) -> None:
    """Adds all figures about samples to the card. What cannot be measured on them has a line that says why."""
    _or_say_why(card, "style", lambda: _add_style(card, samples, real, seed))
    _add_theory(card, samples, real, seed)
    _or_say_why(card, "four voices", lambda: _add_voices(card, samples, real, seed))
    _add_ranges(card, samples, real, of)
    if real.own is None:
        card.pages.append(f"copying: not measured, {real.missing}; --data names the pieces that the run learned from")
    else:
        _or_say_why(card, "copying", lambda: _add_copying(card, samples, real, seed))


def _or_say_why(card: ScoreCard, what: str, add: Callable[[], None]) -> None:
    try:
        add()
    except UsageError as error:
        card.pages.append(f"{what}: not measured, {error}")


# ---------------------------------------------------------------- the figures


def _add_style(card: ScoreCard, samples: Sequence[Piece], real: Real, seed: int) -> None:
    held_out = evenly(real.pieces, COMPARED)
    if real.own is not None:
        found = style_share(samples, evenly(real.own.train, COMPARED), held_out, seed=seed)
        kind, compare = "style_share", "1: as near as training pieces are"
    else:
        found = style_overlap(samples, held_out, seed=seed)
        kind, compare = "style_overlap", "1: the same"
    for name, value, asks in (
        ("pooled", found.pooled_mean, "all notes together"),
        ("distances", found.distances_mean, "piece by piece"),
        ("variety", found.variety_mean, "as varied"),
    ):
        card.add(f"{kind}_{name}", f"style, {asks}", value, "overlap", compare)
    card.details[kind] = {name: value.as_dict() for name, value in found.figures().items()}


def _add_theory(card: ScoreCard, samples: Sequence[Piece], real: Real, seed: int) -> None:
    ours, theirs = piece_figures(samples, seed=seed), piece_figures(real.pieces, seed=seed)
    for key, label, unit in (
        ("key_clarity", "key clarity", "correlation"),
        ("empty_bars", "empty bars", "share"),
        ("dissonance", "dissonance", "share"),
    ):
        card.add(key, label, ours[key], unit, _beside(theirs[key].value))
    card.details["of_real"] = {key: value.as_dict() for key, value in theirs.items()}


def _add_voices(card: ScoreCard, samples: Sequence[Piece], real: Real, seed: int) -> None:
    """Nothing where the real pieces are not in four voices. Raises UsageError where the samples alone are not."""
    steps = (real.own.steps if real.own else None) or GRID
    try:
        theirs = [voices(piece, steps) for piece in real.pieces]
    except UsageError:
        return
    if not _in_four(theirs):
        return
    ours = [voices(piece, steps) for piece in samples]
    figures, normal = voice_figures(ours, seed=seed), voice_figures(theirs, seed=seed)
    for key, (label, unit) in FOUR_VOICES.items():
        card.add(key, label, figures[key], unit, _beside(normal[key].value))
    card.details["of_real"] |= {key: value.as_dict() for key, value in normal.items()}


def _in_four(pieces: Sequence[Voices]) -> bool:
    sounding = np.concatenate([(piece != REST).sum(axis=1) for piece in pieces])
    return bool((sounding == 4).sum() > IN_FOUR * (sounding > 0).sum())


def _add_ranges(card: ScoreCard, samples: Sequence[Piece], real: Real, of: MusicFacts) -> None:
    """The lowest and highest pitch of every part; of all together where the samples do not have the run's parts."""
    names = [_part_name(part) for part in of.parts]
    ours = [part_ranges(piece) for piece in samples]
    theirs = [part_ranges(in_known_parts(piece, of)) for piece in real.pieces]
    if any(len(each) != len(names) for each in ours):
        names = ["all parts"]
        ours, theirs = [[_widest(each)] for each in ours], [[_widest(part_ranges(piece))] for piece in real.pieces]
    rows = []
    for i, name in enumerate(names):
        mine, normal = _widest([each[i] for each in ours]), _widest([each[i] for each in theirs])
        if mine or normal:
            rows.append({"part": name, "samples": mine, "real": normal})
    card.details["ranges"] = rows
    width = max((len(str(row["part"])) for row in rows), default=0)
    lines = [f"  {row['part']:<{width}}  {_named(row['samples']):<14}real pieces: {_named(row['real'])}" for row in rows]
    card.pages.append("\n".join(["ranges", *lines]))


def _part_name(part: PartFacts) -> str:
    name = part.name or ("Drums" if part.is_drum else instrument_name(part.program))
    return f"{name} {part.number + 1}" if part.number and not part.name else name


def _widest(ranges: Sequence[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [each for each in ranges if each]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def _named(bounds: Any) -> str:
    return f"{pitch_name(bounds[0])} to {pitch_name(bounds[1])}" if bounds else "silent"


def _beside(normal: float) -> str:
    return f"{normal:.4f} of the real ones"


# ---------------------------------------------------------------- copying


def _add_copying(card: ScoreCard, samples: Sequence[Piece], real: Real, seed: int) -> None:
    assert real.own is not None
    found = melodic_copying(samples, real.own.train, real.own_held_out, seed=seed)
    for key, label, copies in (
        ("copied", "longest copied melody", found.intervals),
        ("copied_rhythm", "longest with its rhythm", found.rhythm),
    ):
        figures = copies.figures()
        card.add(
            f"{key}_notes",
            label,
            figures["samples_median"],
            "notes",
            f"median; {figures['held_out_median']:g} of held-out pieces",
        )
        card.add(f"{key}_excess", "  against held-out pieces", copies.excess, "notes", "0 or less: copies no more than they do")
    card.details["copying"] = {
        name: {**copies.figures(), "worst": _worst(copies, real)}
        for name, copies in (("intervals", found.intervals), ("rhythm", found.rhythm))
    }
    lines = [
        f"  sample {each['sample']}, bar {each['bar']}: {counted(each['notes'], 'note')} of {each['of']}, as {each['training_piece']} from bar "
        f"{each['training_bar']} on"
        for each in card.details["copying"]["rhythm"]["worst"]
    ]
    if lines:
        card.pages.append("\n".join(["longest copied melodies, in any key, with their rhythm", *lines]))


def _worst(copies: Copies, real: Real) -> list[dict[str, Any]]:
    assert real.own is not None
    return [
        {
            "sample": number,
            "bar": span.bar,
            "notes": span.notes,
            "of": span.of,
            "training_piece": real.own.train_sources[span.training_piece],
            "training_bar": span.training_bar,
        }
        for number, span in copies.worst(WORST)
        if span.notes
    ]
