"""Draws quatrains to order as the picture of the README: python scripts/poem_card.py RUN --acrostic 春夏秋冬 -o docs/poems.svg"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from html import escape
from pathlib import Path

CELL, GAP, MARGIN, PAPER, INK, RED = 30, 54, 36, "#f7f1e3", "#222222", "#b3261e"
FONT = "'Noto Serif CJK TC', 'Source Han Serif TC', 'Songti TC', 'PMingLiU', serif"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--acrostic", default="春夏秋冬")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-n", type=int, default=4)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    call = [sys.executable, "-m", "artgen", "sample", args.run, "-n", str(args.n), "--seed", str(args.seed), "--json"]
    made = subprocess.run([*call, "--acrostic", args.acrostic], check=True, capture_output=True, text=True)
    args.out.write_text(draw([sample["text"] for sample in json.loads(made.stdout)["samples"]]), encoding="utf-8")


def draw(poems: list[str]) -> str:
    """An SVG with every poem as it was once written: lines from top to bottom, the first one on the right."""
    columns = [poem.splitlines() for poem in poems]
    height = 2 * MARGIN + CELL * max(len(line) for lines in columns for line in lines)
    width = 2 * MARGIN + sum(CELL * 1.3 * len(lines) for lines in columns) + GAP * (len(columns) - 1)
    x, texts = width - MARGIN - CELL * 0.65, []
    for lines in columns:
        for line in lines:
            for row, character in enumerate(line):
                y = MARGIN + CELL * (row + 0.8)
                color = INK if row else RED
                texts.append(f'<text x="{x:.0f}" y="{y:.0f}" fill="{color}">{escape(character)}</text>')
            x -= CELL * 1.3
        x -= GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">\n'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>\n'
        f'<g font-family="{FONT}" font-size="{CELL - 6}" text-anchor="middle">\n' + "\n".join(texts) + "\n</g>\n</svg>\n"
    )


if __name__ == "__main__":
    main()
