"""Rejection, Metropolis, budgeted rejection and best of k have the laws that their formulas say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import kstest, norm
from torch import Tensor

import wasserflow as wf
from toys import numeric_cdf

ALPHA = 1e-5
N = 10_000
MOST = 1 / 6 + math.log(2)  # max log N(x; 1, 1) - log N(x; 0, 2²), at x = 4/3


def propose(n: int, seed: object) -> Tensor:
    return 2 * wf.spaces.Normal(1).sample(n, seed=seed, dtype=torch.float64)


def log_ratio(x: Tensor) -> Tensor:
    """log N(x; 1, 1) - log N(x; 0, 2²)."""
    return (math.log(2) - (x - 1).square() / 2 + x.square() / 8).squeeze(1)


def law_of(acceptance: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The law of proposals that are accepted with this probability."""
    return numeric_cdf(lambda x: x**2 / 8 - np.log(acceptance(x)), -14, 14)


def ratio(x: np.ndarray) -> np.ndarray:
    return log_ratio(torch.from_numpy(x)[:, None]).exp().numpy()


def p_value(samples: Tensor, cdf: Callable) -> float:
    return float(kstest(samples.squeeze(1).numpy(), cdf).pvalue)


def near_mean(counts: Tensor, mean: float) -> bool:
    counts = counts.double()
    return abs(float(counts.mean()) - mean) < 4.5 * float(counts.std()) / len(counts) ** 0.5


@pytest.mark.parametrize("shift", [0.0, 3.0])
@pytest.mark.parametrize("known", [True, False], ids=["known maximum", "burn-in"])
def test_rejection_draws_from_the_target(known: bool, shift: float) -> None:
    highest = MOST + shift if known else None
    r = wf.methods.rejection_sample(propose, lambda x: log_ratio(x) + shift, N, log_ratio_max=highest, seed=1)
    assert p_value(r.samples, norm(1, 1).cdf) > ALPHA
    assert near_mean(r.steps, math.exp(MOST))
    assert r.evaluations == int(r.steps.sum()) + (0 if known else 10_000)
    assert r.acceptance == N / int(r.steps.sum())


def test_rejection_with_a_percentile_accepts_by_the_shifted_sigmoid() -> None:
    def log_odds(x: np.ndarray) -> np.ndarray:
        gap = np.log(ratio(x)) - MOST
        return gap - np.log(-np.expm1(gap - 1e-6))

    shift = np.quantile(log_odds(norm(0, 2).ppf((np.arange(100_000) + 0.5) / 100_000)), 0.8)
    cdf = law_of(lambda x: 1 / (1 + np.exp(shift - log_odds(x))))
    options = {"percentile": 80, "log_ratio_max": MOST, "burn_in": 100_000, "seed": 2}
    r = wf.methods.rejection_sample(propose, log_ratio, N, **options)
    assert p_value(r.samples, cdf) > ALPHA
    assert p_value(r.samples, norm(1, 1).cdf) < ALPHA


def test_the_best_proposals_are_not_certain_of_acceptance() -> None:
    """F(0) = -log ε and F(-ε) = -log 2ε with ε = 1e-6: with γ = F(0) they are accepted with 1/2 and 1/3."""

    def points(n: int, seed: Tensor) -> Tensor:
        return (wf.spaces.Normal(1).sample(n, seed=seed) > 0).double()

    r = wf.methods.rejection_sample(points, lambda x: 1e-6 * (x[:, 0] - 1), N, percentile=100, burn_in=100, seed=9)
    assert near_mean(r.samples, (1 / 2) / (1 / 2 + 1 / 3))
    assert near_mean(r.steps, 2 / (1 / 2 + 1 / 3))


