"""What a comparison says below its table."""

from __future__ import annotations

from typing import Any

from wasserflow.cli.compare.cost import allowance
from wasserflow.cli.compare.report import notes

CONFIG: dict[str, Any] = {"budget": 2, "seeds": 2, "n": 20, "reference": "points", "features": None}
CONFIG |= {"precision": "float32", "line": {"real": 50, "generated": 50, "slope": 1.0, "offset": 0.0}}


def row(method: str, score: float, units: float) -> dict[str, Any]:
    return {"method": method, "kde": {"mean": score, "std": 0.0}, "units": {"mean": units, "std": 0.0}, "reason": None}


def test_a_method_over_its_budget_is_not_ranked() -> None:
    within = allowance(2)
    rows = [row("DGflow", -3.0, within), row("DRS", -1.0, 5 * within), row("MH-GAN", -2.0, 1.05 * within)]
    best, over, *_ = notes(CONFIG, rows, {"kde": ("KDE ↑", 1)}).splitlines()
    assert best.startswith("best by KDE: MH-GAN")
    assert "DRS" not in best
    assert over.startswith("over the budget, and so not ranked: DRS (22.5 ± 0.0 units)")
    assert "over the budget" not in notes(CONFIG, rows[:1], {"kde": ("KDE ↑", 1)})
