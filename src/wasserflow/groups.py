"""Particles that interact, in groups, under a potential that changes from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.checks import require_counts, require_particles
from wasserflow.densities.gather import gather_rows
from wasserflow.flow import Watch, flow
from wasserflow.integrators import Integrator, State, require_forgetful
from wasserflow.potentials import Energy
from wasserflow.potentials.present import Present
from wasserflow.refinement import Generator, Refinement, refinement
from wasserflow.rows import moving
from wasserflow.seeds import Seed, sample_seeds
from wasserflow.spaces import Space

EnergyAt = Callable[[int, Tensor], Energy]
"""From a step (0, 1, ...) and the seeds of a group to the potential that moves the group at that step."""


def grouped_flow(
    x0: Float[Tensor, "batch *event"],
    energy_at: EnergyAt,
    integrator: Integrator,
    generator: Generator | None,
    steps: int,
    batch_size: int,
    seed: Seed,
    space: Space | None,
    watch: Watch | None,
    across_processes: bool = False,
) -> Refinement:
    """Run one flow after another over groups of particles, as equal as can be, of at most batch_size each.

    Raises:
        ValueError: an integrator that reuses energies, batch_size below 1, or processes with different numbers of
            groups, which would wait for ever.
    """
    require_particles(x0)
    require_forgetful(integrator)
    require_counts(batch_size=batch_size)
    count = math.ceil(len(x0) / batch_size)
    if across_processes:
        counts = gather_rows(torch.full((1, 1), float(count), device=x0.device))[0].flatten().int().tolist()
        if set(counts) != {count}:
            raise ValueError(f"the processes have {counts} groups; give each the same number, by batch_size")
    seeds = sample_seeds(seed, len(x0)).to(x0.device)
    results: list[Refinement] = []
    start = 0
    for x, own in zip(x0.tensor_split(count), seeds.tensor_split(count), strict=True):
        with moving(slice(start, start + len(x))):
            results.append(refinement(_flow(x, energy_at, integrator, steps, space, own, watch), generator))
        start += len(x)
    return Refinement(
        torch.cat([part.samples for part in results]),
        torch.cat([part.particles for part in results]),
        torch.cat([part.steps for part in results]),
        sum(part.evaluations for part in results),
    )


def _flow(
    x0: Tensor,
    energy_at: EnergyAt,
    integrator: Integrator,
    steps: int,
    space: Space | None,
    seeds: Int64[Tensor, " batch"],
    watch: Watch | None,
) -> State:
    energy = Present(energy_at(0, seeds), maker=energy_at)

    def advance(state: State) -> None:
        if watch is not None:
            watch(state)
        if state.step < steps:
            energy.potential = energy_at(state.step, seeds)

    return flow(x0, energy, integrator, steps, space, seeds, advance)
