"""Networks through which styles are seen, from a weights file that the user gives: VGG-19 and SqueezeNet v1.0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artgen.engine.optimizers import cpu_has_fast_bfloat16
from artgen.errors import UsageError, did_you_mean
from artgen.metrics import squeezenet
from artgen.metrics.weights import fill, open_weights

LARGEST_FILE = 1 << 30  # bytes; VGG-19's take 575 MB, its classifier among them
SMALLEST = 16  # pixels; the deepest maps of both networks have a sixteenth of the picture's height and width
Operation = Callable[[Tensor, bool], Tensor]
"""operation(maps, wrap): wrap: what leaves at one border comes in at the other."""


@dataclass(frozen=True)
class Stage:
    """One step of a network. What comes out of a named one can be asked for."""

    name: str  # "" for a pool
    run: Operation


@dataclass(frozen=True)
class StyleNetwork:
    """The convolutions of a classifier of photographs, without gradients for its weights.

    `name` and `sha256` belong beside every figure and picture that is made with it. style_layers: layer -> how much it counts,
    with 1 as their sum, and content_layers likewise: the default ones. dtype: in which it computes; its maps are of that type.
    """

    name: str
    sha256: str  # of the weights file
    stages: tuple[Stage, ...]
    mean: Tensor  # [3, 1, 1] of sRGB, 0 to 1
    deviation: Tensor
    style_layers: Mapping[str, float]
    content_layers: Mapping[str, float]
    dtype: torch.dtype
    smallest: int = SMALLEST

    @property
    def layers(self) -> list[str]:
        """What can be asked for, in order of depth."""
        return [stage.name for stage in self.stages if stage.name]

    def maps(self, x: Tensor, layers: Iterable[str], wrap: bool = False) -> dict[str, Tensor]:
        """sRGB pictures [n, 3, height, width], 0 to 1 -> the maps of these layers, [n, channels, h, w], channels last in memory.

        Nothing is computed beyond the deepest of the layers. At the borders the first convolution sees the last pixels
        repeated, which keeps frames away, and later ones zeros; wrap: all see the opposite border.
        Raises UsageError for a layer that the network has not, or a picture of less than 16 pixels in height or width.
        """
        asked = set(layers)
        self.check_layers(asked)
        self.check_size(x)
        found: dict[str, Tensor] = {}
        x = ((x - self.mean) / self.deviation).to(self.dtype)
        for stage in self.stages:
            if len(found) == len(asked):
                break
            x = stage.run(x, wrap)
            if stage.name in asked:
                found[stage.name] = x
        return found

    def check_layers(self, layers: Iterable[str]) -> None:
        for layer in layers:
            if layer not in self.layers:
                raise UsageError(f"{self.name} has no layer {layer!r}, {did_you_mean(layer, self.layers)}")

    def check_size(self, x: Tensor, title: str = "a picture") -> None:
        height, width = x.shape[-2:]
        if min(height, width) < self.smallest:
            raise UsageError(
                f"{title} of {width} x {height} pixels is too small for {self.name}, which needs {self.smallest} or more"
            )


def load_style_network(
    path: Path | str,
    device: torch.device | str = "cpu",
    precision: Literal["auto", "32", "bf16"] = "auto",
    pooling: Literal["max", "average"] | None = None,
) -> StyleNetwork:
    """The network whose weights are in a file: .pth, .pt, .safetensors or .npz. Which one it is, the names of the tensors say.

    path: VGG-19 (Simonyan and Zisserman 2015) as torchvision's vgg19, with its classifier or without. SqueezeNet v1.0 (Iandola et
        al. 2016) as torchvision's squeezenet1_0, or as released for Caffe ("fire2.squeeze1x1.weight").
    precision: auto: bfloat16 where the hardware multiplies it faster.
    pooling: max, as the networks were trained, or average, which Gatys et al. (2016, section 2) found to look better.
        None: as looks best with the network.

    Raises UsageError where the file is missing, damaged, of another network, or holds Python objects: no code in it is run.
    """
    path, device = Path(path), torch.device(device)
    tensors, sha256 = open_weights(path, LARGEST_FILE)
    dtype = _dtype(precision, device)
    if "features.34.weight" in tensors or "features.28.weight" in tensors:
        return _vgg19(tensors, str(path), sha256, device, dtype, pooling or "max")
    return _squeezenet(tensors, str(path), sha256, device, dtype, pooling or "max")


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision == "auto":
        fast = {"cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False), "cpu": cpu_has_fast_bfloat16}
        precision = "bf16" if fast.get(device.type, bool)() else "32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


# ---------------------------------------------------------------- VGG-19

VGG_TITLE = "VGG-19"
VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # width and number of convolutions; a pool follows each block


def _vgg19(
    tensors: Mapping[str, Tensor], where: str, sha256: str, device: torch.device, dtype: torch.dtype, pooling: str
) -> StyleNetwork:
    network = nn.Module()
    network.features = nn.Module()
    places: list[tuple[str, int]] = []  # our name of a layer, torchvision's number of its convolution
    number, d_in = 0, 3
    for block, (width, n_convolutions) in enumerate(VGG_BLOCKS, start=1):
        for i in range(1, n_convolutions + 1):
            network.features.add_module(str(number), nn.Conv2d(d_in, width, 3, padding=1))
            places.append((f"relu{block}_{i}", number))
            number, d_in = number + 2, width  # an activation has a number, too
        number += 1  # the pool
    fill(network, {name: t for name, t in tensors.items() if not name.startswith("classifier.")}, where, VGG_TITLE)
    weights = _laid_out(network, device, dtype)
    stages = []
    for name, number in places:
        weight, bias = weights[f"features.{number}.weight"], weights[f"features.{number}.bias"]
        if name.endswith("_1") and name != "relu1_1":
            stages.append(Stage("", _pool(pooling, 2, 2.0)))
        stages.append(Stage(name, _activated(_convolution(weight, bias, 1, "replicate" if name == "relu1_1" else "zeros"))))
    convention = squeezenet.TORCHVISION
    return StyleNetwork(
        VGG_TITLE,
        sha256,
        tuple(stages),
        *_statistics(convention, device),
        style_layers=dict.fromkeys(("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), 0.2),
        content_layers={"relu4_2": 1.0},
        dtype=dtype,
    )


# ---------------------------------------------------------------- SqueezeNet


def _squeezenet(
    tensors: Mapping[str, Tensor], where: str, sha256: str, device: torch.device, dtype: torch.dtype, pooling: str
) -> StyleNetwork:
    network = squeezenet.build_squeezenet(tensors, where)
    weights = _laid_out(network, device, dtype)
    first = weights["conv1.weight"].flip(1) if network.convention.bgr else weights["conv1.weight"]
    stages = []
    for name in ("conv1", *(fire[0] for fire in squeezenet.FIRES)):
        run = _stride_two(first, weights["conv1.bias"]) if name == "conv1" else _fire(weights, name)
        stages.append(Stage(name, _activated(run)))
        if name in squeezenet.POOLED:
            stages.append(Stage("", _pool(pooling, 3, 1.0)))
    return StyleNetwork(
        squeezenet.TITLE,
        sha256,
        tuple(stages),
        *_statistics(network.convention, device),
        style_layers={"conv1": 0.25, "fire2": 0.25, "fire4": 0.2, "fire6": 0.2, "fire8": 0.1},
        content_layers={"fire5": 1.0},
        dtype=dtype,
    )


def _fire(weights: Mapping[str, Tensor], name: str) -> Operation:
    squeeze, by_one, by_three = (
        _convolution(weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"], padding)
        for part, padding in (("squeeze1x1", 0), ("expand1x1", 0), ("expand3x3", 1))
    )

    def run(x: Tensor, wrap: bool) -> Tensor:
        x = F.relu(squeeze(x, wrap))
        # The activation comes after the two are joined, not before: its gradient then runs over memory in order.
        return torch.cat([by_one(x, wrap), by_three(x, wrap)], dim=1)

    return run


# ---------------------------------------------------------------- operations


def _laid_out(network: nn.Module, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights without gradients, convolutions channels-last: as their maps, so that nothing is reordered on the way."""
    found = {}
    for name, tensor in network.state_dict().items():
        tensor = tensor.detach().to(device, dtype)
        found[name] = tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
    return found


