"""FDRL's images: the published numbers, and how good ours are after each number of flow steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import UInt8
from torch import Tensor

from wasserflow.cli.names.held_out import HeldOutDistance
from wasserflow.cli.running.streaming import equal_groups
from wasserflow.cli.train.fdrl import PAIRINGS, PairingName
from wasserflow.data.images import to_uint8
from wasserflow.flow import FlowDiverged
from wasserflow.integrators import State
from wasserflow.reports import format_table, spread, spread_text
from wasserflow.seeds import sample_seeds
from wasserflow.spaces import Box, Gaussian

if TYPE_CHECKING:
    from wasserflow.training.fdrl import FlowGuidedRatio

PriorName = Literal["gaussian", "uniform"]

LABELS: dict[PriorName, str] = {"gaussian": "data-dependent prior", "uniform": "uniform prior"}
SOURCES: dict[PriorName, type] = {"gaussian": Gaussian, "uniform": Box}
OFFSETS = (-20, -10, 0, 10, 20, 30, 40)
# FID on CIFAR-10 at K + 20 and K + 10 steps with K = 100; table 1 of the paper.
PUBLISHED: dict[PriorName, dict[PairingName, float]] = {
    "gaussian": {"lsif-pearson": 22.28, "lr-kl": 22.61, "lr-js": 22.80, "lr-logd": 22.82},
    "uniform": {"lsif-pearson": 30.23, "lr-kl": 31.99},
}
PUBLISHED_BEST: dict[PriorName, str] = {"gaussian": "K + 20", "uniform": "K + 10"}
_BATCH = 100


@dataclass(frozen=True, eq=False)
class Quality:
    """How good samples are along one flow.

    Args:
        curve: steps -> Fréchet distance; without the steps that a flow did not reach because it diverged.
        evaluations: gradient evaluations spent.
        images: (n, channels, height, width) samples by steps.
    """

    curve: dict[int, float]
    evaluations: int
    images: dict[int, UInt8[Tensor, "n channels height width"]]


def pairing_of(ratio: FlowGuidedRatio[Any]) -> PairingName:
    """The name of a model's loss and divergence."""
    return next(name for name, (divergence, _) in PAIRINGS.items() if type(divergence) is type(ratio.divergence))


def steps_to_measure(flow_steps: int, offsets: Sequence[int] | None) -> list[int]:
    """The numbers of flow steps that samples are measured after, 0 among them only where asked for.

    Args:
        flow_steps: K.
        offsets: from K; the paper's, as far as K reaches, if None.

    Raises:
        ValueError: no offsets, or fewer than 0 steps.
    """
    chosen = sorted({flow_steps + offset for offset in (OFFSETS if offsets is None else offsets)})
    if offsets is None:
        return [steps for steps in chosen if steps > 0]
    if not chosen or chosen[0] < 0:
        raise ValueError(f"offsets is {list(offsets)} for K = {flow_steps} steps; give some, none below {-flow_steps}")
    return chosen


def quality_by_steps(
    ratio: FlowGuidedRatio[Any], distance: HeldOutDistance, n: int, marks: Sequence[int], seed: int
) -> Quality:
    """Measure the samples of one flow after several numbers of steps.

    The noise of a step does not depend on how many follow, so these are the samples that `generate` draws with each of
    the numbers.

    Args:
        ratio: the model.
        distance: the measure.
        n: how many samples.
        marks: the numbers of steps.
        seed: of the samples.
    """
    seen: dict[int, list[Tensor]] = {step: [] for step in marks}
    evaluations = 0

    def watch(state: State) -> None:
        nonlocal evaluations
        evaluations += len(state.x)
        if state.step in seen:
            seen[state.step].append(to_uint8(state.x))

    for group in equal_groups(sample_seeds(seed, n), _BATCH):
        x0 = ratio.start(len(group), group)
        if 0 in seen:
            seen[0].append(to_uint8(x0))
        try:
            ratio.transport(x0, max(marks) - ratio.flow_steps, group, batch_size=len(group), watch=watch)
        except FlowDiverged:
            continue
    images = {step: torch.cat(parts).cpu() for step, parts in seen.items() if sum(map(len, parts)) == n}
    return Quality({step: distance(part) for step, part in images.items()}, evaluations, images)


def summary(
    prior: PriorName, flow_steps: int, pairing: PairingName, curves: Sequence[Mapping[int, float]]
) -> dict[str, Any]:
    """Put the paper's numbers beside ours over the seeds.

    Args:
        prior: which.
        flow_steps: K.
        pairing: loss and divergence.
        curves: steps -> distance, one a seed.

    Returns:
        Mean and standard deviation of the distance by steps, as far as all seeds have one; that at K; the steps where
        the mean is least, counted from K.
    """
    reached = sorted(set.intersection(*(set(curve) for curve in curves)))
    by_steps = {steps: spread([curve[steps] for curve in curves]) for steps in reached}
    best = min(reached, key=lambda steps: by_steps[steps]["mean"] or 0.0, default=None)
    return {
        "prior": prior,
        "published": PUBLISHED[prior].get(pairing),
        "published_best": PUBLISHED_BEST[prior],
        "flow_steps": flow_steps,
        "pairing": pairing,
        "by_steps": by_steps,
        "at_flow_steps": by_steps.get(flow_steps),
        "best": None if best is None else by_steps[best],
        "best_offset": None if best is None else best - flow_steps,
    }


def printed(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out both tables as text: the priors, and the distance by numbers of steps."""
    lines = []
    for row in rows:
        published = None if row["published"] is None else f"{row['published']:.2f}"
        offset = row["best_offset"]
        best_at = None if offset is None else f"K {'-' if offset < 0 else '+'} {abs(offset)}"
        ours = [spread_text(row["at_flow_steps"], 2), spread_text(row["best"], 2), best_at]
        lines.append([LABELS[row["prior"]], published, row["published_best"], *ours])
    first = format_table(["", "paper, FID of CIFAR-10", "best at", "ours at K", "ours, best", "best at"], lines)
    every = sorted({steps for row in rows for steps in row["by_steps"]})
    header = ["flow steps", *(f"{LABELS[row['prior']]}, K = {row['flow_steps']}" for row in rows)]
    second = format_table(header, [[str(s), *(spread_text(row["by_steps"].get(s), 2) for row in rows)] for s in every])
    return f"{first}\n\n{second}"
