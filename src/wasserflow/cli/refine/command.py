"""`wasserflow refine`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.cli.names.critics import critic_named, require_judged
from wasserflow.cli.names.measures import POINTS, Measure, measure_for
from wasserflow.cli.names.pairs import generator_named
from wasserflow.cli.names.real_samples import as_floats
from wasserflow.cli.names.texts import is_text, storing
from wasserflow.cli.refine.job import Job
from wasserflow.cli.running.collected import Collected
from wasserflow.cli.running.earlier import restore
from wasserflow.cli.running.pictures import Trajectory, save_pictures, shown_of
from wasserflow.cli.running.processes import Processes
from wasserflow.cli.running.streaming import equal_groups, gather, leave_part, places_left, stored
from wasserflow.cli.settings.choices import DivergenceName, MethodName, MethodOptions, SpaceName
from wasserflow.cli.settings.inference import (
    DensityName,
    InferenceOptions,
    kernel_features,
    real_samples,
    require_company,
    seen_by,
)
from wasserflow.cli.settings.quantiles import quantile_rule, quantile_targets
from wasserflow.cli.settings.steepness import steepness
from wasserflow.data.text import Alphabet
from wasserflow.models import prepare
from wasserflow.models.pretrained import Card, Pretrained
from wasserflow.models.weight_files import fingerprint
from wasserflow.reports import RunRecord, before_after_table, check_out_dir, prepare_out_dir
from wasserflow.seeds import sample_seeds, subseed
from wasserflow.spaces import PriorSpace

_MEASURED = ("model", "critic", "features", "devices", "num_nodes")  # weights tell the networks better than names
_OF_BATCHES = ("n", "batch_size")


def refine(
    model: str,
    out: Path,
    method: MethodName | Literal["gmi"] = "dgflow",
    n: int = 64,
    seed: int = 0,
    divergence: DivergenceName | None = None,
    step_size: float | None = None,
    temperature: float | None = None,
    tolerance: float | None = None,
    steps: int | None = None,
    match_quantiles: bool = False,
    space: SpaceName | None = None,
    batch_size: int | None = None,
    weights: tuple[float, float, float] | None = None,
    density: DensityName | None = None,
    bandwidth_factor: float | None = None,
    ridge: float | None = None,
    mollifier: float | None = None,
    references: int | None = None,
    real: str | None = None,
    features: str | None = None,
    critic: str | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    devices: int = 1,
    num_nodes: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Refine samples of a model and compare them before and after.

    Leaves before.png, after.png, trajectory.gif (of text: before_after.txt), samples.npz (arrays `before` and
    `after`) and run.json in --out.

    Args:
        model: A shipped model (see `wasserflow zoo`), or a folder that `wasserflow train` wrote.
        out: A new folder for the results.
        method: How to refine: dgflow, ddls, dot, mala or gmi.
        n: How many samples.
        seed: Every sample has a stream of its own, so the first samples of a larger n are those of a smaller one.
        divergence: The f-divergence of dgflow; the model's card says which was best, and is used if left out.
        step_size: Step of dgflow, ddls and mala, Adam's learning rate of dot; from the card, else the method's own.
        temperature: Noise of dgflow and (squared factor) of ddls; from the card, else the method's own.
        tolerance: Let dgflow control its steps by their error, without noise: the root mean square error of a step, in
            units of what moves (0.03 suits latents). In place of step_size and temperature.
        steps: Updates of each sample, at most; from the card, else the method's own.
        match_quantiles: Stop each sample of dgflow at the log-ratio of the real sample of its own rank; those are
            --references of --real.
        space: Move the latents or the samples themselves; from the card.
        batch_size: Samples at a time, on which no result depends; from the card, else 100. In gmi it is the size of the
            groups that interact, on which results depend: 1000.
        weights: λ1, λ2, λ3 of gmi: of log q, log p and log p(c | x), with the step size in them.
        density: How gmi estimates q and p: kernel-density, kernel-ridge or stein.
        bandwidth_factor: Of gmi's kernels, on the median squared distance of the critic's features.
        ridge: η of kernel-ridge and stein.
        mollifier: Standard deviation by which the kernels of kernel-density and kernel-ridge are smoothed in data
            space, where images are on [-1, 1].
        references: How many real samples gmi estimates p from, or match_quantiles compares, the first of the set: 2000.
        real: Where they come from: cifar10 or mnist (their training images), a toy, or a folder, .parquet or .npz of
            images; what the model was trained on, if left out.
        features: The classifier whose features metrics use, or inception; from the card.
        critic: Another critic: a network of the model's own (the cards in `wasserflow zoo` name them), or another
            model, whose critic is taken.
        precision: Of matrix products and convolutions; bfloat16 is faster where the hardware has it, and inexact.
        devices: Processes on a node.
        num_nodes: Nodes, which must share --out; start the command on each, with MASTER_ADDR, MASTER_PORT and
            NODE_RANK in its environment.
        overwrite: Replace an earlier run in --out.
        resume: Go on with what a stopped run left in --out, or with a finished one (but for gmi) to a larger n.
        progress: Show a progress bar.
    """
    pretrained = generator_named(model)
    card = pretrained.card
    if batch_size is None:
        batch_size = InferenceOptions.batch_size if method == "gmi" else card.refine.get("batch_size", 100)
    require_counts(n=n, batch_size=batch_size)
    judge = critic_named(pretrained, critic)
    given: dict[str, Any] = {"divergence": divergence, "step_size": step_size, "temperature": temperature}
    given |= {"tolerance": tolerance, "steps": steps, "space": space, "weights": weights, "density": density}
    given |= {"bandwidth_factor": bandwidth_factor, "ridge": ridge, "mollifier": mollifier}
    shown = {"real": real, "references": references}
    options = _options(card, method, given if match_quantiles else given | shown, batch_size)
    targets = quantile_targets(card, method, real, references) if match_quantiles else None
    attracting = _attracting(options, n, batch_size, card, devices * num_nodes)
    for used in (targets, attracting):
        if used is not None:
            require_judged(judge, as_floats(used[:2]), f"real is {real or card.data}")
    features = features or card.refine.get("features")
    config = {"model": model, "method": method, "n": n, "batch_size": batch_size, "features": features}
    config |= {"critic": critic or "critic", "precision": precision, "match_quantiles": match_quantiles}
    if targets is not None:
        config |= {"real": real or card.data, "references": len(targets)}
    config |= {**asdict(options), "devices": devices, "num_nodes": num_nodes}
    config |= {"fingerprint": fingerprint(pretrained.generator, judge)}
    processes = Processes(devices, num_nodes)
    first, collected = processes.rank == 0, Collected(n)
    watched = 0 if is_text(card.data) else shown_of(n, card.data in POINTS)  # strings have no animation
    if first:
        measure = measure_for(card.data, features, seed, quick=True, alphabet=card.alphabet)
        check_out_dir(out, overwrite, resume)
        if resume:
            free = _MEASURED if isinstance(options, InferenceOptions) else (*_MEASURED, *_OF_BATCHES)
            restore(collected, out, config, seed, watched, free)
    processes.launch()
    done = processes.told(collected.done)
    fast = prepare(pretrained.generator, judge, precision=None if precision == "float32" else torch.bfloat16)
    job = _job(pretrained, fast, options, attracting, targets, processes.device, progress and first)
    seeds, share = sample_seeds(seed, n), _share(processes, options, done, watched, batch_size)
    count = sum(map(len, share))
    if first:
        prepare_out_dir(out, overwrite, resume)  # last of all: nothing is refused any more
    processes.wait()
    if not first:
        leave_part(processes, job.batches(seeds, share), n, out, "refining")
        return
    with RunRecord(out, config, seeds=seed) as record:
        trajectory = Trajectory(job.generator if job.latent else None, options.steps, watched)
        arrays = gather(
            processes, job.batches(seeds, share, trajectory), collected, count, out, record, "refining", progress
        )
        _report(out, arrays, trajectory, measure, card, record)


