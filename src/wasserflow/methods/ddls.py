"""DDLS: discriminator-driven latent sampling."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from wasserflow.divergences import KL
from wasserflow.flow import Watch, flow
from wasserflow.integrators import EulerMaruyama
from wasserflow.integrators.schedule import step_size_at
from wasserflow.potentials import Divergence, Prior, require_support
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator, Refinement, pulled_back, refinement
from wasserflow.seeds import Seed
from wasserflow.spaces import PriorSpace


def ddls(
    critic: LogRatio,
    z0: Float[Tensor, "batch *latent"],
    generator: Generator | None = None,
    *,
    prior: PriorSpace,
    step_size: float = 0.01,
    noise_scale: float = 0.1,
    steps: int = 50,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Refinement:
    """Sample latents from p_Z(z) exp(d(g(z))) by Langevin dynamics.

    z <- z + (h / 2) ∇(log p_Z(z) + d(g(z))) + noise_scale sqrt(h) ξ, projected to the prior's support. With
    noise_scale = 1 this is Langevin dynamics at unit temperature; the published 2-D experiments scale the noise by 0.1.

    Args:
        critic: log p_data - log p_model; maps samples to (batch,) or (batch, 1).
        z0: (batch, *latent) latents.
        generator: maps latents to samples; None samples in data space.
        prior: where the latents come from, e.g. `wf.spaces.Normal(128)`.
        step_size: h.
        noise_scale: factor on the noise; its square is the temperature.
        steps: how many updates, at least 1.
        seed: an int, one seed a sample, or a `torch.Generator`.
        watch: called with the state after each step, for progress, logs or a trajectory.

    Returns:
        The refined samples and what they cost.

    Raises:
        FlowDiverged: a NaN or infinite energy or position, with the last finite state.
        ValueError: what `wf.refine` refuses, or latents outside the prior's support.

    Source: Che et al. 2020 (arXiv 2003.06060), algorithm 1; settings of DGflow (arXiv 2012.00780), appendix.

    Example:
        >>> import torch, wasserflow as wf
        >>> prior = wf.spaces.Normal(2)
        >>> r = wf.methods.ddls(lambda x: -x.square().sum(dim=1), prior.sample(8, seed=1), prior=prior, seed=0)
        >>> r.samples.shape
        torch.Size([8, 2])
    """
    if not 0 <= noise_scale < math.inf:
        raise ValueError(f"noise_scale is {noise_scale}; it must be 0 or more, and finite")
    if callable(step_size):
        raise TypeError("step_size is a function; ddls takes a number: write the flow with wf.flow for a schedule")
    require_support(prior, z0)
    potential = Prior(prior) + pulled_back(Divergence(KL(), critic), generator)
    integrator = EulerMaruyama(step_size_at(step_size, 0) / 2, temperature=noise_scale**2)
    return refinement(flow(z0, potential, integrator, steps, prior, seed, watch=watch), generator)
