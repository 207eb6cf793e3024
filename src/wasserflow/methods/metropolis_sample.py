"""MH-GAN: Metropolis–Hastings over a generator's samples."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.proposals import Propose, accepts, chosen, draw, log_ratios_of, require_samples, slot_seeds
from wasserflow.ratios import LogRatio
from wasserflow.refinement import Refinement
from wasserflow.seeds import Seed


def metropolis_sample(
    propose: Propose,
    log_ratio: LogRatio,
    n: int,
    steps: int = 100,
    start: Shaped[Tensor, "n *event"] | None = None,
    seed: Seed = 0,
) -> Refinement:
    """Run n chains of independent proposals, each of which replaces x with probability min(1, exp(d(x') - d(x))).

    The law tends to p_data with the steps. From real samples it has no burn-in; but a chain that has accepted nothing
    would return its real sample, so it is run again from a proposal, and those chains have one: take steps enough that
    they are few.

    Args:
        propose: maps (n, seeds) to n samples, each from its own seed: `wf.spaces.Generated(generator, prior).sample`.
        log_ratio: d = log p_data - log p_model, calibrated (`wf.calibrate`).
        n: how many chains, each giving one sample; at least 1.
        steps: proposals of a chain after its start, at least 1.
        start: (n, *event) real samples, one a chain; None starts from proposals.
        seed: an int, one seed a chain, or a `torch.Generator`.

    Returns:
        The samples; `.steps` counts the proposals of each, `.evaluations` those of all and the given starts,
        `.acceptance` is the share taken.

    Raises:
        ValueError: NaN, steps below 1, another number, shape or dtype of starts, a module in train mode.

    Source: Turner et al. 2019 (arXiv 1811.11357), algorithm 1.

    Example:
        >>> import wasserflow as wf
        >>> propose, log_ratio = wf.spaces.Normal(2).sample, lambda x: -x.square().sum(dim=1)
        >>> r = wf.methods.metropolis_sample(propose, log_ratio, 100, steps=20)
        >>> r.evaluations, bool(r.samples.std() < 0.8)
        (2100, True)
    """
    require_counts(steps=steps)
    seeds = slot_seeds(propose, log_ratio, n, seed)

    def chain_from(x: Tensor, d: Tensor, slots: Tensor, first: int) -> tuple[Tensor, Tensor]:
        moves = torch.zeros(len(d), dtype=torch.int64, device=d.device)
        for step in range(first, first + steps):
            proposed, judged = draw(propose, log_ratio, seeds[slots], step, x, slots)
            taken = accepts(judged - d, seeds[slots], step)
            x, d, moves = chosen(taken, proposed, x), judged.where(taken, d), moves + taken
        return x, moves.cpu()

    if start is None:
        samples, moves = chain_from(*draw(propose, log_ratio, seeds, 0), torch.arange(n), 1)
        rate = float(moves.sum()) / (n * steps)
        return Refinement(samples, samples, torch.full((n,), steps + 1), n * (steps + 1), rate)
    require_samples(start, n, None, "start is")
    samples, moves = chain_from(start, log_ratios_of(log_ratio, start), torch.arange(n), 0)
    drawn, stuck = torch.full((n,), steps), (moves == 0).nonzero().flatten()
    if len(stuck):
        again = draw(propose, log_ratio, seeds[stuck], steps, start, stuck)
        samples[stuck], moves[stuck] = chain_from(*again, stuck, steps + 1)
        drawn[stuck] += steps + 1
    rate = float(moves.sum()) / (steps * (n + len(stuck)))
    return Refinement(samples, samples, drawn, n + int(drawn.sum()), rate)
