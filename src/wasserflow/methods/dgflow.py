"""DGflow: refine samples by the gradient flow of an f-divergence."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from wasserflow.divergences import KL, FDivergence
from wasserflow.flow import Watch, flow
from wasserflow.integrators import EulerMaruyama, Integrator
from wasserflow.potentials import Divergence
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator, Refinement, pulled_back, refinement
from wasserflow.seeds import Seed
from wasserflow.spaces import Space
from wasserflow.stopping import Stop


def refine(
    critic: LogRatio,
    x0: Float[Tensor, "batch *event"],
    generator: Generator | None = None,
    divergence: FDivergence = KL(),  # noqa: B008 (frozen)
    integrator: Integrator = EulerMaruyama(step_size=0.1, temperature=0.01),  # noqa: B008 (frozen)
    steps: int = 25,
    seed: Seed = 0,
    space: Space | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Refinement:
    """Move samples, or the latents they came from, along the gradient flow of an f-divergence.

    x <- x - h ∇f'(exp(-d(x))) + sqrt(2 h T) ξ, or the same for z with d(g(z)). The ratio is kept as it was for the
    unrefined samples (it is stale), so the number of steps regularises: long runs collapse onto the critic's modes.
    With KL and temperature 0 it is the plain ascent of the critic, x <- x + h ∇d(x), which needs no method of its own.

    Args:
        critic: log p_data - log p_model of the unrefined samples; maps samples to (batch,) or (batch, 1).
        x0: (batch, *event) samples, or (batch, *latent) latents where a generator is given.
        generator: maps latents to samples; None refines in data space.
        divergence: which f-divergence to descend.
        integrator: step size, temperature and rule. The default is the paper's for images.
        steps: how many updates, at least 1.
        seed: an int, one seed a sample, or a `torch.Generator`.
        space: where the particles live, for priors with bounds; all of R^d by default.
        watch: called with the state after each step, for progress, logs or a trajectory.
        stop: which samples are done before `steps`, e.g. `wf.stopping.match_quantiles`; none by default.

    Returns:
        The refined samples and what they cost: steps x batch gradient evaluations with Euler–Maruyama.

    Raises:
        FlowDiverged: a NaN or infinite energy or position, with the last finite state.
        ValueError: a critic of the wrong shape, a module in train mode, a seed list of the wrong length, steps below 1.

    Source: DGflow (Ansari, Ang & Soh, ICLR 2021, arXiv 2012.00780), algorithm 1.

    Example:
        >>> import torch, wasserflow as wf
        >>> critic = lambda x: -x.square().sum(dim=1) / 2
        >>> r = wf.refine(critic, torch.full((4, 2), 3.0), steps=10, seed=0)
        >>> bool((r.samples.norm(dim=1) < 3).all()), r.evaluations
        (True, 40)
    """
    potential = pulled_back(Divergence(divergence, critic), generator)
    return refinement(flow(x0, potential, integrator, steps, space, seed, watch, stop), generator)
