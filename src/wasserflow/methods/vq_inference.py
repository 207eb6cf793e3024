"""Inference of discrete latents: a continuous warm-up, then code by code."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from wasserflow.divergences import KL
from wasserflow.flow import Watch, flow
from wasserflow.integrators import EulerMaruyama, Integrator
from wasserflow.methods.code_by_code import code_by_code
from wasserflow.potentials import CodebookPenalty, Divergence, Energy, WeightedSum
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Generator, Refinement, pulled_back, refinement
from wasserflow.seeds import Seed
from wasserflow.spaces import Codebook


def vq_inference(
    generator: Generator | None,
    z0: Float[Tensor, "batch channels *positions"],
    *,
    log_likelihood: LogRatio,
    codebook: Codebook,
    penalty: float = 1.0,
    energy: Energy | None = None,
    integrator: Integrator = EulerMaruyama(step_size=0.1),  # noqa: B008 (frozen)
    steps: int = 25,
    steps_per_code: int = 3,
    order: Sequence[int] | None = None,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> Refinement:
    """Infer the codes of a vector-quantised autoencoder that make log p(c | g(z)) large, in two stages.

    Warm-up: all vectors together flow down -log p(c | g(z)) + α Σ_i ‖z_i - nearest code‖². Fine-tune: one vector after
    another flows on, the others held, and is put at its nearest code.

    Args:
        generator: the decoder without its quantiser: `wf.models.VQDecoder(vq)`; None takes z for the samples.
        z0: (batch, channels, *positions) latents, e.g. encoded images or `codebook.sample(n)`.
        log_likelihood: log p(c | x) up to a constant, of samples; to (batch,) or (batch, 1).
        codebook: the codes.
        penalty: α, at least 0.
        energy: a further energy of the samples, e.g. `Interaction`.
        integrator: the rule of both stages.
        steps: updates of the warm-up, at least 1.
        steps_per_code: updates of each vector in the fine-tune; 0 ends after the warm-up, between the codes.
        order: of the fine-tune, every position once; row by row if None.
        seed: an int, one seed a sample, or a `torch.Generator`.
        watch: called with the state after each step of either stage.

    Returns:
        The samples, whose particles are codes after a fine-tune, and their cost.

    Raises:
        ValueError: what `wf.refine` refuses, a negative penalty, or an order which is not one.

    Source: Zhou et al., appendix, text-to-image generation.

    Example:
        >>> import torch, wasserflow as wf
        >>> codebook = wf.spaces.Codebook(torch.tensor([[0.0], [1.0]]), shape=3)
        >>> likelihood = lambda x: 9 * x.sum((1, 2))
        >>> wf.methods.vq_inference(None, codebook.sample(1), log_likelihood=likelihood, codebook=codebook).samples
        tensor([[[1., 1., 1.]]])
    """
    if not 0 <= penalty < math.inf:
        raise ValueError(f"penalty is {penalty}; it must be 0 or more, and finite")
    terms = Divergence(KL(), log_likelihood)
    data = pulled_back(terms if energy is None else terms + energy, generator)
    potential = WeightedSum(((1.0, data), (penalty, CodebookPenalty(codebook))))
    state = flow(z0, potential, integrator, steps, seed=seed, watch=watch)
    if steps_per_code != 0:
        state = code_by_code(state, potential, integrator, steps_per_code, codebook, order, seed, watch)
    return refinement(state, generator)
