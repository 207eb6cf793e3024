"""Step sizes and temperatures that may change from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

Schedule = float | Callable[[int], float]
"""A number, or a function from the step (0, 1, ...) to a number."""


def step_size_at(schedule: Schedule, step: int) -> float:
    """Look up the step size of a step.

    Raises:
        ValueError: it is not positive and finite.
        TypeError: the schedule is neither a number nor a function that returns one.
    """
    value = _number("step_size", schedule, step)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"step_size is {value} at step {step}; it must be positive and finite")
    return value


def temperature_at(schedule: Schedule, step: int) -> float:
    """Look up the temperature of a step.

    Raises:
        ValueError: it is negative or not finite.
        TypeError: the schedule is neither a number nor a function that returns one.
    """
    value = _number("temperature", schedule, step)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"temperature is {value} at step {step}; it must be 0 or more, and finite")
    return value


def _number(name: str, schedule: Schedule, step: int) -> float:
    value = schedule(step) if callable(schedule) else schedule
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}; give a number, or a function from the step (0, 1, ...) to a number")
    return float(value)
