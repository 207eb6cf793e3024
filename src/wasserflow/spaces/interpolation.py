"""Paths between the samples of a prior that stay where the prior has its mass."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.seeds import Seed
from wasserflow.spaces.box import Box
from wasserflow.spaces.gaussian import Gaussian
from wasserflow.spaces.normal import Normal
from wasserflow.spaces.space import Source


def interpolate(
    source: Source,
    n: int,
    points: int,
    start_seed: Seed = 0,
    end_seed: Seed = 1,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "n points *event"]:
    """Join pairs of a prior's samples by paths whose every point is again a sample of the prior.

        ξ(t) = cos(πt / 2) ξ₀ + sin(πt / 2) ξ₁ ~ N(0, I) for independent ξ₀, ξ₁ ~ N(0, I),    x(t) = T(ξ(t))

    with T the map that makes the prior of normal noise: ξ + mean for N(mean, I), mean + L ξ for a fitted Gaussian, the
    normal distribution function of each coordinate for a uniform box. A straight line between samples would cross the
    inside of the shell on which a prior of many dimensions lies.

    Args:
        source: a fitted Gaussian, a normal prior or a box.
        n: how many paths.
        points: on each path, both ends included.
        start_seed: of the first ends, which are `source.sample(n, start_seed)`.
        end_seed: of the last ends, which are `source.sample(n, end_seed)`.
        device: of the points; the source's own if None.
        dtype: of the points; the source's own if None.

    Returns:
        (n, points, *event) points, those of a path beside each other.

    Raises:
        ValueError: fewer than 2 points.
        TypeError: a source that is not made of normal noise.

    Source: FDRL (arXiv 2303.03714), section 6.2, which does not say along which path.

    Example:
        >>> import torch, wasserflow as wf
        >>> paths = wf.spaces.interpolate(wf.spaces.Normal(3), n=4, points=8)
        >>> bool(torch.allclose(paths[:, -1], wf.spaces.Normal(3).sample(4, seed=1)))
        True
    """
    if points < 2:
        raise ValueError(f"points is {points}; a path has at least its 2 ends")
    start, end = (source.sample(n, seed, device, dtype) for seed in (start_seed, end_seed))
    event = start.shape[1:]
    match source:
        case Gaussian():
            device, dtype = start.device, start.dtype
            first, last = (Normal(event).sample(n, seed, device, dtype) for seed in (start_seed, end_seed))
            path = _rotated(first, last, points)
            return source.from_noise(path.flatten(0, 1)).reshape(path.shape)
        case Normal():
            return _rotated(start, end, points)
        case Box():
            # In float64 the distribution function of a sample is never 0 or 1.
            low, width = source.low, source.high - source.low
            exact = (source.sample(n, seed, device, torch.float64) for seed in (start_seed, end_seed))
            first, last = (torch.special.ndtri((x - low) / width) for x in exact)
            path = _rotated(first, last, points)
            return (torch.special.ndtr(path) * width + low).to(start.dtype)
    raise TypeError(f"{type(source).__name__} has no paths between samples; give a Gaussian, a Normal or a Box")


def _rotated(start: Tensor, end: Tensor, points: int) -> Tensor:
    angles = torch.linspace(0, math.pi / 2, points, dtype=torch.float64, device=start.device)
    sines, cosines = (
        table.to(start.dtype).reshape(-1, *[1] * (start.ndim - 1)) for table in (angles.sin(), angles.cos())
    )
    return cosines * start[:, None] + sines * end[:, None]
