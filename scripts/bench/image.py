"""Benchmarks of pictures: quality, copying and speed against lightweight-gan, classes, steps, inpainting, projection.

    python scripts/bench/image.py [--lightweight-gan PYTHON] [--only quality,speed,…] [--minutes 10,30] [--work FOLDER]

PYTHON is the interpreter of an environment that has lightweight-gan 1.2.1; it is run as released, on the CPU
(scripts/bench/lightweight_gan_on_cpu.py). Without it only our own figures are measured. Runs that are trained stay in --work,
if that is given, and serve later calls; --run flow-30=FOLDER names one that was made elsewhere. Prints tables and writes
scripts/bench/results/image.json, part by part. Scores are by features of SqueezeNet, whose weights file --features names.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, SHARED, artgen, logged, run_parts, settings, table
from image_peer import BATCH, Peer
from image_runs import BY_CLASS, CONFIGS, Runs, projection_error, sample
from image_scores import HEAD, Judge, row
from PIL import Image

RESULTS = Path(__file__).parent / "results" / "image.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--lightweight-gan", type=Path, help="python of an environment with lightweight-gan")
    parser.add_argument("--peer-out", type=Path, help="what a call of lightweight_gan_on_cpu.py wrote, instead of running it")
    parser.add_argument("--data", type=Path, default=SHARED / "fewshot" / "animals")
    parser.add_argument("--emoji", type=Path, default=SHARED / "emoji")
    parser.add_argument("--features", type=Path, default=SHARED / "weights" / "squeezenet_v1.0_deepcompressed.npz")
    parser.add_argument(
        "--minutes", default="10,30", help="of training; the shortest for the VAE, the longest for what is edited"
    )
    parser.add_argument("--families", default="flow,gan", help="of quality, classes and pages")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=16, help="that are painted into or projected")
    parser.add_argument("--repeats", type=int, default=3, help="of speed")
    parser.add_argument("--speed-steps", type=int, default=60)
    parser.add_argument("--work", type=Path, help="where runs are kept; default: a folder that is deleted")
    parser.add_argument("--run", action="append", default=[], metavar="NAME=FOLDER", help="such as flow-30=runs/mine")
    for name in ("flow", "gan", "vae", "dcgan", "speed"):
        parser.add_argument(f"--{name}-set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--pages-to", type=Path, default=ROOT / "docs" / "samples")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--keep", action="store_true", help="of quality: what the results hold of other families and times")
    args = parser.parse_args()
    args.minutes = sorted(map(float, args.minutes.split(",")))
    with tempfile.TemporaryDirectory(prefix="artgen-bench-") as folder:
        args.work = (args.work or Path(folder)).resolve()
        args.work.mkdir(parents=True, exist_ok=True)
        sets = {name: _pairs(getattr(args, f"{name}_set")) for name in ("flow", "gan", "vae", "dcgan")}
        given = {name: Path(path) for name, path in _pairs(args.run).items()}
        runs = Runs(args.work, args.data.resolve(), args.emoji.resolve(), given, sets)
        run_parts(args.only, {name: partial(part, args, runs) for name, part in PARTS.items()}, args.results)


def _pairs(assignments: list[str]) -> dict[str, str]:
    if wrong := next((a for a in assignments if "=" not in a), None):
        raise SystemExit(f"{wrong}: expected NAME=VALUE")
    return dict(assignment.split("=", 1) for assignment in assignments)


def _judge(args: argparse.Namespace, config: str | Path, emoji: Path | None = None) -> Judge:
    """Scores by the pictures of a config on the animals, or of a run on the emoji."""
    from artgen.config import load_config
    from artgen.data.pictures import load_pictures
    from artgen.metrics.features import load_features

    extra = {} if emoji else {"data": {"path": [str(args.data.resolve())]}}
    data: Any = load_config(Path(config), extra=extra).data  # type: ignore[attr-defined]
    return Judge(load_pictures(data), load_features(args.features))


# ---------------------------------------------------------------- the parts


def quality(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """Both sides trained for the same times on the same pictures, scored by the same code."""
    judge = _judge(args, CONFIGS / "flow.yaml")
    of_real = judge.of_real()
    peer = Peer(args.lightweight_gan, args.peer_out, args.work)
    scored_too = peer.trained(judge.pictures, args.minutes, args.samples)
    rows: list[tuple[str, ...]] = [
        (f"{args.data.name}, {args.samples:,} samples against {len(judge.real)} real pictures", "trained", *HEAD)
    ]
    out: dict[str, Any] = {"real_halves": of_real, "samples": args.samples, "features": judge.network.sha256}
    if args.keep and args.results.exists():  # other families and times, scored by a call before
        before = json.loads(args.results.read_text()).get("quality", {})
        out = {**before, **out} if all(before.get(key) == out[key] for key in ("samples", "features")) else out
    for minutes in args.minutes:
        if scored_too:
            facts = peer.facts(minutes)
            scored = {name: judge.score(made) for name, made in peer.samples(minutes, args.samples).items()}
            best = min(scored, key=lambda name: scored[name]["kid"]["value"])
            out[f"lightweight-gan-{minutes:g}"] = {**facts, "of": best, **scored[best], "both": scored}
            rows.append(
                (f"lightweight-gan ({best}, the better of two)", f"{facts['seconds'] / 60:.1f} min", *row(scored[best]))
            )
        for family in args.families.split(","):
            run = runs.get(family, minutes)
            made, _, seconds = sample(run, args.samples)
            scores = judge.score(made)
            out[f"{family}-{minutes:g}"] = {**run.as_dict(), "seconds_per_sample": seconds, **scores}
            rows.append((f"artgen image.{family}, {run.steps:,} steps", f"{run.seconds / 60:.1f} min", *row(scores)))
    table(rows)
    halves = {name: of_real[name]["value"] for name in ("kid", "fid")}
    print(f"\nhalf of the real pictures against the other half: KID {halves['kid']:.4f}, FID {halves['fid']:.1f}", flush=True)
    return out


def speed(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """Pictures/s of training at one batch and one number of parameters, both sides by turns."""
    judge = _judge(args, CONFIGS / "gan.yaml")
    peer = Peer(args.lightweight_gan, None, args.work)
    theirs: list[float] = []
    ours: dict[str, list[float]] = {"32": [], "auto": []}
    theirs_parameters, changes = 0, _pairs(args.speed_set)
    for repeat in range(args.repeats):
        if args.lightweight_gan:
            rate, theirs_parameters = peer.speed(judge.pictures, args.speed_steps)
            theirs.append(rate)
        changes = changes or _width_for(theirs_parameters)
        for precision, rates in ours.items():
            run = args.work / f"speed-{precision}-{repeat}"
            shutil.rmtree(run, ignore_errors=True)  # of a call before
            more = {
                "train.steps": args.speed_steps,
                "train.batch_size": BATCH,
                "train.log_every": 4,
                "device.precision": precision,
            }
            artgen("train", CONFIGS / "gan.yaml", "--data", args.data, "--out", run, *settings({**changes, **more}))
            windows = logged(run, "pictures_per_second")
            rates.append(statistics.median(windows[len(windows) // 5 :]))
    parameters = _parameters(changes)
    if theirs_parameters and not 0.9 < parameters / theirs_parameters < 1.1:
        raise SystemExit(f"speed: {parameters:,} parameters against {theirs_parameters:,}, expected within 10 %")
    their_rate = statistics.median(theirs) if theirs else float("nan")
    median = {precision: statistics.median(rates) for precision, rates in ours.items()}
    table([
        ("training, pictures/s, 64 x 64 pixels, batch 10", "parameters", "pictures/s", "ratio"),
        ("lightweight-gan", f"{theirs_parameters:,}", f"{their_rate:.1f}", "1"),
        ("artgen image.gan, float32", f"{parameters:,}", f"{median['32']:.1f}", f"{median['32'] / their_rate:.2f}"),
        ("artgen image.gan, precision auto", f"{parameters:,}", f"{median['auto']:.1f}", f"{median['auto'] / their_rate:.2f}"),
    ])  # fmt: skip
    return {"lightweight_gan": their_rate if theirs else None, "artgen": median["32"], "artgen_auto": median["auto"], "parameters": parameters,
            "lightweight_gan_parameters": theirs_parameters, "changes": changes,
            "runs": {"lightweight_gan": theirs, "artgen": ours["32"], "artgen_auto": ours["auto"]}}  # fmt: skip


def _width_for(parameters: int) -> dict[str, str]:
    """The width of image.gan whose number of parameters is nearest; the config's own where there is nothing to match."""
    if not parameters:
        return {}
    choices: list[dict[str, str]] = [{"model.width": str(w), "model.max_width": str(8 * w)} for w in range(8, 129, 4)]
    return min(choices, key=lambda changes: abs(_parameters(changes) - parameters))


