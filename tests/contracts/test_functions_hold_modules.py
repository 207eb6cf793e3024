"""What a plain function closes over is treated as a module given openly: refused in train mode, and found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.freezing import modules_in

Wrap = Callable[[Callable[[Tensor], Tensor]], nn.Module]

POINTS = wf.spaces.Normal(2).sample(16, seed=0)


def calibrated(d: Callable[[Tensor], Tensor]) -> nn.Module:
    return wf.ratios.Calibrated(d, slope=2.0)


def isotonic(d: Callable[[Tensor], Tensor]) -> nn.Module:
    points = torch.tensor([-9.0, 9.0], dtype=torch.float64)
    return wf.ratios.IsotonicLogRatio(d, points, points)


def classes(d: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.cat([d(x), -d(x)], dim=1)


WRAPPERS: dict[str, Wrap] = {
    "telescope": lambda d: wf.telescope(d, lambda x: 0 * x.sum(1)),
    "corrector": lambda d: wf.telescope(lambda x: 0 * x.sum(1), d),
    "calibrated": calibrated,
    "isotonic": isotonic,
    "probability": lambda d: wf.ratios.probability_log_ratio(lambda x: d(x).sigmoid()),
    "class": lambda d: wf.classifier_log_ratio(classes(d), 0, classes=2),
    "likelihood": lambda d: wf.potentials.ClassLogProbability(classes(d), 0),
    "label": lambda d: wf.models.bind_label(lambda x, y: d(x), 0),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_batch_norm_in_train_mode_is_refused_and_left_as_it_was(name: str) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).train()
    means = network[1].running_mean.clone()
    for wrapped in (WRAPPERS[name](lambda x: network(x)), WRAPPERS[name](network.forward)):
        with pytest.raises(ValueError, match=r"in train mode.*\.eval\(\)"):
            wf.methods.best_of(lambda n, seed: POINTS[:n], wrapped, 16, k=1)
    assert torch.equal(network[1].running_mean, means)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_network_of_another_dtype_is_refused_by_name(name: str) -> None:
    network = nn.Linear(2, 1)
    wrapped = WRAPPERS[name](lambda x: network(x))
    with pytest.raises(ValueError, match=r"is torch.float32 but the particles are torch.float64; convert one"):
        wf.methods.best_of(lambda n, seed: POINTS[:n].double(), wrapped, 16, k=1)


def test_generated_takes_functions_and_refuses_what_is_inside() -> None:
    prior, network = wf.spaces.Normal(2), nn.Sequential(nn.BatchNorm1d(2)).train()
    doubled = wf.spaces.Generated(lambda z: 2 * z, prior)
    assert torch.equal(doubled.sample(5, seed=1), 2 * prior.sample(5, seed=1))
    with pytest.raises(ValueError, match="in train mode"):
        wf.spaces.Generated(lambda z: network(z), prior).sample(3)
    assert float(network[0].running_mean.abs().max()) == 0


def test_a_function_cannot_be_prepared(unchecked_annotations: None) -> None:
    with pytest.raises(TypeError, match="a function cannot be prepared"):
        wf.prepare(nn.Linear(2, 1).eval(), lambda x: x)


def test_labels_of_one_a_sample_follow_their_slots() -> None:
    labels = torch.arange(600) % 10
    prior = wf.spaces.Normal(2)
    generator = wf.models.bind_label(lambda z, y: z + 100 * y[:, None], labels)
    propose = wf.spaces.Generated(generator, prior).sample
    assert torch.equal((propose(600, 0)[:, 0] / 100).round().long(), labels)
    best = wf.methods.best_of(propose, lambda x: x[:, 0], 600, k=3)
    assert torch.equal((best.samples[:, 0] / 100).round().long(), labels)
    starts = generator(prior.sample(600, seed=1)) + 50  # so far off that most chains never move and begin again
    ratio = wf.models.bind_label(lambda x, y: -((x[:, 0] - 100 * y) ** 2), labels)
    for start in (None, starts):
        moved = wf.methods.metropolis_sample(propose, ratio, 600, steps=1, start=start)
        assert torch.equal((moved.samples[:, 0] / 100).round().long(), labels)
    for sampler in (wf.methods.rejection_sample, partial(wf.methods.budgeted_rejection_sample, budget=2.0)):
        taken = sampler(propose, ratio, 600, burn_in=700)
        assert int(taken.steps.max()) > 2
        assert torch.equal((taken.samples[:, 0] / 100).round().long(), labels)


def test_what_a_wrapper_holds_is_found() -> None:
    network = nn.Linear(2, 1)
    for wrap in WRAPPERS.values():
        wrapped = wrap(lambda x: network(x))
        assert modules_in(wrapped) == [wrapped]
        assert wrapped.training
        network.eval()
        assert not any(part.training for part in wrap(lambda x: network(x)).modules())
        network.train()
        assert network in list(wrapped.modules())
