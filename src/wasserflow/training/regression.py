"""A network learns where pairs lead, by least squares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from wasserflow.freezing import gradients_on
from wasserflow.rows import in_batches
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.run import fit_run


class LeastSquares(lightning.LightningModule):
    """A network that learns what it should return, from pairs.

    Args:
        network: is trained in place.
        lr: learning rate of Adam, which falls to 0 along a cosine.
    """

    def __init__(self, network: nn.Module, lr: float) -> None:
        super().__init__()
        self.network, self.lr = network, lr

    def configure_optimizers(self) -> Any:
        """Give what learns an Adam whose rate falls along a cosine."""
        adam = torch.optim.Adam([p for p in self.network.parameters() if p.requires_grad], lr=self.lr)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": adam, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the mean squared error of a batch of (before, after)."""
        before, after = batch
        loss = mse_loss(self.network(before), after)
        self.log("loss", loss, prog_bar=True)
        return loss


def require_pairs(**sets: Tensor) -> None:
    """Refuse two sets that are not as many, or too few to hold some out.

    Raises:
        ValueError: they are.
    """
    (first, before), (second, after) = sets.items()
    if len(before) != len(after) or len(before) < 10:
        raise ValueError(f"{first} has {len(before)} samples and {second} {len(after)}; give as many, 10 or more")


def learn_pairs(
    network: nn.Module,
    before: Float[Tensor, "n *event"],
    after: Float[Tensor, "n *result"],
    unlearnt: Callable[[Tensor], Tensor],
    out: Path,
    *,
    iterations: int,
    lr: float,
    batch_size: int,
    seed: int,
    **run: Any,
) -> float:
    """Train a network in place, E ‖network(before) - after‖² being lowered over nine tenths of the pairs.

    Args:
        network: ends in eval mode, on the device of the pairs; what requires no gradient stands still.
        before: (n, *event) what it is given.
        after: (n, *result) what it should return.
        unlearnt: what there is without it, to measure it against: maps (batch, *event) to (batch, *result).
        out: the run's folder.
        iterations: updates in the whole run.
        lr: learning rate that Adam starts with.
        batch_size: pairs in an update, at most.
        seed: chooses the batches and what is held out.
        run: options of `fit_run`.

    Returns:
        1 - Σ ‖network(before) - after‖² / Σ ‖unlearnt(before) - after‖² over the held-out tenth.

    Example:
        >>> import pathlib, tempfile, torch
        >>> from wasserflow.training.regression import learn_pairs
        >>> x, options = torch.linspace(-1, 1, 100)[:, None], dict(batch_size=90, seed=0, lr=0.1, progress=False)
        >>> out = pathlib.Path(tempfile.mkdtemp())
        >>> learn_pairs(torch.nn.Linear(1, 1), x, 2 * x, torch.zeros_like, out, iterations=300, **options) > 0.99
        True
    """
    order = torch.randperm(len(before), generator=step_stream(seed)).to(before.device)
    held_out, rest = order[: len(order) // 10], order[len(order) // 10 :]
    data = IterationData(
        before[rest].cpu(), after[rest].cpu(), batch_size=min(batch_size, len(rest)), iterations=iterations, seed=seed
    )
    with gradients_on():
        fit_run(LeastSquares(network, lr), data, out, **run)
    network.to(before.device).eval()
    with torch.no_grad():
        missed, all_of_it = (in_batches(f, before[held_out]) - after[held_out] for f in (network, unlearnt))
    return 1 - float(missed.square().sum() / all_of_it.square().sum())
