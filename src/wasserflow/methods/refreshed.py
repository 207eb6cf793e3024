"""DGflow with a density ratio that follows the samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.divergences import KL, FDivergence
from wasserflow.flow import Watch, flow
from wasserflow.freezing import ready_modules
from wasserflow.integrators import EulerMaruyama, Integrator, State, require_forgetful
from wasserflow.potentials import Divergence
from wasserflow.potentials.present import Present
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator, Refinement, pulled_back, refinement
from wasserflow.seeds import Seed
from wasserflow.spaces import Space

Refresh = Callable[[LogRatio, Tensor], LogRatio]


def refreshed(
    critic: LogRatio,
    x0: Float[Tensor, "batch *event"],
    refresh: Refresh,
    generator: Generator | None = None,
    divergence: FDivergence = KL(),  # noqa: B008 (frozen)
    integrator: Integrator = EulerMaruyama(step_size=0.1, temperature=0.01),  # noqa: B008 (frozen)
    steps: int = 25,
    every: int = 5,
    seed: Seed = 0,
    space: Space | None = None,
    watch: Watch | None = None,
) -> Refinement:
    """Move samples as `wf.refine` does, with a ratio that follows them: x <- x - h ∇f'(exp(-d_t(x))) + sqrt(2 h T) ξ.

    A ratio that is kept makes long runs collapse onto its modes; d_t ≈ log p_data - log rho_t has no gradient left
    where samples are as the data. It is learnt from the samples: these must be many, and depend on each other.

    Args:
        critic: log p_data - log p_model of the unrefined samples; maps samples to (batch,) or (batch, 1).
        x0: (batch, *event) samples, or (batch, *latent) latents where a generator is given.
        refresh: (log-ratio so far, samples) -> their log-ratio, such as `wf.training.SmoothRefit(real)`.
        generator, divergence, integrator, steps, seed, space, watch: as of `wf.refine`.
        every: steps between two refreshes, at least 1.

    Returns:
        The refined samples and their gradient evaluations, those that `refresh` spends not among them.

    Raises:
        ValueError: what `wf.refine` refuses, `every` below 1, or an integrator that reuses energies.

    Source: the open question in DGflow's conclusion (arXiv 2012.00780); Gao et al. (ICML 2019), for each stage's ratio.

    Example:
        >>> import torch, wasserflow as wf
        >>> exact = lambda _, x: lambda y: y @ (1 - x.mean(dim=0))  # to N(1, I), from normal samples of that spread
        >>> x = wf.spaces.Normal(2).sample(200, seed=0)
        >>> wf.methods.refreshed(exact(None, x), x, exact, steps=60, every=1).samples.mean(dim=0).round(decimals=1)
        tensor([1., 1.])
    """
    require_counts(every=every)
    require_forgetful(integrator)
    ratio = Present(Divergence(divergence, critic))

    def follow(state: State) -> None:
        nonlocal critic
        if watch is not None:
            watch(state)
        if state.step % every == 0 and state.step < steps:
            with torch.no_grad():
                samples = state.x if generator is None else generator(state.x.clone())
            ratio.potential = Divergence(divergence, critic := refresh(critic, samples))
            ready_modules(ratio)

    return refinement(flow(x0, pulled_back(ratio, generator), integrator, steps, space, seed, follow), generator)
