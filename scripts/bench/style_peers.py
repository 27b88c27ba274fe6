"""Peers of `gatys` for scripts/bench/style.py, on the network, layers and sizes that it has: crowsonkb/style-transfer-pytorch,
imported from a checkout, and the loop of PyTorch's neural style tutorial, written to the letter of its text."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from artgen.metrics.features import load_features
from artgen.metrics.squeezenet import FIRES, POOLED
from artgen.style.networks import load_style_network

DEVIATION = 57.6  # of a colour channel on ImageNet, of 255
CONTENT_WEIGHT, STYLE_WEIGHT, STEPS = 1, 1_000_000, 300  # the tutorial's
# What makes our `gatys` ask for what peers ask for, where it is timed until it has their loss: hardly any content, no
# smoothness, and steps enough to come that near.
AS_PEERS: dict[str, Any] = {"content_weight": 0.0003, "tv_weight": 0.0, "optimizer": "lbfgs", "steps": 900, "fewer": 0.7}
Loss = Callable[[Tensor], float]


@dataclass
class Run:
    """What a peer made: the picture [3, h, w], and when each iteration of the last scale ended, in seconds since the start."""

    picture: Tensor
    times: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.times[-1]

    def per_iteration(self) -> list[float]:
        return [b - a for a, b in pairwise(self.times)]


class PlainSqueezeNet(nn.Module):
    """SqueezeNet as anyone would write it: modules one after the other, in float32. Pictures [n, 3, h, w], 0 to 1.

    Called as the peer's network is: forward(pictures, layers) -> maps by layer, and the pictures themselves as "input".
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        settings = load_style_network(weights, precision="32")
        self.style_layers, self.content_layers = list(settings.style_layers), list(settings.content_layers)
        network: Any = load_features(weights).network
        self.network = network
        self.first = nn.Conv2d(3, 96, 7, stride=2, padding=3, padding_mode="replicate")  # as the peer pads its first one
        self.first.load_state_dict(network.conv1.state_dict())
        # Inputs of the Caffe release are 255 where those of the networks that peers were tuned for have a deviation of 1. With
        # all biases and the first weights that much smaller, so is every map, and their weights of losses are right.
        scale = 1 / DEVIATION if network.convention.deviation == (1.0, 1.0, 1.0) else 1.0
        for name, parameter in self.named_parameters():
            if name.endswith("bias") or name == "first.weight":
                parameter.data.mul_(scale)
        self.requires_grad_(False)

    def forward(self, pictures: Tensor, layers: list[str] | None = None) -> dict[str, Tensor]:
        asked = [*self.style_layers, *self.content_layers] if layers is None else layers
        found = {"input": pictures}
        x = (255 * (pictures.flip(1) if self.network.convention.bgr else pictures) - self.network.mean) / self.network.deviation
        for name in ("conv1", *(fire[0] for fire in FIRES)):
            x = F.relu(self.first(x)) if name == "conv1" else self.network.get_submodule(name)(x)
            if name in asked:
                found[name] = x
            if set(asked) <= set(found):
                return found
            if name in POOLED:
                x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
        raise ValueError(f"layers {asked}, expected names of SqueezeNet's")


# ---------------------------------------------------------------- crowsonkb


def _module(path: Path) -> Any:
    """Its module, without what its package imports for its web page."""
    import artgen.vision  # noqa: F401 (torchvision beside a torch for the CPU alone)

    package = types.ModuleType("style_transfer")
    package.__path__ = [str(path / "style_transfer")]
    sys.modules["style_transfer"] = package
    return importlib.import_module("style_transfer.style_transfer")


