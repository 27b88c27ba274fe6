"""Benchmarks of style transfer: quality of all pairs, speed against two peers, the fast network, large pictures, sheets.

    python scripts/bench/style.py [--only quality,speed,fast,large,sheets] [--crowsonkb FOLDER] [--work FOLDER] [--keep]

FOLDER of --crowsonkb is a checkout of github.com/crowsonkb/style-transfer-pytorch, imported as released, with our network in
place of VGG-19; the other peer, PyTorch's neural style tutorial, is written out in scripts/bench/style_peers.py. Pictures stay
in --work, if that is given, and are not made again. Prints tables and writes scripts/bench/results/style.json, part by part.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, SHARED, artgen, run_parts, settings, table
from PIL import Image
from style_pairs import PEERS, Pairs, read
from style_peers import AS_PEERS
from torch import Tensor

RESULTS = Path(__file__).parent / "results" / "style.json"
LARGEST_SHEET = 400_000  # bytes
OF_FAST = ("colour", "patch", "gatys")  # what the fast network is put beside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--contents", type=Path, default=SHARED / "content")
    parser.add_argument("--styles", type=Path, default=SHARED / "style")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights" / "squeezenet_v1.0_deepcompressed.npz")
    parser.add_argument("--crowsonkb", type=Path, help="a checkout of crowsonkb/style-transfer-pytorch")
    parser.add_argument("--methods", default="colour,patch,gatys", help="of quality and sheets; also crowsonkb, tutorial")
    parser.add_argument("--size", type=int, default=384, help="pixels of the longer side, of quality and sheets")
    parser.add_argument("--speed-size", type=int, default=512)
    parser.add_argument("--large-size", type=int, default=4096)
    parser.add_argument("--large-method", default="patch")
    parser.add_argument("--iterations", type=int, default=6, help="of speed, timed in each round")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of speed")
    parser.add_argument("--peer-iterations", action="append", default=[], metavar="PEER=N",
                        help="of speed, to the end, at each scale; default: the peer's own numbers")  # fmt: skip
    parser.add_argument("--pair", default="chelsea--vangogh_starry_night_1889", help="of speed, fast and large")
    parser.add_argument("--photographs", type=Path, help="what the fast network learns from; default: frames and textures")
    parser.add_argument("--train-set", action="append", default=[], metavar="KEY=VALUE", help="of training the fast network")
    parser.add_argument("--run", action="append", default=[], metavar="fast=FOLDER", help="a run that was trained elsewhere")
    for name in ("patch", "gatys"):
        parser.add_argument(f"--{name}-set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--sheets-to", type=Path, default=ROOT / "docs" / "samples")
    parser.add_argument("--peer-sheets-to", type=Path, help="outside the tree; default: --work")
    parser.add_argument("--work", type=Path, help="where pictures and runs are kept; default: a folder that is deleted")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--keep", action="store_true", help="what the results hold of other methods and sizes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artgen-bench-") as folder:
        args.work = (args.work or Path(folder)).resolve()
        args.work.mkdir(parents=True, exist_ok=True)
        options: dict[str, dict[str, Any]] = {name: _settings(getattr(args, f"{name}_set")) for name in ("patch", "gatys")}
        pairs = Pairs(args.contents, args.styles, args.weights, args.work, options, args.crowsonkb)
        run_parts(args.only, {name: partial(part, args, pairs) for name, part in PARTS.items()}, args.results)


def _settings(assignments: list[str]) -> dict[str, str]:
    if wrong := next((each for each in assignments if "=" not in each), None):
        raise SystemExit(f"{wrong}: expected NAME=VALUE")
    return dict(each.split("=", 1) for each in assignments)


def _pair(args: argparse.Namespace, pairs: Pairs) -> tuple[Path, Path]:
    names = {f"{content.stem}--{style.stem}": (content, style) for content, style in pairs.names}
    if args.pair not in names:
        raise SystemExit(f"--pair {args.pair}: expected one of {', '.join(names)}")
    return names[args.pair]


# ---------------------------------------------------------------- quality


def quality(args: argparse.Namespace, pairs: Pairs) -> dict[str, Any]:
    """All pairs, each scored as by `artgen evaluate`: by layers of SqueezeNet, without a network, edges, copying."""
    from artgen.metrics.style import StyleFigures, load_judge, style_figures

    judge = load_judge(args.weights)
    out: dict[str, Any] = {"judge": judge.sha256, "methods": {}}
    before = json.loads(args.results.read_text()).get("quality", {}) if args.keep and args.results.exists() else {}
    out["methods"] = before.get("methods", {}) if before.get("judge") == judge.sha256 else {}
    for method in args.methods.split(","):
        scored = {}
        for name, made in pairs.made(method, args.size):
            figures = style_figures(made.result, made.content, [made.style], judge)
            scored[name] = {**asdict(figures), "seconds": made.seconds}
            print(
                f"{method} {name}: {figures.feature_distance:.3f}, edges {figures.edge_ssim:.3f}", file=sys.stderr, flush=True
            )
        keys = [*(field.name for field in fields(StyleFigures)), "seconds"]
        means = {key: statistics.fmean(figures[key] for figures in scored.values()) for key in keys}
        means["copied_side"] = max(figures["copied_side"] for figures in scored.values())
        out["methods"][f"{method}-{args.size}"] = {"pairs": scored, "mean": means, "options": pairs.options.get(method, {})}
    rows: list[tuple[str, ...]] = [("mean over pairs", "style distance, SqueezeNet", "times colour transfer", "patches", "Gram",
                                    "edge SSIM", "largest copied square", "copied share", "seconds")]  # fmt: skip
    for name, found in out["methods"].items():
        mean, colour = found["mean"], out["methods"].get(f"colour-{name.rsplit('-', 1)[1]}")
        found["times_colour"] = mean["feature_distance"] / colour["mean"]["feature_distance"] if colour else None
        ratio = f"{found['times_colour']:.2f}" if colour else "-"
        rows.append((name, f"{mean['feature_distance']:.3f}", ratio, f"{mean['patch_distance']:.3f}", f"{mean['gram_distance']:.3f}",
                     f"{mean['edge_ssim']:.3f}", f"{mean['copied_side']} px", f"{mean['copied_share']:.1%}", f"{mean['seconds']:.1f}"))  # fmt: skip
    table(rows)
    return out


# ---------------------------------------------------------------- speed


def speed(args: argparse.Namespace, pairs: Pairs) -> dict[str, Any]:
    """Seconds an iteration at the full size, all by turns; and how soon our picture has the style loss that a peer ends with."""
    from artgen.style.job import StyleImage, StyleJob

    content, style = (read(path, args.speed_size) for path in _pair(args, pairs))
    # A peer's times are between iterations, ours between calls of the watch; the first two warm up.
    n = args.iterations + 2
    job = StyleJob(content, [StyleImage(style)], steps=n)
    one_scale = pairs.ours("gatys", smallest_scale=max(content.shape[1:]))
    seconds: dict[str, list[float]] = {"gatys": [], **{name: [] for name in pairs.peers}}
    for _ in range(args.repeats):
        seconds["gatys"] += _steps(lambda watch: one_scale(job, watch))[1:]
        for name in pairs.peers:
            seconds[name] += pairs.peer(name).run(content, style, n, one_scale=True).per_iteration()[1:]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    faster = min((medians[name] for name in pairs.peers), default=float("nan"))
    size = f"{content.shape[2]} x {content.shape[1]}"
    table([(f"{size} pixels, SqueezeNet", "seconds an iteration", "times the faster peer"),
           *((name, f"{value:.3f}", f"{value / faster:.2f}") for name, value in medians.items())])  # fmt: skip
    out: dict[str, Any] = {"size": size, "seconds": medians, "times_faster_peer": medians["gatys"] / faster, "all": seconds}
    print()
    rows: list[tuple[str, ...]] = [
        ("the peer's own style loss", "at its end", "its seconds", "our loss", "ours as low after", "times")
    ]
    out["to_loss"] = {}
    for name in pairs.peers:
        found = _to_loss(args, pairs, name, content, style)
        out["to_loss"][name] = found
        reached = found["reached"]
        rows.append((name, f"{found['loss']:.3g}", f"{found['seconds']:.0f}", f"{found['our_loss']:.3g}",
                     f"{reached:.1f} s" if reached else f"not in {found['our_seconds']:.0f} s",
                     f"{reached / found['seconds']:.2f}" if reached else "-"))  # fmt: skip
    table(rows)
    return out


def _steps(run: Callable[[Any], Tensor]) -> list[float]:
    """Seconds between the calls of the watch."""
    times: list[float] = []
    run(lambda done, of, picture: times.append(time.perf_counter()))
    return [b - a for a, b in pairwise(times)]


def _to_loss(args: argparse.Namespace, pairs: Pairs, name: str, content: Tensor, style: Tensor) -> dict[str, Any]:
    """The peer to its end, then ours with its balance of style and content, looked at every twentieth of the way; looking is not
    timed."""
    from artgen.style.job import StyleImage, StyleJob

    peer = pairs.peer(name)
    loss = peer.style_loss(style)
    iterations = _settings(args.peer_iterations).get(name)
    run = peer.run(content, style, int(iterations) if iterations else None)
    target = loss(run.picture)
    seen: list[tuple[float, float]] = []
    looking = 0.0

    def watch(done: int, of: int, picture: Callable[[], Tensor]) -> None:
        nonlocal looking
        if done * 20 // of > len(seen) or done == of:
            begun = time.perf_counter()
            value = loss(picture())
            seen.append((begun - start - looking, value))
            looking += time.perf_counter() - begun

    ours = pairs.ours("gatys", **AS_PEERS)
    start = time.perf_counter()
    ours(StyleJob(content, [StyleImage(style)]), watch)
    reached = next((seconds for seconds, value in seen if value <= target), None)
    return {"loss": target, "of_content": loss(content), "seconds": run.seconds, "reached": reached, "our_loss": seen[-1][1],
            "our_seconds": seen[-1][0], "ours": seen, "options": AS_PEERS, "iterations": iterations}  # fmt: skip


# ---------------------------------------------------------------- the fast network


def fast(args: argparse.Namespace, pairs: Pairs) -> dict[str, Any]:
    """Training a network on one style and photographs of other things, with the painting of what it learns from; what it makes of all
    contents, beside other methods; and one core's time for a picture: of five in a call, less that of one, a quarter."""
    content, style = _pair(args, pairs)
    given = {name: Path(path) for name, path in _settings(args.run).items()}
    run = given.get("fast", args.work / "fast")
    training = None
    if "fast" not in given and not (run / "config.yaml").exists():
        changes = {"style.image": style, **_settings(args.train_set)}
        photographs = args.photographs or _photographs(args.work / "photographs")
        training = artgen(
            "train",
            ROOT / "configs" / "style" / "fast.yaml",
            "--data",
            photographs,
            "--out",
            run,
            *settings(changes),
            cache=args.work / "cache",
        )
    seconds = {}
    for n in (1, 5):
        folder, out = args.work / f"fast-{n}", args.work / f"fast-{n}-out"
        folder.mkdir(exist_ok=True)
        for number in range(n):
            Image.fromarray(_bytes(read(content, args.speed_size))).save(folder / f"{number}.png")
        times = [
            _one_core("style-transfer", folder, run, "-o", f"{out}/", "--size", args.speed_size, "--force") for _ in range(3)
        ]
        seconds[n] = statistics.median(times)
    per_picture = (seconds[5] - seconds[1]) / 4
    trained = f"{training / 60:.1f} min" if training else "-"
    table([("the fast network", "training", f"a picture of {args.speed_size} pixels, one core", "with the start of Python"),
           ("style.fast", trained, f"{per_picture:.2f} s", f"{seconds[1]:.1f} s")])  # fmt: skip

    return {"training_seconds": training, "seconds_per_picture": per_picture, "seconds_of_one_call": seconds[1],
            "style": style.stem, "quality": _quality_of_fast(args, pairs, run, style)}  # fmt: skip


