"""Descent by any optimiser of torch.optim."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from wasserflow.integrators.limit import require_limit, shortened
from wasserflow.integrators.state import Drift, State
from wasserflow.seeds import Noise


@dataclass(frozen=True)
class Optimizer:
    """x <- the step that a torch optimiser takes with the gradient -v(x); one gradient evaluation a step.

    Optimisers that treat every coordinate alone (Adam, SGD, RMSprop) leave the particles independent.

    Args:
        make: a class of `torch.optim` but LBFGS, or a `functools.partial` of one with its settings.
        longest_gradient: the largest norm of a particle's gradient that the optimiser is given: a longer one is cut to
            it. None for no limit.

    Raises:
        TypeError: make is not callable.
        ValueError: an optimiser that evaluates the loss itself, as LBFGS does, or a limit that is not positive.

    Source: DOT (Tanaka 2019, arXiv 1910.06832), algorithm 1, which uses Adam.

    Example:
        >>> import functools, torch, wasserflow as wf
        >>> adam = wf.Optimizer(functools.partial(torch.optim.Adam, lr=0.1))
        >>> wf.flow(torch.ones(1, 2), wf.GaussianPrior(), adam, steps=1).x
        tensor([[0.9000, 0.9000]])
    """

    make: Callable[[list[Tensor]], torch.optim.Optimizer]
    longest_gradient: float | None = None

    def __post_init__(self) -> None:
        require_limit(longest_gradient=self.longest_gradient)
        if not callable(self.make):
            raise TypeError(f"make is {self.make!r}; give a class of torch.optim, or a functools.partial of one")
        made = self.make.func if isinstance(self.make, partial) else self.make
        if isinstance(made, type) and issubclass(made, torch.optim.Optimizer):
            _require_gradient_steps(made)

    def init(self, x: Tensor) -> State:
        """Begin at (batch, *event) particles."""
        return State(x)

    def step(self, state: State, drift: Drift, noise: Noise) -> State:
        """Move every particle once."""
        velocity, energy = drift(state.x)
        # Optimisers work in place: on copies, so that a state once yielded stays what it was.
        x = state.x.clone()
        optimizer = self.make([x])
        _require_gradient_steps(type(optimizer))
        if state.memory is not None:
            optimizer.load_state_dict(deepcopy(state.memory))
        x.grad = shortened(-velocity, self.longest_gradient)
        optimizer.step()
        return state.moved(x, energy, evaluations=1, memory=optimizer.state_dict())


def _require_gradient_steps(optimizer: type[torch.optim.Optimizer]) -> None:
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(
            f"{optimizer.__name__} evaluates its loss by a closure, several times a step, and a flow gives it one "
            "gradient a step; give an optimiser that steps by a gradient, such as torch.optim.Adam"
        )
