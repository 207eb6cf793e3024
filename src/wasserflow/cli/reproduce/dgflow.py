"""`wasserflow reproduce dgflow`: the tables of Ansari et al. on images of CIFAR-10."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from wasserflow.cli.names.held_out import HeldOutDistance
from wasserflow.cli.reproduce.dgflow_flows import Base
from wasserflow.cli.reproduce.dgflow_tables import TABLES, Subject, Table, Work, options_of, printed, row
from wasserflow.cli.running.finished import Finished, Task, resumable
from wasserflow.metrics.moments import FEW_SAMPLES
from wasserflow.models import zoo
from wasserflow.reports import RunRecord, check_out_dir, prepare_out_dir, sets_told


@dataclass(frozen=True)
class Settings:
    """The settings of all rows.

    Args:
        step_size: h of DGflow, as published; none was searched for these tables.
        steps: gradient evaluations a sample, of every row.
        dot_rate: Adam's learning rate in DOT.
    """

    step_size: float = 0.1
    steps: int = 25
    dot_rate: float = 0.05


def reproduce_dgflow(
    out: Path = Path("runs/reproduce-dgflow"),
    only: Sequence[int] = (2, 4, 13, 15),
    methods: Sequence[Literal["dot", "kl", "js", "logd"]] = ("dot", "kl", "js", "logd"),
    rows: Sequence[str] | None = None,
    models: dict[str, str] | None = None,
    n: int = 1_000,
    seeds: int = 3,
    seed: int = 0,
    features: str = "cifar10-resnet",
    split: Literal["test", "validation"] = "test",
    settings: Settings = Settings(),
    precision: Literal["float32", "bfloat16"] = "float32",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Print tables 2, 4, 13 and 15 of Ansari et al. (DGflow), the paper's numbers beside ours.

    Leaves table.json, run.json, steps-<model>.png (samples over the steps, the paper's figure 3) and, for --resume, the
    finished rows (finished.json) in --out.

    Args:
        out: A new folder for the results.
        only: Which tables.
        methods: Which columns.
        rows: Which base models, by their names in the tables, such as '[VAE, MMD-GAN]'; all that are shipped or among
            models, if left out.
        models: Other models instead of the shipped ones, by their names, such as '{"cifar10-vae": "runs/vae/model"}'.
        n: Samples a row and seed.
        seeds: How many sets of latents.
        seed: Of the first set of latents and its noise; the next ones follow it.
        features: The classifier whose features the Fréchet distance compares.
        split: What to measure against: test images, or validation images.
        settings: Of the flows.
        precision: Of matrix products and convolutions; bfloat16 is faster where the hardware has it, and inexact.
        resume: Go on with what an interrupted run left in --out.
        overwrite: Replace an earlier run in --out.
        progress: Show progress bars.
    """
    chosen = _chosen(only, methods, rows, {*zoo.names(), *(models or {})})
    if n < 2 or seeds < 1:
        raise ValueError(f"n is {n} and seeds {seeds}; give at least 2 samples and 1 seed")
    check_out_dir(out, overwrite, resume)
    half = torch.bfloat16 if precision == "bfloat16" else None
    bases = {name: Base((models or {}).get(name, name), n, half) for name in _models(chosen)}
    judge = HeldOutDistance(zoo.load(features), "cifar10", split)
    common = {"n": n, "features": features, "split": split, "models": models or {}, "precision": precision}
    config = {
        **common,
        "seeds": seeds,
        "only": list(only),
        "methods": list(methods),
        "rows": rows,
        "settings": vars(settings),
    }
    plan = _Plan(chosen, methods, settings)
    plan.work()  # refuses settings
    prepare_out_dir(out, overwrite, resume)
    finished = Finished(out / "finished.json", common)
    span = range(seed, seed + seeds)
    with RunRecord(out, config, seeds=list(span)) as record, resumable(lambda: f"{len(finished)} rows are finished"):
        finished.run(_tasks(out, plan, bases, span, judge), record, "dgflow", progress)
        _report(out, plan, span, finished, config, record)


