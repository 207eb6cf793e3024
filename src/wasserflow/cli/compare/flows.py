"""Methods that move samples along gradients, by as many steps as a budget has."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from wasserflow.cli.compare.arena import Arena, Attempt
from wasserflow.cli.compare.cost import Cost, allowance
from wasserflow.cli.running.streaming import equal_groups, stored
from wasserflow.cli.settings.choices import MethodOptions, Runner
from wasserflow.cli.settings.inference import InferenceOptions
from wasserflow.integrators import State
from wasserflow.methods import dot
from wasserflow.seeds import sample_seeds

_GROUP = 100
_TRIED = 2  # samples that the price of a step is found on: the fewest that interact

Method = Callable[[int], Runner]
"""From a number of steps to what takes them."""


@dataclass(frozen=True)
class BaseRow:
    """The generator's own samples."""

    label: str = "no refinement"

    @property
    def key(self) -> str:
        """What results are kept by."""
        return self.label

    def run(self, arena: Arena, n: int, seed: int, budgets: Sequence[int]) -> dict[int, Attempt]:
        """Draw the samples; they are those of budget 0."""
        parts, before = [], arena.meter.read()
        for group in sample_seeds(seed, n).split(_GROUP):
            parts.append(stored(arena.propose(len(group), group)))
        return {0: Attempt(np.concatenate(parts), arena.meter.read() - before)}


@dataclass(frozen=True)
class FlowRow:
    """A method that moves samples.

    Args:
        label: its name.
        options: its settings; the number of steps is replaced by what the budget has.
        calibrated: whether it is given the calibrated critic.
    """

    label: str
    options: MethodOptions | InferenceOptions
    calibrated: bool = False

    @property
    def key(self) -> str:
        """What results are kept by: rows of the same settings share them."""
        return f"{self.options!r}, calibrated {self.calibrated}"

    def run(self, arena: Arena, n: int, seed: int, budgets: Sequence[int]) -> dict[int, Attempt]:
        """Move the samples of a seed once, by the largest budget, and keep what they were at the smaller ones.

        Args:
            arena: generator and critic.
            n: how many samples.
            seed: of the latents and of the noise.
            budgets: in gradient evaluations a sample.

        Returns:
            Budget -> result, without budgets that no step fits in.

        Raises:
            FlowDiverged: the method left the finite numbers.
            ValueError: gmi has too few real samples.
        """
        method, setup = self._set_up(arena)
        move = partial(_move, arena, method, self.options.space == "latent")
        steps = _affordable(move, budgets)
        if not steps:
            return {}
        size = self.options.batch_size if isinstance(self.options, InferenceOptions) else _GROUP
        parts = [move(group, set(steps.values())) for group in equal_groups(sample_seeds(seed, n), size)]
        return {budget: _joined([part[step] for part in parts], setup) for budget, step in steps.items()}

    def _set_up(self, arena: Arena) -> tuple[Method, Cost]:
        """The method, and what is spent before its first sample."""
        options, before = self.options, arena.meter.read()
        if isinstance(options, InferenceOptions):
            features, real = arena.kernel_features(options)
            own = (arena.generator, arena.critic, arena.prior, features, real)
            return lambda steps: replace(options, steps=steps).runner(*own), arena.meter.read() - before
        if options.method == "dot":
            latent = options.space == "latent"
            space: dict[str, Any] = {"generator": arena.generator, "prior": arena.prior} if latent else {}
            fixed: dict[str, Any] = {"lr": options.step_size, "lipschitz": arena.lipschitz(latent), **space}
            return lambda steps: partial(dot, arena.critic, steps=steps, **fixed), arena.meter.read() - before
        critic = arena.calibration.log_ratio if self.calibrated else arena.critic
        setup = arena.calibration.cost if self.calibrated else Cost()
        return lambda steps: replace(options, steps=steps).runner(arena.generator, critic, arena.prior), setup


def _move(
    arena: Arena, method: Method, latent: bool, seeds: Int64[Tensor, " batch"], steps: Collection[int]
) -> dict[int, Attempt]:
    """Move one sample a seed, and keep what they were, and had taken, after some steps."""
    before, last = arena.meter.read(), max(steps)
    seen: dict[int, Attempt] = {}

    def watch(state: State) -> None:
        if state.step not in steps or state.step == last:
            return
        spent = arena.meter.read() - before
        with arena.meter.paused(), torch.no_grad():
            samples = arena.generator(state.x) if latent else state.x
            # This pass is not a part of the run, but it would be if the run ended here.
            final = Cost(generator_forwards=len(samples)) if latent else Cost()
            seen[state.step] = Attempt(stored(samples), spent + final)

    particles = arena.prior.sample(len(seeds), seeds) if latent else arena.propose(len(seeds), seeds)
    result = method(last)(particles, seed=seeds, watch=watch)
    return {**seen, last: Attempt(stored(result.samples), arena.meter.read() - before, acceptance=result.acceptance)}


def _affordable(move: Callable[..., dict[int, Attempt]], budgets: Sequence[int]) -> dict[int, int]:
    """How many steps each budget has, by the price of one and of two steps."""
    seeds = sample_seeds(0, _TRIED)
    one, two = (move(seeds, [steps])[steps].cost.units / _TRIED for steps in (1, 2))
    steps = {budget: math.floor(1 + (allowance(budget) - one) / (two - one)) for budget in budgets}
    return {budget: count for budget, count in steps.items() if count > 0}


def _joined(parts: Sequence[Attempt], setup: Cost) -> Attempt:
    samples = np.concatenate([part.samples for part in parts])
    cost = sum((part.cost for part in parts), Cost())
    rates = [part.acceptance * len(part.samples) for part in parts if part.acceptance is not None]
    return Attempt(samples, cost, setup, sum(rates) / len(samples) if rates else None)
