"""`wasserflow reproduce fdrl-images`: the data-dependent prior against the uniform one, and quality against steps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from wasserflow.checks import require_counts
from wasserflow.cli.names.held_out import HeldOutDistance
from wasserflow.cli.names.images import IMAGE_SETS, ImagesName
from wasserflow.cli.reproduce.fdrl_images_quality import (
    LABELS,
    SOURCES,
    PriorName,
    pairing_of,
    printed,
    quality_by_steps,
    steps_to_measure,
    summary,
)
from wasserflow.cli.running.finished import Finished, Task, resumable
from wasserflow.cli.running.processes import Processes
from wasserflow.cli.train.fdrl import PairingName, defaults_for, train_fdrl
from wasserflow.metrics.moments import FEW_SAMPLES
from wasserflow.models import zoo
from wasserflow.reports import RunRecord, captioned, check_out_dir, image_grid, prepare_out_dir, save_curves, sets_told
from wasserflow.training.fdrl import FlowGuidedRatio

_FINISHED, _FIGURE = "finished.json", "quality.png"
_SHOWN = 36


def reproduce_fdrl_images(
    out: Path = Path("runs/reproduce-fdrl-images"),
    data: ImagesName = "mnist",
    gaussian_model: str | None = None,
    uniform_model: str | None = None,
    pairing: PairingName = "lsif-pearson",
    iterations: int | None = None,
    uniform_iterations: int | None = None,
    n: int = 1_000,
    seeds: int = 3,
    seed: int = 0,
    offsets: list[int] | None = None,
    features: str | None = None,
    split: Literal["test", "validation"] = "test",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    **training: Any,
) -> None:
    """Show FDRL's ablations on images: two priors (table 1), and the quality by the number of flow steps (figure 5).

    Trains a model from each prior, or takes trained ones. Leaves table.json, run.json, quality.png (distance against
    flow steps), samples-<prior>.png, the trainings (gaussian/, uniform/) and, for --resume, what is measured
    (finished.json) in --out.

    Args:
        out: A new folder for the results.
        data: What to generate.
        gaussian_model: A model that starts from the Gaussian fitted to the data, instead of training one.
        uniform_model: A model that starts from uniform noise, instead of training one.
        pairing: The loss and the divergence of the trainings.
        iterations: Training steps from the data-dependent prior; as `wasserflow train fdrl` has them, if left out.
        uniform_iterations: From the uniform prior; a fifth more, as in the paper, if left out.
        n: Samples a model and seed.
        seeds: How many sets of samples.
        seed: Of the trainings and of the first set of samples; the next ones follow it.
        offsets: Flow steps to measure after, counted from the K of training; -20 to 40, as far as K reaches.
        features: The classifier whose features the Fréchet distance compares; cifar10-resnet or mnist-resnet.
        split: What to measure against: test images, or the validation images that settings are chosen on.
        resume: Go on with what an interrupted run left in --out.
        overwrite: Replace an earlier run in --out.
        progress: Show progress bars.
        training: Of `wasserflow train fdrl`, for both priors.
    """
    require_counts(2, n=n)
    require_counts(seeds=seeds)
    check_out_dir(out, overwrite, resume)
    features = features or IMAGE_SETS[data].judge
    distance = HeldOutDistance(zoo.load(features), data, split)
    steps = iterations or defaults_for(data, pairing)["iterations"]
    budget: dict[PriorName, int] = {"gaussian": steps, "uniform": uniform_iterations or steps * 6 // 5}
    given: dict[PriorName, str | None] = {"gaussian": gaussian_model, "uniform": uniform_model}
    models = {prior: _load(name, prior, data) for prior, name in given.items() if name is not None}
    config: dict[str, Any] = {"data": data, "features": features, "n": n, "split": split, "models": given}
    if len(models) < len(given):
        config["trainings"] = {"pairing": pairing, "iterations": budget, "seed": seed, **training}
    prepare_out_dir(out, overwrite, resume)
    if overwrite:
        for prior in SOURCES:
            shutil.rmtree(out / prior, ignore_errors=True)
    finished = Finished(out / _FINISHED, config)
    every = range(seed, seed + seeds)
    with (
        RunRecord(out, {**config, "offsets": offsets}, seeds=list(every)) as record,
        resumable(lambda: f"{len(finished)} sets of samples are measured"),
    ):
        for prior in budget:
            if prior not in models:
                folder = _trained(out / prior, data, pairing, prior, budget[prior], seed, progress, **training)
                models[prior] = _load(str(folder), prior, data)
        for prior, ratio in models.items():
            tasks = [_task(out if s == seed else None, prior, ratio, distance, n, s, offsets) for s in every]
            finished.run(tasks, record, prior, progress, unit="set")
        rows = [_row(prior, models[prior], every, offsets, finished) for prior in budget]
        _report(out, {**config, "seeds": seeds}, rows, record)


def _load(name: str, prior: PriorName, data: ImagesName) -> FlowGuidedRatio[Any]:
    pretrained = zoo.load(name)
    ratio: Any = pretrained.networks.get("model")
    found = type(getattr(ratio, "source", None))
    if pretrained.card.data != data or found is not SOURCES[prior]:
        raise ValueError(
            f"{name} is a model of {pretrained.card.data} that starts from {found.__name__}; as {prior}_model give one "
            f"of {data} that starts from {SOURCES[prior].__name__}, as `wasserflow train fdrl --source {prior}` makes"
        )
    return ratio.to(Processes(1, 1).device)


def _trained(
    folder: Path,
    data: ImagesName,
    pairing: PairingName,
    prior: PriorName,
    iterations: int,
    seed: int,
    progress: bool,
    **training: Any,
) -> Path:
    """Train a model, or go on with its training; give the folder to load it from."""
    if not (folder / "model").is_dir():
        resume = (folder / "last.ckpt").is_file()
        train_fdrl(
            folder,
            data,
            pairing,
            prior,
            source_class=None,
            target_class=None,
            iterations=iterations,
            seed=seed,
            resume=resume,
            progress=progress,
            **training,
        )
    return folder / "model"


def _task(
    pictures: Path | None,
    prior: PriorName,
    ratio: FlowGuidedRatio[Any],
    distance: HeldOutDistance,
    n: int,
    seed: int,
    offsets: list[int] | None,
) -> Task:
    marks = steps_to_measure(ratio.flow_steps, offsets)

    def work() -> dict[str, Any]:
        quality = quality_by_steps(ratio, distance, n, marks, seed)
        if pictures and quality.curve:
            best = min(quality.curve, key=quality.curve.__getitem__)
            picture = captioned(image_grid(quality.images[best][:_SHOWN]), f"{LABELS[prior]}, {best} steps")
            picture.save(pictures / f"samples-{prior}.png")
        curve = {str(steps): value for steps, value in quality.curve.items()}
        return {"marks": [*map(str, marks)], "curve": curve, "evaluations": quality.evaluations}

    return Task(seed, prior, work, lambda known: set(map(str, marks)) <= set(known["marks"]))


def _row(
    prior: PriorName, ratio: FlowGuidedRatio[Any], seeds: Sequence[int], offsets: list[int] | None, finished: Finished
) -> dict[str, Any]:
    marks = set(map(str, steps_to_measure(ratio.flow_steps, offsets)))
    results = [finished.find(seed, prior) for seed in seeds]
    curves = [{int(s): value for s, value in result["curve"].items() if s in marks} for result in results]
    row = summary(prior, ratio.flow_steps, pairing_of(ratio), curves)
    return {**row, "curves": curves, "evaluations": sum(result["evaluations"] for result in results)}


def _report(out: Path, config: Mapping[str, Any], rows: Sequence[dict[str, Any]], record: RunRecord) -> None:
    evaluations = sum(row["evaluations"] for row in rows)
    table = {**config, "evaluations": evaluations, "rows": rows}
    (out / "table.json").write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    record.update(metrics=rows, evaluations=evaluations)
    print(printed(rows))
    print("\n" + _notes(config, rows))
    curves = {
        LABELS[row["prior"]]: {steps: [curve[steps] for curve in row["curves"]] for steps in row["by_steps"]}
        for row in rows
        if row["by_steps"]
    }
    if curves:
        title = f"{config['n']} samples, {config['seeds']} seeds, {config['split']} images of {config['data']}"
        quantity = f"Fréchet distance in {config['features']} ↓"
        save_curves(out / _FIGURE, curves, quantity, title, "flow steps", logarithmic=True)
    drawn = [out / _FIGURE, *(out / f"samples-{row['prior']}.png" for row in rows)]
    print("open " + ", ".join(str(path) for path in drawn if path.is_file()))


def _notes(config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    pairings = ", ".join(dict.fromkeys(row["pairing"] for row in rows))
    lines = [
        f"ours: {pairings}; {sets_told(config['seeds'], config['n'])}, against "
        f"the {config['split']} images of {config['data']} in the features of {config['features']}",
        "paper: Fréchet Inception distance of CIFAR-10 after 100,000 training steps of a larger network with K = 100: "
        "compare the order of the priors and where the best number of steps lies, not the numbers",
    ]
    if config["n"] < FEW_SAMPLES:
        lines.append(f"a Fréchet distance of {config['n']} samples is biased upwards: rows of equal --n compare")
    return "\n".join(lines)
