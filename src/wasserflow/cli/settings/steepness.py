"""How steep the critic of DOT is, the same for all samples of a run."""

from __future__ import annotations

import torch

from wasserflow.ratios import LogRatio, lipschitz_constant
from wasserflow.refinement import Generator
from wasserflow.seeds import Seed
from wasserflow.spaces import Generated, PriorSpace

PAIRED = 1_000  # as many points as the published 10 trials of 100 pairs have


def steepness(
    generator: Generator,
    critic: LogRatio,
    prior: PriorSpace,
    latent: bool,
    seed: Seed,
    count: int = PAIRED,
    device: torch.device | None = None,
) -> float:
    """Estimate the Lipschitz constant of the critic on samples of the generator, or of both together on latents.

    Args:
        generator: maps latents to samples.
        critic: the log-ratio.
        prior: where latents come from.
        latent: whether latents are moved.
        seed: of the samples, which are those of no run.
        count: how many samples.
        device: of the work; that of the prior's samples if None.
    """
    if latent:
        return lipschitz_constant(lambda z: critic(generator(z)).flatten(), prior.sample(count, seed, device))
    return lipschitz_constant(critic, Generated(generator, prior).sample(count, seed, device))
