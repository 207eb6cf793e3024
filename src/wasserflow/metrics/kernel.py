"""The kernel distance between two sets of features (KID)."""

from __future__ import annotations

import warnings

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_features
from wasserflow.seeds import global_stream


def kernel_distance(
    samples: Float[Tensor, "n features"],
    reference: Float[Tensor, "m features"],
    subsets: int = 100,
    subset_size: int = 1_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Unbiased squared maximum mean discrepancy with a cubic kernel, over random subsets.

        k(a, b) = (a·b / features + 1)³,    E k(x, x') + E k(y, y') - 2 E k(x, y)

    Its mean is 0 for equal distributions, at any number of samples; single values may be negative.

    Args:
        samples: (n, features) features of the samples.
        reference: (m, features) features of the reference, from the same net.
        subsets: how many pairs of subsets are drawn.
        subset_size: images of each; at most the size of the smaller set.
        seed: draws the subsets.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        TypeError: not tensors.
        ValueError: another shape, different numbers of features, fewer than 2 samples, or no subsets.

    Source:
        Bińkowski et al. 2018, "Demystifying MMD GANs", section 3; computed by torchmetrics.

    Example:
        >>> import torch
        >>> x, y = torch.randn(2, 500, 8).unbind()
        >>> mean, std = kernel_distance(x, y + 1.0, subsets=10, subset_size=100)
        >>> mean > 5 * std
        True
    """
    require_features(samples=samples, reference=reference)
    if samples.shape[1] != reference.shape[1]:
        raise ValueError(
            f"the samples have {samples.shape[1]} features and the reference {reference.shape[1]}; "
            "take both from the same feature net"
        )
    size = min(subset_size, len(samples), len(reference))
    if size < 2 or subsets < 1:
        raise ValueError(
            f"{subsets} subsets of {size} images cannot be compared; give at least 1 subset and 2 images a side"
        )
    # torchmetrics takes seconds to import, and nothing else here needs it.
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all")
        # The other processes of a run do not measure, and would be waited for.
        metric = KernelInceptionDistance(nn.Identity(), subsets=subsets, subset_size=size, sync_on_compute=False)
    metric.update(reference.double(), real=True)
    metric.update(samples.double(), real=False)
    # It draws from torch's global stream: seed that one, and give the caller's back.
    with global_stream(seed):
        mean, std = metric.compute()
    return float(mean), float(std)
