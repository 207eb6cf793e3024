"""The table of a comparison, its notes and its figure."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wasserflow.cli.compare.cost import UNIT, allowance
from wasserflow.cli.compare.proposals import ProposalRow
from wasserflow.cli.compare.rows import Row
from wasserflow.cli.compare.work import Columns, Result
from wasserflow.metrics.moments import FEW_SAMPLES
from wasserflow.reports import format_table
from wasserflow.reports.compute import Points, save_quality_against_compute
from wasserflow.reports.spreads import sets_told, spread, spread_text

_SPENT = {"units": ("units/sample", 1), "setup_units": ("set-up units", 0), "acceptance": ("accepted", 3)}
_SECONDS = {"seconds": ("seconds", 1)}
_SLACK = 1.1  # of a budget: how many proposals are rejected is chance


def summary(label: str, results: Sequence[Result], columns: Columns) -> dict[str, Any]:
    """Mean and standard deviation of a row over the seeds.

    Args:
        label: the row's.
        results: one a seed; `metrics` is None where the method diverged.
        columns: the metrics.

    Returns:
        The row's label, why it has no result, if so, and each number's mean and spread; None where a seed lacks it.
    """
    reasons = [result["reason"] for result in results if result["metrics"] is None]
    row: dict[str, Any] = {"method": label, "reason": reasons[0] if reasons else None}
    for name in columns:
        row[name] = _spread_of([(result["metrics"] or {}).get(name) for result in results])
    for name in (*_SPENT, *_SECONDS):
        row[name] = _spread_of([result.get(name) for result in results])
    return row


def _spread_of(values: Sequence[float | None]) -> dict[str, float | None] | None:
    known = [value for value in values if value is not None]
    return spread(known) if len(known) == len(values) else None


def printed(rows: Sequence[Mapping[str, Any]], columns: Columns) -> str:
    """Lay out the table as text."""
    every = {**columns, **_SPENT, **_SECONDS}
    shown = {name: about for name, about in every.items() if any(row[name] is not None for row in rows)}
    lines = []
    for row in rows:
        cells = [spread_text(row[name], digits) for name, (_, digits) in shown.items()]
        lines.append([row["method"], row["reason"], *cells[1:]] if row["reason"] else [row["method"], *cells])
    return format_table(["method", *(heading for heading, _ in shown.values())], lines)


def save_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table with a mean and a standard deviation a number."""
    names = [name for name in rows[0] if name not in ("method", "reason")]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["method", *(f"{name}_{part}" for name in names for part in ("mean", "std"))])
        for row in rows:
            cells = [(row[name] or {}).get(part) for name in names for part in ("mean", "std")]
            writer.writerow([row["method"], *cells])


def notes(config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], columns: Columns) -> str:
    """What the numbers are, and who wins."""
    first, (heading, digits) = next(iter(columns.items()))
    higher = heading.endswith("↑")
    over = [row for row in rows if row["units"] and row["units"]["mean"] > _SLACK * allowance(config["budget"])]
    within = [row for row in rows if row[first] and row not in over]
    ranked = sorted(within, key=lambda row: row[first]["mean"], reverse=higher)
    best = ", ".join(f"{row['method']} {spread_text(row[first], digits)}" for row in ranked[:3])
    budget, line = config["budget"], config["line"]
    lines = [
        f"best by {heading[:-2]}: {best}",
        f"budget: {allowance(budget):g} units a sample, which is {budget} gradient evaluations in latent space and the "
        "final pass through the generator; rejected proposals are charged",
        UNIT,
        f"set-up: spent once, whatever the number of samples: calibration on {line['real']} held-out real and "
        f"{line['generated']} generated samples, burn-ins, DOT's Lipschitz constant, features of GMI's real samples",
        f"MALA, DRS, OBRS and MH-GAN are given the calibrated critic, {line['slope']:.3g} × critic "
        f"{line['offset']:+.3g}; the others the critic as it is",
        "naive ascent is DGflow KL at temperature 0; where the card has this temperature, the two rows are the same",
        f"{sets_told(config['seeds'], config['n'])}, against {config['reference']}"
        + (f" in the features of {config['features']}" if config["features"] else ""),
    ]
    if over:
        told = ", ".join(f"{row['method']} ({spread_text(row['units'], 1)} units)" for row in over)
        lines.insert(1, f"over the budget, and so not ranked: {told}; rates are guessed from --calibration samples")
    if config["precision"] != "float32":
        lines.append(f"networks ran in {config['precision']}")
    if first == "frechet" and config["n"] < FEW_SAMPLES:
        lines.append(f"a Fréchet distance of {config['n']} samples is biased upwards: only rows of equal --n compare")
    return "\n".join(lines)


def save_figure(
    path: Path,
    rows: Sequence[Row],
    results: Mapping[str, Sequence[Result]],
    columns: Columns,
    config: Mapping[str, Any],
) -> None:
    """Plot the first metric against the units spent, at the budgets that every seed was measured at."""
    moved: dict[str, Points] = {}
    drawn: dict[str, Points] = {}
    base, *others = rows
    for row in others:
        alike = [other.label for other in others if other.key == row.key]
        curve = _curve(results[row.label])
        if curve and row.label == alike[0]:
            (drawn if isinstance(row, ProposalRow) else moved)[" = ".join(alike)] = curve
    if not moved and not drawn:
        return
    heading = next(iter(columns.values()))[0]
    title = f"{config['model']}, {sets_told(config['seeds'], config['n'])}"
    spent = "compute a sample, in units (a gradient evaluation in latent space: 2, a proposal: 1)"
    save_quality_against_compute(path, moved, drawn, _curve(results[base.label]), heading, spent, title)


def _curve(results: Sequence[Result]) -> dict[float, list[float]]:
    """Mean units -> the metric in each seed; every budget that all seeds have."""
    curves = [result["curve"] for result in results]
    shared = [budget for budget in curves[0] if all(budget in curve for curve in curves)]
    points = {}
    for budget in shared:
        each = [curve[budget] for curve in curves]
        points[sum(one["units"] for one in each) / len(each)] = [one["distance"] for one in each]
    return points
