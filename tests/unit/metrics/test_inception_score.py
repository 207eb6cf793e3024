"""The inception score of predictions whose score is known."""

from __future__ import annotations

import math

import pytest
import torch

from wasserflow.metrics import inception_score


def test_sure_and_even_predictions_score_the_number_of_classes() -> None:
    logits = 100 * torch.eye(7).repeat(300, 1)
    mean, std = inception_score(logits, splits=2)
    assert mean == pytest.approx(7, rel=0.01)
    assert std < 0.1


def test_predictions_that_do_not_depend_on_the_image_score_one() -> None:
    mean, std = inception_score(torch.randn(5).repeat(100, 1))
    assert (mean, std) == (pytest.approx(1), pytest.approx(0, abs=1e-9))


def test_a_score_in_between_has_its_closed_form() -> None:
    # Two kinds of image, p and 1 - p: IS = exp(log 2 - H(p)), when each split holds as many of both.
    p = 0.9
    row = torch.tensor([p, 1 - p]).log()
    logits = torch.stack([row, row.flip(0)]).repeat(20_000, 1)
    expected = math.exp(math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p))
    assert inception_score(logits, splits=2)[0] == pytest.approx(expected, rel=1e-3)


def test_a_class_that_is_never_predicted_does_not_make_it_nan() -> None:
    logits = torch.tensor([[0.0, 200.0, -200.0], [200.0, 0.0, -200.0]]).repeat(50, 1)
    assert inception_score(logits, splits=2)[0] == pytest.approx(2, rel=0.01)


def test_the_seed_shuffles_and_the_callers_stream_goes_on() -> None:
    logits, state = torch.randn(100, 5), torch.get_rng_state()
    assert inception_score(logits, seed=1) == inception_score(logits, seed=1)
    assert inception_score(logits, seed=1) != inception_score(logits, seed=2)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("splits", [1, 11])
def test_impossible_splits_are_refused(splits: int) -> None:
    with pytest.raises(ValueError, match=f"splits is {splits} for 10 images"):
        inception_score(torch.randn(10, 3), splits=splits)
