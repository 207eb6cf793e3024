"""Precision, recall, density and coverage, from balls around nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from wasserflow.checks import require_features
from wasserflow.metrics.nearest import nearest_neighbours


@dataclass(frozen=True)
class NeighbourMetrics:
    """How samples and reference lie among each other's nearest neighbours.

    Args:
        precision: part of the samples that lie in a ball of the reference; 1 is best.
        recall: part of the reference that lies in a ball of the samples; 1 is best.
        density: mean number of reference balls a sample lies in, over its expectation; about 1 for equal distributions.
        coverage: part of the reference balls that hold a sample; 1 is best.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_metrics(
    samples: Float[Tensor, "n features"],
    reference: Float[Tensor, "m features"],
    precision_neighbours: int = 3,
    density_neighbours: int = 5,
    chunk_size: int = 500,
) -> NeighbourMetrics:
    """Compare two sets by balls that reach to each point's k-th nearest neighbour in its own set.

        precision = E_x [∃ y: ‖x - y‖ <= r₃(y)],        recall = E_y [∃ x: ‖x - y‖ <= r₃(x)],
        density = E_x [#{y: ‖x - y‖ <= r₅(y)}] / 5,     coverage = E_y [∃ x: ‖x - y‖ <= r₅(y)]

    Memory grows with chunk_size x the larger set: never with the product of the two.

    Args:
        samples: (n, features) features x of the samples.
        reference: (m, features) features y of the reference, from the same net.
        precision_neighbours: k of precision and recall.
        density_neighbours: k of density and coverage.
        chunk_size: rows of the distance matrix held at once.

    Returns:
        The four metrics.

    Raises:
        TypeError: not tensors.
        ValueError: another shape; different numbers of features; a set with no more than k points; k or chunk_size
            below 1.

    Source:
        Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models", equation 1-2;
        Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models", equations 5-6.

    Example:
        >>> import torch
        >>> x = torch.randn(100, 4)
        >>> neighbour_metrics(x, x + 100.0)
        NeighbourMetrics(precision=0.0, recall=0.0, density=0.0, coverage=0.0)
    """
    nearest, further = precision_neighbours, density_neighbours
    _check(samples, reference, nearest, further, chunk_size)
    # Centred in float64, so that points of equal features are at distance 0 but for the slack.
    centre = reference.double().mean(dim=0)
    x, y = samples.double() - centre, reference.double() - centre
    slack = 1e-6 * float(torch.maximum(x.norm(dim=1).max(), y.norm(dim=1).max()))
    (x_near,) = (radius + slack for radius in _radii(x, (nearest,), chunk_size))
    y_near, y_far = (radius + slack for radius in _radii(y, (nearest, further), chunk_size))
    precise, dense = 0, 0
    recalled = torch.zeros(len(y), dtype=torch.bool, device=y.device)
    closest = torch.full((len(y),), torch.inf, dtype=y.dtype, device=y.device)
    parts = list(zip(x.split(chunk_size), x_near.split(chunk_size), strict=True))
    for rows, radius in tqdm(parts, desc="neighbours", unit="chunk", disable=None, leave=False):
        distance = torch.cdist(rows, y)
        precise += int((distance <= y_near).any(dim=1).sum())
        dense += int((distance <= y_far).sum())
        recalled |= (distance <= radius[:, None]).any(dim=0)
        closest = torch.minimum(closest, distance.amin(dim=0))
    return NeighbourMetrics(
        precision=precise / len(x),
        recall=float(recalled.double().mean()),
        density=dense / (further * len(x)),
        coverage=float((closest <= y_far).double().mean()),
    )


def _radii(points: Tensor, neighbours: tuple[int, ...], chunk_size: int) -> list[Tensor]:
    """Distance of every point to its k-th nearest other point, for each k."""
    # The nearest point of all is the point itself, so the k-th neighbour is number k from 0.
    distances = nearest_neighbours(points, points, max(neighbours) + 1, chunk_size).distances
    return [distances[:, k] for k in neighbours]


def _check(samples: Tensor, reference: Tensor, nearest: int, further: int, chunk_size: int) -> None:
    require_features(samples=samples, reference=reference)
    if samples.shape[1] != reference.shape[1]:
        raise ValueError(
            f"the samples have {samples.shape[1]} features and the reference {reference.shape[1]}; "
            "take both from the same feature net"
        )
    if nearest < 1 or further < 1 or chunk_size < 1:
        raise ValueError(f"neighbours are {nearest} and {further}, chunk_size {chunk_size}; all must be at least 1")
    if len(samples) <= nearest or len(reference) <= max(nearest, further):
        raise ValueError(
            f"{len(samples)} samples and {len(reference)} reference images are too few for neighbour "
            f"{max(nearest, further)}; give at least {max(nearest, further) + 1} of each"
        )
