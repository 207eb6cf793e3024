"""Run a row of the tables of Zhou et al. on one set of latents, and measure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wasserflow.cli.names.held_out import HeldOutDistance
from wasserflow.cli.reproduce.gmi_table import Options
from wasserflow.cli.running.streaming import equal_groups
from wasserflow.cli.settings.choices import Runner
from wasserflow.cli.settings.inference import InferenceOptions, kernel_features, real_samples, seen_by
from wasserflow.data.images import to_uint8
from wasserflow.flow import FlowDiverged
from wasserflow.integrators import State
from wasserflow.models import prepare
from wasserflow.models.pretrained import Pretrained
from wasserflow.seeds import sample_seeds
from wasserflow.spaces import PriorSpace

GROUP = 1_000
_BATCH = 100

Curve = dict[int, float]
"""Step -> Fréchet distance."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a row.

    Args:
        curve: the distances at the steps asked for; without the last one where the flow diverged.
        evaluations: gradient evaluations spent.
        images: (n, 3, 32, 32) uint8 at the last step; None where the flow diverged.
    """

    curve: Curve
    evaluations: int
    images: Tensor | None


class Flows:
    """Runs rows from the same latents.

    Args:
        pair: generator, critic and prior.
        judge: the measure.
        n: samples a row.
        progress: show progress bars.
    """

    def __init__(self, pair: Pretrained, judge: HeldOutDistance, n: int, progress: bool) -> None:
        assert pair.prior is not None
        self.prior: PriorSpace = pair.prior
        self.generator, self.critic = prepare(pair.generator, pair.critic)
        self.features = kernel_features(pair, torch.device("cpu"))
        self.judge, self.n, self.progress = judge, n, progress
        self._real: dict[tuple[int, bool], Any] = {}

    def unrefined(self, seed: int) -> Tensor:
        """The generator's own images (n, 3, 32, 32) of a seed, uint8."""
        seeds = sample_seeds(seed, self.n).split(_BATCH)
        return torch.cat([self.images(self.prior.sample(len(part), part)) for part in seeds])

    def run(self, options: Options, seed: int, marks: Sequence[int]) -> Outcome:
        """Refine the latents of a seed.

        Args:
            options: of the row.
            seed: of the latents and of the noise.
            marks: the steps to measure at, the last one among them.
        """
        run = self._runner(options)
        seen: dict[int, list[Tensor]] = {step: [] for step in marks}

        def watch(state: State) -> None:
            if state.step in seen:
                seen[state.step].append(self.images(state.x))

        evaluations = 0
        try:
            for group in equal_groups(sample_seeds(seed, self.n), GROUP):
                latents = self.prior.sample(len(group), group)
                evaluations += run(latents, seed=group, watch=watch).evaluations
        except FlowDiverged:
            return Outcome({}, evaluations, None)
        images = {step: torch.cat(parts) for step, parts in seen.items()}
        return Outcome({step: self.judge(part) for step, part in images.items()}, evaluations, images[options.steps])

    def _runner(self, options: Options) -> Runner:
        if not isinstance(options, InferenceOptions):
            return options.runner(self.generator, self.critic, self.prior)
        real = self._references(options) if options.weights[1] else None
        return options.runner(self.generator, self.critic, self.prior, self.features, real)

    def _references(self, options: InferenceOptions) -> Any:
        key = (options.references, bool(options.mollifier))
        if key not in self._real:
            images = real_samples(options, "cifar10")
            assert images is not None
            self._real[key] = seen_by(self.features, images, key[1], images.device, self.progress)
        return self._real[key]

    @torch.no_grad()
    def images(self, latents: Tensor) -> Tensor:
        """What the generator makes of latents, as uint8 images (n, 3, 32, 32)."""
        return torch.cat([to_uint8(self.generator(part)) for part in latents.split(_BATCH)])
