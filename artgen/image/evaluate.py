"""How good, how varied and how original a picture model is: the score card of `artgen evaluate`.

Without a feature network: sliced Wasserstein distance, variety and copying by pixels. With one: KID, FID, precision, recall,
density, coverage, variety and nearness by features, too. Transparent pictures are judged on white.
"""

from __future__ import annotations

import io
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from artgen.data.picture_decoding import Pixels
from artgen.data.pictures import PictureSet
from artgen.errors import UsageError
from artgen.families.base import Networks
from artgen.files import atomic_write, check_writable
from artgen.image.avoiding import tell_avoided
from artgen.image.batches import to_tensor
from artgen.image.real_pictures import Halves, Real, find_real
from artgen.metrics.classes import class_accuracy
from artgen.metrics.distribution import Vectors, fid, kid, manifold
from artgen.metrics.estimate import Estimate
from artgen.metrics.features import FeatureNetwork, load_features
from artgen.metrics.picture_copying import (
    CopyReport,
    copy_report,
    feature_nearness,
    held_out_to_calibrate_on,
    side_by_side,
)
from artgen.metrics.picture_diversity import diversity, duplicates
from artgen.metrics.pictures import pixel_vectors
from artgen.metrics.scorecard import ScoreCard
from artgen.metrics.wasserstein import sliced_wasserstein

PAIRS = 8  # on the page of pairs
ENLARGED = 128  # pixels that a picture of the page has, at least
PIXEL_SIDE = 32  # to which pictures are shrunk where their pixels are what they are compared by


def evaluate_pictures(
    family: Any,
    networks: Networks,
    run_data: Path,
    paths: list[str] | None,
    n_samples: int,
    seed: int,
    features: Path | None = None,
    pairs: Path | None = None,
    force: bool = False,
    batch: int | None = None,
) -> ScoreCard:
    """Scores `n_samples` samples, of all classes in turn.

    paths: the real pictures to compare with; None: all that the run has, those it learned from and those held out. Copying is
    judged against what it learned from, in either case, and calibrated on what it held out.
    features: a weights file of SqueezeNet or Inception. pairs: a PNG file to write the worst pairs to. batch: pictures that
    are made together.
    Raises UsageError where there are no real pictures, or too few samples, or `pairs` cannot be written or has no pairs.
    """
    least = 6 if features else 2
    if 0 < n_samples < least:
        raise UsageError(f"--samples {n_samples}: too few to compare, expected {least} or more; 0 judges no samples")
    real = find_real(family.config.data, family.of, paths)
    if real.own is not None:
        family.pictures = real.own  # avoid_copies needs them, too
    if pairs is not None:
        _check_pairs(pairs, force, real, n_samples)
    network = load_features(features, next(next(iter(networks.values())).parameters()).device) if features else None

    card = ScoreCard(f"{family.config.family}: {n_samples:,} samples, seed {seed}, against {real.what}")
    card.details |= {"samples": n_samples, "seed": seed, "real": real.what}
    if real.own is not None:
        held_out = to_tensor(np.array(real.own.validation)), torch.from_numpy(real.own.validation_labels)
        card.figures += family.own_figures(networks, held_out)
    if not n_samples:
        return card
    asked = {"class_name": None} | ({"batch": batch} if batch else {})
    options = family.config.sample.model_copy(update=asked)
    with _bar("samples", n_samples) as bar:
        made = family.sample(networks, options, n_samples, seed, lambda done, _: bar.update(done - bar.n))
    card.pages += [f"avoid_copies: {line}" for line in tell_avoided([sample.figures for sample in made])]
    samples = np.stack([sample.work for sample in made])
    report = judge(card, samples, [sample.figures.get("class") for sample in made], real, network, seed)
    if pairs is not None:
        assert real.own is not None and report is not None
        write_pairs(pairs, samples, real.own, report, force)
        card.pages.append(f"worst pairs: {pairs} (sample, nearest training picture, difference)")
    return card


