from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_swiss_roll

from wasserflow.data.toy import Gaussians25, SwissRoll


def test_the_25_means_are_the_published_grid() -> None:
    grid = {(a / math.sqrt(8), b / math.sqrt(8)) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)}
    ours = {(a, b) for a, b in Gaussians25().means.double().tolist()}
    assert len(ours) == 25
    assert all(min(math.dist(a, b) for b in grid) < 1e-6 for a in ours)


def test_25_gaussians_have_equal_weights_and_round_modes_of_the_published_width() -> None:
    data = Gaussians25()
    x = data.sample(100_000, seed=0)
    distance, mode = torch.cdist(x, data.means).min(dim=1)
    counts = torch.bincount(mode, minlength=25).double()
    # 24 degrees of freedom: 64 is exceeded with probability 2e-5.
    assert ((counts - 4000).square() / 4000).sum() < 64
    residual = (x - data.means[mode]) / (0.05 / math.sqrt(8))
    torch.testing.assert_close(residual.std(dim=0), torch.ones(2), atol=0.01, rtol=0)
    assert residual.mean(dim=0).abs().max() < 0.015
    # In every mode alone too: which mode it is tells nothing about the place in it.
    in_modes = torch.zeros(25, 2).index_add_(0, mode, residual) / counts.float()[:, None]
    assert in_modes.abs().max() < 0.1
    assert abs(torch.corrcoef(residual.T)[0, 1]) < 0.015
    assert (distance > 4 * data.std).double().mean() < 1e-3  # exp(-8) = 3.4e-4


def test_swiss_roll_is_scikit_learns_scaled() -> None:
    expected = make_swiss_roll(50, noise=0.25, random_state=3)[0][:, [0, 2]] / 7.5
    np.testing.assert_allclose(SwissRoll().sample(50, seed=3).numpy(), expected, rtol=1e-6)


def test_swiss_roll_lies_on_its_spiral() -> None:
    x = SwissRoll().sample(5000, seed=0)
    t = torch.linspace(1.5 * math.pi, 4.5 * math.pi, 4001)
    spiral = torch.stack([t * t.cos(), t * t.sin()], dim=1) / 7.5
    distance = torch.cdist(x, spiral).amin(dim=1)
    # Across a smooth curve only one coordinate of the noise counts: the mean of |N(0, (0.25 / 7.5)²)|.
    assert distance.mean().item() == pytest.approx(0.25 / 7.5 * math.sqrt(2 / math.pi), rel=0.05)


@pytest.mark.parametrize("data", [Gaussians25(), SwissRoll()])
def test_the_seed_decides_the_points(data: Gaussians25 | SwissRoll) -> None:
    x = data.sample(20, seed=5)
    assert x.shape == (20, 2)
    assert x.dtype == torch.float32
    assert torch.equal(x, data.sample(20, seed=5))
    assert not torch.equal(x, data.sample(20, seed=6))
    stream = torch.Generator().manual_seed(5)
    first, second = data.sample(20, seed=stream), data.sample(20, seed=stream)
    assert not torch.equal(first, second)


def test_a_point_of_the_25_gaussians_depends_on_its_own_seed_only() -> None:
    data = Gaussians25()
    assert torch.equal(data.sample(100, seed=1)[:7], data.sample(7, seed=1))
    assert torch.equal(data.sample(2, seed=[8, 9])[1:], data.sample(1, seed=[9]))


@pytest.mark.parametrize("data", [Gaussians25(), SwissRoll()])
@pytest.mark.parametrize("n", [0, -3])
def test_a_count_below_one_is_refused(data: Gaussians25 | SwissRoll, n: int) -> None:
    with pytest.raises(ValueError, match=f"n is {n}; the number of samples must be an int of at least 1"):
        data.sample(n)


@pytest.mark.usefixtures("unchecked_annotations")
def test_swiss_roll_refuses_one_seed_a_sample() -> None:
    with pytest.raises(TypeError, match=r"give an int or a torch\.Generator"):
        SwissRoll().sample(2, seed=[1, 2])  # type: ignore[arg-type]
