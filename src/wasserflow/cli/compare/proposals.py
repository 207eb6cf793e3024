"""Methods that accept, reject or choose among proposals, as many as a budget has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import logsigmoid

from wasserflow.cli.compare.arena import Arena, Attempt
from wasserflow.cli.compare.cost import Cost, allowance
from wasserflow.cli.running.streaming import stored
from wasserflow.methods import Refinement, best_of, budgeted_rejection_sample, metropolis_sample, rejection_sample
from wasserflow.methods.rejection_sample import log_odds

SamplerName = Literal["drs", "obrs", "mh-gan", "best-of-k"]
LogRatios = Float64[Tensor, " n"]

_LABELS: dict[SamplerName, str] = {"drs": "DRS", "obrs": "OBRS", "mh-gan": "MH-GAN", "best-of-k": "best of k"}
_START = 0.5  # the critic's pass over the real sample that a chain starts from


@dataclass(frozen=True)
class ProposalRow:
    """A method that draws proposals; each, rejected or not, is one unit."""

    sampler: SamplerName

    @property
    def label(self) -> str:
        """The method's name."""
        return _LABELS[self.sampler]

    @property
    def key(self) -> str:
        """What results are kept by."""
        return self.sampler

    def run(self, arena: Arena, n: int, seed: int, budgets: Sequence[int]) -> dict[int, Attempt]:
        """Sample with each budget: a smaller one has the first of the same proposals.

        Args:
            arena: generator and critic.
            n: how many samples.
            seed: of the proposals.
            budgets: in gradient evaluations a sample, of which each pays for two proposals.

        Returns:
            Budget -> result, without budgets that are too small for the method.
        """
        results = {}
        for budget in budgets:
            draw = self._sampler(arena, n, seed, allowance(budget))
            if draw is not None:
                before = arena.meter.read()
                result = draw()
                results[budget] = self._attempt(arena, result, arena.meter.read() - before)
        return results

    def _attempt(self, arena: Arena, result: Refinement, spent: Cost) -> Attempt:
        setup = Cost() if self.sampler == "best-of-k" else arena.calibration.cost
        if self.sampler in ("drs", "obrs"):
            # The proposals of the burn-in serve any number of samples.
            burned = result.evaluations - int(result.steps.sum())
            burn_in = Cost(generator_forwards=burned, critic_forwards=burned)
            spent, setup = spent - burn_in, setup + burn_in
        return Attempt(stored(result.samples), spent, setup, result.acceptance)

    def _sampler(self, arena: Arena, n: int, seed: int, units: float) -> Callable[[], Refinement] | None:
        known, burn_in = arena.calibration, arena.count
        log_ratio = known.log_ratio
        match self.sampler:
            case "best-of-k":
                return lambda: best_of(arena.propose, arena.critic, n, k=math.floor(units), seed=seed)
            case "obrs":
                return lambda: budgeted_rejection_sample(
                    arena.propose, log_ratio, n, budget=units, burn_in=burn_in, seed=seed
                )
            case "drs":
                return lambda: rejection_sample(
                    arena.propose,
                    log_ratio,
                    n,
                    percentile=affordable_percentile(known.on_fake, units),
                    log_ratio_max=float(known.on_fake.max()),
                    burn_in=burn_in,
                    seed=seed,
                )
            case "mh-gan":
                steps = affordable_chain(known.on_real, known.on_fake, units)
                if not steps:
                    return None
                start = arena.starts.sample(n, seed)
                return lambda: metropolis_sample(arena.propose, log_ratio, n, steps=steps, start=start, seed=seed)


def affordable_percentile(on_fake: LogRatios, proposals: float) -> float | None:
    """The percentile of DRS that takes so many proposals a sample in the mean; None, which is exact, if that is enough.

    Args:
        on_fake: (n,) log-ratios of generated samples, nats.
        proposals: a sample, more than 2.
    """
    gap = on_fake - on_fake.max()
    if float(gap.exp().mean()) * proposals >= 1:
        return None
    odds = log_odds(gap)
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        rate = float(logsigmoid(odds - odds.quantile(middle / 100)).exp().mean())
        low, high = (middle, high) if rate * proposals >= 1 else (low, middle)
    return low


def affordable_chain(on_real: LogRatios, on_fake: LogRatios, units: float) -> int:
    """The steps of MH-GAN's chains that take so many units a sample in the mean; 0 if none do.

    A chain that has accepted nothing is run again from a proposal; with a(x) the probability that a step from the real
    sample x is accepted, steps s take 1/2 + s + E[(1 - a(x))^s] (s + 1) units.

    Args:
        on_real: (n,) log-ratios of the real samples that chains start from, nats.
        on_fake: (m,) those of proposals.
        units: a sample.
    """
    stays = 1 - (on_fake - on_real[:, None]).clamp(max=0).exp().mean(dim=1)
    for steps in range(math.floor(units - _START), 0, -1):
        if _START + steps + float(stays.pow(steps).mean()) * (steps + 1) <= units:
            return steps
    return 0
