"""The kernel distance against brute force and against what it means."""

from __future__ import annotations

import pytest
import torch

from wasserflow.metrics import kernel_distance


def brute_force(x: list[list[float]], y: list[list[float]]) -> float:
    def k(a: list[float], b: list[float]) -> float:
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    n = len(x)
    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    between = sum(k(a, b) for a in x for b in y) / n**2
    return within - 2 * between


def test_value_is_the_one_counted_by_hand() -> None:
    x, y = torch.randn(6, 3), 2 * torch.randn(6, 3) + 1
    mean, std = kernel_distance(x, y, subsets=1, subset_size=6)
    assert mean == pytest.approx(brute_force(x.tolist(), y.tolist()), rel=1e-6)
    assert std == 0


def test_mean_is_zero_for_one_distribution_however_small_the_subsets() -> None:
    # A biased estimate would be off by E[k(x, x) - k(x, x')] / size, about 1 here.
    mean, std = kernel_distance(torch.randn(20_000, 8), torch.randn(20_000, 8), subsets=2000, subset_size=10)
    assert abs(mean) < 5 * std / 2000**0.5


def test_another_distribution_is_seen() -> None:
    mean, std = kernel_distance(torch.randn(500, 8), torch.randn(500, 8) + 1, subsets=20, subset_size=200)
    assert mean > 10 * std


def test_the_seed_draws_the_subsets_and_the_callers_stream_goes_on() -> None:
    x, y = torch.randn(50, 4), torch.randn(70, 4)
    state = torch.get_rng_state()
    first = kernel_distance(x, y, subsets=3, subset_size=20, seed=1)
    assert first == kernel_distance(x, y, subsets=3, subset_size=20, seed=1)
    assert first != kernel_distance(x, y, subsets=3, subset_size=20, seed=2)
    assert torch.equal(torch.get_rng_state(), state)


def test_small_sets_are_compared_whole() -> None:
    x, y = torch.randn(30, 4), torch.randn(40, 4)
    assert kernel_distance(x, y, subsets=2) == kernel_distance(x, y, subsets=2, subset_size=30)


@pytest.mark.usefixtures("unchecked_annotations")
def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="4 features and the reference 5"):
        kernel_distance(torch.randn(9, 4), torch.randn(9, 5))
    with pytest.raises(ValueError, match="100 subsets of 1 images"):
        kernel_distance(torch.randn(1, 4), torch.randn(9, 4))
    with pytest.raises(ValueError, match="0 subsets"):
        kernel_distance(torch.randn(9, 4), torch.randn(9, 4), subsets=0)
