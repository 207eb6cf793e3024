"""The names that the command line gives to divergences, methods and data: the only place where strings choose."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from wasserflow import divergences
from wasserflow.checks import require_counts
from wasserflow.flow import Watch
from wasserflow.integrators import AdaptiveEuler, EulerMaruyama, Integrator
from wasserflow.integrators.schedule import step_size_at, temperature_at
from wasserflow.methods import Refinement, ddls, dot, mala, refine
from wasserflow.spaces import PriorSpace
from wasserflow.stopping import Stop

DivergenceName = Literal["kl", "reverse-kl", "js", "logd", "pearson", "hellinger"]
MethodName = Literal["dgflow", "ddls", "dot", "mala"]
SpaceName = Literal["latent", "data"]

DIVERGENCES: dict[str, divergences.FDivergence] = {
    "kl": divergences.KL(),
    "reverse-kl": divergences.ReverseKL(),
    "js": divergences.JensenShannon(),
    "logd": divergences.LogD(),
    "pearson": divergences.Pearson(),
    "hellinger": divergences.Hellinger(),
}

Runner = Callable[..., Refinement]


@dataclass(frozen=True)
class MethodOptions:
    """The settings of a method, none left open.

    Args:
        method: which method.
        divergence: of DGflow; None for the others.
        step_size: h; Adam's learning rate for DOT; None where a tolerance controls the steps.
        steps: how many updates.
        temperature: T; for DDLS the square of the noise's factor; None for methods without.
        space: where the particles live: the generator's latents, or its samples.
        tolerance: of DGflow's steps controlled by their error; None for steps of one size.

    Raises:
        ValueError: a number that the method would refuse.
    """

    method: MethodName
    step_size: float | None
    steps: int
    temperature: float | None = None
    divergence: DivergenceName | None = None
    space: SpaceName = "latent"
    tolerance: float | None = None

    def __post_init__(self) -> None:
        require_counts(steps=self.steps)
        if self.step_size is not None:
            step_size_at(self.step_size, step=0)
        if self.temperature is not None:
            temperature_at(self.temperature, step=0)
        if self.tolerance is not None:
            AdaptiveEuler(self.tolerance)

    @classmethod
    def resolve(cls, method: MethodName, chosen: Mapping[str, Any]) -> MethodOptions:
        """Fill what was not chosen with the method's own defaults.

        Args:
            method: which method.
            chosen: settings by name; None where left open.

        Raises:
            ValueError: a setting that the method does not have, a number that it would refuse, or a tolerance beside a
                step size or a temperature.
        """
        settings = _DEFAULTS[method]
        given = {name: value for name, value in chosen.items() if value is not None}
        for name in given:
            if name not in settings:
                raise ValueError(f"{name} is {given[name]}, but {method} has none; leave it out")
        if "tolerance" in given:
            for name in ("step_size", "temperature"):
                if name in given:
                    raise ValueError(f"{name} is {given[name]} and tolerance {given['tolerance']}; give one of them")
            given |= {"step_size": None, "temperature": None}
        return cls(method=method, **{**settings, **given})

    def runner(
        self,
        generator: nn.Module,
        critic: nn.Module,
        prior: PriorSpace,
        stop: Stop | None = None,
        lipschitz: float | None = None,
    ) -> Runner:
        """Bind everything but the particles: `runner(particles, seed=..., watch=...)`.

        Args:
            generator: maps latents to samples.
            critic: the log-ratio.
            prior: where latents come from.
            stop: for DGflow.
            lipschitz: for DOT; None estimates it on the particles that the runner is given.
        """
        pulled = generator if self.space == "latent" else None
        common = {"generator": pulled, "steps": self.steps}
        support = prior if pulled is not None else None
        match self.method:
            case "dgflow":
                divergence = DIVERGENCES[self.divergence or "kl"]
                rule = self._integrator()
                return _bind(refine, critic, divergence=divergence, integrator=rule, space=support, stop=stop, **common)
            case "ddls":
                noise_scale = math.sqrt(self.temperature or 0.0)
                return _bind(ddls, critic, prior=prior, step_size=self.step_size, noise_scale=noise_scale, **common)
            case "dot":
                return _bind(dot, critic, prior=support, lr=self.step_size, lipschitz=lipschitz, **common)
            case "mala":
                return _bind(mala, critic, prior=prior, step_size=self.step_size, **common)

    def _integrator(self) -> Integrator:
        if self.tolerance is not None:
            return AdaptiveEuler(self.tolerance)
        assert self.step_size is not None
        return EulerMaruyama(self.step_size, self.temperature or 0.0)


def _default(method: Runner, name: str) -> Any:
    return inspect.signature(method).parameters[name].default


_DEFAULTS: dict[str, dict[str, Any]] = {
    "dgflow": {
        "step_size": _default(refine, "integrator").step_size,
        "temperature": _default(refine, "integrator").temperature,
        "steps": _default(refine, "steps"),
        "divergence": "kl",
        "space": "latent",
        "tolerance": None,
    },
    "ddls": {
        "step_size": _default(ddls, "step_size"),
        "temperature": _default(ddls, "noise_scale") ** 2,
        "steps": _default(ddls, "steps"),
    },
    "dot": {"step_size": _default(dot, "lr"), "steps": _default(dot, "steps"), "space": "latent"},
    "mala": {"step_size": _default(mala, "step_size"), "steps": _default(mala, "steps")},
}


def _bind(method: Runner, critic: nn.Module, **options: object) -> Runner:
    def run(particles: Tensor, *, seed: Tensor, watch: Watch | None = None) -> Refinement:
        return method(critic, particles, seed=seed, watch=watch, **options)

    return run
