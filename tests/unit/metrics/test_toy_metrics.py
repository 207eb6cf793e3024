from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from wasserflow.metrics.toy import high_quality_fraction, kde_score, wasserstein2


def test_high_quality_counts_distances_to_the_nearest_mode() -> None:
    means = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    # 3.9, 4.1, 3.9 (diagonal, 2.75 a coordinate) and 4.1 (diagonal) standard deviations of 0.5 away.
    offsets = torch.tensor([[1.95, 0.0], [0.0, -2.05], [1.379, 1.379], [1.45, -1.45]])
    samples = torch.cat([means[:1] + offsets, means[1:] - offsets])
    assert high_quality_fraction(samples, means, std=0.5) == 0.5
    assert high_quality_fraction(samples, means, std=0.5, within=5.0) == 1.0
    assert high_quality_fraction(samples, means, std=0.25) == 0.0


def test_high_quality_of_normal_samples_follows_the_rayleigh_law() -> None:
    x = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    assert high_quality_fraction(x, torch.zeros(1, 2), std=1.0, within=1.0) == pytest.approx(
        1 - math.exp(-0.5), abs=4e-3
    )


def test_kde_score_of_one_point_is_the_normal_log_density() -> None:
    # log N(y; x, h² I) = -log(2 pi h²) - ‖x - y‖² / (2 h²), at distance 5.
    expected = -math.log(2 * math.pi * 4) - 25 / 8
    assert kde_score(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), bandwidth=2.0) == pytest.approx(expected)


def test_kde_score_sums_over_training_samples_and_averages_over_generated_ones() -> None:
    generated = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    training = torch.tensor([[0.5], [0.0], [2.0]], dtype=torch.float64)
    densities = torch.exp(-((training - generated.T) ** 2) / (2 * 0.3**2)) / math.sqrt(2 * math.pi * 0.3**2)
    assert kde_score(generated, training, bandwidth=0.3) == pytest.approx(densities.mean(1).log().sum().item())


def test_kde_score_has_the_published_bandwidth_by_default() -> None:
    assert kde_score(torch.zeros(1, 1), torch.zeros(2, 1)) == pytest.approx(-math.log(2 * math.pi * 0.01))


def test_wasserstein2_of_a_shifted_set_is_the_shift() -> None:
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shift = torch.tensor([3.0, -4.0], dtype=torch.float64)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    assert wasserstein2(x, (x + shift)[order]) == pytest.approx(5.0, rel=1e-9)
    assert wasserstein2(x, x[order]) == pytest.approx(0.0, abs=1e-6)


def test_wasserstein2_between_sets_of_other_sizes() -> None:
    # Half of the mass of 0 goes to 1 and half to 3: the mean square is (1 + 9) / 2.
    assert wasserstein2(torch.zeros(1, 1), torch.tensor([[1.0], [3.0]])) == pytest.approx(math.sqrt(5))


def test_wasserstein2_of_one_dimension_is_that_of_sorted_points() -> None:
    x, y = torch.randn(2, 300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (x.sort(dim=0)[0] - y.sort(dim=0)[0]).square().mean().sqrt().item()
    assert wasserstein2(x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("metric", [wasserstein2, kde_score, lambda a, b: high_quality_fraction(a, b, std=1.0)])
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 3), "has dimension 2 and .* 3; they must be equal"),
        (torch.zeros(0, 2), torch.zeros(3, 2), r"has shape \(0, 2\)"),
        (torch.zeros(3), torch.zeros(3, 1), r"has shape \(3,\); allowed is \(number, dimension\)"),
        (torch.zeros(3, 2), torch.full((3, 2), math.nan), "numbers that are not finite"),
    ],
)
def test_points_that_cannot_be_compared_are_refused(metric, a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(a, b)


def test_widths_must_be_positive() -> None:
    x = torch.zeros(1, 2)
    with pytest.raises(ValueError, match=r"bandwidth is 0\.0; it must be above 0"):
        kde_score(x, x, bandwidth=0.0)
    with pytest.raises(ValueError, match=r"std is -1\.0"):
        high_quality_fraction(x, x, std=-1.0)


@pytest.mark.usefixtures("unchecked_annotations")
def test_points_that_are_no_tensor_are_named() -> None:
    with pytest.raises(TypeError, match=r"y is a ndarray; give a tensor .*torch\.from_numpy"):
        wasserstein2(torch.zeros(3, 2), np.zeros((3, 2)))
