"""The Metropolis-adjusted Langevin step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wasserflow.integrators.schedule import Schedule, step_size_at, temperature_at
from wasserflow.integrators.state import Drift, State
from wasserflow.seeds import Noise
from wasserflow.spaces.space import sum_event


@dataclass(frozen=True, eq=False)
class MALAMemory:
    """What MALA carries from step to step.

    Args:
        x: (batch, *event) the particles.
        velocity: (batch, *event) velocity at the particles.
        energy: (batch,) energy at the particles.
        accepted: (batch,) whether the last proposal was taken.
        acceptances: (batch,) how many proposals were taken so far.
    """

    x: Float[Tensor, "batch *event"]
    velocity: Float[Tensor, "batch *event"]
    energy: Float[Tensor, " batch"]
    accepted: Bool[Tensor, " batch"]
    acceptances: Int64[Tensor, " batch"]


@dataclass(frozen=True)
class MALA:
    """Propose an Euler–Maruyama step and accept it so that exp(-energy / T) is exactly invariant.

    x' ~ q(. | x) = N(x + h v(x), 2 h T I), accepted with probability
    min(1, e^{(E(x) - E(x')) / T} q(x | x') / q(x' | x)).
    One gradient evaluation a step, and one at the beginning: the potential must stay what it is between steps. A
    proposal of energy +inf, outside the support, is rejected. Where the energy or the acceptance of a proposal is
    undefined, the energy of the new state is NaN, which a flow refuses: a rejection would hide a broken potential.

    Args:
        step_size: h, in units of x² per unit of energy; a number or a function of the step.
        temperature: T > 0, in units of energy; a number or a function of the step.

    Raises:
        ValueError: a step size or a temperature that is not positive; in a flow, a space that moves particles after
            the step, of which the rule of acceptance knows nothing.

    Source: Roberts & Tweedie 1996, Bernoulli 2(4); for GANs: REP-GAN (Wang et al. 2021).

    Example:
        >>> import torch, wasserflow as wf
        >>> state = wf.flow(torch.zeros(500, 1), wf.GaussianPrior(), wf.MALA(step_size=0.5), steps=50)
        >>> 0.8 < float(state.x.var()) < 1.2
        True
    """

    reuses_energies: ClassVar[bool] = True
    step_size: Schedule
    temperature: Schedule = 1.0

    def __post_init__(self) -> None:
        step_size_at(self.step_size, 0)
        self._temperature(0)

    def _temperature(self, step: int) -> float:
        temperature = temperature_at(self.temperature, step)
        if temperature == 0:
            raise ValueError(
                f"temperature is 0 at step {step}; MALA samples exp(-energy / temperature): take one above 0"
            )
        return temperature

    def init(self, x: Tensor) -> State:
        """Begin at (batch, *event) particles."""
        return State(x)

    def step(self, state: State, drift: Drift, noise: Noise) -> State:
        """Propose a move for every particle and take or leave it."""
        step_size, temperature = step_size_at(self.step_size, state.step), self._temperature(state.step)
        if state.memory is None:
            velocity, energy = drift(state.x)
        else:
            velocity, energy = state.memory.velocity, state.memory.energy
            if not torch.equal(state.memory.x, state.x):
                raise ValueError(
                    "the space moved particles that MALA had accepted, which changes what it samples; leave the space "
                    "out and add its energy, potential + wf.Prior(wf.spaces.Box(...)), or take wf.EulerMaruyama in it"
                )
        proposal = state.x + step_size * velocity + math.sqrt(2 * step_size * temperature) * noise.normal(state.x)
        velocity_there, energy_there = drift(proposal)

        def log_proposal(to: Tensor, start: Tensor, along: Tensor) -> Tensor:
            return -sum_event((to - start - step_size * along).square()) / (4 * step_size * temperature)

        log_acceptance = (
            (energy - energy_there) / temperature
            + log_proposal(state.x, proposal, velocity_there)
            - log_proposal(proposal, state.x, velocity)
        )
        accepted = noise.uniform(energy, stream=1).log() < log_acceptance
        outside = energy_there == math.inf
        undefined = (log_acceptance.isnan() | (energy_there == -math.inf)) & ~outside
        take = accepted.reshape(-1, *[1] * (state.x.ndim - 1))
        acceptances = accepted.long() if state.memory is None else state.memory.acceptances + accepted
        velocity, energy_here = torch.where(take, velocity_there, velocity), energy_there.where(accepted, energy)
        x = torch.where(take, proposal, state.x)
        memory = MALAMemory(x, velocity, energy_here, accepted, acceptances)
        evaluations = 2 if state.memory is None else 1
        energy = energy.masked_fill(undefined, math.nan)
        return state.moved(x, energy, evaluations, memory)
