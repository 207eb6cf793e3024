"""`wasserflow refine`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from wasserflow.cli.choices import DivergenceName, MethodName, MethodOptions, SpaceName
from wasserflow.cli.measures import POINTS, Measure, measure_for
from wasserflow.cli.pictures import Trajectory, save_pictures
from wasserflow.cli.processes import Processes, merge_parts, part_path
from wasserflow.cli.streaming import Collected, Job, collect
from wasserflow.models import prepare, zoo
from wasserflow.models.pretrained import Card, Pretrained
from wasserflow.reports import RunRecord, before_after_table, prepare_out_dir
from wasserflow.seeds import sample_seeds


def refine(
    model: str,
    out: Path,
    method: MethodName = "dgflow",
    n: int = 64,
    seed: int = 0,
    divergence: DivergenceName | None = None,
    step_size: float | None = None,
    temperature: float | None = None,
    steps: int | None = None,
    space: SpaceName | None = None,
    batch_size: int | None = None,
    features: str | None = None,
    devices: int = 1,
    num_nodes: int = 1,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Refine samples of a model and compare them before and after.

    Leaves before.png, after.png, trajectory.gif, samples.npz (arrays `before` and `after`) and run.json in --out.

    Args:
        model: A shipped model (see `wasserflow zoo`), or a folder that `wasserflow train` wrote.
        out: A new folder for the results.
        method: How to refine: dgflow, ddls, dot or mala.
        n: How many samples.
        seed: Every sample has a stream of its own, so the first samples of a larger n are those of a smaller one.
        divergence: The f-divergence of dgflow; the model's card says which was best, and is used if left out.
        step_size: Step of dgflow, ddls and mala, Adam's learning rate of dot; from the card, else the method's own.
        temperature: Noise of dgflow and (squared factor) of ddls; from the card, else the method's own.
        steps: Updates of each sample; from the card, else the method's own.
        space: Move the latents or the samples themselves; from the card.
        batch_size: Samples at a time, on which no result depends; from the card, else 100.
        features: The classifier whose features metrics use, or inception; from the card.
        devices: Processes on a node.
        num_nodes: Nodes; they must share --out.
        overwrite: Replace an earlier run in --out.
        progress: Show a progress bar.
    """
    pretrained = zoo.load(model)
    card = pretrained.card
    batch_size = card.refine.get("batch_size", 100) if batch_size is None else batch_size
    for name, value in (("n", n), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name} is {value}; give at least 1")
    given = {"divergence": divergence, "step_size": step_size, "temperature": temperature, "steps": steps}
    options = _options(card, method, {**given, "space": space})
    features = features or card.refine.get("features")
    processes = Processes(devices, num_nodes)
    first = processes.rank == 0
    if first:
        measure = measure_for(card.data, features, seed, quick=True)
        prepare_out_dir(out, overwrite)
    processes.launch()
    job = _job(pretrained, options, batch_size, processes.device)
    share = processes.share(sample_seeds(seed, n))
    collected = Collected(len(share))
    if not first:
        collect_and_save(job, share, collected, part_path(out, processes.rank), None, progress=False)
        processes.wait()
        return
    config = {"model": model, "n": n, "batch_size": batch_size, "features": features, **asdict(options)}
    config |= {"devices": devices, "num_nodes": num_nodes}
    with RunRecord(out, config, seeds=seed) as record:
        trajectory = Trajectory(job.generator if job.latent else None, options.steps)
        samples = out / "samples.npz"
        path = samples if processes.count == 1 else part_path(out, 0)
        try:
            collect_and_save(job, share, collected, path, trajectory, progress)
        except KeyboardInterrupt:
            print(f"\n{collected.finished} of {len(share)} samples were finished and are in {path}", file=sys.stderr)
            raise
        finally:
            record.update(finished=collected.finished, evaluations=collected.evaluations)
        processes.wait()
        arrays, evaluations = collected.arrays(), collected.evaluations
        if processes.count > 1:
            arrays, evaluations = merge_parts(out, processes.count, samples)
        record.update(finished=len(arrays["before"]), evaluations=evaluations)
        _report(out, arrays, trajectory, measure, card, record)


def collect_and_save(
    job: Job, seeds: torch.Tensor, into: Collected, path: Path, watch: Trajectory | None, progress: bool
) -> None:
    """Refine all seeds and write what is finished, also when interrupted."""
    try:
        collect(job, seeds, into, watch, progress)
    finally:
        if into.finished or not len(seeds):
            into.save(path)


def _options(card: Card, method: MethodName, given: dict[str, Any]) -> MethodOptions:
    # The card's settings were chosen for DGflow; of the others only DOT shares the space.
    shared = {"dgflow": tuple(given), "dot": ("space",)}.get(method, ())
    from_card = {name: card.refine[name] for name in shared if name in card.refine}
    return MethodOptions.resolve(method, from_card | {name: v for name, v in given.items() if v is not None})


def _job(pretrained: Pretrained, options: MethodOptions, batch_size: int, device: torch.device) -> Job:
    if pretrained.prior is None:
        raise ValueError(f"{pretrained.card.name} has no latents to refine; choose a pair of generator and critic")
    generator, critic = (m.to(device) for m in prepare(pretrained.generator, pretrained.critic))
    runner = options.runner(generator, critic, pretrained.prior)
    return Job(generator, pretrained.prior, runner, options.space == "latent", batch_size, device)


def _report(
    out: Path, arrays: dict[str, Any], trajectory: Trajectory, measure: Measure, card: Card, record: RunRecord
) -> None:
    data = POINTS[card.data].sample(2_000, seed=1) if card.data in POINTS else None
    pictures = save_pictures(out, arrays["before"], arrays["after"], trajectory.samples, data)
    before, after = measure(arrays["before"]), measure(arrays["after"])
    record.update(metrics={"before": before, "after": after}, steps_mean=float(arrays["steps"].mean()))
    print(before_after_table(before, after, measure.labels))
    print(f"{len(arrays['before'])} samples of {card.name}, measured against {before['reference']}")
    print("open " + ", ".join(str(path) for path in pictures))
