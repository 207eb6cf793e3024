"""The flow: particles follow the velocity of a potential, one state after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import listed, not_finite, require_counts, require_methods, require_particles, surely_finite
from wasserflow.freezing import ready_modules
from wasserflow.integrators import Drift, Integrator, State
from wasserflow.memory import freed_memory_kept
from wasserflow.potentials import Energy, energy_and_gradient
from wasserflow.seeds import Noise, Seed, sample_seeds
from wasserflow.spaces import Euclidean, Space
from wasserflow.stopping import Halt, Stop

Watch = Callable[[State], object]


class FlowDiverged(ValueError):
    """A flow left the finite numbers; `.state` is the last state in which everything was finite."""

    def __init__(self, message: str, state: State) -> None:
        super().__init__(message, state)  # both, or it could not be pickled
        self.message, self.state = message, state

    def __str__(self) -> str:
        return self.message


def iterate(
    x0: Float[Tensor, "batch *event"],
    potential: Energy,
    integrator: Integrator,
    space: Space | None = None,
    seed: Seed = 0,
    stop: Stop | None = None,
) -> Iterator[State]:
    """Move particles down a potential, yielding the state after each step, for ever or until all have stopped.

    dx = -∇ potential(x) dt + sqrt(2 T) dw, as the integrator discretises it. Stop early with `break`; a trajectory is a
    list of states; progress is `tqdm` around the loop. Works inside `torch.no_grad()`.

    Args:
        x0: (batch, *event) particles; left as they are.
        potential: maps (batch, *event) to (batch,) energies.
        integrator: how to take a step.
        space: where the particles live; all of R^d by default.
        seed: an int, one seed a particle, or a `torch.Generator`.
        stop: tells of (batch,) energies, now and at the beginning, which particles are done; they stay. `wf.stopping`.

    Yields:
        The state after each step; the first has `.step == 1`, and `.energy` of where that step started.

    Raises:
        FlowDiverged: an energy or a position is NaN or infinite; `.state` is the last finite state.
        ValueError: x0 is empty or not finite, the potential has the wrong shape, or a module is in train mode.
        TypeError: x0 is not a floating-point tensor.

    Source: DGflow (arXiv 2012.00780), eq. 8.

    Example:
        >>> import torch, wasserflow as wf
        >>> states = wf.iterate(torch.ones(1, 2), wf.GaussianPrior(), wf.EulerMaruyama(0.5))
        >>> [round(float(next(states).energy), 4) for _ in range(3)]
        [1.0, 0.25, 0.0625]
    """
    require_particles(x0)
    require_methods("potential", potential, ["__call__"], "a function from (batch, *event) to (batch,) energies")
    require_methods("integrator", integrator, ["init", "step"], "one such as wf.EulerMaruyama(step_size=0.1)")
    require_methods("space", inside := space or Euclidean(), ["project", "tangent"], "one of wf.spaces, or None")
    modules, halt = ready_modules(potential, inside, stop), Halt(stop, x0.detach())
    x0, seeds = x0.detach(), sample_seeds(seed, len(x0)).to(x0.device)

    def drift(x: Tensor) -> tuple[Tensor, Tensor]:
        energy, gradient = halt.sparing(lambda going: energy_and_gradient(potential, going, modules), x)
        return inside.tangent(x, -gradient), energy

    return _states(x0, drift, integrator, inside, Noise(seeds, 0), halt)


def flow(
    x0: Float[Tensor, "batch *event"],
    potential: Energy,
    integrator: Integrator,
    steps: int = 25,
    space: Space | None = None,
    seed: Seed = 0,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> State:
    """Take a number of steps of `iterate` and return the last state.

    Args:
        x0: (batch, *event) particles; left as they are.
        potential: maps (batch, *event) to (batch,) energies.
        integrator: how to take a step.
        steps: how many, at least 1.
        space: where the particles live; all of R^d by default.
        seed: an int, one seed a particle, or a `torch.Generator`.
        watch: called with the state after each step, for progress, logs or a trajectory.
        stop: which particles are done, of their energies now and at the beginning.

    Returns:
        The last state: `.x`, `.step`, `.energy`, `.evaluations`.

    Raises:
        ValueError: steps below 1, and all that `iterate` refuses.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.flow(torch.ones(1, 2), wf.GaussianPrior(), wf.EulerMaruyama(0.5), steps=3).x
        tensor([[0.1250, 0.1250]])
    """
    require_counts(steps=steps)
    with freed_memory_kept(x0):
        for state in islice(iterate(x0, potential, integrator, space, seed, stop), steps):
            if watch is not None:
                watch(state)
    return state


def _states(x0: Tensor, drift: Drift, rule: Integrator, space: Space, noise: Noise, halt: Halt) -> Iterator[State]:
    state = seen = rule.init(x0)
    while not halt.over:
        with torch.no_grad():
            moved = rule.step(state, drift, noise.at(state.step))
            if (inside := space.project(moved.x)) is not moved.x:
                moved = replace(moved, x=inside)
            before, seen = seen, halt.hold(state, moved)
        if seen.energy is None or not surely_finite(seen.x, seen.energy):
            _require_finite(before, seen)
        state = moved
        yield seen


def _require_finite(before: State, after: State) -> None:
    for name, values in (("energy", after.energy), ("position", after.x)):
        if values is not None and (bad := not_finite(values)):
            raise FlowDiverged(
                f"the {name} of sample {listed(bad)} is NaN or infinite at step {after.step}; take a smaller step_size,"
                " mend a generator or critic that returns it, or look at .state, the last finite state",
                before,
            )
