"""Networks may begin with an operation in place, or convert what they are given: nobody's samples change."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.metrics import extract_features
from wasserflow.ratios import lipschitz_constant

N = 40


class InPlace(nn.Module):
    """Standardises its input where it lies, as hasty code does."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LeakyReLU(0.2, inplace=True), nn.Flatten(), nn.Linear(2, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.sub_(0.1).div_(2))


def networks() -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return InPlace(1).eval(), InPlace(2).eval()


def points(seed: int) -> Tensor:
    return wf.spaces.Normal(2).sample(N, seed=seed)


USES: dict[str, Callable[[nn.Module, nn.Module, Tensor], object]] = {
    "refine samples": lambda critic, generator, x: wf.refine(critic, x, steps=2),
    "refine latents": lambda critic, generator, x: wf.refine(critic, x, generator, steps=2),
    "ddls": lambda critic, generator, x: wf.methods.ddls(critic, x, generator, prior=wf.spaces.Normal(2), steps=2),
    "dot": lambda critic, generator, x: wf.methods.dot(critic, x, generator, steps=2),
    "dot in data space": lambda critic, generator, x: wf.methods.dot(critic, x, steps=2),
    "mala": lambda critic, generator, x: wf.methods.mala(critic, x, generator, wf.spaces.Normal(2), steps=2),
    "gmi": lambda critic, generator, x: wf.methods.gmi(None, points(5), features=generator, real=x, steps=2),
    "gmi with a critic": lambda critic, generator, x: wf.methods.gmi(
        generator, x, features=generator, real=x, log_likelihood=critic, steps=2
    ),
    "calibrate": lambda critic, generator, x: wf.calibrate(lambda y: y.sub_(0.1)[:, 0], x, x - 1),
    "classifier": lambda critic, generator, x: wf.classifier_log_ratio(generator, 0, classes=2)(x),
    "lipschitz": lambda critic, generator, x: lipschitz_constant(critic, x),
    "quantiles": lambda critic, generator, x: wf.stopping.match_quantiles(wf.Divergence(wf.KL(), critic), x, x),
}


@pytest.mark.parametrize("name", USES)
def test_what_is_given_stays_as_it_is(name: str) -> None:
    x = points(1)
    before = x.clone()
    USES[name](*networks(), x)
    assert torch.equal(x, before)


def test_latents_and_samples_belong_together() -> None:
    critic, generator = networks()
    r = wf.refine(critic, points(1), generator, steps=2)
    assert torch.equal(generator(r.particles.clone()), r.samples)


def test_proposals_are_returned_as_they_were_made() -> None:
    critic, _ = networks()
    r = wf.methods.best_of(lambda n, seed: wf.spaces.Normal(2).sample(n, seed), critic, 200, k=2)
    assert float(r.samples.min()) < -1, "a slope of 0.2 below 0 would leave nothing there"


def test_images_are_not_changed_by_the_net_that_measures_them() -> None:
    images = torch.rand(8, 3, 4, 4) * 2 - 1
    before = images.clone()
    extract_features(lambda x: x.mul_(2).mean(dim=(2, 3)), images)
    assert torch.equal(images, before)


def test_functions_that_convert_are_not_refused() -> None:
    double = nn.Linear(2, 1).double().eval()

    def critic(x: Tensor) -> Tensor:
        return double(x.double()).float()

    assert wf.refine(critic, points(1), steps=2).samples.dtype == torch.float32
    assert lipschitz_constant(critic, points(1)) > 0
    with pytest.raises(ValueError, match=r"weight is torch.float64 but the particles are torch.float32; convert one"):
        wf.refine(double, points(1), steps=2)


def test_a_flow_that_diverged_can_be_sent_to_another_process() -> None:
    with pytest.raises(wf.FlowDiverged) as caught:
        wf.refine(lambda x: x[:, 0].log(), points(1).abs(), integrator=wf.EulerMaruyama(1.0, 5.0), steps=50)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert str(twin) == str(caught.value)
    assert torch.equal(twin.state.x, caught.value.state.x)