def _options(
    card: Card, method: MethodName | Literal["gmi"], given: dict[str, Any], batch_size: int
) -> MethodOptions | InferenceOptions:
    # The card's settings were chosen for DGflow and for gmi; of the others only DOT shares the space.
    chosen = {name: value for name, value in given.items() if value is not None}
    if method == "gmi":
        return InferenceOptions.resolve({**card.refine.get("gmi", {}), **chosen, "batch_size": batch_size})
    sized = () if "tolerance" in chosen else ("step_size", "temperature")
    shared = {"dgflow": ("divergence", *sized, "steps", "space"), "dot": ("space",)}.get(method, ())
    return MethodOptions.resolve(method, {name: card.refine[name] for name in shared if name in card.refine} | chosen)


def _attracting(
    options: MethodOptions | InferenceOptions, n: int, batch_size: int, card: Card, processes: int
) -> Tensor | None:
    """The real samples that gmi needs; everything that it must refuse is refused before anything is written."""
    if not isinstance(options, InferenceOptions):
        return None
    groups = equal_groups(torch.arange(n), batch_size)
    require_company(options, [len(group) for group in groups])
    if len(groups) < processes:
        warnings.warn(
            f"{len(groups)} groups of up to {options.batch_size} samples that interact keep only {len(groups)} of "
            f"{processes} processes busy; take a smaller --batch-size",
            stacklevel=2,
        )
    return real_samples(options, card.data)


