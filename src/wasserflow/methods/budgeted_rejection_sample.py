"""OBRS: optimal budgeted rejection sampling."""

from __future__ import annotations

import math

from jaxtyping import Float64
from torch import Tensor

from wasserflow.proposals import Propose, burn_in_log_ratios, draw_until_accepted, slot_seeds
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Refinement
from wasserflow.seeds import Seed

Values = Float64[Tensor, " batch"]


def budgeted_rejection_sample(
    propose: Propose, log_ratio: LogRatio, n: int, budget: float = 2.0, burn_in: int = 10_000, seed: Seed = 0
) -> Refinement:
    """Come as close to p_data as rejection can at a given number of proposals a sample.

    Accept x with probability min(1, c exp(d(x))), where c makes the mean acceptance of proposals 1 / budget.

    Args:
        propose: maps (n, seeds) to n samples, each from its own seed: `wf.spaces.Generated(generator, prior).sample`.
        log_ratio: d = log p_data - log p_model, up to a constant; its slope counts, so calibrate it (`wf.calibrate`).
        n: how many samples, at least 1.
        budget: proposals a sample in the mean, from 1 (accept all) to 1000.
        burn_in: proposals that c is found on, the same ones for every seed.
        seed: an int, one seed a sample, or a `torch.Generator`.

    Returns:
        The samples; `.steps` counts the proposals of each, `.evaluations` those of all and the burn-in.

    Raises:
        ValueError: a budget that is out of range or too small for proposals of which many have no data, NaN, a module
            in train mode.

    Source: Verine et al. 2024 (arXiv 2311.00460).

    Example:
        >>> import wasserflow as wf
        >>> propose, log_ratio = wf.spaces.Normal(2).sample, lambda x: -x.square().sum(dim=1)
        >>> r = wf.methods.budgeted_rejection_sample(propose, log_ratio, 1000, budget=3.0)
        >>> 2.7 < float(r.steps.double().mean()) < 3.3
        True
    """
    if not 1 <= budget <= 1000:
        raise ValueError(f"budget is {budget}; give 1 to 1000 proposals a sample")
    seeds = slot_seeds(propose, log_ratio, n, seed)
    tried = burn_in_log_ratios(propose, log_ratio, burn_in, n)
    log_c = _log_factor(tried, 1 / budget)
    samples, _, drawn = draw_until_accepted(propose, log_ratio, seeds, lambda d: (log_c + d).clamp(max=0))
    return Refinement(samples, samples, drawn, len(tried) + int(drawn.sum()), n / int(drawn.sum()))


def _log_factor(tried: Values, rate: float) -> float:
    """Find log c by bisection: the mean of min(1, c exp(d)) rises with c."""
    with_data = tried[tried.isfinite()]
    most = len(with_data) / len(tried)
    if rate > most:
        raise ValueError(f"only {most:.3g} of the proposals have any data; take a budget of {1 / max(most, 1e-3):.3g}")
    if rate == 1:
        return math.inf
    low, high = math.log(rate) - float(with_data.max()), -float(with_data.min())
    for _ in range(100):
        middle = (low + high) / 2
        below = float((middle + tried).clamp(max=0).exp().mean()) < rate
        low, high = (middle, high) if below else (low, middle)
    return high
