"""Best of k: of k proposals keep the one that the critic likes most."""

from __future__ import annotations

import torch

from wasserflow.checks import require_counts
from wasserflow.proposals import Propose, chosen, draw, slot_seeds
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Refinement
from wasserflow.seeds import Seed


def best_of(propose: Propose, log_ratio: LogRatio, n: int, k: int = 8, seed: Seed = 0) -> Refinement:
    """Give each slot the proposal of largest d among k.

    Its law has the density k p_model(x) P(d(x') <= d(x))^(k - 1): with k it tends to the critic's favourite, not to
    p_data.

    Args:
        propose: maps (n, seeds) to n samples, each from its own seed: `wf.spaces.Generated(generator, prior).sample`.
        log_ratio: d = log p_data - log p_model; only its order counts.
        n: how many samples, at least 1.
        k: proposals a sample, at least 1.
        seed: an int, one seed a sample, or a `torch.Generator`.

    Returns:
        The samples; `.steps` is k, `.evaluations` n k.

    Raises:
        TypeError: k is not an int.
        ValueError: k below 1, NaN, a module in train mode.

    Example:
        >>> import wasserflow as wf
        >>> wf.methods.best_of(wf.spaces.Normal(2).sample, lambda x: x[:, 0], 100, k=4).samples[:, 0].mean() > 0.7
        tensor(True)
    """
    require_counts(k=k)
    seeds = slot_seeds(propose, log_ratio, n, seed)
    samples, best = draw(propose, log_ratio, seeds, 0)
    for step in range(1, k):
        proposed, judged = draw(propose, log_ratio, seeds, step, samples)
        samples, best = chosen(judged > best, proposed, samples), judged.maximum(best)
    return Refinement(samples, samples, torch.full((n,), k), n * k)
