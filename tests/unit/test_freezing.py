"""Freezing: find the modules behind any callable, and leave them as they were."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.freezing import frozen, modules_in


class Scorer:
    def __init__(self, network: nn.Module) -> None:
        self.networks = {"only": [network]}

    def score(self, x: Tensor) -> Tensor:
        return self.networks["only"][0](x)

    __call__ = score


@dataclass(frozen=True)
class Settings:
    network: nn.Module


def ways_to_hide(network: nn.Module) -> dict[str, object]:
    def helper(x: Tensor) -> Tensor:
        return network(x)

    return {
        "itself": network,
        "closure": lambda x: network(x) + 1,
        "closure of a closure": lambda x: helper(x) + 1,
        "partial": partial(torch.mul, other=network),
        "bound forward": network.forward,
        "bound method": Scorer(network).score,
        "callable object": Scorer(network),
        "dataclass": Settings(network),
        "divergence": wf.Divergence(wf.KL(), network),
        "sum": 2 * wf.Divergence(wf.KL(), lambda x: network(x)) + wf.GaussianPrior(),
        "pullback": wf.Pullback(wf.GaussianPrior(), network),
    }


@pytest.mark.parametrize("way", sorted(ways_to_hide(nn.Identity())))
def test_module_is_found(way: str) -> None:
    network = nn.Linear(2, 1)
    assert modules_in(ways_to_hide(network)[way]) == [network]


def test_things_without_modules() -> None:
    assert modules_in(lambda x: x, 3, "text", torch.ones(2), None, wf.GaussianPrior()) == []


def test_shared_module_is_found_once_and_cycles_end() -> None:
    network = nn.Linear(2, 1)
    knot: list[object] = [network]
    knot.append(knot)
    assert modules_in(network, knot, lambda x: network(x)) == [network]


def test_flags_come_back_after_an_error_and_when_nested() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network[0].weight.requires_grad_(False)
    flags = [p.requires_grad for p in network.parameters()]
    assert flags == [False, True, True, True]

    def use_and_fail() -> None:
        with frozen([network, network[1]]):
            assert not any(p.requires_grad for p in network.parameters())
            with frozen([network]):
                pass
            assert not any(p.requires_grad for p in network.parameters())
            raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        use_and_fail()
    assert [p.requires_grad for p in network.parameters()] == flags
