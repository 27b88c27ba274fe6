"""Colours alone: those of a painting put onto a photograph, or those of the photograph put back onto what was made of it.

Everything here is closed form: the mean and the covariance of one picture's colours are carried onto another's by the one
linear map that moves them least (Pitié and Kokaram 2007, "The linear Monge-Kantorovitch linear colour mapping for
example-based colour transfer"). What it makes of a photograph is what style transfer has to be better than.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from artgen.style.job import StyleImage

FLOOR = (2 / 255) ** 2  # variance that a colour axis has at least: below lies the noise of 8 bits, which must not be stretched
CHUNK = 1 << 20  # pixels at a time: what is computed beside a large picture stays small
HALVINGS = 12  # of the interval in which the largest chroma of the gamut is looked for: 1 / 4,096 of the chroma


@dataclass(frozen=True)
class ColorStatistics:
    """What a linear map can match: mean [3] and covariance [3, 3] of a picture's colours, float64."""

    mean: Tensor
    covariance: Tensor


def transfer_color(content: Tensor, style: Tensor, weight_map: Tensor | None = None) -> Tensor:
    """The content with the style's mean colour and covariance of colours.

    content [3, h, w] and style [3, any, any]: 0 to 1. weight_map: [h, w], 0 to 1: how much of the colours is put where; only
    what lies there counts for the content's statistics. None: everywhere. Returns [3, h, w], 0 to 1: colours outside are cut
    off, which moves the statistics a little.

    A grey content gets the colours that go along with light and dark in the style; a grey style makes the content grey.
    """
    return transfer_colors(content, [StyleImage(style, region=weight_map)])


def transfer_colors(content: Tensor, styles: Sequence[StyleImage]) -> Tensor:
    """The content with the colours of several styles, by weight: [3, h, w], 0 to 1.

    Every style has its own map, and the maps are averaged by weight, place by place: for styles that are wanted everywhere
    this gives the distributions between them as the content sees them (a generalised geodesic: Ambrosio, Gigli and Savaré
    2008, "Gradient Flows", section 9.2). Where no style is wanted the content stays; where regions overlap in part, so that
    their sum is under 1, it stays in part.
    """
    targets = [color_statistics(style.pixels) for style in styles]
    shares = _shares(content, styles)
    if shares is None:
        total = sum(style.weight for style in styles)
        mixed = mixed_map(color_statistics(content), targets, [style.weight / total for style in styles])
        return apply_map(content, *mixed).clamp_(0, 1)
    everywhere = color_statistics(content)
    moved = torch.zeros_like(content)
    for style, target, share in zip(styles, targets, shares, strict=True):
        source = everywhere if style.region is None else color_statistics(content, style.region)
        moved += (apply_map(content, *color_map(source, target)) - content) * share
    return moved.add_(content).clamp_(0, 1)


def preserve_statistics(result: Tensor, content: Tensor) -> Tensor:
    """The result with its colours moved back: mean and covariance of the content's. Both [3, h, w], 0 to 1."""
    return transfer_color(result, content)


def preserve_luminance(result: Tensor, content: Tensor) -> Tensor:
    """The result's lightness with the content's hue and chroma, in Oklab: both [3, h, w], 0 to 1, of one size.

    As luminance-only transfer in Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer", section 5.1.
    Where no colour of the screen is that light and that colourful, the chroma is the largest there is; hue and lightness stay.
    """
    if result.shape != content.shape:
        raise ValueError(f"result is {list(result.shape)}, expected {list(content.shape)} as the content")
    return _by_chunks(_with_chroma, result, content)


# ---------------------------------------------------------------- the map


def color_statistics(picture: Tensor, weight_map: Tensor | None = None) -> ColorStatistics:
    """Of [3, h, w], each pixel counted by weight_map [h, w] (None: alike). Where the map is 0 everywhere, of all pixels."""
    pixels = picture.flatten(1)
    weights = None if weight_map is None or not bool(weight_map.any()) else weight_map.flatten()
    count = torch.zeros((), dtype=torch.float64)
    first, second = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for begin in range(0, pixels.shape[1], CHUNK):
        part = pixels[:, begin : begin + CHUNK].double()
        weight = part.new_ones(part.shape[1]) if weights is None else weights[begin : begin + CHUNK].double()
        count += weight.sum().cpu()
        first += (part @ weight).cpu()
        second += ((part * weight) @ part.T).cpu()
    mean = first / count
    return ColorStatistics(mean, second / count - torch.outer(mean, mean))


