from __future__ import annotations

import pytest
import torch
from torch import nn

import wasserflow as wf

LOGITS = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.0, 3.0]], dtype=torch.float64)


def test_log_probabilities_are_those_of_the_softmax() -> None:
    expected = LOGITS.softmax(1).log()
    for label in range(3):
        energy = wf.potentials.ClassLogProbability(nn.Identity(), label)(LOGITS)
        torch.testing.assert_close(energy, expected[:, label])
    each = wf.potentials.ClassLogProbability(nn.Identity(), torch.tensor([2, 0]))(LOGITS)
    torch.testing.assert_close(each, torch.stack([expected[0, 2], expected[1, 0]]))


def test_refinement_makes_the_class_more_probable() -> None:
    likelihood = wf.potentials.ClassLogProbability(nn.Linear(2, 3, dtype=torch.float64).eval(), 1)
    x = torch.randn(6, 2, dtype=torch.float64)
    refined = wf.refine(likelihood, x, integrator=wf.EulerMaruyama(0.1), steps=20).samples
    assert bool((likelihood(refined) > likelihood(x)).all())


def test_a_classifier_in_train_mode_is_noticed() -> None:
    likelihood = wf.potentials.ClassLogProbability(nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2)), 0)
    with pytest.raises(ValueError, match="eval"):
        wf.refine(likelihood, torch.zeros(2, 2), steps=1)


@pytest.mark.parametrize(("label", "word"), [(3, "0 to 2"), (-1, "give 0 or more"), (torch.tensor([0]), "1 labels")])
def test_labels_that_cannot_be(label: int | torch.Tensor, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        wf.potentials.ClassLogProbability(nn.Identity(), label)(LOGITS)


def test_logits_of_another_shape() -> None:
    with pytest.raises(ValueError, match="classes"):
        wf.potentials.ClassLogProbability(nn.Flatten(0), 0)(LOGITS)
