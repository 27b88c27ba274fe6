"""The work of `artgen style-transfer`: pictures become a job, a method or a network does it, and a picture comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from artgen.cli.style_inputs import SOFT, Given, Plane
from artgen.cli.style_plan import Way
from artgen.cli.style_request import StyleRequest
from artgen.engine.device import set_threads, torch_device
from artgen.engine.run import open_trained
from artgen.errors import ArtgenError
from artgen.media.image_files import Picture
from artgen.media.recipe import Recipe
from artgen.style.color import preserve_luminance, preserve_statistics
from artgen.style.job import StyleImage, StyleJob, Watch
from artgen.style.methods import METHODS


@dataclass(frozen=True)
class Maker:
    """What does the work, opened.

    checkpoint: SHA-256 of the weights that it looks through or is, or nothing. about: what a user should know of them.
    """

    family: str
    run: str
    checkpoint: str
    device: torch.device
    make: Callable[[StyleJob, Watch], Tensor]
    about: str = ""

    def recipe(self, request: StyleRequest, seed: int) -> Recipe:
        return Recipe(
            command="style-transfer",
            family=self.family,
            run=self.run,
            checkpoint=self.checkpoint,
            seed=seed,
            options=request.model_dump(mode="json"),
            device=self.device.type,
            torch=str(torch.__version__),
            threads=torch.get_num_threads(),
            licence="made from the pictures that are named; the rights in them still hold",
        )


def open_maker(way: Way, device: str) -> Maker:
    """Loads weights or a run. Raises UsageError where they are not what they should be.

    The network of a run transfers styles by its family's `stylize(networks, job, options, watch)`, where the job has no styles.
    """
    if way.run:
        trained = open_trained(Path(way.run), way.checkpoint, device)

        def by_network(job: StyleJob, watch: Watch) -> Tensor:
            made: Tensor = trained.family.stylize(trained.networks, job, way.options, watch)
            return made

        target = torch_device(device)
        return Maker(trained.config.family, way.run, trained.checkpoint.weights_sha256(), target, by_network)

    assert way.method is not None
    target = torch_device(device)
    set_threads(0)
    method = METHODS[way.method]
    function = method.load()
    if not method.needs_weights:
        return Maker(f"style.{way.method}", "", "", target, lambda job, watch: function(job, way.options, watch))
    from artgen.style.networks import load_style_network

    assert way.weights is not None
    network = load_style_network(Path(way.weights.path), target)
    about = f"{way.weights.path}: {network.name}, SHA-256 {network.sha256}"

    def through_network(job: StyleJob, watch: Watch) -> Tensor:
        made: Tensor = function(job, network, way.options, watch)
        return made

    return Maker(f"style.{way.method}", "", network.sha256, target, through_network, about)


def make_job(request: StyleRequest, given: Given, seed: int, device: torch.device) -> StyleJob:
    """The job that a method is given."""
    content = _tensor(given.content.pixels)
    regions: list[Tensor | None] = [None] * len(given.styles)
    if given.styles and given.regions:  # where the style is a run's, the mask says only what is blended in the end
        regions = [torch.from_numpy(region) for region in given.regions]
    init = None if given.init is None else _tensor(given.init)
    if request.init == "content":
        init = content
    elif request.init == "noise":
        init = torch.rand(content.shape, generator=torch.Generator().manual_seed(seed))
    return StyleJob(
        content=content,
        styles=[
            StyleImage(_tensor(pixels), style.weight, region)
            for pixels, style, region in zip(given.styles, request.styles, regions, strict=True)
        ],
        content_strength=request.content_strength,
        strength=request.strength,
        init=init,
        seamless=request.tile,
        seed=seed,
        steps=request.steps,
        device=device,
    )


def finish(made: Tensor, request: StyleRequest, given: Given) -> Picture:
    """What a method made, [3, height, width], as the picture that is written: the content's colours where they are to stay,
    the photo where no mask is white, the content's alpha, profile, bits and EXIF."""
    content = torch.from_numpy(given.content.pixels).permute(2, 0, 1)
    result = made.detach().to("cpu", torch.float32)
    if result.shape != content.shape:
        raise ValueError(f"a method made {list(result.shape)} of a content of {list(content.shape)}")
    if not bool(torch.isfinite(result).all()):
        raise ArtgenError(f"{request.content.path}: the picture fell apart into values that are no numbers; try another --seed")
    result = result.clamp(0, 1)
    if request.preserve_color == "luminance":
        result = preserve_luminance(result, content)
    elif request.preserve_color == "statistics":
        result = preserve_statistics(result, content)
    coverage = given.coverage()
    if coverage is not None:
        result = torch.lerp(content, result, softened(coverage))
    return replace(given.content, pixels=result.permute(1, 2, 0).contiguous().numpy())


def softened(coverage: Plane) -> Tensor:
    """A mask [h, w] with its borders blurred (a Gaussian whose deviation is SOFT of the longest side, cut at three of them)."""
    sigma = max(SOFT * max(coverage.shape), 0.5)
    reach = min(math.ceil(3 * sigma), min(coverage.shape) - 1)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (places / sigma) ** 2)
    kernel = kernel / kernel.sum()
    plane = torch.from_numpy(coverage)[None, None]
    plane = F.conv2d(F.pad(plane, (reach, reach, 0, 0), "replicate"), kernel.view(1, 1, 1, -1))
    plane = F.conv2d(F.pad(plane, (0, 0, reach, reach), "replicate"), kernel.view(1, 1, -1, 1))
    # Sums of the kernel are 1 but for rounding: what is all white or all black stays so.
    blurred: Tensor = plane[0, 0].clamp_(0, 1)
    return torch.where(blurred > 1 - 1e-5, torch.ones_like(blurred), blurred)


def _tensor(pixels: Plane) -> Tensor:
    """[h, w, 3] as [3, h, w]."""
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
