"""A generator learns where a refinement takes its samples."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.training.distilled import distil

SAME = nn.Identity()


def toy(n: int = 500) -> tuple[nn.Module, Tensor, Tensor]:
    """Of d(x) = -‖x‖² the flow of the samples is x exp(-2 t): 10 Euler steps of 0.05 leave 0.9¹⁰ of them."""
    z = wf.spaces.Normal(2).sample(n, seed=1)
    generator = nn.Linear(2, 2)
    with torch.no_grad():
        x = generator(z)
    rule = wf.EulerMaruyama(0.05)
    return generator, z, wf.refine(lambda x: -x.square().sum(dim=1), x, integrator=rule, steps=10).samples


def quickly(*arguments: Any, **options: Any) -> wf.training.distilled.Distilled:
    return distil(*arguments, **{"steps": 3, "progress": False, **options})


def test_a_linear_flow_is_learnt_exactly() -> None:
    generator, z, refined = toy()
    made = quickly(generator, z, refined, SAME, steps=600, lr=0.03)
    torch.testing.assert_close(made.generator.weight, generator.weight * 0.9**10, rtol=0, atol=1e-3)
    torch.testing.assert_close(made.generator.bias, generator.bias * 0.9**10, rtol=0, atol=1e-3)
    assert made.explained == pytest.approx(1, abs=1e-4)


def test_what_is_explained_is_of_the_moves_of_held_out_samples() -> None:
    """Moves of 2 and noise of 1, of which a bias explains the squared mean, 4 / 5."""
    z = wf.spaces.Normal(1).sample(20_000, seed=1)
    moved = z + 2 + wf.spaces.Normal(1).sample(20_000, seed=2)
    generator = nn.Linear(1, 1)
    with torch.no_grad():
        generator.weight.fill_(1), generator.bias.fill_(0)
    made = quickly(generator, z, moved, SAME, steps=400, lr=0.05, batch_size=1024)
    assert made.explained == pytest.approx(0.8, abs=0.01)


def test_only_what_the_features_see_is_learnt() -> None:
    generator, z, refined = toy()
    made = quickly(generator, z, refined, lambda x: x[:, :1], samples_weight=0.0, steps=600, lr=0.03)
    torch.testing.assert_close(made.generator.weight[0], generator.weight[0] * 0.9**10, rtol=0, atol=1e-3)
    torch.testing.assert_close(made.generator.weight[1], generator.weight[1], rtol=0, atol=0)


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.value.expand(len(z), 1)


@pytest.mark.parametrize("weight", [0.0, 0.3, 4.0])
def test_features_and_samples_are_weighed_in_units_of_their_variance(weight: float) -> None:
    z, x = (wf.spaces.Normal(1).sample(20_000, seed=seed) for seed in (1, 2))
    x = 1 + x / 2
    made = quickly(Constant(), z, x, lambda y: y**3, samples_weight=weight, steps=500, lr=0.01, batch_size=1024)
    c = torch.linspace(0.8, 1.4, 601)
    cost = ((c**3 - x**3) ** 2).mean(0) / (x**3).var() + weight * ((c - x) ** 2).mean(0) / x.var()
    assert made.generator.value.item() == pytest.approx(c[cost.argmin()].item(), abs=0.01)


def test_features_that_begin_in_place_change_no_samples() -> None:
    generator, z, refined = toy()
    given = refined.clone()
    made = quickly(generator, z, refined, nn.ReLU(inplace=True), steps=600, lr=0.03)
    assert torch.equal(refined, given)
    torch.testing.assert_close(made.generator.weight, generator.weight * 0.9**10, rtol=0, atol=1e-2)


class Watched(nn.Module):
    """Features that note in which mode they were asked, and whether their parameters asked for a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen = nn.Sequential(nn.Linear(2, 3), nn.Dropout()), set[tuple[bool, bool]]()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.add((self.layer[1].training, self.layer[0].weight.requires_grad))
        return self.layer(x)


def test_networks_are_given_back_as_they_were() -> None:
    generator = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()
    generator[0].bias.requires_grad_(False)
    features, (_, z, refined) = Watched().eval(), toy()
    before = copy.deepcopy((generator.state_dict(), features.state_dict()))
    made = quickly(generator, z, refined, features)
    torch.testing.assert_close((generator.state_dict(), features.state_dict()), before, rtol=0, atol=0)
    assert all(p.grad is None for network in (generator, features) for p in network.parameters())
    assert features.seen == {(False, False), (False, True)}  # before the training, and in it
    assert features.layer[0].weight.requires_grad
    assert [p.requires_grad for p in made.generator.parameters()] == [p.requires_grad for p in generator.parameters()]
    assert not made.generator.training
    assert not torch.equal(made.generator[0].bias, generator[0].bias)  # frozen parameters learn, too
    assert not torch.equal(made.generator[1].running_mean, generator[1].running_mean)


def test_seeds_repeat_and_inference_mode_changes_nothing() -> None:
    generator, z, refined = toy(100)
    one, same, other = (quickly(generator, z, refined, SAME, seed=s).generator.weight for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    with torch.inference_mode():
        inside = quickly(generator, z.clone(), refined.clone(), SAME).generator.weight
    assert torch.equal(one, inside)


class Stopping(nn.Linear):
    """Gets a Ctrl-C when it is trained."""

    def forward(self, z: Tensor) -> Tensor:
        if self.training:
            raise KeyboardInterrupt
        return super().forward(z)


def test_seeds_choose_what_is_held_out() -> None:
    generator, z, refined = toy(100)
    refined = refined + wf.spaces.Normal(2).sample(100, seed=3)
    one, other = (quickly(generator, z, refined, SAME, batch_size=90, seed=s).explained for s in (0, 1))
    assert one != pytest.approx(other, rel=1e-3)


def test_what_is_stopped_names_no_folder_that_is_gone() -> None:
    _, z, refined = toy(50)
    with pytest.raises(KeyboardInterrupt, match=r"^nothing was kept; learn anew$"):
        quickly(Stopping(2, 2).eval(), z, refined, SAME)


@pytest.mark.usefixtures("unchecked_annotations")
def test_what_is_refused() -> None:
    generator, z, x = toy(50)
    training = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    for arguments, options, named in [
        ((generator, z, x[:-1], SAME), {}, "latents has 50 samples and samples 49; give as many"),
        ((generator, z[:9], x[:9], SAME), {}, "latents has 9 samples"),
        ((generator, z, x[:, :1], SAME), {}, r"the generator makes \(2,\) and samples are \(1,\)"),
        ((generator, z, x * float("nan"), SAME), {}, "samples is NaN"),
        ((training, z, x, SAME), {}, "train mode"),
        ((generator, z, x, training), {}, "train mode"),
        ((generator, z, x, SAME), {"steps": 0}, "steps is 0"),
        ((generator, z, x, SAME), {"lr": -1.0}, "lr is -1"),
        ((generator, z, x, SAME), {"batch_size": 0}, "batch_size is 0"),
        ((generator, z, x, SAME), {"samples_weight": -1.0}, "samples_weight is -1"),
    ]:
        with pytest.raises(ValueError, match=named):
            quickly(*arguments, **options)
    with pytest.raises(TypeError, match="the generator is a function"):
        quickly(lambda z: z, z, x, SAME)
