"""Whether what can be recognised in a picture is still where it was: structural similarity of edges."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from artgen.errors import UsageError

LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709
COARSE = 256  # pixels of the shorter side at which edges are compared
BLUR = 1.0  # pixels: standard deviation
STRONG = 0.99  # quantile of the edges that counts as a full edge
WINDOW, DEVIATION = 11, 1.5  # Wang et al. 2004, section III.B
K1, K2 = 0.01, 0.03
SMALLEST = WINDOW  # pixels


def edge_ssim(result: Tensor, content: Tensor) -> float:
    """Structural similarity of the edges of two pictures, both [3, h, w], 0 to 1, of one size: 1 the same, 0 nothing alike.

    1. Luma (Rec. 709), averaged down by round(shorter side / 256) if that is over 1, as Wang's program does: what matters is
       what one sees from where the whole picture is in view.
    2. A Gaussian blur of 1 pixel, then Scharr's gradient (3, 10, 3), and its magnitude: `edges`.
    3. Divided by its own 99th percentile and cut off at 1, so that a result that is paler or stronger as a whole loses nothing.
    4. Wang et al. 2004, "Image Quality Assessment", equation 13 with K1 = 0.01, K2 = 0.03, L = 1 and a Gaussian window of
       11 x 11 with deviation 1.5, inside the picture; the mean over all places (equation 15).

    Brush strokes where the content is smooth count against it as much as edges that are gone.
    Raises UsageError for pictures under 11 pixels, ValueError where sizes differ.
    """
    if result.shape != content.shape:
        raise ValueError(f"result is {list(result.shape)}, expected {list(content.shape)} as the content")
    if min(result.shape[1:]) < SMALLEST:
        size = f"{result.shape[2]} x {result.shape[1]}"
        raise UsageError(f"pictures of {size} pixels are too small for the similarity of edges, {SMALLEST} are needed")
    return float(ssim(edges(result), edges(content)))


def edges(picture: Tensor) -> Tensor:
    """Where a picture changes, [3, h, w] -> [h', w'], 0 to 1: 1 is as strong as its strongest hundredth."""
    luma = (picture.new_tensor(LUMA)[:, None, None] * picture).sum(dim=0)[None, None]
    factor = max(1, round(min(luma.shape[2:]) / COARSE))
    if factor > 1:
        luma = F.avg_pool2d(luma, factor)
    smooth = _filtered(_reflected(luma, 4), _gaussian(9, BLUR, luma))
    padded = _reflected(smooth, 1)
    side, across = padded.new_tensor([3.0, 10, 3]) / 16, padded.new_tensor([-1.0, 0, 1]) / 2
    vertical = F.conv2d(padded, (across[:, None] * side)[None, None])
    horizontal = F.conv2d(padded, (side[:, None] * across)[None, None])
    magnitude = (vertical.square() + horizontal.square()).sqrt()[0, 0]
    strong = _quantile(magnitude, STRONG)
    return (magnitude / strong).clamp(max=1) if strong > 1e-6 else torch.zeros_like(magnitude)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Mean structural similarity of two maps [h, w] of the range 0 to 1 (Wang et al. 2004, equations 13 and 15)."""
    kernel = _gaussian(WINDOW, DEVIATION, x)
    moments = torch.stack([x, y, x * x, y * y, x * y])[:, None]
    mean_x, mean_y, xx, yy, xy = _filtered(moments, kernel)[:, 0]
    variance_x, variance_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + K1**2) * (2 * covariance + K2**2)
    return (likeness / ((mean_x**2 + mean_y**2 + K1**2) * (variance_x + variance_y + K2**2))).mean()


def _gaussian(size: int, deviation: float, like: Tensor) -> Tensor:
    places = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    weights = (-(places**2) / (2 * deviation**2)).exp()
    return weights / weights.sum()


def _filtered(maps: Tensor, kernel: Tensor) -> Tensor:
    """[n, 1, h, w] filtered along both axes, where the kernel lies inside."""
    return F.conv2d(F.conv2d(maps, kernel[None, None, :, None]), kernel[None, None, None, :])


def _reflected(maps: Tensor, margin: int) -> Tensor:
    return F.pad(maps, (margin,) * 4, mode="reflect")


def _quantile(values: Tensor, share: float) -> Tensor:
    """The value that `share` of them do not exceed; torch.quantile takes no more than 16 million."""
    flat = values.flatten()
    return flat.kthvalue(max(1, round(share * flat.numel()))).values
