"""The two optimisers of an adversarial pair, for Lightning's manual optimisation."""

from __future__ import annotations

import lightning
from lightning.pytorch.core.optimizer import LightningOptimizer


def optimizer_at(module: lightning.LightningModule, index: int) -> LightningOptimizer:
    """Give one of the optimisers that a module configured.

    Args:
        module: configures several optimisers.
        index: which, in the order of `configure_optimizers`.

    Returns:
        Lightning's wrapper; stepping it counts a step, stepping its `.optimizer` does not.
    """
    optimizers = module.optimizers()
    assert isinstance(optimizers, list)
    optimizer = optimizers[index]
    assert isinstance(optimizer, LightningOptimizer)
    return optimizer
