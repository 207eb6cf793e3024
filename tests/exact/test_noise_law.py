"""The random streams: the right law, and independence over samples, positions, steps, streams and seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor

import wasserflow as wf
from wasserflow.seeds import Noise

ALPHA = 1e-5
BATCH, WIDTH = 400, 501
LIKE = torch.empty(BATCH, WIDTH, dtype=torch.float64)


def normal(seed: object = 0, step: int = 0, stream: int = 0, like: Tensor = LIKE) -> Tensor:
    return Noise(wf.sample_seeds(seed, len(like)), step).normal(like, stream)


def uniform(seed: object = 0, step: int = 0, stream: int = 0, like: Tensor = LIKE) -> Tensor:
    return Noise(wf.sample_seeds(seed, len(like)), step).uniform(like, stream)


def assert_uncorrelated(a: Tensor, b: Tensor) -> None:
    """Neither the numbers nor their squares may correlate: 5 standard errors of n independent pairs."""
    assert not torch.equal(a, b)
    for x, y in ((a, b), (a.square(), b.square())):
        correlation = torch.corrcoef(torch.stack([x.flatten().double(), y.flatten().double()]))[0, 1]
        assert abs(float(correlation)) < 5 / math.sqrt(a.numel())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", [0, 1, -5, 2**40, list(range(BATCH))])
def test_laws(dtype: torch.dtype, seed: object) -> None:
    like = LIKE.to(dtype)
    assert normal(seed, like=like).dtype == dtype
    assert kstest(normal(seed, like=like).flatten().numpy(), norm.cdf).pvalue > ALPHA
    assert kstest(uniform(seed, like=like).flatten().numpy(), "uniform").pvalue > ALPHA


def test_law_along_samples_at_one_position() -> None:
    """One number a sample: the direction in which seeds, not counters, must do the mixing."""
    like = torch.empty(100_000, 1, dtype=torch.float64)
    for seed in (0, list(range(100_000)), [k << 32 for k in range(100_000)]):
        assert kstest(normal(seed, like=like).flatten().numpy(), norm.cdf).pvalue > ALPHA


def test_tails() -> None:
    x = normal(3, like=torch.empty(1000, 2000, dtype=torch.float32)).abs()
    for bound in (3.0, 4.0, 4.75):
        expected = x.numel() * 2 * norm.sf(bound)
        assert abs(int((x > bound).sum()) - expected) < 5 * math.sqrt(expected)


@pytest.mark.parametrize("draw", [normal, uniform])
def test_steps_are_independent(draw) -> None:
    for a, b in ((0, 1), (1, 2), (0, 2), (7, 1000)):
        assert_uncorrelated(draw(step=a) - draw().mean(), draw(step=b) - draw().mean())


@pytest.mark.parametrize("draw", [normal, uniform])
def test_streams_are_independent(draw) -> None:
    for a, b in ((0, 1), (1, 2), (0, 3)):
        assert_uncorrelated(draw(stream=a) - draw().mean(), draw(stream=b) - draw().mean())
    # A step must not be another step's stream.
    assert_uncorrelated(draw(step=1, stream=0) - draw().mean(), draw(step=0, stream=1) - draw().mean())


@pytest.mark.parametrize("draw", [normal, uniform])
def test_seeds_are_independent(draw) -> None:
    for a, b in ((0, 1), (1, 2), (0, 2**32), (5, -5)):
        assert_uncorrelated(draw(seed=a) - draw().mean(), draw(seed=b) - draw().mean())


def test_samples_and_positions_are_independent() -> None:
    x = normal(list(range(BATCH)))
    assert_uncorrelated(x[:-1], x[1:])
    for lag in (1, 2, 3):
        assert_uncorrelated(x[:, :-lag].contiguous(), x[:, lag:].contiguous())
    # The two numbers of one Box-Muller pair share a radius: their squares must still be independent.
    assert_uncorrelated(x[:, 0:500:2].contiguous(), x[:, 1:500:2].contiguous())


def test_normal_and_uniform_of_one_step_can_be_used_together() -> None:
    """MALA draws its proposal and its acceptance in one step: on different streams they are independent."""
    assert_uncorrelated(normal(stream=0), uniform(stream=1) - 0.5)


def test_draws_of_one_stream_share_their_bits() -> None:
    """As documented: a draw on the stream of another is a function of it, which is why MALA uses two."""
    like = torch.empty(1000, 1, dtype=torch.float64)
    angle = torch.tensor(2 * math.pi, dtype=torch.float64) * uniform(like=like)
    assert torch.equal(normal(like=like) > 0, angle.cos() > 0)


def test_sum_of_many_steps_grows_like_a_random_walk() -> None:
    walk = sum(normal(step=step, like=torch.empty(20_000, 2).double()) for step in range(50))
    assert abs(float(walk.var()) / 50 - 1) < 5 * math.sqrt(2 / 40_000)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_excludes_its_ends(dtype: torch.dtype) -> None:
    """log(u) and log(1 - u) must be finite, also where float32 would round the last number up to 1."""
    u = uniform(100, like=torch.empty(1000, 1000, dtype=dtype))
    assert 0 < float(u.min()) < 1e-4
    assert 1 - 1e-4 < float(u.max()) < 1
    # The first of the seeds 0, 1, 2, ... whose first number lies within 2^-25 of 1.
    assert float(uniform([6704669], like=torch.empty(1, 1, dtype=dtype))) < 1


def test_no_value_repeats() -> None:
    x = normal(0, like=torch.empty(1000, 100, dtype=torch.float64)).flatten().numpy()
    y = normal(1, like=torch.empty(1000, 100, dtype=torch.float64)).flatten().numpy()
    assert len(np.unique(np.concatenate([x, y]))) >= len(x) + len(y) - 10
