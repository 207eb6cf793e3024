"""The first variation of an f-divergence as a potential."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_methods
from wasserflow.divergences import FDivergence
from wasserflow.potentials.potential import Potential
from wasserflow.ratios import LogRatio, log_ratio_of


@dataclass(frozen=True, eq=False)
class Divergence(Potential):
    """The potential whose descent is the gradient flow of an f-divergence: f'(p_model(x) / p_data(x)).

    Args:
        divergence: which f.
        log_ratio: estimates log p_data - log p_model; maps (batch, *event) to (batch,) or (batch, 1).

    Raises:
        TypeError: the divergence is none, such as a name or a class.
        ValueError: when called, if the log-ratio has another shape.

    Source: DGflow (arXiv 2012.00780), eq. 8.

    Example:
        >>> import torch, wasserflow as wf
        >>> potential = wf.Divergence(wf.KL(), lambda x: -x.square().sum(dim=1))
        >>> potential(torch.ones(1, 2))
        tensor([2.])
    """

    divergence: FDivergence
    log_ratio: LogRatio

    def __post_init__(self) -> None:
        if isinstance(self.divergence, type) or not callable(getattr(self.divergence, "first_variation", None)):
            raise TypeError(
                f"the divergence is {self.divergence!r}; give an f-divergence such as wf.KL() or wf.JensenShannon()"
            )

        require_methods(
            "critic", self.log_ratio, ["__call__"], "a module or function from samples to (batch,) log-ratios"
        )

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the first variation at (batch, *event) samples."""
        return self.divergence.first_variation(log_ratio_of(self.log_ratio, x))
