"""The flow that a network trained on density ratios drives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from wasserflow.potentials.potential import Potential
from wasserflow.ratios import BregmanLoss, LogRatio, log_ratio_of

D = TypeVar("D")


@dataclass(frozen=True, eq=False)
class LearnedRatio(Potential, Generic[D]):
    """f'(r(x)), with the ratio r = p_model / p_data read from a network as the loss that trained it says.

    Args:
        divergence: which f.
        loss: what the network was trained with: `wf.least_squares` outputs r, `wf.logistic` and `wf.kl` log r.
        network: maps (batch, *event) to (batch,) or (batch, 1).

    Raises:
        TypeError: the divergence's flow cannot be driven by what the network outputs.

    Source: FDRL (arXiv 2303.03714), eq. 5 and eqs. 22-24.

    Example:
        >>> import torch, wasserflow as wf
        >>> ratio = lambda x: x.square().sum(dim=1)
        >>> wf.potentials.LearnedRatio(wf.Pearson(), wf.least_squares, ratio)(torch.ones(1, 2))
        tensor([4.])
    """

    divergence: D
    loss: BregmanLoss[D]
    network: LogRatio

    def __post_init__(self) -> None:
        self.loss.accept(self.divergence)

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the first variation at (batch, *event) particles."""
        return self.loss.first_variation(self.divergence, log_ratio_of(self.network, x))
