"""Stop a training of density ratios that has come apart, before its checkpoint is overwritten."""

from __future__ import annotations

import math
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback


class TrainingDiverged(RuntimeError):
    """A training came apart; the message says how, and the last checkpoint is from before."""


class DivergenceGuard(Callback):
    """Stops when the loss runs away or the estimated ratio collapses.

    The mean over data of any true ratio q / p is 1. An estimate that stays near 0 there has lost the particles: it
    tells them from data at a glance, and has no slope to lead them back. The guard acts before checkpoints are
    written, so the last one is from before. `FlowGuidedRatio` brings one; give the trainer another to replace it.

    Args:
        loss_limit: the largest absolute loss.
        least_ratio: the least mean ratio on data.
        patience: steps in a row that the mean ratio may be below it.
    """

    def __init__(self, loss_limit: float = 1e4, least_ratio: float = 1e-3, patience: int = 500) -> None:
        self.loss_limit, self.least_ratio, self.patience = loss_limit, least_ratio, patience
        self.collapsed = 0

    def state_dict(self) -> dict[str, Any]:
        """How long the ratio has been collapsed, for checkpoints."""
        return {"collapsed": self.collapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.collapsed = state_dict["collapsed"]

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, *_: object
    ) -> None:
        """Look at the loss and the ratio of a step.

        Raises:
            TrainingDiverged: either is out of bounds.
        """
        loss, ratio = float(outputs["loss"]), float(outputs["ratio_on_data"])
        if not abs(loss) <= self.loss_limit:
            said = f"is {loss:.6g}, beyond {self.loss_limit:g}" if math.isfinite(loss) else "is not finite"
            raise TrainingDiverged(f"the loss {said} at step {trainer.global_step}; {_MEND}")
        self.collapsed = self.collapsed + 1 if ratio < self.least_ratio else 0
        if self.collapsed >= self.patience:
            raise TrainingDiverged(
                f"the mean ratio on data has been below {self.least_ratio:g} for {self.collapsed} steps (it is "
                f"{ratio:.3g} at step {trainer.global_step}, and 1 for any true ratio): the particles do not reach the "
                f"data; {_MEND}, or begin nearer to the data, with wf.fit_gaussian"
            )


_MEND = "take a smaller step_size or lr, more flow_steps, a longest_step, or spectral norm"