def _chosen(only: Sequence[int], methods: Sequence[str], rows: Sequence[str] | None, at_hand: set[str]) -> list[Table]:
    known = [table.number for table in TABLES]
    if not only or set(only) - set(known):
        raise ValueError(f"only is {list(only)}; give some of {', '.join(map(str, known))}")
    if not methods:
        raise ValueError("methods is empty; give some of dot, kl, js, logd")
    tables = [table for table in TABLES if table.number in only]
    names = list(dict.fromkeys(subject.label for table in tables for subject in table.subjects))
    if rows is None:
        rows = [s.label for table in tables for s in table.subjects if s.model in at_hand]
        _tell_missing(tables, at_hand)
    if not rows or set(rows) - set(names):
        raise ValueError(f"rows is {list(rows)}; give some of {', '.join(names)}")
    kept = [replace(each, subjects=tuple(s for s in each.subjects if s.label in rows)) for each in tables]
    return [table for table in kept if table.subjects]


def _tell_missing(tables: Sequence[Table], at_hand: set[str]) -> None:
    missing = {s.label: s.model for table in tables for s in table.subjects if s.model not in at_hand}
    for label, model in missing.items():
        print(f"{label}: {model} is not shipped; train one and give it by --models", file=sys.stderr)


def _models(tables: Sequence[Table]) -> list[str]:
    return list(dict.fromkeys(subject.model for table in tables for subject in table.subjects))


@dataclass(frozen=True)
class _Plan:
    """What is to be run for which row."""

    tables: Sequence[Table]
    methods: Sequence[str]
    settings: Settings

    def rows(self, table: Table) -> list[tuple[Subject, str, Work]]:
        """The rows of a table, each with its work."""
        return [
            (subject, method, self._work(table, subject, method))
            for subject in table.subjects
            for method in self.methods
            if method in subject.refined or method != "dot"
        ]

    def work(self) -> list[Work]:
        """All there is to do for a seed, once each."""
        flows = [work for table in self.tables for _, _, work in self.rows(table)]
        return list(dict.fromkeys([*(Work(name) for name in _models(self.tables)), *flows]))

    def _work(self, table: Table, subject: Subject, method: str) -> Work:
        s = self.settings
        options = options_of(method, table.temperature, s.step_size, s.steps, s.dot_rate)
        return Work(subject.model, subject.critic, options)


def _tasks(
    out: Path, plan: _Plan, bases: Mapping[str, Base], seeds: Sequence[int], judge: HeldOutDistance
) -> list[Task]:
    def distance(work: Work, seed: int) -> dict[str, float | None]:
        images = _images(bases[work.model], work, seed, out if seed == seeds[0] else None)
        return {"frechet": None if images is None else judge(images)}

    return [Task(seed, work.name, partial(distance, work, seed)) for seed in seeds for work in plan.work()]


def _images(base: Base, work: Work, seed: int, pictures: Path | None) -> Tensor | None:
    if work.options is None:
        return base.unrefined(seed)
    shown = work.options.divergence == "kl" and work.critic == "critic"
    picture = pictures / f"steps-{work.model}.png" if pictures and shown else None
    return base.refined(work.critic, work.options, seed, picture)


def _report(
    out: Path,
    plan: _Plan,
    seeds: Sequence[int],
    finished: Finished,
    config: Mapping[str, Any],
    record: RunRecord,
) -> None:
    def distances(work: Work) -> list[Any]:
        return [finished.find(seed, work.name)["frechet"] for seed in seeds]

    results = {
        table.number: [
            row(subject, method, distances(Work(subject.model)), distances(work))
            for subject, method, work in plan.rows(table)
        ]
        for table in plan.tables
    }
    (out / "table.json").write_text(
        json.dumps({**config, "tables": results}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    record.update(metrics=results)
    print("\n\n".join(printed(table, results[table.number]) for table in plan.tables))
    print("\n" + _notes(config))
    pictures = sorted(map(str, out.glob("steps-*.png")))
    if pictures:
        print("open " + ", ".join(pictures))


def _notes(config: Mapping[str, Any]) -> str:
    settings = config["settings"]
    lines = [
        f"ours: {sets_told(config['seeds'], config['n'])}, against the "
        f"{config['split']} images of CIFAR-10 in the features of {config['features']}; {settings['steps']} gradient "
        f"evaluations a sample in every row, h = {settings['step_size']:g}",
        "paper: Fréchet Inception distance of other, larger models: compare the changes, not the numbers; DOT took "
        "more evaluations there",
    ]
    if config["n"] < FEW_SAMPLES:
        lines.append(
            f"a Fréchet distance of {config['n']} samples is biased upwards, before and after alike, which makes "
            "changes look smaller: rows of equal --n compare, rows of different --n do not"
        )
    return "\n".join(lines)
