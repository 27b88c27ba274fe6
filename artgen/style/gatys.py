"""Style transfer by optimising the picture itself until a network sees the style in it (Gatys et al. 2016), from coarse to fine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.engine.device import keep_freed_memory
from artgen.errors import ArtgenError, UsageError
from artgen.style.gatys_options import GatysOptions
from artgen.style.job import StyleJob, Watch, unwatched
from artgen.style.networks import SMALLEST, StyleNetwork
from artgen.style.resizing import made_periodic, resize
from artgen.style.statistics import resize_region, statistic_named

SHIFT = 8  # pixels that the picture is moved by at most: the stride of the layers that make strokes
N_SHIFTS = 8  # of which the content is known; each is a pass of the network at the start of a scale
LAST_RATE = 0.1  # the learning rate at the end of a scale, as a share of that at its start


def gatys(job: StyleJob, network: StyleNetwork, options: GatysOptions, watch: Watch = unwatched) -> Tensor:
    """The picture [3, height, width], 0 to 1, on the CPU.

    At each scale the loss is
        style_weight Σ_l w_l D(S(F_l), S(style_l)) + content_weight Σ_l w_l |F_l - C_l|² / |C_l|² + tv_weight TV
    with F the network's maps of the picture and D of artgen.style.statistics. Most steps are taken at coarse scales, where they are
    cheap; at the last one only the finest strokes are missing. Without `init` the work begins from the content.

    Raises UsageError for pictures too small for the network and for layers that it has not, ArtgenError where the optimiser diverges.
    """
    _check(job, network, options)
    if job.strength == 0:
        return job.content.cpu().clone()
    if job.device.type == "cpu":
        keep_freed_memory()
    generator = torch.Generator().manual_seed(job.seed)
    height, width = job.content.shape[1:]
    content = made_periodic(job.content) if job.seamless else job.content
    plan = plan_scales(height, width, options, job.steps)
    steps, work, done = sum(scale.steps for scale in plan), sum(scale.work for scale in plan), 0
    picture = (content if job.init is None else job.init).to(job.device)[None]

    def full_size(mean: _Mean) -> Tensor:
        return resize(mean.value()[0], (height, width), job.seamless).clamp_(0, 1).cpu()

    for scale in plan:
        here = resize(content, scale.size, job.seamless).clamp_(0, 1).to(job.device)[None]
        objective = _Objective(job, here, network, options, scale, generator)
        picture = resize(picture[0], scale.size, job.seamless).clamp_(0, 1)[None]
        for mean in _optimise(picture, objective, options, scale.steps, generator):
            done += scale.height * scale.width
            # Steps of a mean scale, so that the time left is told rightly.
            watch(done * steps // work, steps, partial(full_size, mean))
        picture = mean.value()
        if not picture.isfinite().all():
            raise ArtgenError("gatys: the picture is no longer finite; a smaller learning_rate, or optimizer=adam, is steadier")
    return picture[0].clamp(0, 1).cpu()


def _optimise(
    picture: Tensor, objective: _Objective, options: GatysOptions, steps: int, generator: torch.Generator
) -> Iterator[_Mean]:
    """Takes the steps at one scale, and gives after each the mean of the picture so far."""
    adam = options.optimizer == "adam"
    # L-BFGS compares the losses of its steps, so the picture must not move under it.
    shifts = objective.draw_shifts() if adam and options.jitter else [(0, 0)]
    objective.see_content(shifts)
    picture.requires_grad_()
    optimizer = _optimizer(picture, options)
    mean = _Mean(options.ema_decay)
    for step in range(steps):
        shift = shifts[int(torch.randint(len(shifts), (1,), generator=generator))]

        def closure(shift: tuple[int, int] = shift) -> float:
            optimizer.zero_grad()
            loss = objective(picture, shift)
            loss.backward()
            return float(loss.detach())

        if adam:
            optimizer.param_groups[0]["lr"] = options.learning_rate * (1 - (1 - LAST_RATE) * step / steps)
        optimizer.step(closure)
        if adam:  # not L-BFGS, whose memory is of the unbounded problem
            picture.data.clamp_(0, 1)
        mean.add(picture.detach())
        yield mean


# ---------------------------------------------------------------- scales


@dataclass(frozen=True)
class Scale:
    """A size of the picture, and how many steps are taken at it."""

    height: int
    width: int
    steps: int
    factor: float  # of the full size

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def work(self) -> int:
        """Pixels in all steps: what the time goes by."""
        return self.steps * self.height * self.width


def plan_scales(height: int, width: int, options: GatysOptions, steps: int | None) -> list[Scale]:
    """From the smallest scale to the picture's size, each twice as large as the one before (the first jump may be smaller), with
    `fewer` times its steps. steps: in place of the options' number."""
    # A thin picture begins larger, or its shorter side would vanish.
    smallest = max(options.smallest_scale / max(height, width), SMALLEST / min(height, width))
    factors = [1.0]
    while factors[-1] / 2 >= smallest:
        factors.append(factors[-1] / 2)
    if factors[-1] > smallest * 1.2:  # of nearly the same size it would help little
        factors.append(smallest)
    factors.reverse()
    total = options.steps if steps is None else steps
    shares = [options.fewer**i for i in range(len(factors))]
    return [
        Scale(max(1, round(height * factor)), max(1, round(width * factor)), max(1, round(total * share / sum(shares))), factor)
        for factor, share in zip(factors, shares, strict=True)
    ]


