"""Train mode for what is trained, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import lightning
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.optim import Optimizer


def train_what_learns(module: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Put the children of a module which the optimisers move in train mode, their frozen parts apart.

    Lightning leaves modes as they are, and a network given in evaluation mode would be trained with the batch norms and
    spectral norms of before. A part whose parameters all stand still, such as a backbone, keeps its mode.

    Args:
        module: holds the networks.
        optimizers: what moves their parameters; those that require no gradient stand still.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from wasserflow.training.modes import train_what_learns
        >>> backbone, head = nn.BatchNorm1d(2).eval().requires_grad_(False), nn.Linear(2, 1).eval()
        >>> holder = nn.Sequential(nn.Sequential(backbone, head))
        >>> train_what_learns(holder, [torch.optim.SGD(holder.parameters(), 0.1)])
        >>> backbone.training, head.training
        (False, True)
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    learning = {id(p) for group in groups for p in group["params"] if p.requires_grad}

    def learns(part: nn.Module) -> bool:
        return any(id(parameter) in learning for parameter in part.parameters())

    for network in filter(learns, module.children()):
        holding = [part for part in network.modules() if next(part.parameters(), None) is not None]
        still = [part for frozen in holding if not learns(frozen) for part in frozen.modules()]
        modes = [part.training for part in still]
        network.train()
        for part, mode in zip(still, modes, strict=True):
            part.training = mode


class TrainMode(Callback):
    """Puts what is trained in train mode where the fit begins; see `train_what_learns`."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Set the modes, now that there are optimisers."""
        train_what_learns(pl_module, trainer.optimizers)
