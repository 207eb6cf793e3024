"""What `wasserflow refine` does to a group of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from wasserflow.cli.running.collected import Batch
from wasserflow.cli.running.pictures import Trajectory
from wasserflow.cli.running.streaming import stored
from wasserflow.methods import Refinement
from wasserflow.spaces import PriorSpace

Runner = Callable[..., Refinement]


@dataclass(frozen=True, eq=False)
class Job:
    """What to refine and how.

    Args:
        generator: maps latents to samples, on the device of the work.
        prior: where latents come from.
        runner: `runner(particles, seed=..., watch=...)`.
        latent: whether the runner moves latents (else samples).
        device: where the networks are.
        store: makes of samples what is stored.
    """

    generator: nn.Module
    prior: PriorSpace
    runner: Runner
    latent: bool
    device: torch.device
    store: Callable[[Tensor], np.ndarray] = stored

    def batches(
        self,
        seeds: Int64[Tensor, " n"],
        groups: Sequence[Int64[Tensor, " _"]],
        trajectory: Trajectory | None = None,
    ) -> Iterator[Batch]:
        """Refine one sample a seed, the seeds at a group of places at a time; the first ones are seen on their way."""
        for places in groups:
            chunk, watch = seeds[places], trajectory.of_batch(len(places)) if trajectory else None
            latents = self.prior.sample(len(chunk), chunk, device=self.device)
            with torch.no_grad():
                samples = self.generator(latents.clone())  # networks may begin in place
            result = self.runner(latents if self.latent else samples, seed=chunk, watch=watch)
            before, after = self.store(samples), self.store(result.samples)
            arrays = {"before": before, "after": after, "steps": result.steps.cpu().numpy()}
            yield Batch(places.numpy(), arrays, result.evaluations)
