"""`wasserflow reproduce gmi`: the tables of Zhou et al. on the shipped CIFAR-10 pair."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from wasserflow.cli.names.held_out import HeldOutDistance
from wasserflow.cli.names.pairs import pair_named
from wasserflow.cli.reproduce.gmi_flows import Flows, Outcome
from wasserflow.cli.reproduce.gmi_table import PAPER_BASE, Options, Row, Settings, printed, summary, tables
from wasserflow.cli.running.finished import Finished, Task, resumable
from wasserflow.metrics.moments import FEW_SAMPLES
from wasserflow.models import zoo
from wasserflow.reports import (
    RunRecord,
    check_out_dir,
    image_grid,
    prepare_out_dir,
    save_curves,
    sets_told,
    side_by_side,
)

_FINISHED, _PICTURE, _FIGURE = "finished.json", "before_after.png", "distance.png"
_SHOWN = 36
_MARKS = 5
_BASE = "no refinement"

Tables = dict[int, list[Row]]


def reproduce_gmi(
    out: Path = Path("runs/reproduce-gmi"),
    model: str = "cifar10-sndcgan",
    features: str = "cifar10-resnet",
    n: int = 500,
    seed: int = 0,
    seeds: int = 3,
    split: Literal["test", "validation"] = "test",
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    only: Sequence[int] = (1, 2, 6, 7),
    rows: Sequence[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Print tables 1, 2, 6 and 7 of Zhou et al. (generative-model inference), the paper's numbers beside ours.

    Leaves table.json, run.json, distance.png (distance against steps), before_after.png and, for --resume, the
    finished rows (finished.json) in --out. The references of log p are training images, the settings were chosen on
    validation images, and the table is measured on test images.

    Args:
        out: A new folder for the results.
        model: The pair: a shipped model, or a folder that `wasserflow train` wrote, of CIFAR-10.
        features: The classifier whose features the Fréchet distance compares; the flow does not use it.
        n: Samples a row and seed.
        seed: Of the first set of latents; the next ones follow it.
        seeds: How many sets of latents.
        split: What to measure against: test images, or the validation images that settings are chosen on.
        settings: Of the flows.
        only: Which tables.
        rows: Which rows of table 2, by their names; all if left out.
        resume: Go on with what an interrupted run left in --out.
        overwrite: Replace an earlier run in --out.
        progress: Show progress bars.
    """
    chosen = _chosen(tables(settings), only, rows)
    if n < 2 or seeds < 1:
        raise ValueError(f"n is {n} and seeds {seeds}; give at least 2 samples and 1 seed")
    check_out_dir(out, overwrite, resume)
    pair = pair_named(model, "cifar10")
    flows = Flows(pair, HeldOutDistance(zoo.load(features), "cifar10", split), n, progress)
    common = {"model": model, "features": features, "n": n, "split": split}
    prepare_out_dir(out, overwrite, resume)
    finished = Finished(out / _FINISHED, common)
    config = {**common, "seeds": seeds, "settings": asdict(settings), "only": list(only), "rows": rows}
    span = range(seed, seed + seeds)
    with RunRecord(out, config, seeds=list(span)) as record, resumable(lambda: f"{len(finished)} rows are finished"):
        picture = _Picture(out, chosen, seed)
        tasks = [_task(flows, picture, *each) for each in _work(chosen, span)]
        finished.run(tasks, record, "gmi", progress)
        _report(out, config, chosen, span, finished, record)


def _chosen(every: Tables, only: Sequence[int], rows: Sequence[str] | None) -> Tables:
    if unknown := sorted(set(only) - set(every)):
        raise ValueError(f"only is {list(only)}; {unknown} are none of the tables {', '.join(map(str, every))}")
    names = [row.label for row in every[2]]
    if rows is not None:
        if not rows or set(rows) - set(names):
            raise ValueError(f"rows is {list(rows)}; give some of {', '.join(names)}")
        every = {**every, 2: [row for row in every[2] if row.label in rows]}
    if not only:
        raise ValueError(f"only is empty; give some of {', '.join(map(str, every))}")
    return {number: every[number] for number in sorted(set(only))}


