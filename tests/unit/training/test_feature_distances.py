"""Distances of clouds of features against their closed forms between Gaussians."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wasserflow.training.feature_distances import CharacteristicDistance, cf_distance, mmd2


def gaussian_kernel_mean(bandwidth: float, variance: float, shift: float, dim: int) -> float:
    """E exp(-‖d‖² / b²) for d ~ N(shift e₁, variance I): a Gaussian integral."""
    widened = bandwidth**2 + 2 * variance
    return (bandwidth**2 / widened) ** (dim / 2) * math.exp(-(shift**2) / widened)


def test_mmd_between_gaussians_is_the_closed_form() -> None:
    # x ~ N(0, I), y ~ N(1.5 e₁, 4 I) in 3 dimensions; differences have variance 2, 8 and 5.
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 3, generator=stream, dtype=torch.float64)
    y = 2 * torch.randn(3000, 3, generator=stream, dtype=torch.float64) + torch.tensor([1.5, 0, 0])
    bandwidths = [1.0, 3.0]
    expected = sum(
        gaussian_kernel_mean(b, 2, 0, 3) + gaussian_kernel_mean(b, 8, 0, 3) - 2 * gaussian_kernel_mean(b, 5, 1.5, 3)
        for b in bandwidths
    ) / len(bandwidths)
    assert mmd2(x, y, bandwidths).item() == pytest.approx(expected, rel=0.03)


def test_mmd_is_the_sum_over_pairs() -> None:
    x, y = torch.randn(4, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)

    def k(a: Tensor, b: Tensor) -> float:
        squared = float((a - b).square().sum())
        return (math.exp(-squared / 4) + math.exp(-squared / 25)) / 2

    among_x = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 12
    among_y = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / 6
    between = sum(k(a, b) for a in x for b in y) / 12
    assert mmd2(x, y, [2.0, 5.0]).item() == pytest.approx(among_x + among_y - 2 * between, abs=1e-12)


def test_mmd_of_equal_laws_is_zero_on_average() -> None:
    stream = torch.Generator().manual_seed(1)
    values = [mmd2(*torch.randn(2, 5, 2, generator=stream), bandwidths=[1.0]).item() for _ in range(4000)]
    mean, std = torch.tensor(values).mean().item(), torch.tensor(values).std().item()
    assert abs(mean) < 4 * std / 4000**0.5
    assert min(values) < 0
    # A biased estimate, with each sample's kernel with itself, would be off by much more.
    assert 4 * std / 4000**0.5 < 0.02


def test_the_slope_of_mmd_is_right() -> None:
    x, y = torch.randn(4, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: mmd2(x, f, [1.5]), (y,))


def test_characteristic_functions_of_gaussians() -> None:
    # φ(t) = exp(i μ·t - s² ‖t‖² / 2)
    stream = torch.Generator().manual_seed(2)
    x = torch.randn(400_000, 2, generator=stream, dtype=torch.float64)
    y = 0.5 * torch.randn(400_000, 2, generator=stream, dtype=torch.float64) + torch.tensor([1.0, -0.5])
    frequencies = torch.tensor([[0.7, 0.2], [-1.0, 1.5], [0.0, 2.0]], dtype=torch.float64)
    squared = frequencies.square().sum(1)
    phi_x = torch.exp(-squared / 2).to(torch.complex128)
    phi_y = torch.exp(1j * (frequencies @ torch.tensor([1.0, -0.5], dtype=torch.float64)) - 0.25 * squared / 2)
    expected = (phi_x - phi_y).abs().square().mean().item()
    assert cf_distance(x, y, frequencies).item() == pytest.approx(expected, rel=0.02)


def test_the_module_is_the_root_at_scaled_frequencies() -> None:
    x, y = torch.randn(6, 3), torch.randn(5, 3) + 1
    distance = CharacteristicDistance(3, frequencies=7, scale=0.5)
    with torch.no_grad():
        distance.log_scale[1] = math.log(2.0)
    normal = torch.randn(7, 3, generator=torch.Generator().manual_seed(4))
    expected = cf_distance(x, y, normal * torch.tensor([0.5 / 3**0.5, 2.0, 0.5 / 3**0.5])).sqrt()
    value = distance(x, y, torch.Generator().manual_seed(4))
    torch.testing.assert_close(value, expected)
    assert not torch.equal(value, distance(x, y, torch.Generator().manual_seed(5)))
    (slope,) = torch.autograd.grad(value, distance.log_scale)
    assert slope.abs().min() > 0


def test_equal_clouds_have_a_finite_slope() -> None:
    x = torch.randn(4, 2, requires_grad=True)
    CharacteristicDistance(2)(x, x, torch.Generator()).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_refusals() -> None:
    one, two = torch.zeros(1, 2), torch.zeros(2, 2)
    with pytest.raises(ValueError, match="fake has 1 samples; the unbiased estimate needs at least 2"):
        mmd2(two, one, [1.0])
    for bandwidths in ([], [0.0], [1.0, -2.0], [float("inf")]):
        with pytest.raises(ValueError, match=r"bandwidths are .*; give at least one, all positive and finite"):
            mmd2(two, two, bandwidths)
    with pytest.raises(ValueError, match=r"frequencies has shape \(0, 2\): it is empty"):
        cf_distance(two, two, torch.zeros(0, 2))
    with pytest.raises(ValueError, match="frequencies is 0; draw at least 1"):
        CharacteristicDistance(2, frequencies=0)
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"scale is .*; it must be positive and finite"):
            CharacteristicDistance(2, scale=scale)