def judge(
    card: ScoreCard, samples: Pixels, classes: list[str | None], real: Real, network: FeatureNetwork | None, seed: int
) -> CopyReport | None:
    """Adds all figures about samples uint8 [n, height, width, channels] to the card. classes: what each was asked to be."""
    halves = Halves.drawn(len(real.pictures), seed)
    vectors, real_vectors, by = _vectors(samples, real.pictures, network)
    _add_wasserstein(card, samples, real, halves, seed)
    if network is not None:
        card.details["features"] = {"name": network.name, "sha256": network.sha256}
        card.pages.append(f"features: {network.name}, weights {network.sha256}")
        _add_features(card, vectors, real_vectors, halves, seed)
    _add_diversity(card, samples, real, vectors if network else None, real_vectors, seed)
    if real.class_names and all(name in real.class_names for name in classes):
        numbers = [real.class_names.index(str(name)) for name in classes]
        _add_classes(card, vectors, np.array(numbers), real_vectors, real, by, seed)
    if real.own is None:
        card.pages.append(f"copying: not measured, {real.missing}; --data names the pictures that the run learned from")
        return None
    return _add_copying(card, samples, real.own, network, vectors, seed)


# ---------------------------------------------------------------- the figures


def _vectors(samples: Pixels, real: Pixels, network: FeatureNetwork | None) -> tuple[Vectors, Vectors, str]:
    """Vectors of samples and of real pictures, and what they are: features, or pixels where there is no network."""
    if network is None:
        return pixel_vectors(samples, PIXEL_SIDE), pixel_vectors(real, PIXEL_SIDE), "pixels"
    with _bar("features", len(samples) + len(real)) as bar:
        return network(samples, bar.update), network(real, bar.update), "features"


def _add_wasserstein(card: ScoreCard, samples: Pixels, real: Real, halves: Halves, seed: int) -> None:
    measure = partial(sliced_wasserstein, seed=seed, normalise="real")
    found, normal = measure(samples, real.pictures), halves.between(partial(measure, replicates=1), real.pictures)
    name, key = "sliced Wasserstein distance", "sliced_wasserstein"
    card.add(key, name, found.mean, "", _beside(card, key, normal.mean if normal else None))
    for size, figure in found.levels.items():
        compare = _beside(card, f"{key}_{size}", normal.levels[size] if normal else None)
        card.add(f"{key}_{size}", f"{name}, {size} pixels", figure, "", compare)


def _add_features(card: ScoreCard, vectors: Vectors, real: Vectors, halves: Halves, seed: int) -> None:
    for key, measure in (("kid", kid), ("fid", fid)):
        normal = halves.between(partial(measure, replicates=1), real)
        card.add(key, key.upper(), measure(vectors, real, seed=seed), "", _beside(card, key, normal))
    found, apart = manifold(vectors, real, seed=seed), halves.between(partial(manifold, replicates=1), real, least=6)
    for key in ("precision", "recall", "density", "coverage"):
        card.add(key, key, getattr(found, key), "", _beside(card, key, getattr(apart, key) if apart else None))


def _beside(card: ScoreCard, key: str, halves: Estimate | None) -> str:
    """What a figure is between two halves of the real pictures, in words, and as a number in the card's details."""
    if halves is None:
        return ""
    card.details.setdefault("real_halves", {})[key] = halves.value
    return f"{halves.value:.4f} between halves of the real ones"