class Crowsonkb:
    """Its loop as released: five scales, Adam, Wasserstein-2 loss of normal distributions. Only the network is another."""

    name = "crowsonkb"

    def __init__(self, path: Path, network: PlainSqueezeNet) -> None:
        self.module, self.network = _module(path), network

    def run(self, content: Tensor, style: Tensor, iterations: int | None = None, one_scale: bool = False) -> Run:
        """iterations: of each scale; None: its own numbers. one_scale: at the full size alone."""
        peer, size, times = self._made(), max(content.shape[1:]), []
        more: dict[str, Any] = {"min_scale": size} if one_scale else {}
        if iterations is not None:
            more |= {"iterations": iterations, "initial_iterations": iterations}

        def ended(iterate: Any) -> None:
            if iterate.w == content.shape[2]:
                times.append(time.perf_counter() - begun)

        begun = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            peer.stylize(to_image(content), [to_image(style)], end_scale=size, callback=ended, **more)
        return Run(peer.get_image_tensor(), times)

    def style_loss(self, style: Tensor) -> Loss:
        """Its own: of a picture [3, h, w]."""
        peer = self._made()
        maps = self.network(style[None], self.network.style_layers)
        losses = {
            layer: self.module.StyleLossW2(self.module.StyleLossW2.get_target(maps[layer])) for layer in peer.style_layers
        }

        @torch.no_grad()
        def loss(picture: Tensor) -> float:
            seen = self.network(picture[None], self.network.style_layers)
            weighted = zip(peer.style_layers, peer.style_weights, strict=True)
            return float(sum(weight * losses[layer](seen[layer]) for layer, weight in weighted))

        return loss

    def _made(self) -> Any:
        """Its class with another network: its own constructor would download VGG-19."""
        network, base = self.network, self.module.StyleTransfer

        class OnSqueezeNet(base):  # type: ignore[misc]
            def __init__(self) -> None:
                self.devices = [torch.device("cpu")]
                self.image = self.average = None
                self.content_layers, self.style_layers = network.content_layers, network.style_layers
                weights = [4.0 ** (len(self.style_layers) - 1 - i) for i in range(len(self.style_layers))]
                self.style_weights = [weight / sum(weights) for weight in weights]  # 256, 64, 16, 4, 1 of five layers
                self.model = network

        return OnSqueezeNet()


# ---------------------------------------------------------------- the tutorial


class Tutorial:
    """pytorch.org/tutorials/advanced/neural_style_tutorial: L-BFGS on the pixels, mean squared errors of Gram matrices divided
    by their number of values, times a million, from the content, at one scale."""

    name = "tutorial"

    def __init__(self, network: PlainSqueezeNet) -> None:
        self.network = network

    def run(self, content: Tensor, style: Tensor, iterations: int | None = None, one_scale: bool = False) -> Run:
        """iterations: None: 300, its own number; there is one scale anyway."""
        steps = STEPS if iterations is None else iterations
        style_loss = self._style_loss(style)
        targets = {name: maps.detach() for name, maps in self._content(content[None]).items()}
        picture = content[None].clone(memory_format=torch.contiguous_format).requires_grad_(True)
        optimizer = torch.optim.LBFGS([picture])
        times: list[float] = []
        begun = time.perf_counter()

        def closure() -> Tensor:
            with torch.no_grad():
                picture.clamp_(0, 1)
            optimizer.zero_grad()
            maps = self.network(picture)
            content_loss = sum(F.mse_loss(maps[name], target) for name, target in targets.items())
            loss: Tensor = STYLE_WEIGHT * style_loss(maps) + CONTENT_WEIGHT * content_loss
            loss.backward()
            times.append(time.perf_counter() - begun)
            return loss

        while len(times) <= steps:
            optimizer.step(closure)
        with torch.no_grad():
            picture.clamp_(0, 1)
        return Run(picture.detach()[0], times)

    def style_loss(self, style: Tensor) -> Loss:
        """Its own: of a picture [3, h, w]."""
        loss = self._style_loss(style)

        @torch.no_grad()
        def of(picture: Tensor) -> float:
            return float(loss(self.network(picture[None], self.network.style_layers)))

        return of

    def _content(self, pictures: Tensor) -> dict[str, Tensor]:
        maps = self.network(pictures, self.network.content_layers)
        return {name: maps[name] for name in self.network.content_layers}

    def _style_loss(self, style: Tensor) -> Callable[[dict[str, Tensor]], Tensor]:
        maps = self.network(style[None], self.network.style_layers)
        targets = {name: gram(maps[name]).detach() for name in self.network.style_layers}
        return partial(_difference, targets)


def gram(maps: Tensor) -> Tensor:
    """Products of channels over the number of all values, as the tutorial normalises them."""
    features = maps.flatten(2)[0]
    return features @ features.T / maps.numel()


def _difference(targets: dict[str, Tensor], maps: dict[str, Tensor]) -> Tensor:
    return torch.stack([F.mse_loss(gram(maps[name]), target) for name, target in targets.items()]).sum()


def to_image(picture: Tensor) -> Image.Image:
    """[3, h, w], 0 to 1 -> 8 bits."""
    return Image.fromarray((picture.detach().cpu().clamp(0, 1).permute(1, 2, 0) * 255).round().byte().numpy())
