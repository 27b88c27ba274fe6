"""Benchmarks of music: likelihood of chorales, harmony, style and copying of folk tunes, round trip, sound.

    python scripts/bench/music.py [--only chorales,harmony,style,roundtrip,sound] [--work FOLDER] [--run polyphony=FOLDER]

Runs that are trained stay in --work, if that is given, and serve later calls; --run names one that was made elsewhere. Prints
tables and writes scripts/bench/results/music.json, part by part.

chorales: the JSB chorales of Boulanger-Lewandowski et al. 2012 in their split, every 4th step of the file in sixteenths; nats
per frame as `artgen.metrics.music_likelihood` says, beside two models that anyone can check the scale with.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import SHARED, run_parts, table
from music_runs import MusicRuns

RESULTS = Path(__file__).parent / "results" / "music.json"
LITERATURE = (  # test nats per frame
    ("LSTM (Bai et al. 2018)", 8.45),
    ("GRU (Bai et al. 2018)", 8.43),
    ("TCN (Bai et al. 2018)", 8.10),
    ("RNN-RBM (Boulanger-Lewandowski et al. 2012)", 6.27),
    ("RNN-NADE (Boulanger-Lewandowski et al. 2012)", 5.56),
)
OURS = {"frames": "music.rnn, independent pitches", "polyphony": "music.polyphony"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--chorales", type=Path, default=SHARED / "jsb-chorales" / "jsb-chorales-16th.json")
    parser.add_argument("--voices", type=Path, default=SHARED / "jsb-chorales" / "Jsb16thSeparated.json")
    parser.add_argument("--tunes", type=Path, default=SHARED / "midi-nottingham")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3, help="of sound")
    parser.add_argument("--work", type=Path, help="where runs are kept; default: a folder that is deleted")
    parser.add_argument("--run", action="append", default=[], metavar="NAME=FOLDER", help="such as polyphony=runs/mine")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if wrong := next((each for each in args.run if "=" not in each), None):
        raise SystemExit(f"--run {wrong}: expected NAME=FOLDER")
    given = {name: Path(path) for name, path in (each.split("=", 1) for each in args.run)}
    with tempfile.TemporaryDirectory(prefix="artgen-bench-") as folder:
        work = (args.work or Path(folder)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        data = {"frames": args.chorales, "polyphony": args.chorales, "chorales": args.voices, "lstm": args.tunes}
        runs = MusicRuns(work, {name: path.resolve() for name, path in data.items()}, given)
        run_parts(args.only, {name: partial(part, args, runs) for name, part in PARTS.items()}, args.results)


# ---------------------------------------------------------------- chorales


def chorales(args: argparse.Namespace, runs: MusicRuns) -> dict[str, Any]:
    """Test nats per frame, in Bach's keys and with every piece's tonic moved to C."""
    from artgen.metrics.music_likelihood import IndependentPitches, RepeatedFrames, as_frames, frame_likelihood

    splits = json.loads(args.chorales.read_text())
    frames = {name: [as_frames(piece, every=4) for piece in pieces] for name, pieces in splits.items()}
    found: dict[str, Any] = {"pieces": {name: len(pieces) for name, pieces in frames.items()}}
    rows: list[tuple[str, ...]] = [("model", "test nats/frame", "with first frames", "moved to C", "parameters", "minutes")]
    in_c = {name: [_in_c(piece) for piece in pieces] for name, pieces in frames.items()}
    for label, model in (("every pitch for itself", IndependentPitches), ("as the frame before", RepeatedFrames)):
        figures = {}
        for place, of in (("original", frames), ("in_c", in_c)):
            fitted: Any = model.fit(of["train"])
            figures[place] = frame_likelihood([fitted.nats(piece) for piece in of["test"]], of["test"])
        found[label] = {place: figure.per_frame.as_dict() for place, figure in figures.items()}
        rows.append((label, *_three(figures), "", ""))
    rows += [(label, f"{value:.2f}", "", "", "", "") for label, value in LITERATURE]
    for name, label in OURS.items():
        run = runs.get(name)
        trained = run.open()
        figures = {
            place: trained.family.likelihood(trained.networks, _rolls(of["test"]))
            for place, of in (("original", frames), ("in_c", in_c))
        }
        parameters = sum(p.numel() for p in trained.networks["model"].parameters())
        found[name] = {
            **run.as_dict(),
            **{place: figure.per_frame.as_dict() for place, figure in figures.items()},
            "with_first": figures["original"].with_first.as_dict(),
            "per_note": figures["original"].per_note,
            "parameters": parameters,
        }
        rows.append((f"ours: {label}", *_three(figures), f"{parameters:,}", f"{run.seconds / 60:.1f}"))
    table(rows)
    return found


def _three(figures: dict[str, Any]) -> tuple[str, str, str]:
    original = figures["original"]
    interval = f"{original.per_frame.value:.2f} ({original.per_frame.low:.2f} to {original.per_frame.high:.2f})"
    return interval, f"{original.with_first.value:.2f}", f"{figures['in_c'].per_frame.value:.2f}"


def _rolls(pieces: list[Any]) -> list[Any]:
    from artgen.music.frames import Roll, phases

    return [Roll(piece, phases(((0.0, 4, 4),), len(piece), 1)) for piece in pieces]


def _in_c(frames: Any) -> Any:
    """Moved so that the tonic of the key that fits best is C, as the literature's file has it, with tonics of its own."""
    from artgen.metrics.music_keys import estimate_key
    from artgen.music.frame_batches import shifts, transposed

    weights = np.bincount((np.nonzero(frames)[1] + 21) % 12, minlength=12).astype(float)
    key = estimate_key(weights)
    assert key is not None
    up = (-key.tonic + 6) % 12 - 6
    allowed = shifts(frames, (-12, 12))
    return transposed(frames, up if up in allowed else up + 12 if up + 12 in allowed else up - 12)


