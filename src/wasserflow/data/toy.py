"""The two 2-D distributions of the laboratory: 25 Gaussians and the swiss roll, scaled as published."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from sklearn.datasets import make_swiss_roll
from torch import Tensor

from wasserflow.seeds import Noise, Seed, sample_seeds


def _check_count(n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n is {n!r}; the number of samples must be an int of at least 1")


@dataclass(frozen=True)
class Gaussians25:
    """25 equally likely round Gaussians, means {-4, -2, 0, 2, 4}² and std 0.05, all divided by 2√2.

    Source:
        Ansari et al. (2021), appendix D.1, after Tanaka (2019); the training set there is 100,000 points.

    Example:
        >>> from wasserflow.data.toy import Gaussians25
        >>> Gaussians25().sample(1000, seed=0).shape
        torch.Size([1000, 2])
        >>> Gaussians25().means.shape
        torch.Size([25, 2])
    """

    @property
    def means(self) -> Float[Tensor, "25 2"]:
        """The 25 centres, float32."""
        axis = torch.arange(-4.0, 5.0, 2.0) / (2 * math.sqrt(2))
        return torch.cartesian_prod(axis, axis)

    @property
    def std(self) -> float:
        """The standard deviation of each coordinate around its centre."""
        return 0.05 / (2 * math.sqrt(2))

    def sample(self, n: int, seed: Seed = 0) -> Float[Tensor, "n 2"]:
        """Draw n points; sample i depends on its own seed only.

        Args:
            n: number of points.
            seed: an int, a sequence of n ints, or a `torch.Generator`.

        Returns:
            (n, 2) float32 points.

        Raises:
            ValueError: n < 1, or a seed list of another length than n.
        """
        _check_count(n)
        noise = Noise(sample_seeds(seed, n), step=-2)
        centre = (25 * noise.uniform(torch.empty(n, dtype=torch.float64), stream=1)).long()
        return self.means[centre] + self.std * noise.normal(torch.empty(n, 2))


@dataclass(frozen=True)
class SwissRoll:
    """The plane of a swiss roll: scikit-learn's `make_swiss_roll` with noise 0.25, dimensions 0 and 2, divided by 7.5.

    Source:
        Ansari et al. (2021), appendix D.1; the training set there is 100,000 points.

    Example:
        >>> from wasserflow.data.toy import SwissRoll
        >>> SwissRoll().sample(1000, seed=0).shape
        torch.Size([1000, 2])
    """

    def sample(self, n: int, seed: int | torch.Generator = 0) -> Float[Tensor, "n 2"]:
        """Draw n points; the same n and seed give the same points.

        Args:
            n: number of points.
            seed: an int from 0 to 2³² - 1, or a `torch.Generator`, which is drawn from once. One seed a sample is not
                possible here: scikit-learn draws all points from one stream.

        Returns:
            (n, 2) float32 points.

        Raises:
            ValueError: n < 1.
            TypeError: a seed of another type.
        """
        _check_count(n)
        if isinstance(seed, torch.Generator):
            seed = int(torch.randint(0, 2**32, (), generator=seed, device=seed.device))
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed is {seed!r}; give an int or a torch.Generator")
        points, _ = make_swiss_roll(n, noise=0.25, random_state=seed)
        return torch.from_numpy(points[:, [0, 2]] / 7.5).float()