def _add_diversity(
    card: ScoreCard, samples: Pixels, real: Real, vectors: Vectors | None, real_vectors: Vectors, seed: int
) -> None:
    measured: dict[str, tuple[Vectors, Vectors]] = {
        "pixels": (pixel_vectors(samples, PIXEL_SIDE), pixel_vectors(real.pictures, PIXEL_SIDE))
    }
    if vectors is not None:
        measured["features"] = (vectors, real_vectors)
    for by, (ours, theirs) in measured.items():
        found = diversity(ours, theirs, seed=seed)
        card.add(f"diversity_{by}", f"variety by {by}", found.ratio, "", "1: as varied as the real ones")
        card.details[f"distance_{by}"] = {"samples": found.samples.as_dict(), "real": found.real.as_dict()}
    twins = duplicates(samples, seed=seed)
    normal = f"{duplicates(real.pictures, replicates=1).share.value:.4f} among the real ones"
    card.add("twins", "samples with a twin", twins.share, "share", normal)


def _add_classes(
    card: ScoreCard, vectors: Vectors, asked: np.ndarray, real_vectors: Vectors, real: Real, by: str, seed: int
) -> None:
    found = class_accuracy(vectors, asked, real_vectors, real.labels, seed=seed)
    compare = f"{found.chance:.4f} by chance, {found.real:.4f} of the real ones (by {by} of the nearest)"
    card.add("class_accuracy", "of the class asked for", found.samples, "share", compare)
    card.details |= {"class_accuracy_chance": found.chance, "class_accuracy_real": found.real, "class_accuracy_by": by}


def _add_copying(
    card: ScoreCard, samples: Pixels, own: PictureSet, network: FeatureNetwork | None, vectors: Vectors, seed: int
) -> CopyReport:
    held_out = held_out_to_calibrate_on(own.train, own.validation)
    report = copy_report(samples, own.train, held_out, seed=seed)
    near = {"": report.relative, "_pixels": report.distance}
    if network is not None:
        with _bar("features", own.n_pictures) as bar:
            of_own = network(own.train, bar.update), None if held_out is None else network(held_out, bar.update)
        near["_features"] = feature_nearness(vectors, *of_own, seed=seed)
    for name, found in near.items():
        by = {"": "", "_pixels": " by pixels", "_features": " by features"}[name]
        normal = "0.05: as real ones that it has not seen"
        card.add(f"copying_share{name}", f"too near to a training picture{by}", found.share, "share", normal)
        card.add(f"copying_ratio{name}", f"distance to the nearest{by}", found.ratio, "", "1: as real ones; 0: a copy")
    card.add("copies", "copies", len(report.copies), "samples", f"calibrated on {report.calibrated_on}")
    nearest = report.samples
    card.details["copied_samples"] = report.copies
    card.details["worst_pairs"] = [
        {
            "sample": i,
            "training_picture": own.train_sources[int(nearest.index[i])],
            "mirrored": bool(nearest.mirrored[i]),
            "shift": nearest.shift[i].tolist(),
            "distance": float(nearest.distance[i]),
            "relative": float(nearest.relative[i]),
        }
        for i in report.worst(PAIRS)
    ]
    return report


# ---------------------------------------------------------------- the page of pairs


def write_pairs(path: Path, samples: Pixels, own: PictureSet, report: CopyReport, force: bool = False) -> None:
    """The worst pairs as a PNG file: a row each of sample, nearest training picture as it fits best, and their difference."""
    page = side_by_side(samples, own.train, report.samples, report.worst(PAIRS))
    times = max(1, ENLARGED // samples.shape[1])
    out = io.BytesIO()
    Image.fromarray(page.repeat(times, axis=0).repeat(times, axis=1)).save(out, "PNG", optimize=True)
    atomic_write(path, out.getvalue(), force)


def _check_pairs(path: Path, force: bool, real: Real, n_samples: int) -> None:
    check_writable(path, force)
    if not n_samples:
        raise UsageError(f"--pairs {path}: there are no pairs without samples, expected --samples 2 or more")
    if real.own is None:
        raise UsageError(f"--pairs {path}: there are no pairs, {real.missing}")


def _bar(what: str, total: int) -> Any:
    return tqdm(total=total, desc=what, disable=sys.stderr is None or not sys.stderr.isatty(), leave=False, delay=1)
