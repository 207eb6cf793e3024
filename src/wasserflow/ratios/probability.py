"""A discriminator that ends in a sigmoid, read as a log-ratio."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.freezing import adopt
from wasserflow.ratios.critic import log_ratio_of


class ProbabilityLogRatio(nn.Module):
    """log D(x) - log(1 - D(x)), what `wf.ratios.probability_log_ratio` makes.

    Args:
        discriminator: maps samples to probabilities (batch,) or (batch, 1) of being real.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import ProbabilityLogRatio
        >>> ProbabilityLogRatio(torch.nn.Flatten(0))(torch.tensor([[0.5]]))
        tensor([0.])
    """

    def __init__(self, discriminator: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.discriminator = discriminator
        adopt(self, discriminator)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-ratio of each sample.

        Raises:
            ValueError: numbers that are no probabilities.
        """
        probability = log_ratio_of(self.discriminator, x)
        with torch.no_grad():
            low, high = float(probability.min()), float(probability.max())
        if low < 0 or high > 1:
            raise ValueError(
                f"the discriminator returned {low if low < 0 else high:.4g}; probabilities lie between 0 and 1: "
                "if these are logits, give the discriminator as it is"
            )
        # What the sigmoid has rounded to 0 or 1 would be infinite; the nearest numbers beside them are not.
        finest = torch.finfo(probability.dtype)
        return torch.logit(probability.clamp(finest.tiny, 1 - finest.eps / 2))


def probability_log_ratio(discriminator: Callable[[Tensor], Tensor]) -> ProbabilityLogRatio:
    """Read a discriminator's probability of being real as the log-ratio that it was the sigmoid of.

        log p_data(x) - log p_model(x) = log D(x) - log(1 - D(x))

    Where you can, take the sigmoid off instead (`critic[:-1]` of an `nn.Sequential`): where it has rounded to 1 (logits
    above 17 in float32) or to 0 (below -87) there is no gradient left, and a sample stays where it is.

    Args:
        discriminator: maps samples to probabilities (batch,) or (batch, 1) of being real.

    Returns:
        A module (batch, *event) -> (batch,) nats, with the discriminator inside.

    Raises:
        TypeError: something that cannot be called.
        ValueError: when called, if the discriminator returns numbers outside [0, 1].

    Source: Goodfellow et al. 2014 (arXiv 1406.2661), proposition 1, solved for the ratio.

    Example:
        >>> import torch, wasserflow as wf
        >>> log_ratio = wf.ratios.probability_log_ratio(lambda x: torch.sigmoid(3 * x[:, 0]))
        >>> log_ratio(torch.tensor([[1.0], [-1.0]]))
        tensor([ 3.0000, -3.0000])
    """
    if not callable(discriminator):
        raise TypeError(f"the discriminator is a {type(discriminator).__name__}; give a function or a module")
    return ProbabilityLogRatio(discriminator)
