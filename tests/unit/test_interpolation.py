"""Paths between samples: they end where the samples are, and every point of them follows the prior's law."""

from __future__ import annotations

import pytest
import torch

import wasserflow as wf
from wasserflow.spaces import Box, Gaussian, Normal, Samples, Source, interpolate


def fitted(clamp: tuple[float, float] | None = None) -> Gaussian:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 4, generator=generator) @ torch.randn(4, 4, generator=generator) + 3
    return wf.fit_gaussian(x.reshape(500, 1, 2, 2), clamp=clamp)


SOURCES: dict[str, Source] = {
    "gaussian": fitted(),
    "clamped": fitted(clamp=(1.0, 4.0)),
    "normal": Normal((3, 2)),
    "box": Box(-1.0, 3.0, (2, 2)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_paths_begin_and_end_at_the_samples(name: str) -> None:
    source = SOURCES[name]
    paths = interpolate(source, n=6, points=5, start_seed=3, end_seed=4)
    assert paths.shape == (6, 5, *source.sample(1).shape[1:])
    torch.testing.assert_close(paths[:, 0], source.sample(6, seed=3), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(paths[:, -1], source.sample(6, seed=4), rtol=1e-5, atol=1e-6)
    assert (paths[:, 2] - paths[:, 0]).abs().max() > 0.1


@pytest.mark.parametrize("part", [1, 2])
def test_every_point_has_the_moments_of_the_gaussian(part: int) -> None:
    law = fitted()
    flat = interpolate(law, n=40_000, points=5, start_seed=0, end_seed=1)[:, part].flatten(1)
    scale = law.covariance().diagonal().sqrt()
    assert ((flat.mean(0) - law.mean) / scale).abs().max() < 0.03
    # The middle of straight lines would have half of this variance.
    assert ((flat.T.cov() - law.covariance()) / torch.outer(scale, scale)).abs().max() < 0.04


def test_every_point_in_a_box_is_uniform() -> None:
    middle = interpolate(Box(-1.0, 3.0, 1), n=40_000, points=3)[:, 1, 0]
    shares = torch.histc(middle, bins=8, min=-1.0, max=3.0) / 40_000
    assert (shares - 1 / 8).abs().max() < 0.006


def test_a_third_of_the_way_is_the_rotation() -> None:
    start, end = (Normal(3).sample(5, seed=seed) for seed in (0, 1))
    expected = 0.75**0.5 * start + 0.5 * end
    torch.testing.assert_close(interpolate(Normal(3), n=5, points=4)[:, 1], expected, rtol=1e-5, atol=1e-6)


def test_samples_may_have_seeds_of_their_own() -> None:
    seeds = wf.sample_seeds(0, 6)
    whole = interpolate(Normal(3), 3, 4, seeds[0::2], seeds[1::2])
    torch.testing.assert_close(interpolate(Normal(3), 1, 4, seeds[2:3], seeds[3:4]), whole[1:2])


def test_refusals() -> None:
    with pytest.raises(ValueError, match="points is 1"):
        interpolate(Normal(2), n=1, points=1)
    with pytest.raises(TypeError, match="Samples has no paths"):
        interpolate(Samples(torch.zeros(3, 2)), n=1, points=2)
