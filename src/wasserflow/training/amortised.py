"""Learn where a flow takes its particles, so that new ones get there in one evaluation."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts, require_sets
from wasserflow.freezing import copied
from wasserflow.training.regression import learn_pairs, require_pairs
from wasserflow.training.run import run_without_a_folder
from wasserflow.training.settings import require_adam


class AmortisedFlow(nn.Module):
    """x -> x + network(x), the end of the flow that begins at x.

    Args:
        network: maps (batch, *event) to moves of the same shape.
        explained: share of the moves' squared length that the network accounts for, on held-out particles: 1 is all of
            it, 0 no better than staying, below 0 worse.

    Example:
        >>> import torch
        >>> from wasserflow.training.amortised import AmortisedFlow
        >>> AmortisedFlow(torch.nn.Identity())(torch.ones(1, 2))
        tensor([[2., 2.]])
    """

    def __init__(self, network: nn.Module, explained: float = float("nan")) -> None:
        super().__init__()
        self.network, self.explained = network, explained

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Move particles to where the flow would end."""
        return x + self.network(x)


def amortise(
    network: nn.Module,
    before: Float[Tensor, "n *event"],
    after: Float[Tensor, "n *event"],
    steps: int = 3_000,
    lr: float = 1e-3,
    batch_size: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> AmortisedFlow:
    """Learn the moves of a flow: a copy of a network that lowers E ‖x + network(x) - x_T‖² over pairs (x, x_T).

    The pairs are a refinement's own, `z` and `wf.refine(critic, z, generator, ...).particles`. What is random in the
    flow is averaged over, so take temperature 0. A tenth of the pairs is held out, to measure `.explained`.

    Args:
        network: maps (batch, *event) to (batch, *event); not changed.
        before: (n, *event) particles where the flow began; thousands.
        after: (n, *event) particles where it ended, in the same order.
        steps: updates, at least 1.
        lr: learning rate that Adam starts with.
        batch_size: pairs in an update.
        seed: chooses the batches and what is held out.
        progress: show a progress bar.

    Returns:
        The module x -> x + network(x), in eval mode; `generator(flow(z))` are refined samples of new latents.

    Raises:
        TypeError: particles that are not floating-point tensors.
        ValueError: particles that are unlike each other, not finite or fewer than 10, a network whose output has
            another shape, or settings out of range.

    Source: regression onto the end of a path is the distillation of Luhman & Luhman (arXiv 2101.02388).

    Example:
        >>> import torch, wasserflow as wf
        >>> z = wf.spaces.Normal(2).sample(500, seed=0)
        >>> r = wf.refine(lambda x: -x.square().sum(dim=1), z, integrator=wf.EulerMaruyama(0.02), steps=25)
        >>> flow = wf.training.amortise(torch.nn.Linear(2, 2), z, r.particles, steps=300, lr=0.05, progress=False)
        >>> flow.explained > 0.99
        True
    """
    require_sets(before=before, after=after)
    require_pairs(before=before, after=after)
    require_counts(steps=steps, batch_size=batch_size)
    require_adam(lr)
    with torch.inference_mode(False), torch.no_grad():
        # Inference tensors cannot be trained on, nor twice those with a graph.
        before, after = before.clone(), after.clone()
        flow = AmortisedFlow(copied(network))
        moved = flow.network(before[:2])
    if moved.shape != before[:2].shape:
        raise ValueError(
            f"the network returned {tuple(moved.shape)} for {tuple(before[:2].shape)}; its moves must have that shape"
        )
    options: dict[str, Any] = {"lr": lr, "batch_size": batch_size, "seed": seed, "progress": progress}
    with run_without_a_folder() as out:
        flow.explained = learn_pairs(
            flow, before, after, lambda x: x, out, iterations=steps, checkpoint_every=steps, **options
        )
    return flow
