"""What every method returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from wasserflow.checks import listed, not_finite
from wasserflow.flow import FlowDiverged
from wasserflow.integrators import State
from wasserflow.integrators.mala import MALAMemory
from wasserflow.potentials import Potential, Pullback

Generator = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Refinement:
    """Refined samples and what they cost.

    Args:
        samples: (batch, *event) refined samples in data space.
        particles: (batch, *latent) final particles: latents, or the samples themselves without a generator.
        steps: (batch,) steps taken by each sample; where proposals are accepted and rejected, how many it has drawn.
        evaluations: gradient evaluations spent, all samples together. Methods that accept and reject need no gradients:
            theirs are evaluations of the log-ratio, those of rejected proposals, of a start and of a burn-in included.
        acceptance: share of the proposals that were accepted, all samples together; None where none are rejected.
    """

    samples: Shaped[Tensor, "batch *event"]
    particles: Shaped[Tensor, "batch *latent"]
    steps: Int64[Tensor, " batch"]
    evaluations: int
    acceptance: float | None = None

    def __repr__(self) -> str:
        shapes = f"samples={tuple(self.samples.shape)}, particles={tuple(self.particles.shape)}"
        return f"Refinement({shapes}, evaluations={self.evaluations}, acceptance={self.acceptance})"


def pulled_back(potential: Potential, generator: Generator | None) -> Potential:
    """Turn a data-space potential into one on the particles: itself in data space, pulled back in latent space."""
    return potential if generator is None else Pullback(potential, generator)


def refinement(state: State, generator: Generator | None) -> Refinement:
    """Read a method's result off the last state of its flow.

    Raises:
        FlowDiverged: the generator returns NaN or infinite samples of the last particles.
    """
    with torch.no_grad():
        samples = state.x if generator is None else generator(state.x.clone())
    if bad := not_finite(samples):
        raise FlowDiverged(
            f"the generator returned NaN or infinity for sample {listed(bad)} after step {state.step}; mend it, or "
            "take a smaller step_size",
            state,
        )
    steps = torch.full((len(state.x),), state.step, device=state.x.device) if state.steps is None else state.steps
    # Of a particle that a rule stopped, MALA goes on to count.
    moves = state.memory.acceptances if isinstance(state.memory, MALAMemory) and state.steps is None else None
    acceptance = None if moves is None else float(moves.double().mean()) / state.step
    return Refinement(samples, state.x, steps, state.evaluations, acceptance)
