"""The pictures of scripts/bench/style.py: contents, styles, and what each method makes of them, kept in a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from style_peers import Crowsonkb, PlainSqueezeNet, Tutorial, to_image
from torch import Tensor

from artgen.media.image_files import read_image
from artgen.style.color import transfer_color
from artgen.style.job import StyleImage, StyleJob

OURS = ("patch", "gatys")
PEERS = ("crowsonkb", "tutorial")
Method = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Made:
    """What a method made of a pair: [3, h, w], 0 to 1, as it is in 8 bits, and how long it took."""

    content: Tensor
    style: Tensor
    result: Tensor
    seconds: float


@dataclass(frozen=True)
class Pairs:
    """All pairs of a folder of contents and a folder of styles. options: of a method, those that are not the defaults."""

    contents: Path
    styles: Path
    weights: Path
    work: Path
    options: dict[str, dict[str, Any]]
    crowsonkb: Path | None = None

    @cached_property
    def names(self) -> list[tuple[Path, Path]]:
        """(content, style), content by content."""
        folders = [[path for path in sorted(folder.iterdir()) if path.is_file()] for folder in (self.contents, self.styles)]
        return [(content, style) for content in folders[0] for style in folders[1]]

    @cached_property
    def plain(self) -> PlainSqueezeNet:
        return PlainSqueezeNet(self.weights)

    def made(self, method: str, size: int, by: Path | None = None) -> Iterator[tuple[str, Made]]:
        """What is in the folder, and what is not there yet is made. by: with this style alone."""
        function = self.method(method)
        folder = self.work / f"{method}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        for content_path, style_path in self.names:
            if by not in (None, style_path):
                continue
            name = f"{content_path.stem}--{style_path.stem}"
            file, facts = folder / f"{name}.png", folder / f"{name}.json"
            content, style = read(content_path, size), read(style_path, size)
            if not facts.exists():
                begun = time.perf_counter()
                result = function(content, style)
                seconds = time.perf_counter() - begun
                to_image(result).save(file)
                facts.write_text(json.dumps({"seconds": seconds}))
            with Image.open(file) as image:
                result = torch.tensor(np.asarray(image.convert("RGB"))).permute(2, 0, 1).contiguous() / 255
            yield name, Made(content, style, result, json.loads(facts.read_text())["seconds"])

    def method(self, name: str) -> Method:
        if name == "colour":
            return transfer_color
        if name in PEERS:
            peer = self.peer(name)
            return lambda content, style: peer.run(content, style).picture
        if name not in OURS:
            raise SystemExit(f"--methods: there is no {name!r}, one of: colour, {', '.join((*OURS, *PEERS))}")
        call = self.ours(name)
        return lambda content, style: call(StyleJob(content, [StyleImage(style)]))

    def ours(self, name: str, **changes: Any) -> Callable[..., Tensor]:
        """One of our methods as a function of a job, and of a watch if one looks on."""
        from artgen.config import validate
        from artgen.style.methods import method_named
        from artgen.style.networks import load_style_network

        method = method_named(name)
        options = validate(method.options_class(), {**self.options.get(name, {}), **changes}, where=name)
        function = method.load()
        given = (load_style_network(self.weights),) if method.needs_weights else ()
        return lambda job, *watch: function(job, *given, options, *watch)

    def peer(self, name: str) -> Crowsonkb | Tutorial:
        if name == "tutorial":
            return Tutorial(self.plain)
        if self.crowsonkb is None:
            raise SystemExit("crowsonkb: --crowsonkb names a checkout of crowsonkb/style-transfer-pytorch")
        return Crowsonkb(self.crowsonkb, self.plain)

    @property
    def peers(self) -> list[str]:
        """Those that can be run."""
        return [name for name in PEERS if name != "crowsonkb" or self.crowsonkb is not None]


def read(path: Path, size: int) -> Tensor:
    """[3, h, w], 0 to 1, `size` pixels on its longer side."""
    return torch.tensor(read_image(path, size).pixels).permute(2, 0, 1).contiguous()
