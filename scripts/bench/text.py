"""Benchmarks of text: quality at equal time, training and sampling speed against nanoGPT, and the form of Tang quatrains.

    python scripts/bench/text.py --nanogpt PATH [--data FILE] [--poems GLOB] [--only quality,training,sampling,poems]

PATH is a checkout of github.com/karpathy/nanoGPT, which is read and run, never changed. Both sides run by turns on the same
machine in the same call; a figure is the median of `--repeats`. Prints tables and writes scripts/bench/results/text.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, SHARED, artgen, logged, run_parts, settings, table

RESULTS = Path(__file__).parent / "results" / "text.json"
CONFIGS = ROOT / "configs" / "text"

# nanoGPT's own recipe for a CPU, as its README gives it.
CPU_RECIPE = [
    "--device=cpu",
    "--compile=False",
    "--eval_iters=20",
    "--log_interval=1",
    "--block_size=64",
    "--batch_size=12",
    "--n_layer=4",
    "--n_head=4",
    "--n_embd=128",
    "--max_iters=2000",
    "--lr_decay_iters=2000",
    "--dropout=0.0",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT; without it only our own figures are measured")
    parser.add_argument("--data", type=Path, default=SHARED / "tinyshakespeare" / "input.txt")
    parser.add_argument("--poems", default=str(SHARED / "poems-zh" / "*.json"))
    parser.add_argument("--only", default="quality,training,sampling,poems")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--poem-run", type=Path, help="a trained run of configs/text/poems.yaml, instead of training one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artgen-bench-") as folder:
        work = Path(folder)
        peer = Peer(args.nanogpt, args.data, work) if args.nanogpt else None
        run_parts(args.only, {name: partial(part, args, work, peer) for name, part in PARTS.items()}, RESULTS)


class Peer:
    """nanoGPT: its train.py as it is, in a copy of its folder, on the same split of the same file."""

    def __init__(self, checkout: Path, data: Path, work: Path) -> None:
        self.folder = work / "nanogpt"
        shutil.copytree(checkout, self.folder, ignore=shutil.ignore_patterns(".git", "out*", "*.bin"))
        text = data.read_text(encoding="utf-8")
        letters = sorted(set(text))
        index = {letter: i for i, letter in enumerate(letters)}
        tokens = np.array([index[letter] for letter in text], dtype=np.uint16)
        cut = int(0.9 * len(tokens))
        target = self.folder / "data" / "shakespeare_char"
        tokens[:cut].tofile(target / "train.bin")
        tokens[cut:].tofile(target / "val.bin")
        names = {"vocab_size": len(letters), "itos": dict(enumerate(letters)), "stoi": index}
        (target / "meta.pkl").write_bytes(pickle.dumps(names))
        self.held_out = tokens[cut:]
        spec = importlib.util.spec_from_file_location("nanogpt_model", self.folder / "model.py")
        assert spec and spec.loader
        self.model = importlib.util.module_from_spec(spec)
        sys.modules["nanogpt_model"] = self.model
        spec.loader.exec_module(self.model)

    def train(self, *arguments: str) -> tuple[float, list[float]]:
        """(wall seconds of the whole process, milliseconds of each iteration)."""
        begun = time.perf_counter()
        command = [sys.executable, "train.py", "config/train_shakespeare_char.py", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        return time.perf_counter() - begun, [float(ms) for ms in re.findall(r"time ([\d.]+)ms", done.stdout)]

    def network(self) -> Any:
        """The network of its last checkpoint, as our scoring code calls one."""
        saved = torch.load(self.folder / "out-shakespeare-char" / "ckpt.pt", map_location="cpu", weights_only=True)
        model = self.model.GPT(self.model.GPTConfig(**saved["model_args"]))
        model.load_state_dict(saved["model"])
        model.eval()

        def network(tokens: torch.Tensor, state: None = None, last_only: bool = False) -> tuple[torch.Tensor, None]:
            tokens = tokens.contiguous()
            return model(tokens, tokens)[0], None  # it gives all logits only where it is given targets

        network.n_vocab = saved["model_args"]["vocab_size"]
        return network


# ---------------------------------------------------------------- the parts


def quality(args: argparse.Namespace, work: Path, peer: Peer | None) -> dict[str, Any]:
    """Held-out loss after the wall time of nanoGPT's CPU recipe, whole processes timed from start to exit."""
    from artgen.metrics.likelihood import score_tokens

    assert peer, "quality needs --nanogpt"
    config = CONFIGS / "quickstart.yaml"
    runs: list[dict[str, float]] = []
    cpu = torch.device("cpu")
    for repeat in range(args.repeats):
        wall, _ = peer.train(*CPU_RECIPE)
        network = peer.network()
        theirs = [total / n for total, n in (score_tokens(network, peer.held_out, 64, s, cpu, carry=False) for s in (64, 32))]
        steps = _steps_within(wall, config, args.data, work)
        run = work / f"quality-{repeat}"
        ours_wall = artgen(
            "train", config, "--data", args.data, "--out", run, "--set", f"train.steps={steps}", "--seed", repeat
        )
        ours = [_our_loss(run, peer.held_out, half) for half in (False, True)]
        runs.append(
            {"nanogpt_seconds": wall, "nanogpt_loss": theirs[0], "nanogpt_loss_overlap": theirs[1], "steps": steps,
             "artgen_seconds": ours_wall, "artgen_loss": ours[0], "artgen_loss_overlap": ours[1]}
        )  # fmt: skip
        print(f"  {runs[-1]}", flush=True)
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    table([
        ("tinyshakespeare, last 10 %, every character scored", "wall time", "loss (nats), neighbouring windows", "half-overlapping windows"),
        ("nanoGPT, its CPU recipe", f"{median['nanogpt_seconds']:.1f} s", f"{median['nanogpt_loss']:.4f}", f"{median['nanogpt_loss_overlap']:.4f}"),
        (f"artgen, configs/text/quickstart.yaml, {median['steps']:.0f} steps", f"{median['artgen_seconds']:.1f} s", f"{median['artgen_loss']:.4f}", f"{median['artgen_loss_overlap']:.4f}"),
    ])  # fmt: skip
    return {"median": median, "runs": runs}


