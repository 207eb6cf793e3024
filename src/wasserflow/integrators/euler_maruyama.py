"""The Euler–Maruyama step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from wasserflow.integrators.limit import require_limit, shortened
from wasserflow.integrators.schedule import Schedule, step_size_at, temperature_at
from wasserflow.integrators.state import Drift, State
from wasserflow.seeds import Noise


@dataclass(frozen=True)
class EulerMaruyama:
    """x <- x + h v(x) + sqrt(2 h T) ξ, one gradient evaluation a step.

    Args:
        step_size: h, in units of x² per unit of energy; a number or a function of the step.
        temperature: T, in units of energy; 0 is plain descent. A number or a function of the step.
        longest_step: the longest move h v(x) of a particle, in units of x: a longer one is shortened to it, a safeguard
            against potentials that are steep where no data has been. The noise is not shortened. None for no limit.

    Raises:
        ValueError: a step size or a longest step that is not positive, or a negative temperature.

    Source: DGflow (arXiv 2012.00780), eq. 8.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.flow(torch.ones(1, 2), wf.GaussianPrior(), wf.EulerMaruyama(step_size=0.5), steps=2).x
        tensor([[0.2500, 0.2500]])
    """

    step_size: Schedule
    temperature: Schedule = 0.0
    longest_step: float | None = None

    def __post_init__(self) -> None:
        require_limit(longest_step=self.longest_step)
        step_size_at(self.step_size, 0)
        temperature_at(self.temperature, 0)

    def init(self, x: Tensor) -> State:
        """Begin at (batch, *event) particles."""
        return State(x)

    def step(self, state: State, drift: Drift, noise: Noise) -> State:
        """Move every particle once."""
        velocity, energy = drift(state.x)
        step_size = step_size_at(self.step_size, state.step)
        move = shortened(step_size * velocity, self.longest_step)
        x = state.x + move + diffusion(state, step_size, self.temperature, noise)
        return state.moved(x, energy, evaluations=1)


def diffusion(state: State, step_size: float, schedule: Schedule, noise: Noise) -> Tensor | float:
    """sqrt(2 h T) ξ of this step, for (batch, *event) particles; 0 without temperature, and then no noise is drawn."""
    temperature = temperature_at(schedule, state.step)
    return math.sqrt(2 * step_size * temperature) * noise.normal(state.x) if temperature > 0 else 0.0
