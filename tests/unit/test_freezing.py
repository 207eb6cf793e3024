"""Freezing: find the modules behind any callable, and leave them as they were."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from types import ModuleType

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


class Slotted:
    __slots__ = ("empty", "network")

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, x: Tensor) -> Tensor:
        return self.network(x)


class _Unhashable(type):
    __hash__ = None

    def __eq__(cls, other: object) -> bool:
        return cls is other


class SlottedOfAnUnhashableClass(Slotted, metaclass=_Unhashable):
    __slots__ = ()


def with_class_attribute(network: nn.Module) -> type:
    class Owner:
        score = network

        def __call__(self, x: Tensor) -> Tensor:
            return self.score(x)

        @classmethod
        def of_class(cls, x: Tensor) -> Tensor:
            return cls.score(x)

        @staticmethod
        def of_nobody(x: Tensor) -> Tensor:
            return network(x)

    return type("Heir", (Owner,), {})


def nested(network: nn.Module, times: int) -> Callable[[Tensor], Tensor]:
    inner = network
    for _ in range(times):
        inner = partial(lambda f, x: f(x), inner)
    return inner


def globally(network: nn.Module, source: str) -> object:
    """What an expression of a module that has the global `NETWORK` is."""
    home = ModuleType("nets")
    home.NETWORK = network
    return eval(source, {"__name__": "nets", "NETWORK": network, "nets": home})


def ways_to_hide(network: nn.Module) -> dict[str, object]:
    def helper(x: Tensor) -> Tensor:
        return network(x)

    owner = with_class_attribute(network)
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
        "default": lambda x, m=network: m(x),
        "keyword default": lambda x, *, m=network: m(x),
        "slots": Slotted(network),
        "method of an object with slots": Slotted(network).__call__,
        "slots of an unhashable class": SlottedOfAnUnhashableClass(network),
        "class attribute": owner(),
        "class method": owner.of_class,
        "static method": owner.of_nobody,
        "class in a closure": lambda x: owner.of_class(x),
        "thirty functions deep": nested(network, 30),
        "deep containers": [[[[[[[[[{"a": deque([(network,)])}]]]]]]]]],
        "attribute of a function": wraps(network.forward)(lambda x: x),
        "global": globally(network, "lambda x: NETWORK(x)"),
        "global of a function inside": globally(network, "lambda x: [(lambda y: NETWORK(y))(x) for _ in range(2)]"),
        "global of an imported module": globally(network, "lambda x: nets.NETWORK(x)"),
        "global of a method": globally(network, "type('Owner', (), {'__call__': lambda self, x: NETWORK(x)})()"),
    }


@pytest.mark.parametrize("way", sorted(ways_to_hide(nn.Identity())))
def test_module_is_found(way: str) -> None:
    network = nn.Linear(2, 1)
    assert modules_in(ways_to_hide(network)[way]) == [network]


@pytest.mark.parametrize("way", ["default", "slots", "class attribute", "class method", "thirty functions deep"])
def test_statistics_of_a_hidden_network_are_not_changed(way: str) -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).train()
    with pytest.raises(ValueError, match=r"in train mode.*\.eval\(\)"):
        wf.refine(ways_to_hide(network)[way], torch.ones(3, 2), steps=1)
    assert network[0].num_batches_tracked == 0


def test_an_attribute_is_not_taken_for_the_global_of_its_name() -> None:
    assert modules_in(globally(nn.Linear(2, 1), "lambda x: x.NETWORK")) == []


def test_nothing_is_evaluated() -> None:
    class Lazy:
        @property
        def network(self) -> nn.Module:
            raise AssertionError("the property was evaluated")

    assert modules_in(Lazy()) == []


def test_functions_whose_variables_are_not_filled_yet() -> None:
    def early(x: Tensor) -> Tensor:
        return late(x)

    assert modules_in(early) == []
    late = nn.Linear(2, 1)
    assert modules_in(early) == [late]


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


class Dropping(nn.Module):
    """Draws by a function, which leaves no layer to be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(nn.functional.dropout(x, 0.5, self.training))


def test_dropout_by_a_function_is_refused_in_train_mode() -> None:
    with pytest.raises(ValueError, match=r"Dropping is in train mode, where Dropping\.forward calls dropout"):
        wf.refine(Dropping(), torch.zeros(3, 2))
    assert wf.refine(Dropping().eval(), torch.zeros(3, 2), steps=1).samples.isfinite().all()


def test_networks_made_in_inference_mode_are_refused_and_the_others_stay_as_they_were() -> None:
    with torch.inference_mode():
        generator = nn.Linear(2, 3).eval()
    critic = nn.Linear(3, 1).eval()
    with pytest.raises(ValueError, match=r"Linear\.weight was made inside torch\.inference_mode\(\)"):
        wf.refine(critic, torch.randn(4, 2), generator)
    with pytest.raises(RuntimeError), frozen([critic, generator]):
        raise RuntimeError
    assert all(parameter.requires_grad for parameter in critic.parameters())


def test_autocast_converts_what_other_dtypes_are_given() -> None:
    critic = nn.Linear(2, 1).eval()
    x = torch.ones(3, 2, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match="convert one with"):
        wf.refine(critic, x, steps=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert wf.refine(critic, x, steps=1).samples.dtype == torch.bfloat16
