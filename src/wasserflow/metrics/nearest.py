"""The nearest neighbours of points in a set that need not be held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from tqdm import tqdm


@dataclass(frozen=True, eq=False)
class Nearest:
    """The k nearest neighbours of n points, the nearest first.

    Args:
        distances: (n, k) Euclidean distances.
        indices: (n, k) which members of the reference they are.
    """

    distances: Float[Tensor, "n k"]
    indices: Int64[Tensor, "n k"]


def nearest_neighbours(
    points: Float[Tensor, "n *event"],
    reference: Shaped[Tensor, "m *event"] | Iterable[Tensor],
    k: int = 5,
    chunk_size: int = 1_000,
) -> Nearest:
    """Find the k members of a reference that are nearest to each point, by Euclidean distance.

    Of images this tells whether samples are copies: compare the distances of samples to the training images with those
    of held-out images to the training images. Memory grows with n x chunk_size, whatever the size of the reference.

    Args:
        points: (n, *event), such as images or their features.
        reference: (m, *event), or an iterable of such batches, such as the features of one batch after another.
        k: how many neighbours.
        chunk_size: members of a reference tensor looked at together; an iterable is taken as it is cut.

    Returns:
        Distances and indices, (n, k) each, the distances in float64.

    Raises:
        ValueError: k or chunk_size below 1, fewer than k members, or members of another shape than the points.

    Source:
        Heng, Ansari & Soh (arXiv 2303.03714), appendix G, which shows the neighbours of samples.

    Example:
        >>> import torch
        >>> found = nearest_neighbours(torch.tensor([[0.0], [9.0]]), torch.tensor([[1.0], [5.0], [8.0]]), k=2)
        >>> found.indices.tolist(), found.distances.tolist()
        ([[0, 1], [2, 1]], [[1.0, 5.0], [1.0, 4.0]])
    """
    if k < 1 or chunk_size < 1:
        raise ValueError(f"k is {k} and chunk_size {chunk_size}; both must be at least 1")
    x = points.detach().double().flatten(1)
    # Distances come of differences of squares: about the middle of the points few digits are lost.
    centre = x.mean(dim=0)
    distances, indices, seen = x.new_empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.int64, device=x.device), 0
    for chunk in tqdm(_chunks(reference, chunk_size), desc="neighbours", unit="chunk", disable=None, leave=False):
        if chunk.shape[1:] != points.shape[1:]:
            raise ValueError(
                f"the points have shape {tuple(points.shape[1:])} and the reference {tuple(chunk.shape[1:])}; "
                "take both alike, from the same feature net"
            )
        further = torch.cdist(x - centre, chunk.detach().to(x).flatten(1) - centre)
        numbers = torch.arange(seen, seen + len(chunk), device=x.device).expand(len(x), -1)
        both = torch.cat([distances, further], dim=1)
        distances, places = both.topk(min(k, both.shape[1]), dim=1, largest=False)
        indices = torch.cat([indices, numbers], dim=1).gather(1, places)
        seen += len(chunk)
    if seen < k:
        raise ValueError(f"the reference has {seen} members for k = {k} neighbours; give at least {k}")
    return Nearest(distances, indices)


def _chunks(reference: Tensor | Iterable[Tensor], chunk_size: int) -> Iterator[Tensor]:
    yield from reference.split(chunk_size) if isinstance(reference, Tensor) else reference
