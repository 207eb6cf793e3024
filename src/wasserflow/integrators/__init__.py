"""How particles move: one step of each rule, as a function from state to state."""

from wasserflow.integrators.adaptive_euler import AdaptiveEuler
from wasserflow.integrators.euler_maruyama import EulerMaruyama
from wasserflow.integrators.heun import Heun
from wasserflow.integrators.mala import MALA
from wasserflow.integrators.optimizer import Optimizer
from wasserflow.integrators.schedule import Schedule
from wasserflow.integrators.state import Drift, Integrator, State, require_forgetful

__all__ = [
    "MALA",
    "AdaptiveEuler",
    "Drift",
    "EulerMaruyama",
    "Heun",
    "Integrator",
    "Optimizer",
    "Schedule",
    "State",
    "require_forgetful",
]