def _statistics(convention: squeezenet.Convention, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of red, green and blue from 0 to 1."""
    both = torch.tensor([convention.mean, convention.deviation]) / 255
    mean, deviation = (both.flip(1) if convention.bgr else both).to(device)[:, :, None, None]
    return mean, deviation


def _activated(operation: Operation) -> Operation:
    return lambda x, wrap: F.relu(operation(x, wrap))


def _convolution(weight: Tensor, bias: Tensor, padding: int, border: str = "zeros") -> Operation:
    def run(x: Tensor, wrap: bool) -> Tensor:
        if padding and (wrap or border != "zeros"):
            x = F.pad(x, (padding,) * 4, "circular" if wrap else border)
            return F.conv2d(_channels_last(x), weight, bias)
        return F.conv2d(_channels_last(x), weight, bias, padding=padding)

    return run


def _stride_two(weight: Tensor, bias: Tensor) -> Operation:
    """conv1 of SqueezeNet, 7 x 7 with stride 2, over a picture that goes on for 3 pixels beyond its border.

    Pixels are taken in squares of two by two, as twelve channels, and the kernel likewise, as 4 x 4 of twelve: the same sums, of which
    oneDNN makes the gradient in a third of the time.
    """
    weight = F.pixel_unshuffle(F.pad(weight, (0, 1, 0, 1)), 2).contiguous(memory_format=torch.channels_last)

    def run(x: Tensor, wrap: bool) -> Tensor:
        height, width = x.shape[2:]
        x = F.pad(x, (3, 3 + width % 2, 3, 3 + height % 2), "circular" if wrap else "replicate")
        return F.conv2d(_channels_last(F.pixel_unshuffle(x, 2)), weight, bias)

    return run


def _pool(kind: str, size: int, gain: float) -> Operation:
    """Of `size` with stride 2. gain: what averages are multiplied by, to be about as large as the maxima that the network knows."""

    def run(x: Tensor, wrap: bool) -> Tensor:
        ceil = size == 3  # as SqueezeNet has it: what is left at the lower and right border is pooled, too
        if ceil and wrap:
            x, ceil = _channels_last(F.pad(x, (0, 1, 0, 1), "circular")), False
        if kind == "max":
            return F.max_pool2d(x, size, 2, ceil_mode=ceil)
        return F.avg_pool2d(x, size, 2, ceil_mode=ceil, count_include_pad=False) * gain

    return run


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
