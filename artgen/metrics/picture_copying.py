"""Whether samples copy training pictures: the nearest one to every sample, also mirrored and shifted, against what is normal.

Two steps. A low-pass of all pictures (16 x 16) finds for every sample the ten training pictures that may be nearest; each of
these is then laid under the sample, as it is and mirrored, at every shift of a few pixels, and the smallest root mean square
difference counts. Pictures of more than 64 pixels are shrunk to 64 first: a copy is a copy at that size, too.

A distance alone says little: blurred and faint pictures are near to everything. So there is a second one, relative to the
other candidates, after Carlini et al. 2023, "Extracting Training Data from Diffusion Models", section 5.1, and to an empty
picture: a copy is much nearer to one training picture than to those that resemble it as well; a blurred picture is not.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.estimate import REPLICATES, Estimate, as_vectors, distance_blocks, estimate, resamplings, squared_distances
from artgen.metrics.pictures import Pictures, as_rgb, check_same_size, in_batches, pixel_vectors, resize

WORKING_SIZE = 64  # pixels of the longer side at which pictures are compared
LOW_PASS = 16  # pixels
CANDIDATES = 10
MAX_SHIFT = 4  # pixels at the working size
QUANTILE = 0.05  # of normal distances; what is nearer is suspicious
COPY = 0.5  # a copy is nearer than this share of what is normal
ENOUGH = 50  # held-out pictures to calibrate on; of fewer, the 5 % quantile is the chance of a picture or two
INVISIBLE = 0.02  # root mean square difference, 0 to 1: five grey levels, which an eye hardly sees
BATCH = 32  # samples that are compared at a time


@dataclass(frozen=True)
class Neighbours:
    """The nearest training picture to each of n pictures."""

    index: Tensor  # int64 [n], of the training picture
    mirrored: Tensor  # bool [n]: the training picture left for right is nearer than as it is
    shift: Tensor  # int64 [n, 2]: rows and columns at the working size by which the picture's content is to be found further
    # down and to the right in the training picture, mirrored where it says so
    distance: Tensor  # float64 [n]: root mean square difference of the pixels, 0 to 1
    relative: Tensor  # float64 [n]: distance over that to the other candidates (their median) or to an empty picture of the
    # same mean colours, whichever is smaller; 0 a copy, 1 no nearer than those


@dataclass(frozen=True)
class Nearness:
    """Distances of samples to training pictures against normal ones: those of real pictures that were not trained on."""

    share: Estimate  # of samples nearer than the 5 % quantile of normal distances: 0.05 is normal, 1 all are too near
    ratio: Estimate  # median distance of samples over that of real pictures: 1 is normal, 0 a copy


@dataclass(frozen=True)
class CopyReport:
    """Samples beside real pictures, and the pairs to look at first."""

    samples: Neighbours
    normal: Neighbours
    calibrated_on: str  # what the normal distances are of
    distance: Nearness
    relative: Nearness
    copies: list[int]  # samples that are copies, surest first

    def worst(self, n: int = 8) -> list[int]:
        """The n samples with the smallest relative distances, smallest first."""
        return [int(i) for i in self.samples.relative.argsort(stable=True)[:n]]


def copy_report(
    samples: Pictures,
    training: Pictures,
    held_out: Pictures | None = None,
    max_shift: int = MAX_SHIFT,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> CopyReport:
    """How near samples are to the training pictures, calibrated on real pictures.

    samples, training, held_out: uint8 [n, height, width, channels] of one size, 16 pixels or more. held_out: real pictures
    from the same source that were not trained on. Without them every training picture is measured against the others,
    which shows nearly the same and costs no picture.

    Raises ValueError where sizes differ, UsageError where there are no samples, or too few pictures to calibrate on.
    """
    _check_numbers(samples, training, held_out)
    search = Search(training, max_shift)
    found, normal = search.nearest(samples), search.normal(held_out)
    if held_out is not None:
        calibrated_on = f"{len(held_out):,} held-out pictures"
    else:
        calibrated_on = f"{len(training):,} training pictures, each against the others"
    return CopyReport(
        samples=found,
        normal=normal,
        calibrated_on=calibrated_on,
        distance=nearness(found.distance, normal.distance, replicates, seed),
        relative=nearness(found.relative, normal.relative, replicates, seed),
        copies=_copies(found, normal),
    )


def held_out_to_calibrate_on(training: Pictures, held_out: Pictures) -> Pictures | None:
    """The held-out pictures where they are enough; None where the training pictures, each against the others, say more."""
    return held_out if len(held_out) >= min(ENOUGH, len(training)) or len(training) < 3 else None


def are_too_near(found: Neighbours, normal: Neighbours) -> Tensor:
    """Which samples a person would not want: bool [n]. Copies, and those nearer than the 5 % quantile of normal relative
    distances, the share of which is `CopyReport.relative.share`; but none that is as far as the other candidates (1)."""
    limit = float(np.quantile(normal.relative, QUANTILE))
    return (found.relative <= limit) & (found.relative < 1) | are_copies(found, normal)


def are_copies(found: Neighbours, normal: Neighbours) -> Tensor:
    """bool [n]. A copy is much nearer than normal, and to one picture alone; or the eye cannot tell it from one, as where the
    training set has that picture many times."""
    singular = found.relative < COPY * normal.relative.median()
    return (found.distance < COPY * normal.distance.median()) & (singular | (found.distance < INVISIBLE))


def nearness(samples: Tensor, normal: Tensor, replicates: int = REPLICATES, seed: int = 0) -> Nearness:
    """Compares distances to the nearest training picture, of samples [n] and of real pictures [m]; both are resampled."""
    generator = torch.Generator().manual_seed(seed)
    ours = samples.double()[resamplings(len(samples), replicates, generator)]
    theirs = normal.double()[resamplings(len(normal), replicates, generator)]
    limit, median = torch.from_numpy(np.quantile(theirs, (QUANTILE, 0.5), axis=1))  # torch's own refuses large tensors
    shares = (ours <= limit[:, None]).double().mean(dim=1)
    ratios = torch.where(median > 0, torch.from_numpy(np.quantile(ours, 0.5, axis=1)) / median, torch.nan)
    return Nearness(estimate(shares, len(samples), len(normal)), estimate(ratios, len(samples), len(normal)))


def feature_nearness(
    samples: np.ndarray | Tensor,
    training: np.ndarray | Tensor,
    held_out: np.ndarray | Tensor | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Nearness:
    """The same by features, float [n, d] each: sees copies that were turned, recoloured or redrawn, and calls a picture of
    the same thing near as well. Without held_out, every training picture is measured against the others.

    Raises UsageError as `copy_report` does.
    """
    _check_numbers(samples, training, held_out)
    x, y = as_vectors(samples), as_vectors(training)
    normal = _distances(y, y, leave_one_out=True) if held_out is None else _distances(as_vectors(held_out), y)
    return nearness(_distances(x, y), normal, replicates, seed)


def _distances(x: Tensor, y: Tensor, leave_one_out: bool = False) -> Tensor:
    """Of each vector of x [n, d] to the nearest of y [m, d]: [n]."""
    return torch.cat([distances.amin(dim=1).sqrt() for _, distances in distance_blocks(x, y, leave_one_out)])


def _check_numbers(samples: Sized, training: Sized, held_out: Sized | None) -> None:
    if not len(samples) or not len(training):
        raise UsageError(f"{len(samples)} samples and {len(training)} training pictures are too few, 1 of each is needed")
    if held_out is not None and not len(held_out):
        raise UsageError("there are no held-out pictures to calibrate on")
    if held_out is None and len(training) < 3:
        raise UsageError(f"{len(training)} training pictures are too few to calibrate on themselves: give held-out pictures")


def _copies(found: Neighbours, normal: Neighbours) -> list[int]:
    """Surest first."""
    order = found.relative.argsort(stable=True)
    return [int(i) for i in order[are_copies(found, normal)[order]]]


# ---------------------------------------------------------------- the search


def nearest(pictures: Pictures, training: Pictures, max_shift: int = MAX_SHIFT, leave_one_out: bool = False) -> Neighbours:
    """The training picture nearest to each picture, over all shifts of up to `max_shift` pixels, mirrored or not.

    pictures [n, height, width, channels] and training [m, height, width, channels]: uint8, of one size, n and m 1 or more.
    Compared is the middle of each picture, without `max_shift` pixels on every side, which all shifts have.
    leave_one_out: pictures are the training pictures, and none is its own neighbour.

    Raises ValueError where the sizes differ or nothing would be left to compare.
    """
    return Search(training, max_shift).nearest(pictures, leave_one_out)


class Search:
    """Training pictures made ready once, for many calls of `nearest`."""

    def __init__(self, training: Pictures, max_shift: int = MAX_SHIFT) -> None:
        """Raises ValueError where nothing would be left to compare."""
        height, width = working_size(training.shape[1], training.shape[2])
        if min(height, width) < 4 * max_shift or max_shift < 0:
            raise ValueError(f"pictures of {width} x {height} pixels are too small for shifts of {max_shift}")
        self.training, self.max_shift = training, max_shift
        self._trained = _at_working_size(training)
        self._low_pass = pixel_vectors(training, LOW_PASS)

    def nearest(self, pictures: Pictures, leave_one_out: bool = False) -> Neighbours:
        """As the function of this name. Raises ValueError where the sizes differ."""
        check_same_size(pictures, self.training)
        found = []
        first = 0
        for batch in in_batches(pictures, BATCH):
            candidates = _candidates(batch, self._low_pass, first if leave_one_out else None)
            found.append(_compare(_at_working_size(batch), self._trained, candidates, self.max_shift))
            first += len(batch)
        columns = [torch.cat(column) for column in zip(*found, strict=True)]
        return Neighbours(*columns)

    def normal(self, held_out: Pictures | None) -> Neighbours:
        """What is normal: the neighbours of held-out pictures, or, without them, of each training picture among the others."""
        if held_out is None:
            return self.nearest(self.training, leave_one_out=True)
        return self.nearest(held_out)


def working_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which pictures are compared: as they are, or with a longer side of 64 pixels."""
    scale = min(1.0, WORKING_SIZE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _at_working_size(pictures: Pictures) -> Tensor:
    """uint8 [n, height, width, channels] -> uint8 [n, 3, h, w]: a quarter of the memory of float32."""
    height, width = working_size(pictures.shape[1], pictures.shape[2])
    return torch.cat([resize(batch, height, width).round_().to(torch.uint8) for batch in in_batches(pictures)])


def _candidates(batch: Tensor, low_pass: Tensor, own: int | None) -> Tensor:
    """Numbers of the training pictures that may be nearest, [n, candidates]; own: that of the batch's first picture, where
    each is to be left out."""
    distances = torch.minimum(
        squared_distances(pixel_vectors(batch, LOW_PASS), low_pass),
        squared_distances(pixel_vectors(batch.flip(2), LOW_PASS), low_pass),
    )
    n = distances.shape[1]
    if own is not None:
        rows = torch.arange(len(batch))
        distances[rows, own + rows] = torch.inf
        n -= 1
    return distances.topk(min(CANDIDATES, n), largest=False).indices


def _compare(batch: Tensor, trained: Tensor, candidates: Tensor, max_shift: int) -> tuple[Tensor, ...]:
    """The fields of `Neighbours` for batch [n, 3, h, w], from trained[candidates], candidates [n, k].

    Σ (a - b)² = Σ a² + Σ b² - 2 Σ ab over the middle of the picture, for all shifts of b at once: Σ ab by the Fourier
    transform, with the rest of a set to 0, so that nothing goes around the edges; Σ b² from running sums. What is found
    nearest is then computed again from the pixels.
    """
    n = len(candidates)
    height, width = batch.shape[2:]
    rows, columns = slice(max_shift, height - max_shift), slice(max_shift, width - max_shift)
    turned = torch.stack([batch, batch.flip(3)], dim=1).float() / 255 - 0.5  # [n, 2, 3, h, w]
    middle = torch.zeros_like(turned)
    middle[..., rows, columns] = turned[..., rows, columns]
    others = trained[candidates].float() / 255 - 0.5  # [n, k, 3, h, w]

    spectra = torch.fft.rfft2(middle).conj()[:, :, None] * torch.fft.rfft2(others)[:, None]  # [n, 2, k, 3, h, w / 2 + 1]
    shifts = torch.arange(-max_shift, max_shift + 1)
    products = torch.fft.irfft2(spectra.sum(dim=3), s=(height, width))[..., shifts % height, :][..., shifts % width]
    own = middle.square().sum(dim=(2, 3, 4))[:, :, None, None, None]
    squares = _window_sums(others.square().sum(dim=2), max_shift)[:, None]
    differences = own + squares - 2 * products  # [n, 2, k, shifts, shifts]

    n_numbers = middle[0, 0, :, rows, columns].numel()
    of_candidates = differences.amin(dim=(1, 3, 4)).clamp(min=0).div(n_numbers).sqrt().double()
    best = differences.flatten(1).argmin(dim=1)
    orientation, candidate, down, right = (torch.as_tensor(i) for i in np.unravel_index(best.numpy(), differences.shape[1:]))
    down, right = down - max_shift, right - max_shift
    index = candidates[torch.arange(n), candidate]
    mirrored = orientation == 1
    distance = torch.stack(
        [
            _difference(batch[i].flip(2) if mirrored[i] else batch[i], trained[index[i]], down[i], right[i], max_shift)
            for i in range(n)
        ]
    )
    of_candidates[torch.arange(n), candidate] = torch.nan
    inner = turned[:, 0, :, rows, columns].double()
    contrast = (inner - inner.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(1, 2, 3)).sqrt()
    others_are = of_candidates.nanmedian(dim=1).values.nan_to_num(nan=torch.inf).minimum(contrast)
    relative = torch.where(distance > 0, distance / others_are.maximum(distance), 0.0)
    # The sample was mirrored, and now the training picture is to be: columns then count the other way.
    shift = torch.stack([down, torch.where(mirrored, -right, right)], dim=1)
    return index, mirrored, shift, distance, relative


def _window_sums(x: Tensor, max_shift: int) -> Tensor:
    """x [..., h, w] -> [..., shifts, shifts]: sums over the middle of x, moved by every shift."""
    size = 2 * max_shift + 1
    sums = torch.nn.functional.pad(x.double().cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    height, width = x.shape[-2] - size + 1, x.shape[-1] - size + 1
    across = sums[..., width : width + size] - sums[..., :size]
    return (across[..., height : height + size, :] - across[..., :size, :]).to(x.dtype)


def _difference(a: Tensor, b: Tensor, down: Tensor, right: Tensor, max_shift: int) -> Tensor:
    """Root mean square, 0 to 1, of the middle of a minus b moved by a shift: a and b uint8 [3, h, w] -> float64 []."""
    height, width = a.shape[1] - 2 * max_shift, a.shape[2] - 2 * max_shift
    top, left = max_shift + int(down), max_shift + int(right)
    middle = a[:, max_shift : max_shift + height, max_shift : max_shift + width].double()
    return (middle - b[:, top : top + height, left : left + width]).square().mean().sqrt() / 255


# ---------------------------------------------------------------- a page to look at


def side_by_side(samples: Pictures, training: Pictures, found: Neighbours, numbers: list[int], gap: int = 4) -> np.ndarray:
    """A page, uint8 [height, width, 3], of one row for each sample of `numbers`: the sample, the training picture nearest to
    it as it fits best (mirrored and shifted), and the difference of the two, black where they are the same.

    gap: white pixels around every picture.
    """
    if not numbers:
        raise ValueError("there are no pairs to show")
    height, width = samples.shape[1:3]
    scale = height / working_size(height, width)[0]
    page = np.full((gap + len(numbers) * (height + gap), gap + 3 * (width + gap), 3), 255, dtype=np.uint8)
    for row, number in enumerate(numbers):
        index = int(found.index[number])
        sample = as_rgb(samples[number : number + 1])[0].numpy()
        other = as_rgb(training[index : index + 1])[0].numpy()
        other = other[:, ::-1] if found.mirrored[number] else other
        down, right = (round(float(s) * scale) for s in found.shift[number])
        other = other[np.clip(np.arange(height) + down, 0, height - 1)][:, np.clip(np.arange(width) + right, 0, width - 1)]
        difference = np.abs(sample.astype(np.int16) - other).astype(np.uint8)
        top = gap + row * (height + gap)
        for column, picture in enumerate((sample, other, difference)):
            left = gap + column * (width + gap)
            page[top : top + height, left : left + width] = picture
    return page