def _quality_of_fast(args: argparse.Namespace, pairs: Pairs, run: Path, style: Path) -> dict[str, Any]:
    """What the network makes of all contents beside what other methods do, scored and on a sheet."""
    from artgen.metrics.style import load_judge, style_figures

    size, out = args.speed_size, args.work / "fast-quality"
    artgen("style-transfer", args.contents, run, "-o", f"{out}/", "--size", size, "--seed", 0, "--force")
    made = {path.stem.split("--")[0]: read(path, size) for path in sorted(out.iterdir()) if path.suffix == ".png"}
    contents = {path.stem: read(path, size) for path, _ in pairs.names}
    methods = {"style.fast": made, **{method: _of_style(pairs, method, size, style) for method in OF_FAST}}
    judge, painting, found = load_judge(args.weights), read(style, size), {}
    for name, pictures in methods.items():
        scored = [style_figures(pictures[stem], picture, [painting], judge) for stem, picture in contents.items()]
        means = {key: statistics.fmean(getattr(each, key) for each in scored) for key in ("feature_distance", "edge_ssim")}
        found[name] = {**means, "copied_side": max(each.copied_side for each in scored)}
    works = [methods[name][stem] for name in ("style.fast", "patch") for stem in contents]
    _write_sheet(args.sheets_to / "style-fast.jpg", works, len(contents), LARGEST_SHEET)
    colour = found["colour"]["feature_distance"]
    table([(f"mean of {len(made)}, {size} pixels", "style distance, SqueezeNet", "times colour transfer", "edge SSIM", "copied"),
           *((name, f"{figures['feature_distance']:.3f}", f"{figures['feature_distance'] / colour:.2f}",
              f"{figures['edge_ssim']:.3f}", f"{figures['copied_side']} px") for name, figures in found.items())])  # fmt: skip
    return found


