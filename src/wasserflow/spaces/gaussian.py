"""The normal law fitted to data: what a data-dependent flow begins from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from wasserflow.checks import require_particles
from wasserflow.seeds import Seed
from wasserflow.spaces.space import Particles, blank, event_shape, flat, noise_like

_CHUNK = 1_000  # samples at a time; a data set of images need not fit in memory


class Gaussian(nn.Module):
    """N(mean, covariance) on samples of any shape, saved with the model that holds it.

    x = mean + L ξ with L Lᵀ the covariance and ξ ~ N(0, I), clamped only where asked. `fit_gaussian` makes one from
    data; a new one is N(0, I) until numbers are loaded.

    Args:
        shape: one sample's shape, an int or a sequence of ints.
        clamp: (low, high) that samples are clamped to; None leaves them as they are.

    Raises:
        ValueError: a size below 1, or bounds in the wrong order.

    Source: FDRL (arXiv 2303.03714), eq. 8.

    Example:
        >>> import wasserflow as wf
        >>> wf.spaces.Gaussian((1, 28, 28), clamp=(-1.0, 1.0)).sample(4, seed=0).shape
        torch.Size([4, 1, 28, 28])
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, shape: int | Sequence[int], clamp: Sequence[float] | None = None) -> None:
        super().__init__()
        self.shape = event_shape(shape)
        if clamp is not None and not (len(clamp) == 2 and clamp[0] < clamp[1]):
            raise ValueError(f"clamp is {clamp}; give (low, high) with low below high, or None")
        self.clamp = None if clamp is None else (float(clamp[0]), float(clamp[1]))
        size = math.prod(self.shape)
        self.register_buffer("mean", torch.zeros(size))
        # The lower triangle row by row: half of the file, which for images is mostly this.
        self.register_buffer("factor", _packed(torch.eye(size)))

    def sample(
        self, n: int, seed: Seed = 0, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Particles:
        """Draw n samples (n, *shape); sample i depends on its own seed only, up to rounding."""
        room = blank(n, (self.mean.numel(),), device or self.mean.device, dtype or self.mean.dtype)
        return self.from_noise(noise_like(room, seed).normal(room).reshape(n, *self.shape))

    def from_noise(self, noise: Particles) -> Particles:
        """Turn (n, *shape) standard normal noise ξ into samples, mean + L ξ, clamped where asked."""
        x = self.mean.to(noise) + flat(noise) @ _unpacked(self.factor.to(noise), self.mean.numel()).T
        if self.clamp is not None:
            x = x.clamp(*self.clamp)
        return x.reshape(noise.shape)

    def covariance(self) -> Float[Tensor, "size size"]:
        """The covariance of the unclamped law, between the coordinates of a flattened sample."""
        factor = _unpacked(self.factor, self.mean.numel())
        return factor @ factor.T


def fit_gaussian(
    x: Tensor | Dataset[Any] | Iterable[Any], clamp: Sequence[float] | None = None, shrinkage: float = 1e-4
) -> Gaussian:
    """Fit a normal law with full covariance to data, in one pass over its batches.

    mean = E[x], covariance = E[(x - mean)(x - mean)ᵀ] + shrinkage · I, summed in float64.

    Args:
        x: (n, *event) floating-point samples; or a data set of samples or (sample, label); or an iterable of batches
            (tensors, or tuples which start with one), such as a `DataLoader`.
        clamp: (low, high) that drawn samples are clamped to, such as (-1, 1) for images; None leaves them as they are.
        shrinkage: added to every variance, in units of x².

    Returns:
        The law, float32, on the device of the first batch.

    Raises:
        ValueError: fewer than 2 samples, samples that are NaN or infinite, or a shrinkage that is not above 0.
        TypeError: samples that are not floating-point tensors.

    Source: FDRL (arXiv 2303.03714), eq. 8; the shrinkage and the clamp are the authors' code's.

    Example:
        >>> import torch, wasserflow as wf
        >>> law = wf.fit_gaussian(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
        >>> law.mean, law.covariance()
        (tensor([1., 1.]), tensor([[1.0001e+00, 0.0000e+00],
                [0.0000e+00, 1.0000e-04]]))
    """
    if not shrinkage > 0:
        raise ValueError(f"shrinkage is {shrinkage}; give a number above 0, or pixels that never vary have no law")
    count, shape = 0, None
    for batch in _batches(x):
        require_particles(batch)
        if shape is None:
            shape = batch.shape[1:]
            # Moments about a first guess of the mean: about 0 they would lose digits.
            guess = flat(batch.double()).mean(dim=0)
            total, squares = torch.zeros_like(guess), guess.new_zeros(len(guess), len(guess))
        if batch.shape[1:] != shape:
            raise ValueError(f"samples have shapes {tuple(shape)} and {tuple(batch.shape[1:])}; they must be equal")
        centred = flat(batch.double()) - guess
        count += len(batch)
        total += centred.sum(dim=0)
        squares += centred.T @ centred
    if shape is None or count < 2:
        raise ValueError(f"there are {count} samples; a covariance needs at least 2")
    offset = total / count
    covariance = squares / count - torch.outer(offset, offset)
    covariance.diagonal().add_(shrinkage)
    law = Gaussian(tuple(shape), clamp).to(guess.device)
    law.mean.copy_(guess + offset)
    law.factor.copy_(_packed(torch.linalg.cholesky(covariance)))
    return law


def _batches(x: Any) -> Iterator[Tensor]:
    if isinstance(x, Tensor):
        yield from x.split(_CHUNK)
    elif isinstance(x, Dataset) and hasattr(x, "__getitem__") and hasattr(x, "__len__"):
        for start in range(0, len(x), _CHUNK):
            items = [x[index] for index in range(start, min(start + _CHUNK, len(x)))]
            yield default_collate([_first(item) for item in items])
    else:
        yield from map(_first, x)


def _first(item: Any) -> Any:
    """The sample of a (sample, label)."""
    return item[0] if isinstance(item, (tuple, list)) else item


def _packed(triangle: Tensor) -> Tensor:
    """The entries on and below the diagonal, row by row."""
    return triangle[torch.ones_like(triangle, dtype=torch.bool).tril_()]


def _unpacked(entries: Tensor, size: int) -> Tensor:
    triangle = entries.new_zeros(size, size)
    return triangle.masked_scatter_(torch.ones_like(triangle, dtype=torch.bool).tril_(), entries)
