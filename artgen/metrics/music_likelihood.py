"""How well a model predicts frames of notes, in the literature's unit for the chorales: nats per frame.

The benchmark is that of Boulanger-Lewandowski et al. 2012, "Modeling temporal dependencies in high-dimensional sequences".
A frame is the 88 keys of a piano, each sounding or not, at a quarter note; its likelihood is that of all 88 given the frames
before. How the mean is taken is read here from programs that compare with that paper, not from the paper: over all frames of
the test set, so that long pieces weigh more. So do Bai et al. 2018 (github.com/locuslab/TCN, TCN/poly_music/music_test.py,
`evaluate`: summed cross-entropy of 88 pitches over the summed number of frames) and Pyro's deep Markov model
(examples/dmm.py, `do_evaluation`). They part over the first frame of a piece: Bai et al. predict frames 2 to T and count
T - 1, Pyro counts all T. `FrameLikelihood` has both, and the mean over pieces of their means; `per_frame` is that of Bai et
al., whose figures ours stand beside.

The data of Bai et al. (JSB_Chorales.mat beside that code) are the 382 chorales of the standard split with every piece moved
up 6 to 17 semitones so that its tonic is C. In Bach's own keys the same music is harder: of the test frames
`IndependentPitches` needs 11.48 nats in his keys and 11.10 in C, `RepeatedFrames` 10.75 and 10.51, with the tonics of their
file. `in_common_key` moves a piece as they did, given its tonic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artgen.errors import UsageError
from artgen.metrics.estimate import REPLICATES, Estimate, estimate_ratio

LOWEST = 21  # MIDI pitch of a piano's lowest key
N_PITCHES = 88
SMOOTHING = 0.5  # added to the counts of sounding and of silent frames (Krichevsky and Trofimov 1981)

Frames = NDArray[np.bool_]  # [time, 88]: which keys sound


@dataclass(frozen=True)
class FrameLikelihood:
    """Mean negative log-likelihood of pieces, in nats."""

    per_frame: Estimate  # the literature's: over all frames of all pieces but the first of each
    with_first: Estimate  # the same with the first ones
    per_piece: Estimate  # the mean over pieces of their means, without the first frames
    per_note: float  # summed over the frames of `per_frame`, over the number of notes that sound in them
    n_frames: int  # of `per_frame`
    n_notes: int


def frame_likelihood(
    nats: Sequence[NDArray[np.floating]], frames: Sequence[Frames], replicates: int = REPLICATES, seed: int = 0
) -> FrameLikelihood:
    """nats: for each piece the negative log-likelihood of each of its frames, [time], as the model under test gives it.

    frames: the pieces, bool [time, 88]. The intervals are of resampled pieces.
    Raises UsageError for no piece or a piece of fewer than 2 frames, ValueError where lengths differ.
    """
    if not frames:
        raise UsageError("there are no pieces to score")
    if short := next((number for number, piece in enumerate(frames) if len(piece) < 2), None):
        raise UsageError(f"piece {short + 1} has {len(frames[short])} frames, 2 are needed to predict one from another")
    if [len(each) for each in nats] != [len(piece) for piece in frames]:
        raise ValueError("nats and frames differ in number or length")
    whole = torch.tensor([float(np.sum(each, dtype=np.float64)) for each in nats], dtype=torch.float64)
    later = torch.tensor([float(np.sum(each[1:], dtype=np.float64)) for each in nats], dtype=torch.float64)
    length = torch.tensor([len(piece) for piece in frames], dtype=torch.float64)
    n_notes = sum(int(piece[1:].sum()) for piece in frames)

    def ratio(numerator: torch.Tensor, denominator: torch.Tensor) -> Estimate:
        return estimate_ratio(numerator, denominator, replicates=replicates, seed=seed)

    return FrameLikelihood(
        per_frame=ratio(later, length - 1),
        with_first=ratio(whole, length),
        per_piece=ratio(later / (length - 1), torch.ones_like(length)),
        per_note=float(later.sum()) / n_notes if n_notes else float("nan"),
        n_frames=int((length - 1).sum()),
        n_notes=n_notes,
    )


def pitch_nats(logits: NDArray[np.floating], frames: Frames) -> NDArray[np.float64]:
    """Negative log-likelihood of each frame where pitches are independent given the past: [..., 88] both -> [...].

    logits: log p / (1 - p) of each pitch sounding. -Σ y log σ(x) + (1 - y) log σ(-x), as Bai et al. sum it.
    """
    x = np.asarray(logits, dtype=np.float64)
    return np.logaddexp(0.0, np.where(frames, -x, x)).sum(axis=-1)


def as_frames(steps: Sequence[Sequence[float]], every: int = 1) -> Frames:
    """Lists of sounding MIDI pitches -> bool [time, 88], one step in `every`: 4 makes quarter notes of a 16th-note grid.

    A negative number is a silent voice, 60.0 is 60. Raises UsageError for a pitch outside a piano's 21 to 108.
    """
    kept = steps[::every]
    frames = np.zeros((len(kept), N_PITCHES), dtype=bool)
    for frame, pitches in zip(frames, kept, strict=True):
        for pitch in pitches:
            if pitch >= 0 and not (LOWEST <= pitch < LOWEST + N_PITCHES and pitch == int(pitch)):
                raise UsageError(f"pitch {pitch} is on no piano, expected {LOWEST} to {LOWEST + N_PITCHES - 1}")
            if pitch >= 0:
                frame[int(pitch) - LOWEST] = True
    return frames


def in_common_key(frames: Frames, tonic: int) -> Frames:
    """A piece moved up 6 to 17 semitones, so that its tonic (pitch class, 0 is C) becomes C: bool [time, 88].

    Raises UsageError where a note would leave the piano.
    """
    up = 6 + (6 - tonic) % 12
    if frames[:, N_PITCHES - up :].any():
        raise UsageError(f"a note of the piece is too high to be moved up {up} semitones on a piano")
    moved = np.zeros_like(frames)
    moved[:, up:] = frames[:, :-up]
    return moved


# ---------------------------------------------------------------- models that a reader can check the scale with


@dataclass(frozen=True)
class IndependentPitches:
    """Every pitch of every frame for itself, with its share of the training frames."""

    probability: NDArray[np.float64]  # [88]

    @classmethod
    def fit(cls, training: Sequence[Frames], smoothing: float = SMOOTHING) -> IndependentPitches:
        """(frames in which it sounds + smoothing) / (frames + 2 smoothing)."""
        frames = np.concatenate(training)
        return cls(_share(frames.sum(axis=0), len(frames), smoothing))

    def nats(self, frames: Frames) -> NDArray[np.float64]:
        """Of each frame: [time]."""
        return -np.where(frames, np.log(self.probability), np.log1p(-self.probability)).sum(axis=1)


@dataclass(frozen=True)
class RepeatedFrames:
    """Every pitch for itself, given whether it sounded in the frame before: as that was, unless it flips."""

    first: IndependentPitches  # of the first frame
    probability: NDArray[np.float64]  # [2, 88]: of sounding, after silence and after sounding

    @classmethod
    def fit(cls, training: Sequence[Frames], smoothing: float = SMOOTHING) -> RepeatedFrames:
        """Shares of the training frames after silence and after sounding, smoothed like `IndependentPitches`."""
        before = np.concatenate([piece[:-1] for piece in training])
        now = np.concatenate([piece[1:] for piece in training])
        after = [_share((now & state).sum(axis=0), state.sum(axis=0), smoothing) for state in (~before, before)]
        return cls(IndependentPitches.fit(training, smoothing), np.stack(after))

    def nats(self, frames: Frames) -> NDArray[np.float64]:
        """Of each frame: [time]."""
        p = np.where(frames[:-1], self.probability[1], self.probability[0])
        later = -np.where(frames[1:], np.log(p), np.log1p(-p)).sum(axis=1)
        return np.concatenate([self.first.nats(frames[:1]), later])


def _share(count: NDArray[np.integer], of: NDArray[np.integer] | int, smoothing: float) -> NDArray[np.float64]:
    return (count + smoothing) / (of + 2 * smoothing)