def _of_style(pairs: Pairs, method: str, size: int, style: Path) -> dict[str, Tensor]:
    """What a method makes of each content, by the content's name."""
    return {name.removesuffix(f"--{style.stem}"): made.result for name, made in pairs.made(method, size, style)}


def _photographs(folder: Path) -> Path:
    """Every eighth frame of the video, and the textures: none is judged."""
    import av

    folder.mkdir(exist_ok=True)
    with av.open(str(SHARED / "video" / "bigbuckbunny.mp4")) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 8 == 0:
                frame.to_image().save(folder / f"frame-{number:04d}.png")
    for path in sorted((SHARED / "textures").glob("*.png")):
        with Image.open(path) as image:
            image.convert("RGB").save(folder / path.name)
    return folder


def _one_core(*arguments: object) -> float:
    begun = time.perf_counter()
    code = (
        "import os, sys\n"
        "if hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from artgen.cli.main import main\nmain()"
    )
    _run(code, arguments)
    return time.perf_counter() - begun


def _run(code: str, arguments: Sequence[object]) -> str:
    """What a program that calls artgen with these arguments prints."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"artgen {' '.join(map(str, arguments))} failed:\n{done.stderr}")
    return done.stdout


# ---------------------------------------------------------------- large pictures


def large(args: argparse.Namespace, pairs: Pairs) -> dict[str, Any]:
    """Peak memory of a call for a large picture, its time, and whether the borders of tiles can be seen in it."""
    content, style = _pair(args, pairs)
    out = args.work / f"large-{args.large_method}.png"
    options = pairs.options.get(args.large_method, {})
    more = [*(["--weights", args.weights] if args.large_method == "gatys" else []), *settings(options)]
    begun = time.perf_counter()
    peak = _peak(
        "style-transfer", content, style, "-o", out, "--size", args.large_size, "--method", args.large_method, "--force", *more
    )
    seconds = time.perf_counter() - begun
    with Image.open(out) as image:
        pixels = np.asarray(image.convert("RGB"))
    tile = int(options.get("tile", 0)) or _tile(args.large_method)
    if tile >= max(pixels.shape[:2]):
        raise SystemExit(f"--large-size {args.large_size}: one tile of {tile} pixels has no borders to look at, expected more")
    seams = seam_figures(pixels, tile)
    size = f"{pixels.shape[1]} x {pixels.shape[0]}"
    rows: list[tuple[str, ...]] = [("steps between lines of pixels", "across borders of tiles, largest (mean)", "inside")]
    for name, figures in seams.items():
        shown = [f"{figures[f'{place}_max']:.2f} ({figures[f'{place}_mean']:.2f})" for place in ("borders", "inside")]
        rows.append((name, *shown))
    table(
        [
            (f"{args.large_method}, tiles of {tile}", "peak memory", "seconds"),
            (f"{size} pixels", f"{peak / 1e9:.2f} GB", f"{seconds:.0f}"),
        ]
    )
    print()
    table(rows)
    return {"method": args.large_method, "size": size, "peak_bytes": peak, "seconds": seconds, "tile": tile, "steps": seams}


def _peak(*arguments: object) -> int:
    """The largest resident memory of a call of ours, in bytes; measured in a process that has no other child."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'artgen', *sys.argv[1:]], stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\nsys.exit(done.returncode)"
    )
    return int(_run(code, arguments)) * (1 if sys.platform == "darwin" else 1024)