def _parameters(changes: dict[str, str]) -> int:
    """Of image.gan, both networks, with these changes."""
    import torch

    from artgen.config import load_config
    from artgen.image.family import PictureFacts
    from artgen.registry import family_class

    config: Any = load_config(CONFIGS / "gan.yaml", [f"{key}={value}" for key, value in changes.items()])
    facts = PictureFacts(size=config.data.size, n_channels=config.data.n_channels, class_names=(), fingerprint="")
    with torch.device("meta"):  # counted, not made
        networks = family_class("image.gan")(config, facts).networks()  # type: ignore[call-arg]
    return sum(p.numel() for network in networks.values() for p in network.parameters())


def classes(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """Emoji by category: how often a sample is of the category asked for, by the nearest real picture's."""
    rows: list[tuple[str, ...]] = [
        ("emoji, nearest real picture is of the category asked for", "trained", "share", "by chance", "times", "real pictures")
    ]
    out: dict[str, Any] = {}
    for family in args.families.split(","):
        run = runs.get(family, args.minutes[-1], emoji=True)
        judge = _judge(args, run.path / "config.yaml", args.emoji)
        how = BY_CLASS.get(family, {})
        made, asked, _ = sample(run, args.samples, **how)
        found = judge.classes(made, asked)
        figure = found["accuracy"]
        out[family] = {**run.as_dict(), **found, "sampled": how, "kid": judge.kid(made).as_dict()}
        rows.append((f"artgen image.{family}, {figure['n']:,} samples, {figure['n_real']:,} real pictures", f"{run.seconds / 60:.1f} min",
                     f"{figure['value']:.1%} ({figure['low']:.1%} to {figure['high']:.1%})", f"{found['chance']:.1%}",
                     f"{found['times_chance']:.1f}", f"{found['real']:.1%}"))  # fmt: skip
    table(rows)
    return out


def steps(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """KID of flow samples at few steps against many."""
    run, judge = runs.get("flow", args.minutes[-1]), _judge(args, CONFIGS / "flow.yaml")
    rows: list[tuple[str, ...]] = [(f"artgen image.flow, {args.samples:,} samples", "KID", "seconds a picture")]
    out: dict[str, Any] = run.as_dict()
    for n in (8, 50):
        made, _, seconds = sample(run, args.samples, steps=n)
        figure = judge.kid(made)
        out[str(n)] = {**figure.as_dict(), "seconds_per_sample": seconds}
        rows.append((f"{n} steps", f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})", f"{seconds:.2f}"))
    out["ratio"] = out["8"]["value"] / out["50"]["value"]
    table([*rows, ("ratio", f"{out['ratio']:.2f}", f"{out['8']['seconds_per_sample'] / out['50']['seconds_per_sample']:.2f}")])
    return out


def inpainting(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """Whether `artgen edit --mask` leaves what is outside the mask as it was, bit for bit."""
    run, judge = runs.get("flow", args.minutes[-1]), _judge(args, CONFIGS / "flow.yaml")
    folder = args.work / "inpainting"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    outside = outside_changed = inside = inside_changed = 0
    pictures = judge.real[: args.pictures]
    for number, picture in enumerate(pictures):
        mask = _random_mask(rng, picture.shape[0])
        names = [folder / f"{number}-{kind}.png" for kind in ("picture", "mask", "painted")]
        Image.fromarray(picture).save(names[0])
        Image.fromarray(mask.astype(np.uint8) * 255).save(names[1])
        artgen("edit", run.path, names[0], "--mask", names[1], "--seed", number, "-o", names[2], "--force")
        changed = (np.asarray(Image.open(names[2]).convert("RGB")) != picture).any(axis=-1)
        outside, outside_changed = outside + int((~mask).sum()), outside_changed + int(changed[~mask].sum())
        inside, inside_changed = inside + int(mask.sum()), inside_changed + int(changed[mask].sum())
    table([
        (f"inpainting, {len(pictures)} pictures, random masks", "pixels", "changed"),
        ("outside the mask", f"{outside:,}", f"{outside_changed:,}"),
        ("inside", f"{inside:,}", f"{inside_changed:,}"),
    ])  # fmt: skip
    return {"pictures": len(pictures), "outside": outside, "outside_changed": outside_changed, "inside": inside,
            "inside_changed": inside_changed}  # fmt: skip


def _random_mask(rng: np.random.Generator, size: int) -> np.ndarray:
    """One to three ellipses, bool [size, size]."""
    rows, columns = np.mgrid[:size, :size]
    mask = np.zeros((size, size), dtype=bool)
    for _ in range(rng.integers(1, 4)):
        y, x = rng.uniform(0.2, 0.8, 2) * size
        height, width = rng.uniform(0.1, 0.3, 2) * size
        mask |= ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 < 1
    return mask


def projection(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """Root mean square error of pictures that were projected and rendered again, against what a VAE makes of them."""
    judge = _judge(args, CONFIGS / "gan.yaml")
    parts = {"training": judge.pictures.train[: args.pictures], "held-out": judge.pictures.validation[: args.pictures]}
    head = [f"{name} pictures ({len(pictures)})" for name, pictures in parts.items()]
    rows: list[tuple[str, ...]] = [("projection, root mean square error of pixels, 0 to 1", "trained", *head)]
    out: dict[str, Any] = {}
    for family, minutes, n in (("gan", args.minutes[-1], 200), ("flow", args.minutes[-1], 50), ("vae", args.minutes[0], 0)):
        run = runs.get(family, minutes)
        errors = {name: projection_error(run, np.array(pictures), n) for name, pictures in parts.items()}
        out[family] = {**run.as_dict(), "projection_steps": n, **errors}
        how = f"{n} steps" if n else "its reconstruction"
        rows.append(
            (f"artgen image.{family}, {how}", f"{run.seconds / 60:.1f} min", *(f"{error:.4f}" for error in errors.values()))
        )
    table(rows)
    return out


def pages(args: argparse.Namespace, runs: Runs) -> dict[str, Any]:
    """Pages of samples as they come, 8 x 4 of each family, on the animals and on the emoji."""
    from artgen.files import atomic_write
    from artgen.media.sheet import Sheet, make_sheet, to_image

    args.pages_to.mkdir(parents=True, exist_ok=True)
    out: dict[str, Any] = {}
    for emoji in (False, True):
        for family in args.families.split(","):
            run = runs.get(family, args.minutes[-1], emoji)
            made, _, _ = sample(run, 32, **(BY_CLASS.get(family, {}) if emoji else {}))
            page = to_image(make_sheet(list(made), Sheet(columns=8, background=(255, 255, 255)))).convert("RGB")
            path = args.pages_to / f"{family}-{'emoji' if emoji else args.data.name}.png"
            data = io.BytesIO()
            page.quantize(256, method=Image.Quantize.MEDIANCUT).save(data, "PNG", optimize=True)
            if data.tell() > 150_000:
                raise SystemExit(f"{path}: {data.tell():,} bytes, expected 150,000 at most")
            atomic_write(path, data.getvalue(), force=True)
            out[path.name] = {**run.as_dict(), "bytes": data.tell()}
    table([("page", "bytes", "steps"), *((name, f"{facts['bytes']:,}", f"{facts['steps']:,}") for name, facts in out.items())])
    return out


PARTS = {
    "quality": quality,
    "speed": speed,
    "classes": classes,
    "steps": steps,
    "inpainting": inpainting,
    "projection": projection,
    "pages": pages,
}

if __name__ == "__main__":
    main()
