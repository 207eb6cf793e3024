"""Which optimisers of torch can take the steps of a flow."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

import wasserflow as wf

CLASSES = [
    of
    for of in vars(torch.optim).values()
    if inspect.isclass(of) and issubclass(of, torch.optim.Optimizer) and of is not torch.optim.Optimizer
]


@pytest.mark.parametrize("make", [torch.optim.LBFGS, partial(torch.optim.LBFGS, lr=0.1)], ids=["class", "partial"])
def test_an_optimiser_that_evaluates_the_loss_itself_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"LBFGS evaluates its loss by a closure.*give .* such as torch\.optim\.Adam"):
        wf.Optimizer(make)


def test_one_that_a_function_makes_is_refused_at_its_first_step() -> None:
    hidden = wf.Optimizer(lambda parameters: torch.optim.LBFGS(parameters))
    with pytest.raises(ValueError, match="LBFGS evaluates its loss by a closure"):
        wf.flow(torch.ones(1, 2), wf.GaussianPrior(), hidden, steps=1)


@pytest.mark.parametrize("make", [of for of in CLASSES if of is not torch.optim.LBFGS])
def test_the_others_are_taken(make: type[torch.optim.Optimizer]) -> None:
    assert wf.Optimizer(make).make is make