def _tile(method: str) -> int:
    from artgen.style.methods import method_named

    options: Any = method_named(method).options_class()()
    return int(getattr(options, "tile", 512))


def seam_figures(pixels: np.ndarray, tile: int) -> dict[str, dict[str, float]]:
    """Steps between neighbouring lines of pixels at borders of tiles, and between all others: the largest and the mean of each.

    pixels: uint8 [height, width, channels]. `difference`: the mean absolute difference of two lines over the length of a tile,
    over the median of the eight steps before and the eight after it: 1 is a step like those around it. `shift`: the absolute
    value of the mean difference, in grey levels, which texture hides from the first one. Both directions, all tiles.
    """
    found: dict[str, dict[str, list[np.ndarray]]] = {name: {"borders": [], "inside": []} for name in ("difference", "shift")}
    for lines in (pixels, pixels.transpose(1, 0, 2)):
        border = np.arange(1, lines.shape[1]) % tile == 0
        for top in range(0, lines.shape[0], tile):
            changes = np.diff(lines[top : top + tile].astype(np.float32), axis=1)
            steps = np.abs(changes).mean(axis=(0, 2))  # steps[i]: from line i to line i + 1
            around = np.lib.stride_tricks.sliding_window_view(np.pad(steps, 8, mode="reflect"), 17)
            relative = steps / np.maximum(np.median(np.delete(around, 8, axis=1), axis=1), 0.25)
            for name, values in (("difference", relative), ("shift", np.abs(changes.mean(axis=0)).mean(axis=1))):
                found[name]["borders"].append(values[border])
                found[name]["inside"].append(values[~border])
    figures: dict[str, dict[str, float]] = {}
    for name, places in found.items():
        joined = {place: np.concatenate(values) for place, values in places.items()}
        figures[name] = {
            f"{place}_{how}": float(getattr(values, how)()) for place, values in joined.items() for how in ("max", "mean")
        }
    return figures


