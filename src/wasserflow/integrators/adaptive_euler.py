"""Euler's step, of the size that each particle can bear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.integrators.state import Drift, State
from wasserflow.seeds import Noise

_SAFETY, _LEAST, _MOST = 0.9, 0.2, 5.0


@dataclass(frozen=True, eq=False)
class AdaptiveMemory:
    """What `AdaptiveEuler` carries from step to step.

    Args:
        x: (batch, *event) where the velocity and the energy were evaluated.
        velocity: (batch, *event) velocity there.
        energy: (batch,) energy there.
        step_size: (batch,) size of the next step.
        time: (batch,) flow time reached, the sum of the steps that were taken.
    """

    x: Float[Tensor, "batch *event"]
    velocity: Float[Tensor, "batch *event"]
    energy: Float[Tensor, " batch"]
    step_size: Float[Tensor, " batch"]
    time: Float[Tensor, " batch"]


@dataclass(frozen=True)
class AdaptiveEuler:
    """x <- x + h v(x), with an h for every particle and step such that Euler and Heun agree to a tolerance.

    They differ by e = h (v(x + h v(x)) - v(x)) / 2. Where the root mean square of e over the coordinates exceeds the
    tolerance the particle stays and tries a smaller step; the next step is h · clamp(0.9 sqrt(tolerance / rms(e)), 0.2,
    5). The first is tolerance / rms(v). One gradient evaluation a step, and one at the beginning: the potential must
    stay what it is between steps. There is no noise.

    Twice the logits make half the steps and the same path: the number to choose is in units of x, not of the critic.

    Args:
        tolerance: root mean square error of a step, in units of x.

    Raises:
        ValueError: a tolerance that is not positive and finite.

    Source: step-size control of embedded pairs: Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I,
        section II.4.

    Example:
        >>> import torch, wasserflow as wf
        >>> steep = lambda x: 1e4 * x.square().sum(dim=1)
        >>> state = wf.flow(torch.ones(1, 2), steep, wf.AdaptiveEuler(tolerance=0.01), steps=25)
        >>> bool(state.x.abs().max() < 0.1)
        True
    """

    reuses_energies: ClassVar[bool] = True
    tolerance: float = 0.03

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(f"tolerance is {self.tolerance}; give a positive, finite number in units of x")

    def init(self, x: Tensor) -> State:
        """Begin at (batch, *event) particles."""
        return State(x)

    def step(self, state: State, drift: Drift, noise: Noise) -> State:
        """Let every particle try a step."""
        evaluations, memory = 1, state.memory
        if memory is None or not torch.equal(memory.x, state.x):  # at the beginning, or a space has moved particles
            evaluations, memory = 2, self._remembered(state, drift)
        step_size = memory.step_size.view(-1, *[1] * (state.x.ndim - 1))
        proposal = state.x + step_size * memory.velocity
        velocity, energy = drift(proposal)
        error = _rms(step_size * (velocity - memory.velocity)) / 2
        # A velocity or an energy that is not finite is a step too far as well.
        accepted = (error <= self.tolerance) & energy.isfinite()
        factor = (_SAFETY * (self.tolerance / error).sqrt()).nan_to_num(_LEAST).clamp(_LEAST, _MOST)
        factor = torch.where(accepted, factor, factor.clamp(max=_SAFETY))
        take = accepted.view_as(step_size)
        x = torch.where(take, proposal, state.x)
        after = AdaptiveMemory(
            x,
            torch.where(take, velocity, memory.velocity),
            torch.where(accepted, energy, memory.energy),
            _bounded(memory.step_size * factor),
            memory.time + memory.step_size * accepted,
        )
        return state.moved(x, memory.energy, evaluations, after)

    def _remembered(self, state: State, drift: Drift) -> AdaptiveMemory:
        velocity, energy = drift(state.x)
        if state.memory is not None:
            return AdaptiveMemory(state.x, velocity, energy, state.memory.step_size, state.memory.time)
        return AdaptiveMemory(
            state.x, velocity, energy, _bounded(self.tolerance / _rms(velocity)), torch.zeros_like(energy)
        )


def _rms(x: Tensor) -> Tensor:
    return x.reshape(len(x), -1).square().mean(dim=1).sqrt()


def _bounded(step_size: Tensor) -> Tensor:
    # Where nothing pulls, an unbounded step would grow to infinity, and infinity times no velocity is no number.
    return step_size.clamp(max=torch.finfo(step_size.dtype).max ** 0.5)
