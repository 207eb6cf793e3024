"""How to call whatever the library exports: an example for each parameter name, so that new exports are tested too."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import wasserflow as wf
from toys import mlp_critic, mlp_generator

BATCH = 5
# These couple the samples of a batch by design (a constant estimated from them, an interacting group).
COUPLED = {"gmi", "Interaction"}


def exported(room: ModuleType) -> dict[str, Any]:
    """The public callables of a room, by name."""
    own = [name for name, value in vars(room).items() if getattr(value, "__module__", "") == room.__name__]
    names = getattr(room, "__all__", None) or [name for name in own if not name.startswith("_")]
    found = {name: getattr(room, name) for name in names}
    return {
        name: value
        for name, value in sorted(found.items())
        if callable(value) and getattr(value, "__module__", "").startswith("wasserflow.")
    }


def gmi(critic: Any, z0: Tensor, generator: Any = None, steps: int = 10, seed: Any = 0, **changes: Any) -> Any:
    """`wf.methods.gmi` with all three terms, called as the other methods are."""
    real = particles(z0.dtype if isinstance(z0, Tensor) and z0.is_floating_point() else torch.float64, 7)
    if isinstance(z0, Tensor) and z0.shape[1:] != (2,):
        real = torch.randn(7, *z0.shape[1:], dtype=real.dtype, generator=torch.Generator().manual_seed(6))
    noisy = wf.EulerMaruyama(1.0, temperature=0.01)
    return wf.methods.gmi(
        generator,
        z0,
        real=real,
        log_likelihood=critic,
        weights=(0.1, 0.1, 0.1),
        integrator=noisy,
        steps=steps,
        seed=seed,
        **changes,
    )


def vq_inference(critic: Any, z0: Tensor, generator: Any = None, steps: int = 10, seed: Any = 0, **changes: Any) -> Any:
    """The warm-up of `wf.methods.vq_inference`, called as the other methods are: its fine-tune ends at codes."""
    channels = z0.shape[1] if isinstance(z0, Tensor) and z0.ndim > 1 else 2
    dtype = z0.dtype if isinstance(z0, Tensor) and z0.is_floating_point() else torch.float64
    codes = torch.randn(7, channels, dtype=dtype, generator=torch.Generator().manual_seed(7))
    options = {"codebook": wf.spaces.Codebook(codes), "penalty": 0.5, "steps_per_code": 0}
    noisy = wf.EulerMaruyama(0.05, temperature=0.1)
    return wf.methods.vq_inference(
        generator, z0, log_likelihood=critic, integrator=noisy, steps=steps, seed=seed, **(options | changes)
    )


def particles(dtype: torch.dtype = torch.float64, n: int = BATCH) -> Tensor:
    return torch.randn(n, 2, dtype=dtype, generator=torch.Generator().manual_seed(5))


def examples(dtype: torch.dtype = torch.float64, n: int = BATCH) -> dict[str, Any]:
    """A valid value for every required parameter of a method or potential, by its name."""
    critic, generator, x = mlp_critic(dtype=dtype), mlp_generator(dtype=dtype), particles(dtype, n)
    return {
        "critic": critic,
        "log_ratio": critic,
        "generator": generator,
        "x0": x,
        "z0": x,
        "prior": wf.spaces.Normal(2),
        "space": wf.spaces.Normal(2),
        "divergence": wf.KL(),
        "loss": wf.logistic,
        "network": critic,
        "potential": wf.Divergence(wf.KL(), critic),
        "anchor": x + 0.5,
        "propose": lambda n, seed: wf.spaces.Normal(2).sample(n, seed=seed, dtype=dtype),
        "n": n,
        "step_size": 0.05,
        "make": partial(torch.optim.Adam, lr=0.05),
        "terms": ((1.0, wf.Divergence(wf.KL(), critic)), (0.5, wf.GaussianPrior())),
        "integrator": wf.EulerMaruyama(0.05, 0.1),
        "codebook": wf.spaces.Codebook(particles(dtype, 7) + 0.2),
        "features": critic,
        "density": wf.KernelDensity(),
        "refresh": lambda log_ratio, x: log_ratio,
    }


def reno(critic: Any, z0: Tensor, generator: Any = None, steps: int = 10, seed: Any = 0, **changes: Any) -> Any:
    """`wf.methods.reno`, whose critic is a reward."""
    return wf.methods.reno(critic, z0, generator, steps=steps, seed=seed, **changes)


# Methods whose arguments have other names than the rest's.
ADAPTED = {"gmi": gmi, "reno": reno, "vq_inference": vq_inference}

# Optional parameters given all the same: fewer steps, and constants which would couple the batch if estimated.
CHEAP = {"steps": 4, "lipschitz": 1.0}


def required(call: Callable) -> list[str]:
    parameters = inspect.signature(call).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind in kinds]


def arguments(call: Callable, values: dict[str, Any]) -> dict[str, Any]:
    """The examples that a call requires; an unknown name is a request to add one line above."""
    missing = [name for name in required(call) if name not in values]
    if missing:
        raise LookupError(f"{call.__name__} requires {missing}: add an example of each to examples() in tests/calls.py")
    accepted = inspect.signature(call).parameters
    cheap = {name: value for name, value in CHEAP.items() if name in accepted}
    return {name: values[name] for name in required(call)} | cheap


def refinement_methods() -> dict[str, Callable]:
    """Methods which move given particles."""
    return {
        name: ADAPTED.get(name, call)
        for name, call in exported(wf.methods).items()
        if inspect.isroutine(call) and {"x0", "z0"} & set(inspect.signature(call).parameters)
    }


def sampling_methods() -> dict[str, Callable]:
    """Methods which draw n samples from proposals."""
    return {
        name: call
        for name, call in exported(wf.methods).items()
        if inspect.isroutine(call) and "propose" in inspect.signature(call).parameters
    }


def integrators() -> dict[str, Any]:
    """An instance of every exported integrator; at a temperature where it has one."""
    made = {}
    for name, make in exported(wf.integrators).items():
        if is_dataclass(make) and hasattr(make, "step") and hasattr(make, "init"):
            values = arguments(make, examples())
            if "temperature" in inspect.signature(make).parameters:
                values["temperature"] = 0.3
            made[name] = make(**values)
    return made


def potentials(dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    """An instance of every exported potential."""
    kinds = {name: kind for name, kind in exported(wf.potentials).items() if is_dataclass(kind)}
    return {name: kind(**arguments(kind, examples(dtype))) for name, kind in kinds.items()}


def divergences() -> dict[str, Any]:
    names = ("KL", "ReverseKL", "JensenShannon", "LogD", "Pearson", "Hellinger")
    room = import_module("wasserflow.divergences")
    found = {name: kind for name, kind in exported(room).items() if is_dataclass(kind)}
    assert set(names) <= set(found), f"missing divergences: {set(names) - set(found)}"
    return {name: kind() for name, kind in found.items()}


def moved(outcome: Any) -> Tensor:
    """The particles of a method's answer."""
    return getattr(outcome, "particles", None) if getattr(outcome, "particles", None) is not None else outcome.samples


def modules_in(values: dict[str, Any]) -> list[nn.Module]:
    return [value for value in values.values() if isinstance(value, nn.Module)]
