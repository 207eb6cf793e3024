"""The inception score, of any classifier."""

from __future__ import annotations

import warnings

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_features
from wasserflow.seeds import global_stream


def inception_score(logits: Float[Tensor, "n classes"], splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """exp of the mutual information between image and predicted class: 1 (worst) to the number of classes.

        exp(E_x KL(p(y | x) ‖ p(y)))

    Args:
        logits: (n, classes) logits of a classifier; log-probabilities are logits too.
        splits: the score is the mean over so many parts of the shuffled set.
        seed: shuffles the set.

    Returns:
        Mean and standard deviation over the splits.

    Raises:
        TypeError: logits that are not a tensor.
        ValueError: another shape, fewer than 2 splits, or fewer images than splits.

    Source:
        Salimans et al. 2016, "Improved techniques for training GANs", section 4; computed by torchmetrics.

    Example:
        >>> import torch
        >>> sure = 50 * torch.eye(10).repeat(1000, 1)
        >>> round(inception_score(sure)[0], 1)
        10.0
    """
    require_features(logits=logits)
    if not 2 <= splits <= len(logits):
        raise ValueError(f"splits is {splits} for {len(logits)} images; it must be between 2 and the number of images")
    # torchmetrics takes seconds to import, and nothing else here needs it.
    from torchmetrics.image.inception import InceptionScore

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Metric `InceptionScore` will save all")
        # The other processes of a run do not measure, and would be waited for.
        metric = InceptionScore(nn.Identity(), splits=splits, sync_on_compute=False)
    # In float64 no class probability underflows to 0, whose logarithm would make the score NaN.
    metric.update(logits.double())
    with global_stream(seed):
        mean, std = metric.compute()
    return float(mean), float(std)
