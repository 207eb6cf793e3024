"""Data-space terms are summed first and pulled back once: one forward and one backward of the generator a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import wasserflow as wf
from toys import mlp_critic, mlp_generator


class Counted(torch.autograd.Function):
    """A matrix product which counts its passes, and whether anyone asked for the weight's gradient."""

    log: dict[str, int]

    @staticmethod
    def forward(ctx, z: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        Counted.log["forward"] += 1
        return z @ weight

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        Counted.log["backward"] += 1
        Counted.log["weight gradients"] += int(ctx.needs_input_grad[1])
        return gradient @ ctx.saved_tensors[0].T, None


class CountedGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 0.2], [-0.5, 0.9]], dtype=torch.float64))
        Counted.log = {"forward": 0, "backward": 0, "weight gradients": 0}

    def forward(self, z: Tensor) -> Tensor:
        return Counted.apply(z, self.weight)


def terms() -> tuple[object, object]:
    return wf.Divergence(wf.JensenShannon(), mlp_critic()), wf.Proximal(torch.full((6, 2), 0.3, dtype=torch.float64))


def value_and_gradient(potential: object, z: Tensor) -> tuple[Tensor, Tensor]:
    leaf = z.clone().requires_grad_()
    value = potential(leaf)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


def test_pullback_of_a_sum_is_the_sum_of_pullbacks() -> None:
    a, b = terms()
    generator, z = mlp_generator(), torch.randn(6, 2, dtype=torch.float64)
    together = value_and_gradient(wf.Pullback(a + 0.5 * b, generator), z)
    apart = value_and_gradient(wf.Pullback(a, generator) + 0.5 * wf.Pullback(b, generator), z)
    torch.testing.assert_close(together, apart, rtol=1e-12, atol=1e-12)


def test_one_generator_pass_a_step_whatever_the_number_of_terms() -> None:
    a, b = terms()
    potential = wf.Pullback(a + b + 2 * a, CountedGenerator())
    wf.flow(torch.randn(6, 2, dtype=torch.float64), potential, wf.EulerMaruyama(0.01), steps=5)
    assert Counted.log == {"forward": 5, "backward": 5, "weight gradients": 0}


def test_heun_spends_two_passes_a_step() -> None:
    potential = wf.Pullback(terms()[0], CountedGenerator())
    wf.flow(torch.randn(6, 2, dtype=torch.float64), potential, wf.Heun(0.01), steps=5)
    assert Counted.log == {"forward": 10, "backward": 10, "weight gradients": 0}


def test_mala_reuses_the_gradient_it_has() -> None:
    potential = wf.Pullback(terms()[0], CountedGenerator())
    wf.flow(torch.randn(6, 2, dtype=torch.float64), potential, wf.MALA(0.01), steps=5)
    assert Counted.log["forward"] == Counted.log["backward"] <= 6


def test_refinement_adds_one_forward_for_the_samples() -> None:
    wf.refine(mlp_critic(), torch.randn(6, 2, dtype=torch.float64), CountedGenerator(), steps=4)
    assert Counted.log == {"forward": 5, "backward": 4, "weight gradients": 0}


def test_ddls_adds_the_prior_without_another_pass() -> None:
    z0 = torch.randn(6, 2, dtype=torch.float64)
    wf.methods.ddls(mlp_critic(), z0, CountedGenerator(), prior=wf.spaces.Normal(2), steps=4)
    assert Counted.log == {"forward": 5, "backward": 4, "weight gradients": 0}
