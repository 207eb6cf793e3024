"""Heun's step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wasserflow.integrators.euler_maruyama import diffusion
from wasserflow.integrators.schedule import Schedule, step_size_at, temperature_at
from wasserflow.integrators.state import Drift, State
from wasserflow.seeds import Noise


@dataclass(frozen=True)
class Heun:
    """x <- x + h (v(x) + v(x')) / 2 + sqrt(2 h T) ξ with the Euler prediction x'; two gradient evaluations a step.

    Second order in h without noise, and weakly of second order with it (the noise is additive).

    Args:
        step_size: h, in units of x² per unit of energy; a number or a function of the step.
        temperature: T, in units of energy; a number or a function of the step.

    Raises:
        ValueError: a step size that is not positive, or a negative temperature.

    Source: Kloeden & Platen, Numerical Solution of Stochastic Differential Equations, section 15.1.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.flow(torch.ones(1, 2), wf.GaussianPrior(), wf.Heun(step_size=0.5), steps=1).x
        tensor([[0.6250, 0.6250]])
    """

    step_size: Schedule
    temperature: Schedule = 0.0

    def __post_init__(self) -> None:
        step_size_at(self.step_size, 0)
        temperature_at(self.temperature, 0)

    def init(self, x: Tensor) -> State:
        """Begin at (batch, *event) particles."""
        return State(x)

    def step(self, state: State, drift: Drift, noise: Noise) -> State:
        """Move every particle once."""
        step_size = step_size_at(self.step_size, state.step)
        kick = diffusion(state, step_size, self.temperature, noise)
        here, energy = drift(state.x)
        there, _ = drift(state.x + step_size * here + kick)
        x = state.x + step_size * (here + there) / 2 + kick
        return state.moved(x, energy, evaluations=2)
