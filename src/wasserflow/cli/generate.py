"""`wasserflow generate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from wasserflow.cli.measures import POINTS
from wasserflow.cli.pictures import Trajectory, save_generated_pictures
from wasserflow.cli.processes import Processes
from wasserflow.cli.streaming import Batch, equal_groups, gather, leave_part, stored
from wasserflow.flow import Watch
from wasserflow.models import zoo
from wasserflow.reports import RunRecord, prepare_out_dir
from wasserflow.seeds import sample_seeds

if TYPE_CHECKING:
    from wasserflow.training.fdrl import FlowGuidedRatio


def generate(
    model: str,
    out: Path,
    n: int = 64,
    seed: int = 0,
    extra_steps: int = 20,
    batch_size: int = 100,
    devices: int = 1,
    num_nodes: int = 1,
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
        devices: Processes on a node.
        num_nodes: Nodes; they must share --out.
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
    processes = Processes(devices, num_nodes)
    first = processes.rank == 0
    if first:
        prepare_out_dir(out, overwrite)
    processes.launch()
    ratio = ratio.to(processes.device)
    seeds = processes.share(sample_seeds(seed, n))
    groups = equal_groups(seeds, batch_size)
    if not first:
        leave_part(processes, _batches(ratio, groups, extra_steps), len(seeds), out, "generating")
        return
    steps = ratio.flow_steps + extra_steps
    config = {"model": model, "n": n, "extra_steps": extra_steps, "batch_size": batch_size, "steps": steps}
    config |= {"devices": devices, "num_nodes": num_nodes}
    with RunRecord(out, config, seeds=seed) as record:
        trajectory = Trajectory(None, steps)
        batches = _batches(ratio, groups, extra_steps, trajectory)
        samples = gather(processes, batches, len(seeds), out, record, "generating", progress)["samples"]
        start = ratio.start(len(groups[0]), groups[0]).cpu()
        data = POINTS[pretrained.card.data].sample(2_000, seed=1) if pretrained.card.data in POINTS else None
        pictures = save_generated_pictures(out, samples, [start, *trajectory.samples], data)
        print(f"{n} samples of {pretrained.card.name} after {steps} steps each")
        print("open " + ", ".join(str(path) for path in pictures))


def _batches(
    ratio: FlowGuidedRatio[Any], groups: Sequence[Tensor], extra_steps: int, watch: Watch | None = None
) -> Iterator[Batch]:
    """Draw one sample a seed, a group of seeds at a time; the first group is watched."""
    for seeds in groups:
        x0 = ratio.start(len(seeds), seeds)
        x = ratio.transport(x0, extra_steps, seeds, batch_size=len(seeds), watch=watch)
        watch = None
        yield Batch({"samples": stored(x)}, len(seeds) * (ratio.flow_steps + extra_steps))
