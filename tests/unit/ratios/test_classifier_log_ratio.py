"""What `wf.classifier_log_ratio` owes its caller, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import wasserflow as wf
from wasserflow.potentials import LearnedRatio

LOGITS = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.0, 3.0]], dtype=torch.float64)


def test_it_is_the_log_probability_of_the_class_up_to_a_constant() -> None:
    for label in range(3):
        log_ratio = wf.classifier_log_ratio(nn.Identity(), label, classes=3)(LOGITS)
        torch.testing.assert_close(log_ratio, LOGITS.softmax(1)[:, label].log() + math.log(3))
        likelihood = wf.potentials.ClassLogProbability(nn.Identity(), label)(LOGITS)
        torch.testing.assert_close(log_ratio - likelihood, torch.full((2,), math.log(3), dtype=torch.float64))


def test_refinement_follows_it() -> None:
    more = wf.classifier_log_ratio(nn.Linear(2, 3, dtype=torch.float64).eval(), 1, classes=3)
    x = torch.randn(6, 2, dtype=torch.float64)
    refined = wf.refine(more, x, integrator=wf.EulerMaruyama(0.1), steps=20).samples
    assert bool((more(refined) > more(x)).all())


def test_a_classifier_keeps_its_mode_and_a_train_mode_is_noticed() -> None:
    classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 10))
    more = wf.classifier_log_ratio(classifier, 0)
    assert classifier.training
    with pytest.raises(ValueError, match="eval"):
        wf.refine(more, torch.zeros(2, 2), steps=1)


@pytest.mark.parametrize("label", [10, -1, torch.tensor([3, 10])])
def test_a_label_that_cannot_be(label: int | torch.Tensor) -> None:
    with pytest.raises(ValueError, match="give 0 to 9, as there are 10 classes"):
        wf.classifier_log_ratio(nn.Identity(), label)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="classes is 1; give at least 2"):
        wf.classifier_log_ratio(nn.Identity(), 0, classes=1)
    with pytest.raises(ValueError, match="classes is 10 but the classifier knows 3"):
        wf.classifier_log_ratio(nn.Identity(), 0)(LOGITS)
    with pytest.raises(ValueError, match="3 labels for 2 samples"):
        wf.classifier_log_ratio(nn.Identity(), torch.tensor([0, 1, 2]), classes=3)(LOGITS)
    with pytest.raises(ValueError, match=r"must return \(2, classes\)"):
        wf.classifier_log_ratio(nn.Flatten(0), 0, classes=3)(LOGITS)


@pytest.mark.parametrize("guidance", [-0.1, math.nan, math.inf])
def test_a_weight_that_cannot_be(guidance: float) -> None:
    with pytest.raises(ValueError, match=f"guidance is {guidance}"):
        LearnedRatio(wf.KL(), wf.logistic, lambda x: x.sum(1), guidance=guidance)
