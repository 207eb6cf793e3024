from __future__ import annotations

import math

import pytest
import torch

from wasserflow.metrics import kept


def test_against_correlations_by_hand() -> None:
    before = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 1.0]]).reshape(2, 1, 2, 2)
    after = torch.tensor([[1.0, 3.0, 5.0, 7.0], [1.0, 1.0, 0.0, 0.0]]).reshape(2, 1, 2, 2)
    numbers = kept(before, after)
    # The first is a straight line up, the second one down.
    assert numbers.pixel_correlation == pytest.approx(0.0, abs=1e-12)
    # Two brightnesses that change in the same direction.
    assert numbers.colour_correlation == pytest.approx(1.0)
    assert numbers.feature_cosine is None


def test_colours_are_compared_over_the_images_and_not_within() -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = torch.rand(2, 50, 3, 4, 4, generator=generator)
    tints = torch.rand(50, 3, 1, 1, generator=generator)
    assert abs(kept(before, after).colour_correlation) < 0.3
    assert kept(before + 9 * tints, after + 9 * tints).colour_correlation > 0.99
    expected = [torch.corrcoef(torch.stack([before, after])[:, i].flatten(1))[0, 1] for i in range(50)]
    assert kept(before, after).pixel_correlation == pytest.approx(float(torch.stack(expected).mean()), abs=1e-5)


def test_cosines_of_features() -> None:
    x = torch.rand(2, 1, 2, 2)
    features = (torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 3.0], [0.0, 1.0]]))
    assert kept(x, x, features).feature_cosine == pytest.approx((math.sqrt(0.5) + 1) / 2)


def test_nothing_to_compare(unchecked_annotations: None) -> None:
    flat = torch.zeros(3, 1, 2, 2)
    assert math.isnan(kept(flat, torch.rand(3, 1, 2, 2)).pixel_correlation)
    assert math.isnan(kept(torch.rand(1, 1, 2, 2), torch.rand(1, 1, 2, 2)).colour_correlation)
    with pytest.raises(ValueError, match="give pairs"):
        kept(flat, flat[:2])