# ---------------------------------------------------------------- harmony


def harmony(args: argparse.Namespace, runs: MusicRuns) -> dict[str, Any]:
    """Harmonies of held-out sopranos against Bach's own, and parallels in new pieces against his."""
    from artgen.data.music import load_music
    from artgen.metrics.music_theory import piece_figures, voice_figures
    from artgen.music.chorales import voices
    from artgen.music.config import MusicSampleConfig

    run = runs.get("chorales")
    trained = run.open()
    config: Any = trained.config
    test = load_music(config.data).test
    begun = time.perf_counter()
    accuracy = trained.family.accuracy(trained.networks, test, seed=1)
    seconds = (time.perf_counter() - begun) / len(test)
    options: MusicSampleConfig = config.sample.model_copy(update={"bars": 16})
    made = [each.work for each in trained.family.sample(trained.networks, options, n=args.samples, seed=1)]
    ours = {**voice_figures([voices(piece, 4) for piece in made]), **piece_figures(made)}
    bach = {**voice_figures([voices(piece, 4) for piece in test]), **piece_figures(test)}
    ratio = ours["parallels"].value / bach["parallels"].value
    table(
        [
            ("harmony", "ours", "Bach's test pieces"),
            ("steps of alto, tenor and bass as Bach wrote them", f"{accuracy.share:.1%}", f"of {accuracy.n_steps:,} each"),
            *((f"  {name}", f"{share:.1%}", "") for name, share in accuracy.by_voice.items()),
            ("seconds a piece", f"{seconds:.2f}", ""),
            *((name.replace("_", " "), f"{ours[name].value:.3f}", f"{bach[name].value:.3f}") for name in ours),
            ("parallels, ratio", f"{ratio:.2f} x", "1"),
        ]
    )
    return {
        **run.as_dict(),
        "accuracy": accuracy.share,
        "by_voice": accuracy.by_voice,
        "steps": accuracy.n_steps,
        "seconds_a_piece": seconds,
        "samples": {name: figure.as_dict() for name, figure in ours.items()},
        "bach": {name: figure.as_dict() for name, figure in bach.items()},
        "parallels_ratio": ratio,
    }


# ---------------------------------------------------------------- style