# ---------------------------------------------------------------- the loss


class _Objective:
    """The loss at one scale. Targets are computed once."""

    def __init__(
        self,
        job: StyleJob,
        content: Tensor,
        network: StyleNetwork,
        options: GatysOptions,
        scale: Scale,
        generator: torch.Generator,
    ) -> None:
        self.network, self.wrap, self.generator = network, job.seamless, generator
        self.style_layers = options.style_layers or network.style_layers
        self.content_layers = options.content_layers or network.content_layers
        self.layers = {*self.style_layers, *self.content_layers}
        self.statistic = statistic_named(options.statistic, generator)
        self.style_weight = options.style_weight * job.strength**2
        # A tenth at content strength 0, ten times at 1.
        self.content_weight = options.content_weight * 100 ** (job.content_strength - 0.5)
        self.tv_weight = options.tv_weight
        self.content = content
        self.regions, self.shares = _regions(job, self.content)
        self.styles = self._see_styles(job, scale)
        self.seen: dict[tuple[int, int], dict[str, Tensor]] = {}

    def draw_shifts(self) -> list[tuple[int, int]]:
        rows, columns = torch.randint(0, SHIFT, (2, N_SHIFTS), generator=self.generator).tolist()
        return list(zip(rows, columns, strict=True))

    @torch.no_grad()
    def see_content(self, shifts: list[tuple[int, int]]) -> None:
        self.seen = {
            shift: self.network.maps(self._moved(self.content, shift), self.content_layers, self.wrap) for shift in shifts
        }

    def __call__(self, picture: Tensor, shift: tuple[int, int]) -> Tensor:
        maps = self.network.maps(self._moved(picture, shift), self.layers, self.wrap)
        loss = self.tv_weight * total_variation(picture, self.wrap)
        regions = [None if region is None else self._moved(region, shift) for region in self.regions]
        for layer, weight in self.style_layers.items():
            for target, region, share in zip(self.styles[layer], regions, self.shares, strict=True):
                if share == 0:
                    continue
                seen = None if region is None else resize_region(region[0, 0], maps[layer])
                loss = loss + self.style_weight * weight * share * self.statistic.distance(maps[layer], target, seen)
        for layer, weight in self.content_layers.items():
            loss = loss + self.content_weight * weight * content_distance(maps[layer], self.seen[shift][layer])
        return loss

    def _moved(self, x: Tensor, shift: tuple[int, int]) -> Tensor:
        """Down and to the right by some pixels: other ones meet the grid of the network's strides."""
        down, right = shift
        if shift == (0, 0):
            return x
        if self.wrap:
            return x.roll((down, right), (2, 3))
        return F.pad(x, (right, SHIFT - right, down, SHIFT - down), "reflect")

    @torch.no_grad()
    def _see_styles(self, job: StyleJob, scale: Scale) -> dict[str, list[Any]]:
        """Layer -> a target for each region, or one for all styles mixed if there is no region."""
        found: dict[str, list[Any]] = {layer: [] for layer in self.style_layers}
        for style in job.styles:
            size = [max(self.network.smallest, round(side * scale.factor)) for side in style.pixels.shape[1:]]
            pixels = resize(style.pixels.to(job.device), size).clamp_(0, 1)[None]
            for layer, maps in self.network.maps(pixels, self.style_layers).items():
                found[layer].append(self.statistic(maps))
        if self.regions == [None]:
            return {layer: [self.statistic.mix(targets, job.weights)] for layer, targets in found.items()}
        return found