@pytest.mark.parametrize("budget", [1.3, 2.0, 5.0])
def test_budgeted_rejection_has_its_own_law_and_spends_its_budget(budget: float) -> None:
    grid = norm(0, 2).ppf((np.arange(200_000) + 0.5) / 200_000)
    log_c = brentq(lambda log_c: np.minimum(1, np.exp(log_c) * ratio(grid)).mean() - 1 / budget, -20, 20)
    options = {"budget": budget, "burn_in": 100_000, "seed": 3}
    r = wf.methods.budgeted_rejection_sample(propose, lambda x: log_ratio(x) + 7, N, **options)
    assert p_value(r.samples, law_of(lambda x: np.minimum(1, np.exp(log_c) * ratio(x)))) > ALPHA
    assert near_mean(r.steps, budget)
    assert r.evaluations == int(r.steps.sum()) + 100_000
    assert r.acceptance == N / int(r.steps.sum())


def test_a_budget_of_one_keeps_the_proposals() -> None:
    r = wf.methods.budgeted_rejection_sample(propose, log_ratio, N, budget=1, burn_in=50)
    assert r.steps.tolist() == [1] * N
    assert p_value(r.samples, norm(0, 2).cdf) > ALPHA


def test_metropolis_tends_to_the_target_from_proposals() -> None:
    # The chain forgets its start at a rate of at least 1 / max ratio a step: 0.58²⁵ = 1e-6.
    r = wf.methods.metropolis_sample(propose, log_ratio, N, steps=25, seed=4)
    assert p_value(r.samples, norm(1, 1).cdf) > ALPHA
    assert r.evaluations == 26 * N
    early = wf.methods.metropolis_sample(propose, log_ratio, N, steps=1, seed=4)
    assert p_value(early.samples, norm(1, 1).cdf) < ALPHA


def test_metropolis_from_real_samples_keeps_the_target() -> None:
    real = 1 + torch.randn(N, 1, dtype=torch.float64)
    r = wf.methods.metropolis_sample(propose, log_ratio, N, steps=25, start=real, seed=5)
    assert p_value(r.samples, norm(1, 1).cdf) > ALPHA
    assert not (r.samples == real).any()
    assert r.evaluations == N + int(r.steps.sum())


def test_metropolis_on_two_points_in_closed_form() -> None:
    """Points 0 and 1 proposed equally, the second exp(a) times as likely in the data; one step from 1."""
    n, a = 100_000, 1.3
    down = math.exp(-a) / 2

    def points(n: int, seed: Tensor) -> Tensor:
        return (wf.spaces.Normal(1).sample(n, seed=seed) > 0).long()

    start = torch.ones(n, 1, dtype=torch.int64)
    r = wf.methods.metropolis_sample(points, lambda x: a * x[:, 0].double(), n, steps=1, start=start, seed=6)
    rejected = 1 / 2 - down
    assert set(r.steps.tolist()) == {1, 3}
    assert near_mean(r.steps == 3, rejected)
    # Rejected chains begin again at a proposal: at 0, then 0 again with 1/2, or at 1, then down.
    assert near_mean(r.samples == 0, down + rejected * (1 / 4 + down / 2))
    # From 1 half the proposals are 1 again; chains begun again start at 0, where all are accepted, or at 1.
    from_one = 1 / 2 + down
    expected = (from_one + rejected * (1 + from_one) / 2) / (1 + rejected)
    assert r.acceptance == pytest.approx(expected, abs=4.5 * (expected * (1 - expected) / n) ** 0.5)


def test_metropolis_acceptance_from_proposals_in_closed_form() -> None:
    n, a = 100_000, 1.3

    def points(n: int, seed: Tensor) -> Tensor:
        return (wf.spaces.Normal(1).sample(n, seed=seed) > 0).double()

    r = wf.methods.metropolis_sample(points, lambda x: a * x[:, 0], n, steps=1, seed=8)
    expected = 1 / 2 + (1 + math.exp(-a)) / 4
    assert r.acceptance == pytest.approx(expected, abs=4.5 * (expected * (1 - expected) / n) ** 0.5)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_best_of_k_is_the_largest_of_k(k: int) -> None:
    r = wf.methods.best_of(propose, lambda x: x.squeeze(1), N, k=k, seed=7)
    assert p_value(r.samples, lambda x: norm(0, 2).cdf(x) ** k) > ALPHA
    assert r.evaluations == k * N
