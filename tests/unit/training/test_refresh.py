"""A smooth refit learns the log-ratio of two clouds, and leaves what it is given alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

import wasserflow as wf
from wasserflow.training.refresh import SmoothRefit

GAP = torch.tensor([1.0, -0.5])
REAL = wf.spaces.Normal(2).sample(20_000, seed=1) + GAP
MOVED = wf.spaces.Normal(2).sample(20_000, seed=2)


def flat() -> nn.Linear:
    network = nn.Linear(2, 1)
    nn.init.zeros_(network.weight), nn.init.zeros_(network.bias)
    return network


def fitted(**options: Any) -> nn.Module:
    return SmoothRefit(REAL, **{"updates": 400, "lr": 0.05, "r1": 0.0, "r2": 0.0} | options)(flat(), MOVED)


def test_between_normal_laws_the_slope_is_the_gap_of_their_means() -> None:
    network = fitted(batch_size=4096)
    torch.testing.assert_close(network.weight[0], GAP, rtol=0, atol=0.06)
    assert network.bias.item() == pytest.approx(-float(GAP.square().sum()) / 2, abs=0.06)
    assert not network.training


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_the_penalties_make_it_flatter_as_much_as_they_say(name: str) -> None:
    """Of a linear log-ratio w · y + b: the stationary point of the whole loss, found here by Newton's method."""
    weight, network = 0.5, fitted(batch_size=4096, **{name: 0.5})
    w = torch.zeros(3, dtype=torch.float64)
    ones = torch.ones(len(REAL), 1)
    real, moved = (torch.cat([x, ones], dim=1).double() for x in (REAL, MOVED))

    def loss(w: torch.Tensor) -> torch.Tensor:
        fit = nn.functional.softplus(-(real @ w)).mean() + nn.functional.softplus(moved @ w).mean()
        return fit + weight * w[:2].square().sum() / 2

    for _ in range(10):
        w = w - torch.linalg.solve(torch.func.hessian(loss)(w), torch.func.grad(loss)(w))
    torch.testing.assert_close(network.weight[0].double(), w[:2], rtol=0, atol=0.05)
    assert network.weight.norm() < 0.6 * GAP.norm()


def test_what_is_given_stays_and_seeds_repeat() -> None:
    network = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.0), nn.Linear(8, 1)).eval()
    network[0].requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        a, b, other = (SmoothRefit(REAL, updates=3, seed=seed)(network, MOVED) for seed in (0, 0, 1))
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert not network.training
    assert torch.equal(a[2].weight, b[2].weight)
    assert not torch.equal(a[2].weight, other[2].weight)
    assert torch.equal(a[0].weight, network[0].weight)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_what_is_refused() -> None:
    for options, named in [
        ({"updates": 0}, "updates is 0"),
        ({"lr": -1.0}, "lr is -1"),
        ({"r1": -1.0}, "r1 is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
    ]:
        with pytest.raises(ValueError, match=named):
            SmoothRefit(REAL, **options)
    with pytest.raises(ValueError, match=r"no parameter of the log-ratio requires a gradient"):
        SmoothRefit(REAL)(flat().requires_grad_(False), MOVED)
    with pytest.raises(ValueError, match=r"samples is NaN or infinite in sample 0"):
        SmoothRefit(REAL)(flat(), torch.full((3, 2), float("nan")))


def test_a_flow_that_follows_stays_where_one_that_does_not_goes_on() -> None:
    real, x = REAL[:1000], MOVED[:1000]
    refit = SmoothRefit(real, updates=60, lr=0.01)
    first = SmoothRefit(real, updates=200, lr=0.01)(wf.models.mlp_ratio(width=32), x)
    rule = wf.EulerMaruyama(0.1)
    followed = wf.methods.refreshed(first, x, refit, integrator=rule, steps=60, every=5).samples
    kept = wf.refine(first, x, integrator=rule, steps=60).samples
    assert (followed.mean(dim=0) - GAP).norm() < 0.2
    assert (kept.mean(dim=0) - GAP).norm() > 2


class Square(nn.Module):
    """w y², whose slope at 0 is none, whatever w is."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return self.w * y.square().sum(dim=1)


def test_each_penalty_is_taken_where_it_says() -> None:
    real, moved = torch.full((50, 1), 2.0), torch.full((50, 1), 1e-3)

    def weight(**penalties: float) -> float:
        return SmoothRefit(real, updates=60, lr=0.05, **({"r1": 0.0, "r2": 0.0} | penalties))(Square(), moved).w.item()

    assert weight(r2=1.0) == pytest.approx(weight(), rel=1e-3)
    assert weight(r1=1.0) < 0.3 * weight()


def test_frozen_parts_and_the_global_stream_stay_as_they_are() -> None:
    x = torch.randn(60, 2)
    backbone = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8)).requires_grad_(False).eval()
    network, state = nn.Sequential(backbone, nn.Dropout(0.2), nn.Linear(8, 1)).eval(), torch.get_rng_state()
    first, second = (wf.training.SmoothRefit(x, updates=20)(network, 5 * x + 3) for _ in range(2))
    assert torch.equal(first[0][1].running_mean, backbone[1].running_mean)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[2].weight, second[2].weight)
    assert not torch.equal(first[2].weight, network[2].weight)


def test_it_learns_inside_inference_mode() -> None:
    network, x = nn.Linear(2, 1), torch.randn(60, 2)
    expected = wf.training.SmoothRefit(x, updates=5)(network, x + 1)
    with torch.inference_mode():
        inside = wf.training.SmoothRefit(x.clone(), updates=5)(network, x + 1)
    torch.testing.assert_close(inside.weight, expected.weight)


@pytest.mark.usefixtures("unchecked_annotations")
def test_a_function_cannot_be_learnt_anew() -> None:
    with pytest.raises(TypeError, match=r"is a function.*nn\.Module"):
        wf.training.SmoothRefit(torch.randn(60, 2))(lambda x: x[:, 0], torch.randn(60, 2))
