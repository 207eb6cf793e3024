"""ReNO: reward-based noise optimisation."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_momentum
from wasserflow.divergences import KL
from wasserflow.flow import Watch, flow
from wasserflow.integrators import Optimizer, State
from wasserflow.potentials import Divergence, NormPrior
from wasserflow.potentials.remembered import Remembered
from wasserflow.proposals import chosen
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator, Refinement, pulled_back, refinement
from wasserflow.seeds import Seed


def reno(
    reward: LogRatio,
    z0: Float[Tensor, "batch *latent"],
    generator: Generator | None,
    lr: float = 5.0,
    momentum: float = 0.9,
    longest_gradient: float | None = 0.1,
    regularisation: float = 0.01,
    steps: int = 50,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Refinement:
    """Climb a reward in the latents of a one-step generator, and give the best sample on the way.

    Ascend R(g(z)) - w (‖z‖² / 2 - (d - 1) log ‖z‖) from z0 by Nesterov's momentum, gradients cut to a longest norm; the
    second term keeps ‖z‖ where the norm of normal latents lies.

    Args:
        reward: R, e.g. `wf.potentials.ClipSimilarity`; maps samples to (batch,) or (batch, 1).
        z0: (batch, *latent) latents of a standard normal prior.
        generator: maps latents to samples in one step, e.g. `wf.models.adapters.load_one_step`; None moves samples.
        lr: learning rate; a step is at most `lr * longest_gradient` long before momentum, in units of z.
        momentum: from 0 to below 1.
        longest_gradient: of a latent; a longer one is cut to it. None for no limit.
        regularisation: w.
        steps: how many latents of each sample are judged, at least 1; z0 is the first of them.
        seed, watch: as in the other methods; the ascent draws no numbers.

    Returns:
        The samples of greatest reward and what they cost.

    Raises:
        FlowDiverged: a NaN or infinite reward or latent, with the last finite state.
        ValueError: what `wf.refine` refuses, or a momentum out of range.

    Source: Eyring et al. 2024 (arXiv 2406.04312), section 3; settings of its code.

    Example:
        >>> import torch, wasserflow as wf
        >>> r = wf.methods.reno(lambda x: -(x - 3).square().sum(dim=1), torch.ones(2, 4), None)
        >>> bool((r.samples.norm(dim=1) > 4).all()), r.evaluations
        (True, 100)
    """
    require_momentum(momentum)
    sgd = partial(torch.optim.SGD, lr=lr, momentum=momentum, nesterov=momentum > 0)
    loss = Remembered(pulled_back(Divergence(KL(), reward), generator))
    best, z, least = z0, z0, torch.tensor(torch.inf)

    def keep(state: State) -> None:
        nonlocal best, z, least
        # The loss is that of where the step began.
        best, z, least = chosen(loss.last < least, z, best), state.x, loss.last.minimum(least)
        if watch is not None:
            watch(state)

    state = flow(z0, loss + regularisation * NormPrior(), Optimizer(sgd, longest_gradient), steps, None, seed, keep)
    return refinement(replace(state, x=best.detach()), generator)
