"""What an integrator is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.seeds import Noise

Drift = Callable[[Tensor], tuple[Tensor, Tensor]]
"""x (batch, *event) -> velocity (batch, *event), which is minus the energy's gradient, and energy (batch,)."""


@dataclass(frozen=True, eq=False)
class State:
    """A flow after some steps; never changed in place.

    Args:
        x: (batch, *event) particles.
        step: steps taken so far.
        energy: (batch,) energy where the last step started; None before the first.
        evaluations: gradient evaluations spent so far, all particles together.
        memory: what the integrator carries from step to step.
        steps: (batch,) steps taken by each particle, where a rule stops them one by one; else None, all took `step`.
    """

    x: Float[Tensor, "batch *event"]
    step: int = 0
    energy: Float[Tensor, " batch"] | None = None
    evaluations: int = 0
    memory: Any = None
    steps: Int64[Tensor, " batch"] | None = None

    def moved(self, x: Tensor, energy: Tensor, evaluations: int, memory: Any = None) -> State:
        """Return the next state: every particle at x, after so many gradient evaluations each."""
        return State(x, self.step + 1, energy, self.evaluations + evaluations * len(x), memory)


def require_forgetful(integrator: object) -> None:
    """Refuse a rule that goes on with energies of the step before, where the potential changes between steps.

    Such a rule says so by an attribute `reuses_energies`.

    Raises:
        ValueError: it does.

    Example:
        >>> import wasserflow as wf
        >>> from wasserflow.integrators.state import require_forgetful
        >>> require_forgetful(wf.Heun(0.1))
    """
    if getattr(integrator, "reuses_energies", False):
        raise ValueError(
            f"the integrator is {type(integrator).__name__}, which reuses the last step's energies; here they change "
            "between steps: give wf.EulerMaruyama, wf.Heun or wf.Optimizer"
        )


@runtime_checkable
class Integrator(Protocol):
    """A rule that moves particles."""

    def init(self, x: Tensor) -> State:
        """Begin at (batch, *event) particles."""

    def step(self, state: State, drift: Drift, noise: Noise) -> State:
        """Move every particle once."""
