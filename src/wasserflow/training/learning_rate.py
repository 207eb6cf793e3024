"""Learning rates that fall towards the end of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lightning
import torch
from lightning.pytorch.callbacks import Callback


class LinearDecay(Callback):
    """Lets the learning rates of all optimisers fall linearly to 0 over the last part of a run that steps by hand.

    A pure function of the step: a resumed run needs no state, and may begin to decay where the run before did not.

    Args:
        lr: the learning rate before.
        steps: length of the whole run.
        share: the part of the run that decays, 0 to 1; 0 for none.

    Raises:
        ValueError: a share outside of 0 to 1.

    Example:
        >>> from wasserflow.training.learning_rate import LinearDecay
        >>> rule = LinearDecay(lr=0.1, steps=10, share=0.5)
        >>> [round(rule.at(step), 3) for step in (0, 5, 6, 9)]
        [0.1, 0.1, 0.08, 0.02]
    """

    def __init__(self, lr: float, steps: int, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share}; give the part of the run that decays, from 0 to 1")
        self.lr, self.steps, self.share = lr, steps, share

    def at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        left = (self.steps - step) / (self.steps * self.share) if self.share else 1.0
        return self.lr * min(1.0, left)

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: object) -> None:
        """Set the rate."""
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.at(trainer.global_step)


def falling_in_steps(
    optimizer: torch.optim.Optimizer, shares: Sequence[float], steps: float
) -> torch.optim.lr_scheduler.LRScheduler:
    """Let a learning rate fall to a tenth after each of some shares of a run.

    Args:
        optimizer: whose rate falls.
        shares: parts of the run, 0 to 1.
        steps: length of the whole run; the rate of an endless one, of infinity, does not fall.

    Returns:
        A schedule that is stepped after each step of the optimiser.

    Example:
        >>> import torch
        >>> from wasserflow.training.learning_rate import falling_in_steps
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> rate, rates = falling_in_steps(sgd, (0.5,), steps=4), []
        >>> for _ in range(4):
        ...     rates += rate.get_last_lr()
        ...     sgd.step()
        ...     rate.step()
        >>> rates
        [1.0, 1.0, 0.1, 0.1]
    """
    milestones = [int(share * steps) for share in shares] if math.isfinite(steps) else []
    # MultiStepLR would keep the milestones of a checkpoint, and the fallen rate, when a run is resumed for longer.
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1 ** sum(step >= mark for mark in milestones))