def _share(
    processes: Processes, options: MethodOptions | InferenceOptions, done: np.ndarray, watched: int, batch_size: int
) -> Sequence[Tensor]:
    """The places of this process: in whole groups where samples interact, so that nothing depends on the processes."""
    left = places_left(done, watched)
    if isinstance(options, InferenceOptions):
        groups = equal_groups(torch.arange(len(done)), batch_size)
        return processes.share_groups([group for group in groups if torch.isin(group, left).any()])
    return equal_groups(processes.share(left), batch_size)


def _job(
    pretrained: Pretrained,
    fast: Sequence[nn.Module],
    options: MethodOptions | InferenceOptions,
    attracting: Tensor | None,
    targets: Tensor | None,
    device: torch.device,
    progress: bool,
) -> Job:
    generator, critic = (module.to(device) for module in fast)
    assert pretrained.prior is not None
    if isinstance(options, MethodOptions):
        prior = pretrained.prior
        stop = None if targets is None else quantile_rule(options, critic, generator, prior, targets, device)
        constant = _constant(options, generator, critic, prior, device)
        runner = options.runner(generator, critic, prior, stop, constant)
    else:
        features = kernel_features(pretrained, device)
        real = None if attracting is None else seen_by(features, attracting, bool(options.mollifier), device, progress)
        runner = options.runner(generator, critic, pretrained.prior, features, real)
    store = storing(Alphabet(pretrained.card.alphabet)) if is_text(pretrained.card.data) else stored
    return Job(generator, pretrained.prior, runner, options.space == "latent", device, store)


def _constant(
    options: MethodOptions, generator: nn.Module, critic: nn.Module, prior: PriorSpace, device: torch.device
) -> float | None:
    """DOT's constant; estimated on each batch it would make samples depend on theirs."""
    if options.method != "dot":
        return None
    return steepness(generator, critic, prior, options.space == "latent", subseed(0, "pairs"), device=device)


def _report(
    out: Path, arrays: dict[str, Any], trajectory: Trajectory, measure: Measure, card: Card, record: RunRecord
) -> None:
    data = POINTS[card.data].sample(2_000, seed=1) if card.data in POINTS else None
    pictures = save_pictures(out, arrays["before"], arrays["after"], trajectory.samples, data, trajectory.every)
    before, after = measure(arrays["before"]), measure(arrays["after"])
    record.update(metrics={"before": before, "after": after}, steps_mean=float(arrays["steps"].mean()))
    print(before_after_table(before, after, measure.labels))
    print(f"{len(arrays['before'])} samples of {card.name}, measured against {before['reference']}")
    print("open " + ", ".join(str(path) for path in pictures))
