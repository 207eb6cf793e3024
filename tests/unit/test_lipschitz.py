"""The estimate of a critic's Lipschitz constant: the mean over 10 trials of the maximum over 100 pairs."""

from __future__ import annotations

import math

import pytest
import torch

from wasserflow.ratios import lipschitz_constant


def test_mean_of_maxima() -> None:
    """200 points at equal distances; only pairs with the first have a slope, 10. A pair has it with chance 2 / 200.

    A trial's maximum is then 10 with chance 1 - 0.99^100, and 0 otherwise: a maximum over all pairs would be 10,
    a mean over all pairs 0.1.
    """
    points, heights = torch.eye(200, dtype=torch.float64), torch.zeros(200, dtype=torch.float64)
    heights[0] = 10 * math.sqrt(2)
    estimates = [lipschitz_constant(lambda x: x @ heights, points, seed) for seed in range(300)]
    chance = 1 - 0.99**100
    spread = 10 * math.sqrt(chance * (1 - chance) / 10 / 300)
    assert abs(sum(estimates) / 300 - 10 * chance) < 5 * spread


def test_estimate_on_one_set_is_that_on_fresh_pairs() -> None:
    """Published: both ends of every pair are fresh samples. Pairs of one large set must have the same mean and spread,
    and a mean over more trials a smaller spread."""
    x = torch.randn(5_000, 2, dtype=torch.float64)
    kinks = torch.randn(2, 20, dtype=torch.float64)
    critic = lambda x: (4 * x @ kinks).sin().sum(1)  # noqa: E731
    a, b = torch.randn(2, 200 * 1_000, 2, dtype=torch.float64)
    slopes = (critic(a) - critic(b)).abs() / (a - b).norm(dim=1)
    fresh = slopes.reshape(200, 10, 100).amax(dim=2).mean(dim=1)
    ours = torch.tensor([lipschitz_constant(critic, x, seed) for seed in range(200)])
    assert abs(float(ours.mean() - fresh.mean())) < 5 * float(fresh.std()) * math.sqrt(2 / 200)
    assert 0.7 < float(ours.std() / fresh.std()) < 1.4
    steadier = torch.tensor([lipschitz_constant(critic, x, seed, trials=40) for seed in range(100)])
    assert 0.35 < float(steadier.std() / ours.std()) < 0.7


def test_slopes_are_measured_in_the_norm_of_the_whole_event() -> None:
    x = torch.randn(50, 3, 4, 4, dtype=torch.float64)
    direction = torch.randn(3, 4, 4, dtype=torch.float64)
    estimate = lipschitz_constant(lambda x: (x * direction).sum((1, 2, 3)), x)
    assert 0.1 * float(direction.norm()) < estimate <= float(direction.norm())


def test_seed_chooses_the_pairs() -> None:
    x = torch.randn(50, 2, dtype=torch.float64)
    a, b, c = (lipschitz_constant(lambda x: x.square().sum(1), x, seed) for seed in (0, 0, 1))
    assert a == b != c


def test_coinciding_points_are_left_out() -> None:
    x = torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)
    assert lipschitz_constant(lambda x: 3 * x[:, 0], x) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="lipschitz"):
        lipschitz_constant(lambda x: x[:, 0], torch.ones(4, 1))


def test_every_pair_of_three_points_comes_equally_often_and_none_with_itself() -> None:
    """One pair a trial: the mean of the slopes of the three pairs, 1, 5 and 3."""
    points = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    values = torch.tensor([0.0, 1.0, 6.0], dtype=torch.float64)
    got = lipschitz_constant(lambda x: values[x[:, 0].long()], points, pairs=1, trials=100_000)
    assert abs(got - 3) < 5 * math.sqrt(8 / 3 / 100_000)
