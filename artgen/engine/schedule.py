"""Learning-rate schedules as pure functions of the step, so that a resumed run needs no state for them."""

from __future__ import annotations

import math

from artgen.config import ScheduleConfig


def learning_rate_factor(schedule: ScheduleConfig, step: int, steps: int) -> float:
    """The share of the peak learning rate at `step` of `steps` (both counted from 0).

    A linear rise over `warmup` steps, then: `constant` stays at 1; `cosine` falls along half a cosine to `floor`
    (Loshchilov & Hutter 2017, eq. 5, without restarts); `trapezoid` stays at 1 and falls linearly to `floor` over the last
    `cooldown` share of the steps (Hägele et al. 2024).
    """
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "cosine":
        progress = (step - schedule.warmup) / max(1, steps - schedule.warmup)
        height = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    else:
        cooldown = schedule.cooldown * steps
        height = min(1.0, (steps - step) / cooldown) if cooldown > 0 else 1.0
    return schedule.floor + (1 - schedule.floor) * max(0.0, height)