def total_variation(x: Tensor, wrap: bool = False) -> Tensor:
    """Mean squared difference of neighbours: half across and down, and the diagonals, which count half as they lie further apart,
    [n, channels, h, w] -> scalar."""
    x = F.pad(x, (1, 1, 1, 1), "circular" if wrap else "replicate")
    across, down = x[..., 1:-1, 1:] - x[..., 1:-1, :-1], x[..., 1:, 1:-1] - x[..., :-1, 1:-1]
    falling, rising = x[..., 1:, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, 1:]
    straight = across.square().mean() + down.square().mean()
    return (2 * straight + (falling.square().mean() + rising.square().mean()) / 2) / 3


def content_distance(maps: Tensor, target: Tensor) -> Tensor:
    """|F - C|² / |C|² (Gatys et al. 2016, equation 1, made relative)."""
    target = target.float()
    return (maps.float() - target).square().sum() / target.square().sum().clamp(min=1e-12)


def _regions(job: StyleJob, content: Tensor) -> tuple[list[Tensor | None], list[float]]:
    """Where each style counts, [1, 1, height, width], and for how much of the picture. One None if all styles are wanted everywhere.

    Where several regions meet, a place counts for each by the style's weight, so that it counts for one in all.
    """
    if all(style.region is None for style in job.styles):
        return [None], [1.0]
    height, width = content.shape[2:]
    given = []
    for style, weight in zip(job.styles, job.weights, strict=True):
        region = torch.ones(job.content.shape[1:]) if style.region is None else style.region
        given.append(F.interpolate(weight * region.to(content)[None, None], (height, width), mode="area"))
    total = torch.stack(given).sum(0).clamp(min=1e-6)
    # The share of a place that no style wants is 0; of one that is wanted a little, as much as is wanted.
    wanted = torch.stack([region / weight for region, weight in zip(given, job.weights, strict=True)]).amax(0)
    regions = [region / total * wanted for region in given]
    return list(regions), [float(region.mean()) for region in regions]


def _check(job: StyleJob, network: StyleNetwork, options: GatysOptions) -> None:
    network.check_size(job.content, "a content")
    for style in job.styles:
        network.check_size(style.pixels, "a style")
    for title, layers in (("style_layers", options.style_layers), ("content_layers", options.content_layers)):
        _check_layers(network, title, layers)


def _check_layers(network: StyleNetwork, title: str, layers: Mapping[str, float] | None) -> None:
    try:
        network.check_layers(layers or {})
    except UsageError as error:
        raise UsageError(f"{title}: {error}") from None


# ---------------------------------------------------------------- optimisers


def _optimizer(picture: Tensor, options: GatysOptions) -> torch.optim.Optimizer:
    if options.optimizer == "lbfgs":
        return torch.optim.LBFGS([picture], max_iter=1, history_size=10)
    return torch.optim.Adam([picture], lr=options.learning_rate, betas=(0.9, 0.99), fused=picture.device.type != "mps")


class _Mean:
    """The exponential moving average of what is added, without bias to its start (Kingma and Ba 2015, section 3)."""

    def __init__(self, decay: float) -> None:
        self.decay, self.sum, self.weight = decay, torch.zeros(()), 0.0

    def add(self, x: Tensor) -> None:
        self.sum = torch.lerp(x, self.sum.to(x).expand_as(x), self.decay)
        self.weight = self.decay * self.weight + 1 - self.decay

    def value(self) -> Tensor:
        return self.sum / self.weight
