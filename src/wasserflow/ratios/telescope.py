"""Telescoping: the log-ratio to one model, reached by way of another."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.freezing import adopt
from wasserflow.ratios.critic import LogRatio, log_ratio_of


class Telescoped(nn.Module):
    """The sum of two log-ratios, what `wf.telescope` makes.

    Args:
        critic: log p_data - log p_phi.
        corrector: log p_phi - log p_theta.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import Telescoped
        >>> Telescoped(torch.nn.Flatten(0), torch.nn.Flatten(0))(torch.ones(2, 1))
        tensor([2., 2.])
    """

    def __init__(self, critic: LogRatio, corrector: LogRatio) -> None:
        super().__init__()
        self.critic, self.corrector = critic, corrector
        adopt(self, critic, corrector)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-ratio of each sample."""
        return log_ratio_of(self.critic, x) + log_ratio_of(self.corrector, x)


def telescope(critic: LogRatio, corrector: LogRatio) -> Telescoped:
    """Judge a generator that has no critic by that of another, corrected for the difference between the two.

        log p_data - log p_theta = (log p_data - log p_phi) + (log p_phi - log p_theta)

    Args:
        critic: log p_data - log p_phi; maps samples to (batch,) or (batch, 1).
        corrector: log p_phi - log p_theta, from `wf.fit_corrector`.

    Returns:
        A module (batch, *event) -> (batch,) nats that calls both.

    Raises:
        TypeError: one of the two cannot be called.

    Source: DGflow (arXiv 2012.00780), section 3.2, eq. 13.

    Example:
        >>> import torch, wasserflow as wf
        >>> log_ratio = wf.telescope(lambda x: x.sum(dim=1), lambda x: -x.square().sum(dim=1, keepdim=True))
        >>> log_ratio(torch.tensor([[1.0, 2.0]]))
        tensor([-2.])
    """
    for name, value in (("critic", critic), ("corrector", corrector)):
        if not callable(value):
            raise TypeError(f"the {name} is a {type(value).__name__}; give a function or a module")
    return Telescoped(critic, corrector)
