"""Noise optimisation of rewards whose best latents are known."""

from __future__ import annotations

import math

import pytest
import torch

import wasserflow as wf
from wasserflow.potentials import NormPrior


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_energy_of_the_norm_is_that_of_the_chi_law(d: int) -> None:
    z = wf.spaces.Normal(d).sample(50, seed=1).double()
    radius = torch.distributions.Chi2(torch.tensor(float(d), dtype=torch.float64))
    # The density of r = sqrt(s) is that of s times 2 r.
    squares = z.square().sum(dim=1)
    negative = -(radius.log_prob(squares) + (2 * squares.sqrt()).log())
    differences = NormPrior()(z) - negative
    torch.testing.assert_close(differences, differences[:1].expand(50))


def test_the_norm_settles_where_its_density_is_greatest() -> None:
    z0 = 3 * wf.spaces.Normal((3, 3)).sample(20, seed=2).double()
    z = wf.flow(z0, NormPrior(), wf.EulerMaruyama(0.2), steps=200).x
    torch.testing.assert_close(z.flatten(1).norm(dim=1), torch.full((20,), math.sqrt(8)).double())
    torch.testing.assert_close(
        z / z.flatten(1).norm(dim=1).view(-1, 1, 1), z0 / z0.flatten(1).norm(dim=1).view(-1, 1, 1)
    )


def test_a_linear_reward_turns_latents_and_its_weight_decides_their_norm() -> None:
    """R = a z_0: at the optimum a = w (r - (d - 1) / r) along the first axis."""
    a, w, d = 0.5, 0.25, 4
    z0 = wf.spaces.Normal(d).sample(16, seed=3).double()
    r = wf.methods.reno(lambda x: a * x[:, 0], z0, None, lr=0.2, longest_gradient=None, regularisation=w, steps=400)
    norm = (a / w + math.sqrt((a / w) ** 2 + 4 * (d - 1))) / 2
    expected = torch.tensor([norm, 0.0, 0.0, 0.0], dtype=torch.float64).expand(16, d)
    # Momentum overshoots, and the sample of greatest reward is kept: never less than the optimum's.
    assert bool((r.samples[:, 0] >= norm - 1e-6).all())
    settled = wf.methods.reno(
        lambda x: a * x[:, 0], expected, None, lr=0.2, longest_gradient=None, regularisation=w, steps=5
    )
    torch.testing.assert_close(settled.samples, expected)


def test_the_best_on_the_way_is_kept() -> None:
    """Steps of 2 jump over a peak at 1: the start, nearer than anything after it, is what comes back."""
    z0 = torch.tensor([[1.2, 0.0], [-9.0, 0.0]], dtype=torch.float64)
    r = wf.methods.reno(lambda x: -(x[:, 0] - 1).abs(), z0, None, lr=20, momentum=0.0, regularisation=0.0, steps=8)
    torch.testing.assert_close(r.samples, torch.tensor([[1.2, 0.0], [1.0, 0.0]], dtype=torch.float64))
    assert r.steps.tolist() == [8, 8]


def test_gradients_are_cut_particle_by_particle() -> None:
    z0 = torch.tensor([[3.0, 4.0], [0.03, 0.04]])
    sgd = wf.Optimizer(lambda p: torch.optim.SGD(p, lr=1.0), longest_gradient=1.0)
    moved = wf.flow(z0, wf.GaussianPrior(), sgd, steps=1).x
    torch.testing.assert_close(moved, torch.tensor([[2.4, 3.2], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="longest_gradient is -1; give a number above 0, or None for no limit"):
        wf.Optimizer(torch.optim.SGD, longest_gradient=-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_best_is_known_beside_a_norm_that_is_large(dtype: torch.dtype) -> None:
    """Rewards of hundredths next to an energy of the norm of thousands: their sum cannot tell them apart."""
    d = 65_536
    direction = torch.nn.functional.normalize(torch.randn(d), dim=0)
    judged: list[torch.Tensor] = []

    def reward(x: torch.Tensor) -> torch.Tensor:
        value = 0.01 * (x.float() @ direction)
        judged.append(value.detach())
        return value

    r = wf.methods.reno(reward, torch.randn(2, d).to(dtype), None, steps=20)
    kept = 0.01 * (r.samples.float() @ direction)
    torch.testing.assert_close(kept, torch.stack(judged[:20]).amax(dim=0))
    assert bool((kept > judged[0]).all())


def test_a_norm_of_one_number() -> None:
    assert NormPrior()(torch.tensor([[0.0], [2.0]])).tolist() == [0.0, 2.0]
