"""How steep a critic is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.checks import listed, not_finite, require_particles
from wasserflow.freezing import modules_in
from wasserflow.modes import require_eval
from wasserflow.ratios.critic import log_ratio_of
from wasserflow.seeds import Noise, Seed, sample_seeds
from wasserflow.spaces.space import sum_event


def lipschitz_constant(
    function: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    seed: Seed = 0,
    pairs: int = 100,
    trials: int = 10,
) -> float:
    """Estimate a function's Lipschitz constant from pairs of points: the mean over trials of the largest slope.

    K = mean_t max_i |d(a_ti) - d(b_ti)| / ‖a_ti - b_ti‖.

    With the published 100 pairs and 10 trials this is itself random: on the shipped 25gaussians pair it is 1.88 with a
    standard deviation of 0.14 from seed to seed, about the same on fresh pairs as on pairs of one set, and DOT there
    leaves 84 % of high quality at K = 1.5, 64 % at 2 and 47 % at 2.5. So compare runs of DOT at one given K; more
    `trials` steady the estimate, more `pairs` raise it.

    Args:
        function: maps (batch, *event) to (batch,) or (batch, 1).
        x: (batch, *event) points to pair, at least 2 different ones.
        seed: chooses the pairs.
        pairs: how many a trial.
        trials: how many maxima to average.

    Returns:
        The estimate, in units of the function per unit of x; it is a lower bound of the true constant.

    Raises:
        ValueError: fewer than 2 points, all pairs coincide, or the function is NaN or infinite somewhere.

    Source: Tanaka 2019 (arXiv 1910.06832), section 4.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import lipschitz_constant
        >>> round(lipschitz_constant(lambda x: 3 * x[:, 0], torch.randn(50, 1)), 4)
        3.0
    """
    require_particles(x)
    if len(x) < 2:
        raise ValueError(f"{len(x)} sample makes no pair to estimate the Lipschitz constant on; give lipschitz=")
    require_eval(modules_in(function))
    with torch.no_grad():
        values = log_ratio_of(function, x)
        if bad := not_finite(values):
            raise ValueError(
                f"the critic is NaN or infinite on sample {listed(bad)}; give one that is finite there, or mend the "
                "generator that made the sample"
            )
        # One stream decides all pairs: that of the first sample.
        noise = Noise(sample_seeds(seed, len(x))[:1].to(x.device), step=0)
        first, gap = noise.uniform(x.new_empty(1, 2, trials * pairs, dtype=torch.float64))[0]
        a = (first * len(x)).long()
        b = (a + 1 + (gap * (len(x) - 1)).long()) % len(x)
        distance = sum_event((x[a] - x[b]).square()).sqrt()
        slope = ((values[a] - values[b]).abs() / distance).where(distance > 0, 0)
        constant = float(slope.reshape(trials, pairs).amax(dim=1).mean())
    if constant == 0:
        raise ValueError("the critic has the same value on every pair of samples; give lipschitz=")
    return constant