def color_map(source: ColorStatistics, target: ColorStatistics) -> tuple[Tensor, Tensor]:
    """(T [3, 3], offset [3]), float64: x -> T x + offset carries source onto target and moves colours least.

    Pitié and Kokaram 2007, equation 4: T = A^(-1/2) (A^(1/2) B A^(1/2))^(1/2) A^(-1/2) for covariances A and B. Axes along
    which the source hardly varies count as if they varied by two grey levels: T stays finite, and what it makes of a grey
    picture is the style's colours as they go with light and dark.
    """
    values, axes = torch.linalg.eigh(source.covariance)
    values = values.clamp(min=FLOOR)
    root, inverse = axes * values.sqrt() @ axes.T, axes / values.sqrt() @ axes.T
    matrix = inverse @ _root(root @ target.covariance @ root) @ inverse
    return matrix, target.mean - matrix @ source.mean


def mixed_map(source: ColorStatistics, targets: Sequence[ColorStatistics], shares: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The mean of the maps onto several targets. shares: 1 in sum; one of 0 costs nothing."""
    matrix, offset = torch.zeros(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for target, share in zip(targets, shares, strict=True):
        if share:
            own, shift = color_map(source, target)
            matrix, offset = matrix + share * own, offset + share * shift
    return matrix, offset


def apply_map(picture: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """x -> T x + offset of every pixel of [3, h, w]."""
    moved = matrix.to(picture) @ picture.flatten(1)
    return moved.add_(offset.to(picture)[:, None]).view_as(picture)


def _root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric matrix without negative eigenvalues, but for rounding."""
    values, axes = torch.linalg.eigh((matrix + matrix.T) / 2)
    return axes * values.clamp(min=0).sqrt() @ axes.T


def _shares(content: Tensor, styles: Sequence[StyleImage]) -> Tensor | None:
    """How much of each style is at each place, [styles, h, w], at most 1 in sum; None where all are wanted everywhere."""
    if all(style.region is None for style in styles):
        return None
    whole = content.new_ones(content.shape[1:])
    wanted = torch.stack([whole if style.region is None else style.region.to(content) for style in styles])
    weighted = wanted * content.new_tensor([style.weight for style in styles])[:, None, None]
    return weighted / weighted.sum(dim=0).clamp(min=1e-12) * wanted.sum(dim=0).clamp(max=1)


# ---------------------------------------------------------------- Oklab

# Ottosson 2020, "A perceptual color space for image processing": linear light to cone responses, their cube roots to L, a, b.
TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def to_oklab(pixels: Tensor) -> Tensor:
    """sRGB [3, n], 0 to 1 -> L, a, b [3, n]: L is 0 to 1, and greys have a = b = 0."""
    linear = torch.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055).clamp(min=0) ** 2.4)
    cones = pixels.new_tensor(TO_CONES) @ linear
    return pixels.new_tensor(TO_LAB) @ (cones.sign() * cones.abs() ** (1 / 3))


def from_oklab(lab: Tensor) -> Tensor:
    """L, a, b [3, n] -> sRGB [3, n]; what no screen shows is under 0 or over 1."""
    cones = _inverse(TO_LAB, lab) @ lab
    linear = _inverse(TO_CONES, lab) @ cones**3
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, linear * 12.92, curved)


def _inverse(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(matrix, dtype=torch.float64).inverse().to(like)


def _with_chroma(light: Tensor, colored: Tensor) -> Tensor:
    """The L of the one with a and b of the other, both [3, n]; with as much of the chroma as the gamut has."""
    lab = torch.cat([to_oklab(light)[:1], to_oklab(colored)[1:]])
    found = from_oklab(lab)
    outside = ((found < 0) | (found > 1)).any(dim=0)
    if bool(outside.any()):
        kept = lab[:, outside]
        low, high = torch.zeros_like(kept[0]), torch.ones_like(kept[0])
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            tried = from_oklab(torch.cat([kept[:1], kept[1:] * middle]))
            inside = ((tried >= 0) & (tried <= 1)).all(dim=0)
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        found[:, outside] = from_oklab(torch.cat([kept[:1], kept[1:] * low]))
    return found.clamp_(0, 1)


def _by_chunks(function: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
    """The function of pixels [3, n], over two pictures [3, h, w]."""
    found = torch.empty_like(first)
    a, b, out = first.flatten(1), second.flatten(1), found.view(3, -1)
    for begin in range(0, a.shape[1], CHUNK):
        chunk = slice(begin, begin + CHUNK)
        out[:, chunk] = function(a[:, chunk], b[:, chunk])
    return found
