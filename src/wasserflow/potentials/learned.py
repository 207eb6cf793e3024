"""The flow that a network trained on density ratios drives."""

from __future__ import annotations

import math
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

    A condition turns the flow towards another law p' than the data's, whose log-ratio c = log p' - log p is known. It
    is taken from what the network outputs,

        log r - φ c    (logistic, kl),        r - φ c    (least squares).

    The first is the log-ratio to p' itself at φ = 1, for exact ratios; with KL and c = log N p(y|x), p' one class, the
    drift is that of log r - φ log p(y|x). The second is r exp(-φ c) to first order about r = 1, where a flow ends. The
    product itself grows without bound where c is far below 0, and pushes away from p' where a network has r below 0: on
    MNIST it was worse than the first order at φ = 0.5 and diverged at 1.

    Args:
        divergence: which f.
        loss: what the network was trained with: `wf.least_squares` outputs r, `wf.logistic` and `wf.kl` log r.
        network: maps (batch, *event) to (batch,) or (batch, 1).
        condition: maps (batch, *event) to (batch,) log-ratios log p' - log p, such as `wf.classifier_log_ratio`; None
            for the data's own law.
        guidance: φ, the weight of the condition.

    Raises:
        TypeError: the divergence's flow cannot be driven by what the network outputs.
        ValueError: guidance is below 0 or not finite.

    Source: FDRL (arXiv 2303.03714), eq. 5 and eqs. 22-24; eqs. 29-31 for a condition, there with KL only.

    Example:
        >>> import torch, wasserflow as wf
        >>> ratio = lambda x: x.square().sum(dim=1)
        >>> wf.potentials.LearnedRatio(wf.Pearson(), wf.least_squares, ratio)(torch.ones(1, 2))
        tensor([4.])
    """

    divergence: D
    loss: BregmanLoss[D]
    network: LogRatio
    condition: LogRatio | None = None
    guidance: float = 1.0

    def __post_init__(self) -> None:
        self.loss.accept(self.divergence)
        if not 0 <= self.guidance < math.inf:
            raise ValueError(f"guidance is {self.guidance}; give a finite number of 0 or more")

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the first variation at (batch, *event) particles."""
        output = log_ratio_of(self.network, x)
        if self.condition is not None:
            output = output - self.guidance * log_ratio_of(self.condition, x)
        return self.loss.first_variation(self.divergence, output)
