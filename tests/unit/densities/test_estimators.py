"""Fits, bandwidths, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from wasserflow.densities import MedianBandwidth, NearestNeighbourBandwidth
from wasserflow.densities.mollifier import mollifier_at


def cloud(n: int, dim: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def kernels(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    return (-torch.cdist(x, y).square() / bandwidth**2).exp()


@pytest.mark.parametrize("ridge", [0.1, 3.0])
def test_ridge_weights_solve_their_equation(ridge: float) -> None:
    y = cloud(40)
    density = wf.KernelRidge(ridge=ridge, bandwidth=0.7).fit(y)
    left = (kernels(y, y, 0.7) + ridge * torch.eye(40, dtype=torch.float64)) @ density.weights
    torch.testing.assert_close(left, torch.ones(40, dtype=torch.float64), rtol=1e-10, atol=1e-10)


def test_small_ridge_interpolates_one() -> None:
    y = cloud(20)
    torch.testing.assert_close(
        wf.KernelRidge(ridge=1e-6, bandwidth=0.3).fit(y)(y), torch.zeros(20, dtype=torch.float64), rtol=0, atol=1e-3
    )


def test_nystroem_with_every_landmark_is_exact() -> None:
    x, y = cloud(30, seed=1), cloud(50)
    exact = wf.KernelRidge(ridge=0.5, bandwidth=0.5).fit(y)
    restricted = wf.KernelRidge(ridge=0.5, bandwidth=0.5, exact_up_to=49, landmarks=50).fit(y)
    assert float((restricted(x) - exact(x)).abs().max()) < 0.02


def test_as_many_references_as_are_solved_for_exactly_are_no_landmarks() -> None:
    fits = [wf.KernelRidge(ridge=0.5, bandwidth=0.5, exact_up_to=n, landmarks=10).fit(cloud(50)) for n in (49, 50, 51)]
    assert [len(fit.weights) for fit in fits] == [10, 50, 50]


def test_nystroem_approximates_and_knows_its_own_terms() -> None:
    y = cloud(600)
    exact = wf.KernelRidge(ridge=0.5, bandwidth=1.0).fit(y)
    restricted = wf.KernelRidge(ridge=0.5, bandwidth=1.0, exact_up_to=599, landmarks=150).fit(y)
    assert restricted.weights.shape == (150,)
    assert float((restricted(y) - exact(y)).abs().mean()) < 0.04
    # Reference 0 is a landmark, reference 1 is not: only the first has a term to leave out.
    own = torch.arange(2)
    values, alone = restricted(y[:2]).exp(), restricted(y[:2], own).exp()
    assert float(values[1]) == float(alone[1])
    assert float(values[0] - alone[0]) == pytest.approx(float(restricted.weights[0]), rel=1e-6)


def mollified(n: int, scale: float, draws: int = 4) -> tuple[Tensor, Tensor]:
    y = cloud(n)
    return y, y + scale * cloud(draws * n, seed=2).reshape(draws, n, 2)


def mollified_kernels(y: Tensor, shifted: Tensor, bandwidth: float, some: slice = slice(None)) -> Tensor:
    """Half of the shift's variance on each side, the draws of both sides in step."""
    halves = y + (shifted - y) / math.sqrt(2)
    return torch.stack([kernels(half, half[some], bandwidth) for half in halves]).mean(dim=0)


@pytest.mark.parametrize("scale", [0.05, 0.5])
def test_mollified_ridge_solves_for_the_ridge_it_is_given(scale: float) -> None:
    """With shifts on one side only, the matrix would have negative eigenvalues, and no Cholesky factor, here."""
    y, shifted = mollified(500, scale)
    density = wf.KernelRidge(ridge=0.1, bandwidth=0.7).fit(y, shifted)
    matrix = mollified_kernels(y, shifted, 0.7) + 0.1 * torch.eye(500, dtype=torch.float64)
    torch.testing.assert_close(matrix @ density.weights, torch.ones(500, dtype=torch.float64), rtol=1e-8, atol=1e-8)
    assert torch.equal(density.references, shifted)


def test_shifts_on_both_sides_have_the_expectation_of_one_on_one_side() -> None:
    y, shifted = mollified(6, 0.4, draws=40_000)
    wide = 0.7**2 + 2 * 0.4**2
    expected = 0.7**2 / wide * (-torch.cdist(y, y).square() / wide).exp()
    apart = ~torch.eye(6, dtype=torch.bool)
    torch.testing.assert_close(mollified_kernels(y, shifted, 0.7)[apart], expected[apart], rtol=0.05, atol=0.005)


def test_mollified_landmarks_solve_the_normal_equations() -> None:
    y, shifted = mollified(60, 0.3)
    density = wf.KernelRidge(ridge=2.0, bandwidth=0.7, exact_up_to=20, landmarks=12).fit(y, shifted)
    chosen = torch.linspace(0, 59, 12).round().long()
    halves = y + (shifted - y) / math.sqrt(2)
    tall = torch.stack([kernels(half, half[chosen], 0.7) for half in halves]).mean(dim=0)
    gram = tall.T @ tall + 2.0 * tall[chosen]
    expected = torch.linalg.solve(gram + 1e-5 * gram.diagonal().mean() * torch.eye(12, dtype=y.dtype), tall.sum(dim=0))
    torch.testing.assert_close(density.weights, expected, rtol=1e-5, atol=1e-7)
    assert torch.equal(density.references, shifted[:, chosen])


