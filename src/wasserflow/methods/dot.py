"""DOT: discriminator optimal transport."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.divergences import KL
from wasserflow.flow import Watch, flow
from wasserflow.integrators import Optimizer
from wasserflow.potentials import Divergence, Proximal
from wasserflow.ratios import LogRatio, lipschitz_constant
from wasserflow.refinement import Generator, Refinement, pulled_back, refinement
from wasserflow.seeds import Seed
from wasserflow.spaces import Space, norms_kept


def dot(
    critic: LogRatio,
    x0: Float[Tensor, "batch *event"],
    generator: Generator | None = None,
    lipschitz: float | None = None,
    lr: float = 0.01,
    betas: tuple[float, float] = (0.0, 0.9),
    steps: int = 100,
    seed: Seed = 0,
    prior: Space | None = None,
    watch: Watch | None = None,
) -> Refinement:
    """Transport samples, or latents, to where the critic says the real data are, and no further.

    Minimise ‖x - x0‖ - d(x) / K from x0 by Adam, K being the critic's Lipschitz constant; in latent space the same of
    z and d∘g.

    Args:
        critic: log p_data - log p_model; maps samples to (batch,) or (batch, 1).
        x0: (batch, *event) samples, or (batch, *latent) latents where a generator is given.
        generator: maps latents to samples; None transports in data space.
        lipschitz: K, larger moves less; None estimates it on pairs of x0, and then samples depend on their batch and,
            by several percent of K, on the pairs (see `lipschitz_constant`). Give a number to compare runs.
        lr: Adam's learning rate, in units of x.
        betas: Adam's decay rates.
        steps: how many updates, at least 1.
        seed: chooses the pairs of the estimate; the descent itself draws no numbers.
        prior: `Box` clamps the particles to it, `Normal` removes radial gradients, which nearly keeps their norms
            (Adam rescales what is left); also as parts of a `Product`.
        watch: called with the state after each step, for progress, logs or a trajectory.

    Returns:
        The transported samples and what they cost.

    Raises:
        FlowDiverged: a NaN or infinite energy or position, with the last finite state.
        ValueError: a Lipschitz constant that is not positive, a batch of one to estimate it on, and all that
            `wf.refine` refuses.

    Source: Tanaka 2019 (arXiv 1910.06832), algorithms 1 and 2.

    Example:
        >>> import torch, wasserflow as wf
        >>> r = wf.methods.dot(lambda x: -x.norm(dim=1), torch.full((4, 2), 3.0), lipschitz=0.5, steps=10)
        >>> r.evaluations
        40
    """
    energy = pulled_back(Divergence(KL(), critic), generator)
    scale = lipschitz_constant(energy, x0, seed) if lipschitz is None else lipschitz
    if not 0 < scale < float("inf"):
        raise ValueError(f"the Lipschitz constant is {scale}; give a positive lipschitz")
    space = None if prior is None else norms_kept(prior)
    adam = Optimizer(functools.partial(torch.optim.Adam, lr=lr, betas=betas))
    return refinement(flow(x0, Proximal(x0) + energy / scale, adam, steps, space, seed, watch=watch), generator)