def style(args: argparse.Namespace, runs: MusicRuns) -> dict[str, Any]:
    """New tunes against held-out ones: style, variety, and the longest melodic span that stands in the training tunes."""
    from artgen.data.music import load_music
    from artgen.metrics.music_copying import melodic_copying
    from artgen.metrics.music_style import style_share

    run = runs.get("lstm")
    trained = run.open()
    config: Any = trained.config
    music = load_music(config.data)
    begun = time.perf_counter()
    made = [each.work for each in trained.family.sample(trained.networks, config.sample, n=args.samples, seed=1)]
    seconds = (time.perf_counter() - begun) / len(made)
    share = style_share(made, music.train, music.validation)
    copying = melodic_copying(made, music.train, music.validation)
    rows: list[tuple[str, ...]] = [("style", "share of what training tunes reach", "interval")]
    for label, figure in share.figures().items():
        rows.append((label.replace("_", " "), f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}"))
    for kind, of in (("intervals", copying.intervals), ("rhythm", copying.rhythm)):
        figures = of.figures()
        rows.append(
            (
                f"longest copied span, {kind}: median",
                f"{figures['samples_median']:.0f} notes",
                f"held-out {figures['held_out_median']:.0f}",
            )
        )
    table(rows)
    print(f"{seconds:.2f} s a tune")
    return {
        **run.as_dict(),
        "samples": args.samples,
        "seconds_a_tune": seconds,
        "style": {name: figure.as_dict() for name, figure in share.figures().items()},
        "copying": {"intervals": copying.intervals.figures(), "rhythm": copying.rhythm.figures()},
    }


# ---------------------------------------------------------------- files and sound


def roundtrip(args: argparse.Namespace, runs: MusicRuns) -> dict[str, Any]:
    """Read, put on the grid, tokenised, decoded, written, read again: every note's pitch and onset."""
    from artgen.data.music import load_music
    from artgen.data.music_config import BACH, MusicDataConfig
    from artgen.music.event_reader import decode
    from artgen.music.events import EventFacts, EventVocabulary
    from artgen.music.family import facts_of, in_known_parts
    from artgen.music.roundtrip import round_trip

    found: dict[str, Any] = {}
    rows: list[tuple[str, ...]] = [("pieces", "steps to a quarter note", "notes", "lost", "new")]
    for name, path, steps in (("Nottingham", str(args.tunes), 12), ("corpus of music21", BACH, 4)):
        music = load_music(MusicDataConfig(path=[path], steps=steps))
        facts = facts_of(music)
        known = [in_known_parts(piece, facts) for piece in music.pieces]
        words = EventVocabulary(EventFacts.of(known, facts.piece_parts, steps, 1))

        def through(piece: Any, words: Any = words, facts: Any = facts) -> Any:
            return decode(words.encode(in_known_parts(piece, facts)), words, facts.piece_parts)

        kept = round_trip(music.pieces, steps, through)
        rows.append((f"{name}, {kept.n_pieces}", str(steps), f"{kept.n_notes:,}", str(kept.n_lost), str(kept.n_new)))
        found[name] = {"pieces": kept.n_pieces, "steps": steps, "notes": kept.n_notes, "lost": kept.n_lost, "new": kept.n_new}
    table(rows)
    return found


def sound(args: argparse.Namespace, runs: MusicRuns) -> dict[str, Any]:
    """WAV against real time, on one core: the test chorales one after the other as one piece each."""
    from artgen.data.music import load_music
    from artgen.data.music_config import MusicDataConfig
    from artgen.media.synthesis import SAMPLE_RATE, render

    pieces = load_music(MusicDataConfig(path=[str(args.voices)])).test[:8]
    tunes = load_music(MusicDataConfig(path=[str(args.tunes)], steps=12)).validation[:8]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {}
    rows: list[tuple[str, ...]] = [("sound", "times real time, one core, median")]
    for name, of in (("chorales", pieces), ("folk tunes with chords", tunes)):
        rates = []
        for _ in range(args.repeats):
            begun, used = time.perf_counter(), time.process_time()
            length = sum(len(render(piece)) for piece in of) / SAMPLE_RATE
            rates.append(length / max(time.perf_counter() - begun, time.process_time() - used))
        found[name] = {"times_real_time": rates, "pieces": len(of)}
        rows.append((name, f"{statistics.median(rates):.0f}"))
    torch.set_num_threads(threads)
    table(rows)
    return found


PARTS = {"chorales": chorales, "harmony": harmony, "style": style, "roundtrip": roundtrip, "sound": sound}

if __name__ == "__main__":
    main()
