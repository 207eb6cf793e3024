"""DRS: discriminator rejection sampling."""

from __future__ import annotations

import warnings

import torch
from torch.nn.functional import logsigmoid

from wasserflow.proposals import LogRatios, Propose, burn_in_log_ratios, draw_until_accepted, slot_seeds
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Refinement
from wasserflow.seeds import Seed


def rejection_sample(
    propose: Propose,
    log_ratio: LogRatio,
    n: int,
    *,
    percentile: float | None = None,
    log_ratio_max: float | None = None,
    burn_in: int = 10_000,
    seed: Seed = 0,
) -> Refinement:
    """Draw samples of p_data: each slot draws proposals x until one is accepted, with probability exp(d(x) - max d).

    With a percentile the acceptance is sigmoid(F(x) - γ), F = log(p / (1 - p)) of that p, which accepts more and is
    inexact; γ is that percentile of F over the burn-in.

    Args:
        propose: maps (n, seeds) to n samples, each from its own seed: `wf.spaces.Generated(generator, prior).sample`.
        log_ratio: d = log p_data - log p_model, calibrated (`wf.calibrate`).
        n: how many samples, at least 1.
        percentile: 0 to 100; published are 80 for images, 95 for points. None is exact.
        log_ratio_max: max d, nats; None takes the largest of the burn-in, above which all are accepted.
        burn_in: proposals, the same ones for every seed; none are drawn where nothing is left to estimate.
        seed: an int, one seed a sample, or a `torch.Generator`.

    Returns:
        The samples; `.steps` counts the proposals of each, `.evaluations` those of all and the burn-in.

    Raises:
        ValueError: fewer than one proposal in 1000 is accepted, NaN, settings out of range, a module in train mode.

    Source: Azadi et al. 2019 (arXiv 1810.06758).

    Example:
        >>> import wasserflow as wf
        >>> r = wf.methods.rejection_sample(wf.spaces.Normal(2).sample, lambda x: -x.square().sum(dim=1), 100)
        >>> r.samples.shape, bool(r.samples.std() < 0.8)
        (torch.Size([100, 2]), True)
    """
    if percentile is not None and not 0 <= percentile <= 100:
        raise ValueError(f"percentile is {percentile}; give one from 0 to 100, or None")
    seeds = slot_seeds(propose, log_ratio, n, seed)
    estimated = log_ratio_max is None or percentile is not None
    tried = burn_in_log_ratios(propose, log_ratio, burn_in, n) if estimated else torch.empty(0, dtype=torch.float64)
    highest = float(tried.max()) if log_ratio_max is None else log_ratio_max
    if not abs(highest) < float("inf"):
        raise ValueError(f"the largest log-ratio is {highest}; give a finite log_ratio_max")
    shift = None if percentile is None else log_odds(tried - highest).quantile(percentile / 100)

    def log_acceptance(d: LogRatios) -> LogRatios:
        return (d - highest).clamp(max=0) if shift is None else logsigmoid(log_odds(d - highest) - shift)

    samples, kept, drawn = draw_until_accepted(propose, log_ratio, seeds, log_acceptance)
    above = int((kept > highest).sum())
    if above > max(1, n // 100):
        too_low = f"{above} of {n} samples lie above max d = {highest:.4g}, so too few like them were kept"
        more = "estimate it on more proposals (a larger burn_in)"
        given = "take the log_ratio_max of more proposals, or leave it out"
        warnings.warn(f"{too_low}: {more if log_ratio_max is None else given}", stacklevel=2)
    return Refinement(samples, samples, drawn, len(tried) + int(drawn.sum()), n / int(drawn.sum()))


def log_odds(log_p: LogRatios) -> LogRatios:
    """F of the published acceptance, for log p = d - max d."""
    log_p = log_p.clamp(max=0)
    return log_p - (-torch.expm1(log_p - 1e-6)).log()