def test_median_bandwidth_is_the_default() -> None:
    y = cloud(51)
    median = torch.pdist(y).square().median()
    assert wf.KernelDensity().fit(y).bandwidth == pytest.approx(math.sqrt(0.2 * float(median)), rel=1e-9)
    assert wf.KernelDensity(MedianBandwidth(1.0)).fit(y).bandwidth == pytest.approx(math.sqrt(float(median)), rel=1e-9)


def test_median_of_many_is_that_of_some() -> None:
    y = cloud(3_000)
    some = MedianBandwidth(1.0)(y)
    assert some == pytest.approx(float(torch.pdist(y).median()), rel=0.03)


def test_nearest_neighbour_bandwidth() -> None:
    y = cloud(40)
    expected = torch.cdist(y, y).sort(dim=1).values[:, 5].median()
    assert NearestNeighbourBandwidth(5)(y) == pytest.approx(float(expected), rel=1e-9)


def test_mollifiers_decrease_and_stay() -> None:
    assert [mollifier_at((0.4, 0.2), step) for step in range(4)] == [0.4, 0.2, 0.2, 0.2]
    assert mollifier_at(0.3, 7) == 0.3


def test_stein_score_at_the_references_is_li_and_turner_s() -> None:
    """S = -(K + ridge I)^-1 B with B by autograd, and the field takes these values there."""
    y = cloud(25)
    free = y.clone().requires_grad_()
    rows = []
    for j in range(25):
        (gradient,) = torch.autograd.grad(kernels(y[j : j + 1], free, 0.8).sum(), free)
        rows.append(gradient.sum(0))
    expected = -torch.linalg.solve(kernels(y, y, 0.8) + 0.3 * torch.eye(25, dtype=torch.float64), torch.stack(rows))
    field = wf.SteinScore(ridge=0.3, bandwidth=0.8).fit(y)
    torch.testing.assert_close(field.scores, expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(field.score(y), expected, rtol=1e-8, atol=1e-8)


def test_stein_field_is_zero_with_the_score_as_gradient() -> None:
    x = cloud(6, seed=3).requires_grad_()
    field = wf.SteinScore(ridge=0.3, bandwidth=0.8).fit(cloud(25))
    value = field(x)
    assert torch.equal(value.detach(), torch.zeros(6, dtype=torch.float64))
    (gradient,) = torch.autograd.grad((2 * value).sum(), x)
    torch.testing.assert_close(gradient, 2 * field.score(x.detach()))


@pytest.mark.parametrize("make", [wf.KernelDensity, wf.KernelRidge, wf.SteinScore])
class TestRefusals:
    def test_equal_references(self, make: Callable) -> None:
        with pytest.raises(ValueError, match=r"bandwidth is 0\.0.*give bandwidth="):
            make().fit(torch.ones(5, 2))

    @pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
    def test_bandwidth(self, make: Callable, value: float) -> None:
        with pytest.raises(ValueError, match=f"bandwidth is {value}.*positive"):
            make(bandwidth=value).fit(cloud(5))

    def test_rule_that_gives_no_number(self, make: Callable) -> None:
        with pytest.raises(TypeError, match="bandwidth is 'wide'"):
            make(bandwidth=lambda references: "wide").fit(cloud(5))

    def test_too_few_references(self, make: Callable) -> None:
        with pytest.raises(ValueError, match=r"\(1, 2\).*at least 2"):
            make().fit(cloud(1))

    def test_references_that_are_not_finite(self, make: Callable) -> None:
        y = cloud(5)
        y[3, 1] = math.nan
        with pytest.raises(ValueError, match="reference 3 "):
            make().fit(y)


@pytest.mark.parametrize("make", [wf.KernelRidge, wf.SteinScore])
@pytest.mark.parametrize("ridge", [0.0, -1.0, math.nan, math.inf])
def test_ridges_that_cannot_be(make: Callable, ridge: float) -> None:
    with pytest.raises(ValueError, match=f"ridge is {ridge}.*positive"):
        make(ridge=ridge)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wf.KernelDensity(mollifier=-0.1),
        lambda: wf.KernelDensity(mollifier=()),
        lambda: wf.KernelRidge(draws=0),
        lambda: wf.KernelRidge(exact_up_to=20_000),
        lambda: wf.KernelRidge(landmarks=1),
        lambda: MedianBandwidth(0.0),
        lambda: NearestNeighbourBandwidth(0),
        lambda: NearestNeighbourBandwidth(5)(torch.zeros(5, 2)),
        lambda: wf.SteinScore().fit(torch.zeros(3, 2), torch.zeros(1, 3, 2)),
        lambda: wf.KernelDensity().fit(torch.zeros(3, 2), torch.zeros(1, 4, 2)),
    ],
)
@pytest.mark.usefixtures("unchecked_annotations")
def test_other_values_that_cannot_be(make: Callable) -> None:
    with pytest.raises(ValueError, match=r"give|must|take|leave"):
        make()
