"""A flow whose potential changes once on the way, over a batch in parts."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.flow import Watch, flow
from wasserflow.integrators import Integrator
from wasserflow.potentials import Energy
from wasserflow.rows import moving

Stage = tuple[Energy, int]
"""A potential, and how many steps it moves the particles; 0 for none."""


def staged_flow(
    x0: Float[Tensor, "batch *event"],
    first: Stage,
    then: Stage,
    integrator: Integrator,
    seeds: Int64[Tensor, " batch"],
    batch_size: int,
    watch: Watch | None = None,
) -> Float[Tensor, "batch *event"]:
    """Move particles by one potential, and from where they are then by another.

    Args:
        x0: (batch, *event) particles; left as they are.
        first: the potential that begins, and its steps.
        then: the one that goes on, and its steps.
        integrator: how to take a step.
        seeds: one a particle.
        batch_size: particles at a time, on which no particle depends.
        watch: called with each state of the first of these parts; it counts the steps of both stages.

    Returns:
        (batch, *event) particles.

    Raises:
        FlowDiverged: the particles left the finite numbers.
        ValueError: batch_size below 1.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.training.staged_flow import staged_flow
        >>> down = wf.GaussianPrior()
        >>> seeds = torch.zeros(1, dtype=torch.int64)
        >>> staged_flow(torch.ones(1, 2), (down, 2), (down, 1), wf.EulerMaruyama(0.5), seeds, batch_size=1)
        tensor([[0.1250, 0.1250]])
    """
    require_counts(batch_size=batch_size)
    moved = []
    for start in range(0, len(x0), batch_size):
        rows = slice(start, start + batch_size)
        with moving(rows):
            x = _moved(x0[rows], first, integrator, seeds[rows], watch)
            # A second stream of noise, or that of the first steps would come again.
            moved.append(_moved(x, then, integrator, seeds[rows].bitwise_not(), _later(watch, first[1])))
        watch = None
    return torch.cat(moved)


def _moved(x0: Tensor, stage: Stage, integrator: Integrator, seeds: Tensor, watch: Watch | None) -> Tensor:
    potential, steps = stage
    return flow(x0, potential, integrator, steps, seed=seeds, watch=watch).x if steps else x0


def _later(watch: Watch | None, steps: int) -> Watch | None:
    """Count the steps on from those of an earlier flow."""
    return None if watch is None else lambda state: watch(replace(state, step=state.step + steps))
