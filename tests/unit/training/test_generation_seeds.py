"""What `generate` promises of its seeds, over all the steps of its flow."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import wasserflow as wf
from wasserflow.integrators import State
from wasserflow.models import mlp_ratio
from wasserflow.spaces import Normal


@pytest.fixture
def model() -> wf.FlowGuidedRatio:
    torch.manual_seed(0)
    return wf.FlowGuidedRatio(mlp_ratio(width=8), Normal(2), flow_steps=4, step_size=0.5, noise_std=0.3)


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_first_samples_of_more_are_those_of_fewer(model: wf.FlowGuidedRatio) -> None:
    many = model.generate(7, extra_steps=3, seed=5)
    close(model.generate(3, extra_steps=3, seed=5), many[:3])
    assert (model.generate(3, extra_steps=3, seed=6) - many[:3]).abs().min() > 1e-4


def test_every_kind_of_seed_gives_the_samples_of_its_ints(model: wf.FlowGuidedRatio) -> None:
    seeds = wf.sample_seeds(5, 7)
    many = model.generate(7, extra_steps=3, seed=5)
    close(model.generate(2, extra_steps=3, seed=seeds[4:6].tolist()), many[4:6])
    close(model.generate(2, extra_steps=3, seed=seeds[[6, 0]]), many[[6, 0]])
    streams = [model.generate(7, extra_steps=3, seed=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(streams[0], streams[1])
    assert not torch.allclose(streams[0], streams[2])
    with pytest.raises(ValueError, match="2 entries for 3 samples"):
        model.generate(3, seed=[1, 2])


def test_longer_flows_pass_through_the_samples_of_shorter_ones(model: wf.FlowGuidedRatio) -> None:
    states: list[State] = []
    model.generate(5, extra_steps=6, seed=2, watch=states.append)
    for extra in (0, 3, 6):
        close(states[4 + extra - 1].x, model.generate(5, extra_steps=extra, seed=2))
    # The noise of two steps is not the same.
    kicks = [after.x - before.x for before, after in pairwise(states)]
    assert all(not torch.allclose(a, b, atol=1e-2) for a, b in pairwise(kicks))


def test_no_stream_of_torch_is_touched(model: wf.FlowGuidedRatio) -> None:
    before = torch.random.get_rng_state()
    model.generate(3, extra_steps=1, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_labels_of_one_a_sample_follow_their_samples_into_batches() -> None:
    torch.manual_seed(0)
    model = wf.FlowGuidedRatio(
        wf.models.mlp_ratio(width=8), wf.spaces.Normal([2]), flow_steps=3, step_size=0.1, ema=0.0
    ).eval()
    classifier = torch.nn.Linear(2, 3).eval()
    labels = torch.tensor([0, 1, 2, 2, 1])
    condition = wf.classifier_log_ratio(classifier, labels, classes=3)
    whole, parts = (model.generate(5, 2, condition=condition, guidance=5.0, batch_size=size) for size in (5, 2))
    torch.testing.assert_close(parts, whole)
    one = model.generate(5, 2, condition=wf.classifier_log_ratio(classifier, 0, classes=3), guidance=5.0)
    assert not torch.allclose(one[1:], whole[1:], atol=1e-3)
