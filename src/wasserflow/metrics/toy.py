"""Scores of 2-D samples: share of high quality, kernel density score, exact Wasserstein distance."""

from __future__ import annotations

import math

import ot
import torch
from jaxtyping import Float
from sklearn.neighbors import KernelDensity
from torch import Tensor


def high_quality_fraction(
    samples: Float[Tensor, "n dim"], means: Float[Tensor, "modes dim"], std: float, within: float = 4.0
) -> float:
    """Give the share of samples which lie within a few standard deviations of the nearest mode.

    Computes mean_i [min_k ‖x_i - m_k‖ <= within · std]. It is a fraction; the papers print it as a percentage.

    Args:
        samples: (n, dim) generated samples.
        means: (modes, dim) centres of the modes.
        std: standard deviation of each coordinate around its centre.
        within: largest distance, in standard deviations.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: samples of another dimension than the means, none of either, or numbers that are not finite.

    Source:
        Ansari et al. (2021), section 5.1.

    Example:
        >>> import torch
        >>> from wasserflow.metrics.toy import high_quality_fraction
        >>> high_quality_fraction(torch.tensor([[0.0], [0.3], [0.5]]), torch.zeros(1, 1), std=0.1)
        0.6666666666666666
    """
    _check_pair(samples, means, "samples", "means")
    if not (std > 0 and within > 0):
        raise ValueError(f"std is {std} and within is {within}; both must be above 0")
    nearest = torch.cdist(samples.double(), means.double(), compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
    return (nearest <= within * std).double().mean().item()


def kde_score(
    samples: Float[Tensor, "n dim"], training_samples: Float[Tensor, "m dim"], bandwidth: float = 0.1
) -> float:
    """Give the total log-likelihood of training samples under a Gaussian kernel density of the generated ones.

    Computes Σ_j log (1/n) Σ_i N(y_j; x_i, bandwidth² I), in nats; higher is better. It grows with the number of
    training samples, which the paper does not state. The published magnitudes fit 5,000 of them: on the 25 Gaussians
    5,000 true samples score about -2,575 on 5,000 others, and the best row of Table 1 is -2,893.

    Args:
        samples: (n, dim) generated samples, which the density is fitted on.
        training_samples: (m, dim) training samples, which it is evaluated at; 5,000 for the papers' scale.
        bandwidth: standard deviation of the kernel.

    Returns:
        The sum over the training samples, in nats.

    Raises:
        ValueError: sets of other dimensions, an empty set, numbers that are not finite, or bandwidth <= 0.

    Source:
        Ansari et al. (2021), section 5.1 and appendix D.1.

    Example:
        >>> import math, torch
        >>> from wasserflow.metrics.toy import kde_score
        >>> origin = torch.zeros(1, 2)
        >>> math.isclose(kde_score(origin, origin), -math.log(2 * math.pi * 0.1**2))
        True
    """
    _check_pair(samples, training_samples, "samples", "training_samples")
    if not bandwidth > 0:
        raise ValueError(f"bandwidth is {bandwidth}; it must be above 0")
    density = KernelDensity(kernel="gaussian", bandwidth=bandwidth).fit(samples.double().cpu().numpy())
    return float(density.score(training_samples.double().cpu().numpy()))


def wasserstein2(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> float:
    """Give the exact 2-Wasserstein distance between two sets of points of equal weight.

    Computes sqrt(min_P Σ_ij P_ij ‖x_i - y_j‖²) over the couplings P of the two uniform laws. Time grows faster than the
    square of the number of points, memory with the square: 2,000 points take about a second.

    Args:
        x: (n, dim) points.
        y: (m, dim) points.

    Returns:
        The distance, in the unit of the points.

    Raises:
        ValueError: sets of other dimensions, an empty set, or numbers that are not finite.
        RuntimeError: the solver ended without an optimum.

    Source:
        Optimal transport by network simplex (POT, `ot.emd2`).

    Example:
        >>> import torch
        >>> from wasserflow.metrics.toy import wasserstein2
        >>> wasserstein2(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
        5.0
    """
    _check_pair(x, y, "x", "y")
    a, b = x.double().cpu().numpy(), y.double().cpu().numpy()
    # POT stops after 100,000 pivots unless told otherwise, which 2,000 points already need.
    cost, log = ot.emd2([], [], ot.dist(a, b, metric="sqeuclidean"), numItermax=100_000_000, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"no optimal transport found between {len(x)} and {len(y)} points: {log['warning']}")
    return math.sqrt(max(float(cost), 0.0))


def _check_pair(a: Tensor, b: Tensor, a_name: str, b_name: str) -> None:
    for points, name in ((a, a_name), (b, b_name)):
        if not isinstance(points, Tensor):
            raise TypeError(
                f"{name} is a {type(points).__name__}; give a tensor (number, dimension): torch.from_numpy makes "
                "one of an array"
            )
        if points.ndim != 2 or not points.numel():
            raise ValueError(f"{name} has shape {tuple(points.shape)}; allowed is (number, dimension), none of them 0")
        if not points.isfinite().all():
            raise ValueError(f"{name} holds numbers that are not finite; drop those points first")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a_name} has dimension {a.shape[1]} and {b_name} {b.shape[1]}; they must be equal")
