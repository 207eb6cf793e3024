"""Run a row of a comparison on one seed, and measure what it made."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wasserflow.cli.compare.arena import Arena
from wasserflow.cli.compare.rows import Row
from wasserflow.cli.names.measures import POINTS, Measure, measure_for
from wasserflow.flow import FlowDiverged
from wasserflow.models.pretrained import Card

# Metric -> its name in the header and its digits; the first one ranks the methods and is plotted.
IMAGE_COLUMNS = {"frechet": ("Fréchet ↓", 3), "kid": ("KID ↓", 4), "precision": ("prec. ↑", 3), "recall": ("rec. ↑", 3)}
POINT_COLUMNS = {"kde_score": ("KDE ↑", 0), "high_quality_percent": ("HQ % ↑", 1), "wasserstein2": ("W2 ↓", 4)}

Columns = Mapping[str, tuple[str, int]]
Result = dict[str, Any]
"""What a row gave on a seed: `metrics`, `curve`, `units` and `setup_units`, `passes`, `acceptance`, `seconds`; without
metrics the `reason`."""


@dataclass(frozen=True, eq=False)
class Judges:
    """How samples are measured.

    Args:
        columns: the metrics of the table.
        final: measures all of them.
        quick: the first of them, and what takes no time.
    """

    columns: Columns
    final: Measure
    quick: Measure

    @property
    def first(self) -> str:
        """The metric that is plotted."""
        return next(iter(self.columns))

    @classmethod
    def of(cls, card: Card, features: str | None, reference: str | None = None) -> Judges:
        """Choose the measures of a model's data, or of another reference.

        Raises:
            ValueError: neither points nor images, images without a feature net, or points against images.
        """
        reference = reference or card.data
        if (reference in POINTS) != (card.data in POINTS):
            raise ValueError(f"{card.name} is a model of {card.data}; it cannot be measured against {reference}")
        columns: Columns = POINT_COLUMNS if card.data in POINTS else IMAGE_COLUMNS
        final, quick = (measure_for(reference, features, quick=quick) for quick in (False, True))
        if not set(columns) & set(final.labels):
            raise ValueError(f"{card.name} is a model of {card.data}; give a model of images or of points")
        return cls(columns, final, quick)


def budgets(largest: int) -> list[int]:
    """The budgets that quality is measured at: the largest, a third of it, and so on down to 1 or 2."""
    found = [largest]
    while found[-1] >= 3:
        found.append(found[-1] // 3)
    return found


def result_of(row: Row, arena: Arena, judges: Judges, n: int, seed: int, budget: int) -> Result:
    """Run a row and measure it.

    Args:
        row: which.
        arena: generator and critic.
        judges: of the samples.
        n: how many.
        seed: of the latents and of what the method draws.
        budget: gradient evaluations a sample.
    """
    try:
        attempts = row.run(arena, n, seed, budgets(budget))
    except FlowDiverged:
        return {"metrics": None, "reason": "diverged", "curve": {}}
    if not attempts:
        return {"metrics": None, "reason": "needs more", "curve": {}}
    last = max(attempts)
    with warnings.catch_warnings():
        # The notes under the table say so once.
        warnings.filterwarnings("ignore", message="a Fréchet distance")
        metrics = judges.final(attempts[last].samples)
        quick = {spent: judges.quick(attempt.samples) for spent, attempt in attempts.items() if spent != last}
    curve = {
        str(spent): {"units": attempt.cost.units / n, "distance": quick.get(spent, metrics)[judges.first]}
        for spent, attempt in sorted(attempts.items())
    }
    cost, setup = attempts[last].cost, attempts[last].setup
    return {
        "metrics": metrics,
        "curve": curve,
        "units": cost.units / n,
        "setup_units": setup.units,
        "passes": asdict(cost),
        "acceptance": attempts[last].acceptance,
        "seconds": cost.seconds,
    }
