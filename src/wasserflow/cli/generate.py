"""`wasserflow generate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from wasserflow.cli.measures import POINTS
from wasserflow.cli.pictures import Trajectory, save_generated_pictures
from wasserflow.cli.processes import Processes
from wasserflow.cli.streaming import equal_groups, stored
from wasserflow.models import zoo
from wasserflow.reports import RunRecord, prepare_out_dir
from wasserflow.seeds import sample_seeds


def generate(
    model: str,
    out: Path,
    n: int = 64,
    seed: int = 0,
    extra_steps: int = 20,
    batch_size: int = 100,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Draw samples from a flow-guided density ratio (FDRL).

    Leaves samples.npz (array `samples`), grid.png, trajectory.gif and run.json in --out.

    Args:
        model: A shipped model (see `wasserflow zoo`), or a folder that `wasserflow train fdrl` wrote.
        out: A new folder for the results.
        n: How many samples.
        seed: Every sample has a stream of its own, so the first samples of a larger n are those of a smaller one.
        extra_steps: Steps of refinement after those of training.
        batch_size: Samples at a time, on which no sample depends.
        overwrite: Replace an earlier run in --out.
        progress: Show a progress bar.
    """
    for name, value, least in (("n", n, 1), ("batch_size", batch_size, 1), ("extra_steps", extra_steps, 0)):
        if value < least:
            raise ValueError(f"{name} is {value}; give at least {least}")
    pretrained = zoo.load(model)
    ratio: Any = pretrained.networks.get("model")
    if not hasattr(ratio, "transport"):
        raise ValueError(f"{model} does not generate by a flow; give a model that `wasserflow train fdrl` wrote")
    prepare_out_dir(out, overwrite)
    ratio = ratio.to(Processes(1, 1).device)
    steps = ratio.flow_steps + extra_steps
    config = {"model": model, "n": n, "extra_steps": extra_steps, "batch_size": batch_size, "steps": steps}
    with RunRecord(out, config, seeds=seed) as record:
        finished: list[np.ndarray] = []
        first: list[Tensor] = []
        trajectory = Trajectory(None, steps)
        try:
            with tqdm(total=n, desc="generating", unit="sample", disable=not progress) as bar:
                for seeds in equal_groups(sample_seeds(seed, n), batch_size):
                    x0 = ratio.source.sample(len(seeds), seeds, device=ratio.device)
                    first = first or [x0.cpu()]
                    watch = trajectory if not finished else None
                    samples = ratio.transport(x0, extra_steps, seeds, batch_size=batch_size, watch=watch)
                    finished.append(stored(samples))
                    bar.update(len(seeds))
        finally:
            count = sum(map(len, finished))
            record.update(finished=count, evaluations=count * steps)
            if finished:
                np.savez(out / "samples.npz", samples=np.concatenate(finished))
            if count < n:
                print(f"\n{count} of {n} samples were finished and are kept in {out}", file=sys.stderr)
        data = POINTS[pretrained.card.data].sample(2_000, seed=1) if pretrained.card.data in POINTS else None
        pictures = save_generated_pictures(out, finished[0], [*first, *trajectory.samples], data)
        print(f"{n} samples of {pretrained.card.name} after {steps} steps each")
        print("open " + ", ".join(str(path) for path in pictures))
