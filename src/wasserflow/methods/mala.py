"""Metropolis-adjusted Langevin sampling of latents."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from wasserflow.divergences import KL
from wasserflow.flow import Watch, flow
from wasserflow.integrators import MALA
from wasserflow.potentials import Divergence, Prior
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator, Refinement, pulled_back, refinement
from wasserflow.seeds import Seed
from wasserflow.spaces import PriorSpace


def mala(
    critic: LogRatio,
    z0: Float[Tensor, "batch *latent"],
    generator: Generator | None,
    prior: PriorSpace,
    step_size: float = 0.05,
    steps: int = 100,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Refinement:
    """Sample latents from p_Z(z) exp(d(g(z))) exactly: DDLS with a Metropolis correction.

    Proposals z - h ∇U(z) + sqrt(2 h) ξ of U = -log p_Z - d∘g, accepted by the Metropolis–Hastings rule. With a
    calibrated critic this is REP-GAN.

    Args:
        critic: log p_data - log p_model, calibrated; maps samples to (batch,) or (batch, 1).
        z0: (batch, *latent) latents.
        generator: maps latents to samples; None samples in data space.
        prior: where the latents come from, e.g. `wf.spaces.Normal(128)`.
        step_size: h.
        steps: how many proposals, at least 1.
        seed: an int, one seed a sample, or a `torch.Generator`.
        watch: called with the state after each step, for progress, logs or a trajectory.

    Returns:
        The samples and what they cost: one gradient evaluation a proposal and one at the start; `.acceptance` is the
        share of the proposals that were taken.

    Raises:
        FlowDiverged: an infinite energy at the start, or a NaN energy there or at a proposal.
        ValueError: what `wf.refine` refuses, latents outside the prior's support, or a prior on a surface (`Sphere`).

    Source: Wang et al. 2021 (REP-GAN), algorithm 1; Roberts & Tweedie 1996.

    Example:
        >>> import torch, wasserflow as wf
        >>> prior = wf.spaces.Normal(2)
        >>> r = wf.methods.mala(lambda x: -x.square().sum(dim=1), prior.sample(8), None, prior, steps=20)
        >>> r.evaluations == 8 * 21, 0 < r.acceptance <= 1
        (True, True)
    """
    potential = Prior(prior) + pulled_back(Divergence(KL(), critic), generator)
    # Leaving the support is a proposal of infinite energy, which the rule rejects. The space is for priors on surfaces:
    # their projection moves what was accepted, and MALA refuses that.
    return refinement(flow(z0, potential, MALA(step_size), steps, prior, seed, watch), generator)
