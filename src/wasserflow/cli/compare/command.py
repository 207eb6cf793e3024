"""`wasserflow compare`: every method with one generator, one critic and one budget."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from wasserflow.checks import require_counts
from wasserflow.cli.compare.arena import Arena, held_out_samples
from wasserflow.cli.compare.cost import UNIT
from wasserflow.cli.compare.report import notes, printed, save_csv, save_figure, summary
from wasserflow.cli.compare.rows import ContenderName, Row, rows_of, settings_for
from wasserflow.cli.compare.work import Judges, Result, result_of
from wasserflow.cli.names.critics import critic_named, require_judged
from wasserflow.cli.names.pairs import generator_named
from wasserflow.cli.running.finished import Finished, Task, resumable
from wasserflow.models.pretrained import Pretrained
from wasserflow.reports import RunRecord, check_out_dir, prepare_out_dir

_FINISHED, _FIGURE = "finished.json", "quality_against_compute.png"
_EVERY: tuple[ContenderName, ...] = get_args(ContenderName)


def compare(
    model: str,
    out: Path = Path("runs/compare"),
    budget: int = 25,
    seeds: int = 3,
    n: int = 2_000,
    seed: int = 0,
    critic: str | None = None,
    methods: Sequence[ContenderName] = _EVERY,
    features: str | None = None,
    reference: str | None = None,
    calibration: int = 5_000,
    real: str | None = None,
    mala_step: float | None = None,
    ddls_step: float | None = None,
    ddls_temperature: float | None = None,
    dot_rate: float | None = None,
    gmi_weights: tuple[float, float, float] | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Compare methods at equal compute: one generator, one critic, one budget of evaluations a sample.

    Compute is counted in units: 1 unit is one sample that passes forward, or backward, through generator and critic,
    half a unit through one of them. A gradient evaluation in latent space is 2 units, a proposal 1, rejected or not.

    Leaves compare.json, compare.csv, quality_against_compute.png, run.json and, for --resume, the finished rows
    (finished.json) in --out.

    Args:
        model: A pair of generator and critic: a shipped model, or a folder that `wasserflow train` wrote.
        out: A new folder for the results.
        budget: Gradient evaluations in latent space that a sample may take: 2 x budget units, and 0.5 for making the
            sample. Methods without gradients get as many proposals as fit.
        seeds: How many sets of samples.
        n: Samples of a set.
        seed: Of the first set; the next ones follow it.
        critic: Another critic: a network of the model's own, or another model, whose critic is taken.
        methods: Which methods.
        features: The classifier whose features the metrics of images compare, or inception; from the card.
        reference: What to measure against; the test images, or fresh points, of what the model was trained on, if left
            out. Settings are chosen on cifar10-validation or mnist-validation.
        calibration: Real and generated samples that the critic is calibrated on, and proposals of a burn-in.
        real: Where real samples come from, never those that results are measured against: cifar10 or mnist (training
            images), a toy, or a folder, .parquet or .npz of images; what the model was trained on, if left out.
        mala_step: h of MALA; 0.2 for images, 0.01 for points.
        ddls_step: h of DDLS; 0.1 for images, 0.01 for points.
        ddls_temperature: The square of the factor on the noise of DDLS; 0.01.
        dot_rate: Adam's learning rate in DOT; 0.05 for images, 0.01 for points.
        gmi_weights: λ1, λ2, λ3 of GMI, of log q, log p and log p(c | x); from the card, else [0.3, 0.3, 0.2] for
            images and [0.01, 0.01, 0.01] for points.
        precision: Of matrix products and convolutions; bfloat16 is faster where the hardware has it, and inexact.
        resume: Go on with what an interrupted run left in --out.
        overwrite: Replace an earlier run in --out.
        progress: Show a progress bar.
    """
    require_counts(budget=budget, seeds=seeds)
    require_counts(2, n=n)
    check_out_dir(out, overwrite, resume)
    pair = _load(model, critic)
    given = {"mala_step": mala_step, "ddls_step": ddls_step, "ddls_temperature": ddls_temperature}
    settings = settings_for(pair.card, given | {"dot_rate": dot_rate, "gmi_weights": gmi_weights})
    rows = rows_of(methods, pair.card, settings, real)
    features = features or pair.card.refine.get("features")
    judges = Judges.of(pair.card, features, reference)
    samples = held_out_samples(pair.card.data, real, calibration)
    require_judged(pair.critic, samples[:2], f"real is {real or pair.card.data}")
    prepare_out_dir(out, overwrite, resume)
    config = {"model": model, "critic": critic or "critic", "n": n, "budget": budget, "features": features}
    config |= {"reference": reference or pair.card.data, "real": real, "calibration": calibration}
    config |= {"settings": asdict(settings), "precision": precision}
    finished = Finished(out / _FINISHED, config)
    every = range(seed, seed + seeds)
    config |= {"seeds": seeds, "methods": [row.label for row in rows]}
    with (
        RunRecord(out, {**config, "unit": UNIT}, seeds=list(every)) as record,
        resumable(lambda: f"{len(finished)} rows are finished"),
    ):
        arena = Arena(pair, samples, calibration, None if precision == "float32" else torch.bfloat16)
        work = partial(result_of, arena=arena, judges=judges, n=n, budget=budget)
        tasks = [Task(s, row.key, partial(work, row=row, seed=s)) for s, row in itertools.product(every, rows)]
        finished.run(tasks, record, "compare", progress)
        results = {row.label: [finished.find(s, row.key) for s in every] for row in rows}
        _report(out, {**config, "line": _line(arena)}, rows, results, judges, record)


def _load(model: str, critic: str | None) -> Pretrained:
    pair = generator_named(model)
    own = {"generator": pair.generator, "critic": critic_named(pair, critic)}
    return replace(pair, networks=own)


def _line(arena: Arena) -> dict[str, float]:
    """The calibrated critic, and what it was fitted on."""
    fitted = arena.calibration
    line = {"slope": float(fitted.log_ratio.slope), "offset": float(fitted.log_ratio.offset)}
    return line | {"real": len(fitted.on_real), "generated": len(fitted.on_fake)}


def _report(
    out: Path,
    config: Mapping[str, Any],
    rows: Sequence[Row],
    results: Mapping[str, Sequence[Result]],
    judges: Judges,
    record: RunRecord,
) -> None:
    table = [summary(row.label, results[row.label], judges.columns) for row in rows]
    reference = results[rows[0].label][0]["metrics"]["reference"]
    config = {**config, "reference": reference}
    content = {**config, "unit": UNIT, "rows": table, "results": results}
    (out / "compare.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    save_csv(out / "compare.csv", table)
    record.update(metrics=table)
    print(printed(table, judges.columns))
    print("\n" + notes(config, table, judges.columns))
    save_figure(out / _FIGURE, rows, results, judges.columns, config)
    print(f"open {out / _FIGURE}")
