"""From noise to a picture along the velocity: rules of integration, all with the same signature.

x moves from time 0 (noise) to time 1 (a picture) by dx/dt = v(x, t), where x_t = (1 - t) noise + t picture on average
(Lipman et al. 2023; Liu et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""v(x, t): x [n, channels, height, width] -> the same shape."""


def times(steps: int, begin: float = 0.0, end: float = 1.0) -> list[float]:
    """steps + 1 times, evenly from begin to end."""
    return [begin + (end - begin) * i / steps for i in range(steps + 1)]


def euler(velocity: Velocity, x: Tensor, at: Sequence[float]) -> Tensor:
    """First order: one velocity a step."""
    for t, later in zip(at, at[1:], strict=False):
        x = x + (later - t) * velocity(x, t)
    return x


def heun(velocity: Velocity, x: Tensor, at: Sequence[float]) -> Tensor:
    """Second order: the mean of the velocities here and where Euler's step leads; at the picture's end the middle's."""
    for t, later in zip(at, at[1:], strict=False):
        if max(t, later) >= 1:
            x = _midpoint(velocity, x, t, later)
            continue
        first = velocity(x, t)
        second = velocity(x + (later - t) * first, later)
        x = x + (later - t) / 2 * (first + second)
    return x


def rk4(velocity: Velocity, x: Tensor, at: Sequence[float]) -> Tensor:
    """Fourth order: the classic rule of Runge and Kutta; the step to the picture by Heun's of third order."""
    for t, later in zip(at, at[1:], strict=False):
        h = later - t
        k1 = velocity(x, t)
        if later >= 1:
            k2 = velocity(x + h / 3 * k1, t + h / 3)
            k3 = velocity(x + 2 * h / 3 * k2, t + 2 * h / 3)
            x = x + h / 4 * (k1 + 3 * k3)
            continue
        k2 = velocity(x + h / 2 * k1, t + h / 2)
        k3 = velocity(x + h / 2 * k2, t + h / 2)
        k4 = velocity(x + h * k3, later)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x


def dpm(velocity: Velocity, x: Tensor, at: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2): second order from one velocity a step.

    Here alpha = t, sigma = 1 - t and lambda = log(alpha / sigma); the picture foreseen is D = x + (1 - t) v. The first two
    steps and the last, where lambda is infinite, are of first order.
    """
    earlier: tuple[Tensor, float] | None = None  # the picture foreseen before, and the step in lambda since
    for t, later in zip(at, at[1:], strict=False):
        foreseen = x + (1 - t) * velocity(x, t)
        step = _log_ratio(later) - _log_ratio(t)
        aim = foreseen
        if earlier is not None and math.isfinite(earlier[1]) and math.isfinite(step):
            half = step / earlier[1] / 2
            aim = (1 + half) * foreseen - half * earlier[0]
        kept = (1 - later) / (1 - t)
        x = kept * x + (later - kept * t) * aim
        earlier = foreseen, step
    return x


def _midpoint(velocity: Velocity, x: Tensor, t: float, later: float) -> Tensor:
    """Second order by velocities halfway. At time 1 no network is trained: there is no noise that it could be told by."""
    half = (t + later) / 2
    h = later - t
    return x + h * velocity(x + h / 2 * velocity(x, half), half)


def _log_ratio(t: float) -> float:
    if t <= 0:
        return -math.inf
    return math.inf if t >= 1 else math.log(t / (1 - t))


SAMPLERS: dict[str, Callable[[Velocity, Tensor, Sequence[float]], Tensor]] = {
    "euler": euler,
    "heun": heun,
    "dpm++": dpm,
    "rk4": rk4,
}