def _steps_within(seconds: float, config: Path, data: Path, work: Path) -> int:
    """How many steps of a config fit into `seconds`: a probe of 40 and one of 120 steps give start-up and step time."""
    times = []
    for steps in (40, 120):
        probe = work / f"probe-{steps}"
        shutil.rmtree(probe, ignore_errors=True)
        quiet = ["--set", "train.validate_every=100000", "--set", "train.preview_every=100000"]
        times.append(artgen("train", config, "--data", data, "--out", probe, "--set", f"train.steps={steps}", *quiet))
    step = (times[1] - times[0]) / 80
    return max(50, int((0.95 * seconds - (times[0] - 40 * step)) / step))


def _our_loss(run: Path, held_out: np.ndarray, overlap: bool) -> float:
    from artgen.engine.run import open_trained

    trained = open_trained(run, "best", "cpu")
    context = trained.family.units_per_example
    total, n = trained.family.likelihood(trained.networks, held_out, stride=context // 2 if overlap else context)
    return float(total / n)


SHAPES = {
    "4 layers, 128 wide, block 64, batch 12": {"n_layers": 4, "n_heads": 4, "d_model": 128, "context": 64, "iterations": 300},
    "6 layers, 384 wide, block 256, batch 12": {"n_layers": 6, "n_heads": 6, "d_model": 384, "context": 256, "iterations": 12},
}


def training(args: argparse.Namespace, work: Path, peer: Peer | None) -> dict[str, Any]:
    """Training tokens/s of one architecture (GPT-2's: learned positions, LayerNorm, GELU, tied, AdamW) on both sides."""
    out: dict[str, Any] = {}
    rows: list[tuple[str, ...]] = [
        ("training, tokens/s", "nanoGPT float32", "artgen float32", "ratio", "artgen, precision auto", "ratio")
    ]
    for name, shape in SHAPES.items():
        tokens, count = 12 * shape["context"], shape["iterations"]
        theirs, ours, auto = [], [], []
        for repeat in range(args.repeats):
            if peer:
                sizes = [f"--block_size={shape['context']}", "--batch_size=12", f"--n_layer={shape['n_layers']}"]
                sizes += [f"--n_head={shape['n_heads']}", f"--n_embd={shape['d_model']}", "--dropout=0.0"]
                loop = ["--device=cpu", "--compile=False", "--eval_iters=1", "--log_interval=1", "--eval_interval=100000"]
                _, milliseconds = peer.train(*sizes, *loop, f"--max_iters={count}")
                theirs.append(1000 * tokens / statistics.median(milliseconds[len(milliseconds) // 5 :]))
            for precision, rates in (("32", ours), ("auto", auto)):
                run = work / f"speed-{len(out)}-{precision}-{repeat}"
                changes = {f"model.{key}": value for key, value in shape.items() if key != "iterations"}
                changes |= {"train.steps": count, "train.log_every": max(1, count // 20), "device.precision": precision}
                artgen("train", ROOT / "scripts/bench/nanogpt.yaml", "--data", args.data, "--out", run, *settings(changes))
                windows = logged(run, "tokens_per_second")
                rates.append(statistics.median(windows[len(windows) // 5 :]))
        median = {k: statistics.median(v) for k, v in (("nanogpt", theirs), ("artgen", ours), ("artgen_auto", auto)) if v}
        peer_rate = median.get("nanogpt", float("nan"))
        out[name] = {**median, "ratio": median["artgen"] / peer_rate, "ratio_auto": median["artgen_auto"] / peer_rate,
                     "runs": {"nanogpt": theirs, "artgen": ours, "artgen_auto": auto}}  # fmt: skip
        rows.append((name, f"{peer_rate:,.0f}", f"{median['artgen']:,.0f}", f"{median['artgen'] / peer_rate:.2f}",
                     f"{median['artgen_auto']:,.0f}", f"{median['artgen_auto'] / peer_rate:.2f}"))  # fmt: skip
    table(rows)
    return out


def sampling(args: argparse.Namespace, work: Path, peer: Peer | None) -> dict[str, Any]:
    """Tokens/s of 1,000 tokens at batch 1 from 10.65 M parameters with a context of 1,024; weights as initialised."""
    from artgen.data.tokenizer import CharTokenizer
    from artgen.lm.config import TextSampleConfig
    from artgen.lm.generate import generate
    from artgen.lm.gpt import GPT
    from artgen.lm.gpt_config import GPTModelConfig

    letters = [chr(33 + i) for i in range(65)]
    shape = {"n_layers": 6, "n_heads": 6, "d_model": 384, "context": 1024}
    torch.manual_seed(0)
    network = GPT(GPTModelConfig(**shape, positions="learned", activation="gelu", norm="layer"), 65).eval()
    parameters = sum(p.numel() for p in network.parameters())
    options = TextSampleConfig(prompt="!", max_tokens=1000, temperature=0.8)
    tokenizer = CharTokenizer(letters)
    theirs, ours = [], []
    for repeat in range(args.repeats):
        if peer:
            model = peer.model.GPT(
                peer.model.GPTConfig(block_size=1024, vocab_size=65, n_layer=6, n_head=6, n_embd=384, dropout=0.0, bias=False)
            )
            model.eval()
            with torch.no_grad():
                theirs.append(
                    1000 / _seconds(lambda m=model: m.generate(torch.zeros(1, 1, dtype=torch.long), 1000, temperature=0.8))
                )
        ours.append(
            1000 / _seconds(lambda r=repeat: generate(network, tokenizer, options, n=1, seed=r, device=torch.device("cpu")))
        )
    median = {k: statistics.median(v) for k, v in (("nanogpt", theirs), ("artgen", ours)) if v}
    ratio = median["artgen"] / median.get("nanogpt", float("nan"))
    table([
        ("sampling, tokens/s, batch 1, 1,000 tokens, context 1,024", "nanoGPT", "artgen", "ratio"),
        (f"{parameters / 1e6:.2f} M parameters", f"{median.get('nanogpt', float('nan')):,.0f}", f"{median['artgen']:,.0f}", f"{ratio:.1f}"),
    ])  # fmt: skip
    return {**median, "ratio": ratio, "parameters": parameters, "runs": {"nanogpt": theirs, "artgen": ours}}


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def poems(args: argparse.Namespace, work: Path, peer: Peer | None) -> dict[str, Any]:
    """Share of sampled quatrains that are regular: four lines of one length, 5 or 7 characters, punctuation not counted."""
    from artgen.config import validate
    from artgen.engine.run import open_trained
    from artgen.lm.config import TextSampleConfig

    run = args.poem_run or work / "poems"
    seconds = None
    if not args.poem_run:
        seconds = artgen("train", CONFIGS / "poems.yaml", "--data", args.poems, "--out", run)
    trained = open_trained(run, "best", "cpu")
    base = trained.config.sample.model_dump()
    free = {"lines": None, "line_length": None, "acrostic": None}
    shares = {}
    for name, over in (
        ("unconstrained", free),
        ("constrained", {"lines": 4, "line_length": [5, 7]}),
        ("acrostic", {"acrostic": "春夏秋冬", "line_length": [5, 7]}),
    ):
        options = validate(TextSampleConfig, {**base, **over}, "bench")
        made = trained.family.sample(trained.networks, options, n=200, seed=1)
        shares[name] = sum(is_quatrain(sample.work) for sample in made) / len(made)
        print(f"  {name}, the first two:\n" + "\n--\n".join(sample.work for sample in made[:2]), flush=True)
    table([
        ("200 sampled Tang quatrains that are regular", *shares),
        ("artgen, configs/text/poems.yaml", *(f"{share:.1%}" for share in shares.values())),
    ])  # fmt: skip
    return {"shares": shares, "train_seconds": seconds}


def is_quatrain(text: str) -> bool:
    """Four lines of one length, 5 or 7, of Chinese characters; punctuation at the end of a line is not counted."""
    lines = [re.sub(r"[，。！？；、：\s]+$", "", line.strip()) for line in text.strip().splitlines()]
    return (
        len(lines) == 4
        and len({len(line) for line in lines}) == 1
        and len(lines[0]) in (5, 7)
        and all(re.fullmatch(r"[\u3400-\u9fff\U00020000-\U000323af]+", line) for line in lines)
    )


PARTS = {"quality": quality, "training": training, "sampling": sampling, "poems": poems}

if __name__ == "__main__":
    main()