# ---------------------------------------------------------------- sheets


def sheets(args: argparse.Namespace, pairs: Pairs) -> dict[str, Any]:
    """The results of each method on one sheet, a row a content and a column a style; those of peers stay outside the tree."""
    out: dict[str, Any] = {}
    columns = len({style for _, style in pairs.names})
    for method in args.methods.split(","):
        works = [made.result for _, made in pairs.made(method, args.size)]
        path = ((args.peer_sheets_to or args.work) if method in PEERS else args.sheets_to) / f"style-{method}.jpg"
        n_bytes = _write_sheet(path, works, columns, LARGEST_SHEET)
        out[path.name] = {"bytes": n_bytes, "options": pairs.options.get(method, {})}
    table([("sheet", "bytes"), *((name, f"{facts['bytes']:,}") for name, facts in out.items())])
    return out


def _write_sheet(path: Path, works: Sequence[Tensor], columns: int, most: int) -> int:
    """Its bytes, at most so many."""
    from artgen.files import atomic_write
    from artgen.media.sheet import Sheet, make_sheet, to_image

    sheet = Sheet(columns=columns, padding=4, background=(255, 255, 255))
    data = _jpeg(to_image(make_sheet([_bytes(work) for work in works], sheet)).convert("RGB"), most)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, data, force=True)
    return len(data)


def _jpeg(page: Image.Image, most: int) -> bytes:
    """At the best quality that takes no more bytes; made smaller where even a low one takes more."""
    while True:
        for quality in (92, 88, 84, 80, 75, 70):
            data = io.BytesIO()
            page.save(data, "JPEG", quality=quality, optimize=True, progressive=True)
            if data.tell() <= most:
                return data.getvalue()
        page = page.resize((page.width * 4 // 5, page.height * 4 // 5), Image.Resampling.LANCZOS)


def _bytes(picture: Tensor) -> np.ndarray:
    found: np.ndarray = (picture.clamp(0, 1).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    return found


PARTS = {"quality": quality, "speed": speed, "fast": fast, "large": large, "sheets": sheets}

if __name__ == "__main__":
    main()