def _work(chosen: Tables, seeds: Sequence[int]) -> list[tuple[int, Options | None, list[int]]]:
    """Seed, options and steps to measure at of all there is to do, once each; no options: the unrefined samples."""
    work: list[tuple[int, Options | None, list[int]]] = []
    for seed in seeds:
        work.append((seed, None, [0]))
        curves = {row.options for row in chosen.get(2, [])}
        every = dict.fromkeys(row.options for rows in chosen.values() for row in rows)
        for options in every:
            stride = max(1, options.steps // _MARKS) if options in curves else options.steps
            work.append((seed, options, [*range(options.steps, 0, -stride)][::-1]))
    return work


class _Picture:
    """Draws the first images of the first seed before and after table 1's refinement, as soon as both are there."""

    def __init__(self, out: Path, chosen: Tables, seed: int) -> None:
        self.path, self.seed = out / _PICTURE, seed
        self.row = next(iter(chosen.get(1) or next(iter(chosen.values()))))

    def wants(self, seed: int, options: Options | None) -> bool:
        return seed == self.seed and options == self.row.options and not self.path.is_file()

    def draw(self, before: Tensor, after: Tensor | None) -> None:
        if after is not None:
            grids = [image_grid(images[:_SHOWN]) for images in (before, after)]
            side_by_side(grids, ["before", self.row.label]).save(self.path)


def _task(flows: Flows, picture: _Picture, seed: int, options: Options | None, marks: list[int]) -> Task:
    def work() -> dict[str, Any]:
        outcome = flows.run(options, seed, marks) if options else _unrefined(flows, seed)
        if picture.wants(seed, options):
            picture.draw(flows.unrefined(seed), outcome.images)
        curve = {str(step): distance for step, distance in outcome.curve.items()}
        return {"curve": curve, "evaluations": outcome.evaluations}

    def suffices(known: Mapping[str, Any]) -> bool:
        # A row that table 2 did not ask for has its last step only.
        return not known["curve"] or set(map(str, marks)) <= set(known["curve"])

    return Task(seed, repr(options) if options else _BASE, work, suffices)


def _unrefined(flows: Flows, seed: int) -> Outcome:
    images = flows.unrefined(seed)
    return Outcome({0: flows.judge(images)}, 0, images)


def _report(
    out: Path, config: Mapping[str, Any], chosen: Tables, seeds: Sequence[int], finished: Finished, record: RunRecord
) -> None:
    base = [_curve(finished, seed, None)[0] for seed in seeds]
    results = {
        number: [summary(row, base, [_last(finished, seed, row.options) for seed in seeds]) for row in rows]
        for number, rows in chosen.items()
    }
    every = dict.fromkeys(row.options for rows in chosen.values() for row in rows)
    evaluations = sum(finished.find(seed, repr(options))["evaluations"] for seed in seeds for options in every)
    table = {**config, "evaluations": evaluations, "tables": results}
    (out / "table.json").write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    record.update(metrics=results, evaluations=evaluations)
    print("\n\n".join(printed(number, rows) for number, rows in results.items()))
    print("\n" + _notes(config, 6 in chosen))
    if 2 in chosen:
        _save_figure(out / _FIGURE, chosen[2], seeds, finished, config)
    print("open " + ", ".join(str(out / name) for name in (_FIGURE, _PICTURE) if (out / name).is_file()))


def _curve(finished: Finished, seed: int, options: Options | None) -> dict[int, float]:
    found = finished.find(seed, repr(options) if options else _BASE)["curve"]
    return {int(step): distance for step, distance in found.items()}


def _last(finished: Finished, seed: int, options: Options) -> float | None:
    return _curve(finished, seed, options).get(options.steps)


def _notes(config: Mapping[str, Any], with_steps: bool) -> str:
    settings = config["settings"]
    lines = [
        f"ours: {sets_told(config['seeds'], config['n'])}, against the "
        f"{config['split']} images of CIFAR-10 in the features of {config['features']}; {settings['steps']} gradient "
        f"evaluations a sample in every row; log p from {settings['references']} training images",
        f"paper: Fréchet Inception distance of another SN-GAN ({PAPER_BASE:.2f}): compare the changes, "
        "not the numbers. It takes DOT's and DGflow's from another pair (20.90), DDLS's from another network",
        f"Stein: the paper takes log p from kernel ridge; this row has the weights {tuple(settings['stein_weights'])}",
    ]
    if with_steps:
        lines.append(f"table 6: step s is s / 0.3 times the weights {tuple(settings['weights'])}, 0.3 the paper's best")
    if config["n"] < FEW_SAMPLES:
        lines.append(
            f"a Fréchet distance of {config['n']} samples is biased upwards, before and after alike, which makes "
            "changes look smaller: rows of equal --n compare, rows of different --n do not"
        )
    return "\n".join(lines)


def _save_figure(
    path: Path, rows: Sequence[Row], seeds: Sequence[int], finished: Finished, config: Mapping[str, Any]
) -> None:
    curves: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        each = [_curve(finished, seed, None) | _curve(finished, seed, row.options) for seed in seeds]
        shared = set.intersection(*(set(curve) for curve in each))
        curves[row.label] = {step: [curve[step] for curve in each] for step in sorted(shared)}
    title = f"{config['model']}, {config['n']} samples, {len(seeds)} seeds, {config['split']} images"
    save_curves(path, curves, f"Fréchet distance in {config['features']} ↓", title)
