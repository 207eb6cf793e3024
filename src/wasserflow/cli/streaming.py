"""Refine any number of samples in batches, in one process or several, keeping what is finished."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn
from tqdm import tqdm

from wasserflow.data.images import to_uint8
from wasserflow.integrators import State
from wasserflow.methods import Refinement
from wasserflow.spaces import PriorSpace

Runner = Callable[..., Refinement]


def equal_groups(seeds: Int64[Tensor, " n"], batch_size: int) -> tuple[Int64[Tensor, " _"], ...]:
    """Cut seeds into groups of at most batch_size, as equal as can be; none of no seeds."""
    return seeds.tensor_split(math.ceil(len(seeds) / batch_size)) if len(seeds) else ()


@dataclass(frozen=True, eq=False)
class Job:
    """What to refine and how.

    Args:
        generator: maps latents to samples, on the device of the work.
        prior: where latents come from.
        runner: `runner(particles, seed=..., watch=...)`.
        latent: whether the runner moves latents (else samples).
        device: where the networks are.
    """

    generator: nn.Module
    prior: PriorSpace
    runner: Runner
    latent: bool
    device: torch.device

    def batches(
        self, groups: Sequence[Int64[Tensor, " _"]], watch: Callable[[State], None] | None = None
    ) -> Iterator[Batch]:
        """Refine one sample a seed, a group of seeds at a time; the first group is watched."""
        for chunk in groups:
            latents = self.prior.sample(len(chunk), chunk, device=self.device)
            with torch.no_grad():
                samples = self.generator(latents)
            result = self.runner(latents if self.latent else samples, seed=chunk, watch=watch)
            watch = None
            yield Batch(stored(samples), stored(result.samples), result.steps.cpu().numpy(), result.evaluations)


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples before and after, as they are stored, with the steps of each and the gradient evaluations of all."""

    before: np.ndarray
    after: np.ndarray
    steps: np.ndarray
    evaluations: int


def stored(samples: Tensor) -> np.ndarray:
    """Images (n, channels, height, width) as uint8 NHWC; anything else as float32."""
    samples = samples.detach().cpu()
    if samples.ndim == 4:
        return to_uint8(samples.clamp(-1, 1)).permute(0, 2, 3, 1).contiguous().numpy()
    return samples.float().numpy()


class Collected:
    """Room for the samples of a run, filled batch by batch, written even when the run is stopped.

    Args:
        n: how many samples the run is to have.
    """

    def __init__(self, n: int) -> None:
        self.n, self.finished, self.evaluations = n, 0, 0
        self._arrays: dict[str, np.ndarray] = {}

    def add(self, batch: Batch) -> None:
        """Put a batch behind the ones before it."""
        for name in ("before", "after", "steps"):
            part = getattr(batch, name)
            if name not in self._arrays:
                self._arrays[name] = np.empty((self.n, *part.shape[1:]), part.dtype)
            self._arrays[name][self.finished : self.finished + len(part)] = part
        self.finished += len(batch.before)
        self.evaluations += batch.evaluations

    def arrays(self) -> dict[str, np.ndarray]:
        """The finished samples: `before`, `after` and `steps`, each (finished, ...)."""
        return {name: array[: self.finished] for name, array in self._arrays.items()}

    def save(self, path: Path) -> None:
        """Write them as an npz file, in one stroke."""
        part = path.with_name(f".{path.name}")
        with part.open("wb") as file:
            np.savez(file, **self.arrays(), evaluations=np.int64(self.evaluations))  # type: ignore[arg-type]
        part.replace(path)


def collect(
    job: Job,
    groups: Sequence[Int64[Tensor, " _"]],
    into: Collected,
    watch: Callable[[State], None] | None,
    progress: bool,
) -> None:
    """Refine all groups into the collection, which keeps the finished ones when this is interrupted."""
    with tqdm(total=into.n, desc="refining", unit="sample", disable=not progress) as bar:
        for batch in job.batches(groups, watch):
            into.add(batch)
            bar.update(len(batch.before))
