"""GMI: generative-model inference, the flow of latents under two kernel densities and a likelihood."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import require_weights
from wasserflow.densities import Density, Features, KernelRidge, ReferenceFeatures, real_log_density
from wasserflow.divergences import KL
from wasserflow.flow import Watch
from wasserflow.groups import grouped_flow
from wasserflow.integrators import EulerMaruyama, Integrator
from wasserflow.potentials import Divergence, Energy, Interaction, Potential
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator, Refinement, pulled_back
from wasserflow.seeds import Seed
from wasserflow.spaces import Space


def gmi(
    generator: Generator | None,
    z0: Float[Tensor, "batch *latent"],
    *,
    features: Features | None = None,
    real: Tensor | ReferenceFeatures | None = None,
    log_likelihood: LogRatio | None = None,
    weights: tuple[float, float, float] = (0.3, 0.3, 0.3),
    density: Density = KernelRidge(ridge=0.1),  # noqa: B008 (frozen)
    integrator: Integrator = EulerMaruyama(step_size=1.0),  # noqa: B008 (frozen)
    steps: int = 10,
    batch_size: int = 1_000,
    seed: Seed = 0,
    space: Space | None = None,
    latent_energy: Energy | None = None,
    across_processes: bool = False,
    watch: Watch | None = None,
) -> Refinement:
    """Infer the latents of p(x | c): z <- z + ∇_z(-λ1 log q(g(z)) + λ2 log p(g(z)) + λ3 log p(c | g(z))).

    Args:
        generator: maps latents to samples, once a step; None moves the samples themselves.
        z0: (batch, *latent) latents.
        features: φ, e.g. `wf.layer_features(critic)`; None compares the samples as they are.
        real: (n, *event) real samples or their `ReferenceFeatures`; None leaves log p out.
        log_likelihood: log p(c | x) up to a constant, e.g. a critic; to (batch,) or (batch, 1). None leaves it out.
        weights: λ1, λ2, λ3, with the step size in them.
        density: the estimator of q (the particles but the one itself) and p (real samples).
        integrator: the rule, none that reuses energies; its own step size multiplies the weights.
        steps: how many updates, at least 1.
        batch_size: the most particles that interact; the batch is cut into groups as equal as can be.
        seed: an int, one seed a sample, or a `torch.Generator`.
        space: where the latents live; all of R^d by default.
        latent_energy: a term on the latents themselves, e.g. `wf.Prior(prior)` (DDLS).
        across_processes: the first groups of all `torch.distributed` processes are one, and so on.
        watch: called with the group's state after each step, one group after another.

    Returns:
        The samples and what they cost: steps x batch gradient evaluations with Euler's rule.

    Raises:
        ValueError: what `wf.refine` refuses, a lone particle with λ1 ≠ 0, or a density that cannot be fitted.

    Source: Zhou et al., algorithm 1.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.methods.gmi(None, wf.spaces.Normal(2).sample(50), real=torch.randn(80, 2), steps=5).evaluations
        250
    """
    log_p = real_log_density(features, real, density, z0, seed, across_processes, weight=require_weights(weights)[1])

    def energy_at(step: int, seeds: Tensor) -> Energy:
        terms: Potential = Interaction(features, density, log_p(step), *weights[:2], step, seeds, across_processes)
        if log_likelihood is not None and weights[2]:
            terms = terms + weights[2] * Divergence(KL(), log_likelihood)
        energy = pulled_back(terms, generator)
        return energy if latent_energy is None else energy + latent_energy

    return grouped_flow(z0, energy_at, integrator, generator, steps, batch_size, seed, space, watch, across_processes)
