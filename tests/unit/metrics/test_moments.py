"""The Fréchet distance against closed forms and against torchmetrics."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from wasserflow.metrics import FeatureMoments, frechet_distance, kernel_distance, neighbour_metrics


def moments_of_gaussian(mean: torch.Tensor, covariance: torch.Tensor, count: int = 4096) -> FeatureMoments:
    """Sums which have exactly this mean and unbiased covariance."""
    outer = (count - 1) * covariance + count * torch.outer(mean, mean)
    return FeatureMoments(count * mean, outer, count)


def random_covariance(size: int, seed: int) -> torch.Tensor:
    a = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return a @ a.T / size


def test_distance_of_gaussians_of_one_shape_is_the_squared_distance_of_their_means() -> None:
    covariance = random_covariance(6, seed=0)
    shift = torch.arange(6, dtype=torch.float64)
    a, b = moments_of_gaussian(torch.zeros_like(shift), covariance), moments_of_gaussian(shift, covariance)
    assert frechet_distance(a, b) == pytest.approx(float(shift @ shift), rel=1e-9)


def test_distance_of_commuting_gaussians_is_that_of_their_deviations() -> None:
    directions = torch.linalg.qr(random_covariance(5, seed=1)).Q
    s, t = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]).double(), torch.tensor([2.0, 2.0, 1.0, 0.0, 7.0]).double()
    zero = torch.zeros(5, dtype=torch.float64)
    a = moments_of_gaussian(zero, directions @ torch.diag(s**2) @ directions.T)
    b = moments_of_gaussian(zero, directions @ torch.diag(t**2) @ directions.T)
    assert frechet_distance(a, b) == pytest.approx(float((s - t).square().sum()), rel=1e-6)


def test_distance_of_two_by_two_gaussians_that_do_not_commute() -> None:
    # tr (C₁C₂)^½ of two 2 x 2 matrices is sqrt(tr C₁C₂ + 2 sqrt(det C₁C₂)).
    c, d = torch.tensor([[2.0, 1.0], [1.0, 3.0]]).double(), torch.tensor([[5.0, -2.0], [-2.0, 1.0]]).double()
    cross = ((c @ d).trace() + 2 * (c.det() * d.det()).sqrt()).sqrt()
    zero = torch.zeros(2, dtype=torch.float64)
    expected = float(c.trace() + d.trace() - 2 * cross)
    assert frechet_distance(moments_of_gaussian(zero, c), moments_of_gaussian(zero, d)) == pytest.approx(expected)


def test_distance_equals_torchmetrics() -> None:
    x, y = torch.randn(3000, 16) @ torch.randn(16, 16), torch.randn(2500, 16).double().float() + 0.5
    net = nn.Identity()
    net.num_features = 16
    theirs = FrechetInceptionDistance(net)
    theirs.update(x.double(), real=False)
    theirs.update(y.double(), real=True)
    ours = frechet_distance(FeatureMoments.of(x), FeatureMoments.of(y))
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-9)


@pytest.mark.filterwarnings("ignore:a Fréchet distance from")
def test_distance_to_itself_is_zero_with_fewer_samples_than_features() -> None:
    x = 3 * torch.randn(60, 200)
    assert frechet_distance(FeatureMoments.of(x), FeatureMoments.of(x)) < 1e-9


def test_streamed_moments_are_those_of_the_whole() -> None:
    x = torch.randn(1000, 5) + 1000.0
    streamed, whole = FeatureMoments.stream(x.split(64)), x.double()
    torch.testing.assert_close(streamed.mean, whole.mean(dim=0), rtol=1e-14, atol=0)
    torch.testing.assert_close(streamed.covariance, whole.T.cov(), rtol=1e-7, atol=1e-7)
    assert streamed.count == 1000


def test_few_samples_are_warned_about_with_their_numbers() -> None:
    many, few = FeatureMoments.of(torch.randn(2048, 3)), FeatureMoments.of(torch.randn(100, 3))
    with pytest.warns(UserWarning, match=r"n = 100 samples in F = 3 features comes out too high: take 2,048 or more"):
        frechet_distance(few, many)
    with pytest.warns(UserWarning, match="n = 100 samples"):
        frechet_distance(many, few)


def test_enough_samples_are_not_warned_about(recwarn: pytest.WarningsRecorder) -> None:
    frechet_distance(FeatureMoments.of(torch.randn(2048, 3)), FeatureMoments.of(torch.randn(2048, 3)))
    assert not recwarn.list


def test_moments_of_different_nets_are_refused() -> None:
    a, b = FeatureMoments.of(torch.randn(9, 3)), FeatureMoments.of(torch.randn(9, 4))
    with pytest.raises(ValueError, match="3 features and the reference 4"):
        frechet_distance(a, b)
    with pytest.raises(ValueError, match="3 and 4 features"):
        a + b


def test_one_sample_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        _ = FeatureMoments.of(torch.randn(1, 3)).covariance
    with pytest.raises(ValueError, match="at least one batch"):
        FeatureMoments.stream([])


def test_features_that_are_not_finite_are_refused_by_their_rows() -> None:
    good, bad = torch.randn(20, 3), torch.randn(20, 3)
    bad[4, 1] = float("nan")
    for call in (FeatureMoments.of, lambda x: kernel_distance(good, x), lambda x: neighbour_metrics(x, good)):
        with pytest.raises(ValueError, match=r"is NaN or infinite in row 4; leave those out"):
            call(bad)
