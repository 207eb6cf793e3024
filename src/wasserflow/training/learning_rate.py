"""A learning rate that falls at the end of a training which steps its optimisers by hand."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import Callback


class LinearDecay(Callback):
    """Lets the learning rates of all optimisers fall linearly to 0 over the last part of a run.

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
