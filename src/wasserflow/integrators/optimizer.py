"""Descent by any optimiser of torch.optim."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from wasserflow.integrators.state import Drift, State
from wasserflow.seeds import Noise


@dataclass(frozen=True)
class Optimizer:
    """x <- the step that a torch optimiser takes with the gradient -v(x); one gradient evaluation a step.

    Optimisers that treat every coordinate alone (Adam, SGD, RMSprop) leave the particles independent.

    Args:
        make: a class of `torch.optim`, or a `functools.partial` of one with its settings.

    Raises:
        TypeError: make is not callable.

    Source: DOT (Tanaka 2019, arXiv 1910.06832), algorithm 1, which uses Adam.

    Example:
        >>> import functools, torch, wasserflow as wf
        >>> adam = wf.Optimizer(functools.partial(torch.optim.Adam, lr=0.1))
        >>> wf.flow(torch.ones(1, 2), wf.GaussianPrior(), adam, steps=1).x
        tensor([[0.9000, 0.9000]])
    """

    make: Callable[[list[Tensor]], torch.optim.Optimizer]

    def __post_init__(self) -> None:
        if not callable(self.make):
            raise TypeError(f"make is {self.make!r}; give a class of torch.optim, or a functools.partial of one")

    def init(self, x: Tensor) -> State:
        """Begin at (batch, *event) particles."""
        return State(x)

    def step(self, state: State, drift: Drift, noise: Noise) -> State:
        """Move every particle once."""
        velocity, energy = drift(state.x)
        # Optimisers work in place: on copies, so that a state once yielded stays what it was.
        x = state.x.clone()
        optimizer = self.make([x])
        if state.memory is not None:
            optimizer.load_state_dict(deepcopy(state.memory))
        x.grad = -velocity
        optimizer.step()
        return state.moved(x, energy, evaluations=1, memory=optimizer.state_dict())
