"""Run any number of samples in batches, in one process or several, keeping what is finished."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor
from tqdm import tqdm

from wasserflow.cli.running.collected import Batch, Collected
from wasserflow.cli.running.processes import Processes
from wasserflow.data.images import to_uint8
from wasserflow.reports import RunRecord

SAMPLES_NAME, PARTS = "samples.npz", "part-*.npz"
_SAVE_EVERY = 300.0  # seconds: a process that is killed loses no more


def equal_groups(items: Int64[Tensor, " n"], batch_size: int) -> tuple[Int64[Tensor, " _"], ...]:
    """Cut seeds or places into groups of at most batch_size, as equal as can be; none of nothing."""
    return items.tensor_split(math.ceil(len(items) / batch_size)) if len(items) else ()


def places_left(done: Bool[np.ndarray, " n"], shown: int) -> Int64[Tensor, " left"]:
    """Give the places of the samples to make: those that are missing, and the first ones, to be seen on their way."""
    wanted = ~done
    wanted[:shown] = True
    return torch.from_numpy(wanted).nonzero().flatten()


def stored(samples: Tensor) -> np.ndarray:
    """Images (n, channels, height, width) as uint8 NHWC; anything else as float32."""
    samples = samples.detach().cpu()
    if samples.ndim == 4:
        return to_uint8(samples).permute(0, 2, 3, 1).contiguous().numpy()
    return samples.float().numpy()


def collect(batches: Iterable[Batch], into: Collected, path: Path, count: int, doing: str, progress: bool) -> None:
    """Run all batches and write what is finished, now and then and at the end, also when interrupted.

    Args:
        batches: this process's, made one by one as they are asked for.
        into: keeps the finished ones.
        path: the npz file.
        count: samples in the batches.
        doing: what the progress bar says.
        progress: show it.
    """
    saved = time.monotonic()
    try:
        with tqdm(total=count, desc=doing, unit="sample", disable=not progress) as bar:
            for batch in batches:
                into.add(batch)
                bar.update(len(batch.places))
                if time.monotonic() - saved > _SAVE_EVERY:
                    into.save(path)
                    saved = time.monotonic()
    finally:
        if into.finished:
            into.save(path)


def leave_part(processes: Processes, batches: Iterable[Batch], n: int, out: Path, doing: str) -> None:
    """Run the share of a process that is not the first, and leave it where the first one looks for it."""
    collect(batches, Collected(n), out / f"part-{processes.rank}.npz", n, doing, progress=False)
    processes.wait()


def gather(
    processes: Processes,
    batches: Iterable[Batch],
    collected: Collected,
    share: int,
    out: Path,
    record: RunRecord,
    doing: str,
    progress: bool,
) -> dict[str, np.ndarray]:
    """Run the first process's share, wait for the others', and write all of it as `samples.npz`.

    A run that is stopped leaves the samples that every process has finished.

    Args:
        processes: of the run.
        batches: the share, made one by one as they are asked for.
        collected: room for the run's samples, with those of an earlier run that is gone on with.
        share: samples in the share.
        out: the run directory.
        record: is told the finished samples and the gradient evaluations.
        doing: what the progress bar says.
        progress: show it.

    Returns:
        The arrays of all processes, in the order of the seeds.
    """
    samples, n, stopped = out / SAMPLES_NAME, len(collected.done), False
    try:
        collect(batches, collected, samples, share, doing, progress)
        processes.wait()
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        processes.stop()
        raise
    finally:
        take_parts(collected, out)
        record.update(finished=collected.finished, evaluations=collected.evaluations)
        if 0 < collected.finished < n:
            told = f"{collected.finished} of {n} samples were finished and are in {samples}; go on with --resume"
            print(f"\n{told}", file=sys.stderr)
        elif stopped:
            print("\nno batch was finished; a smaller --batch-size keeps something sooner", file=sys.stderr)
    return collected.arrays()


def take_parts(collected: Collected, out: Path) -> None:
    """Put the samples of the other processes with the first one's, write all as one file, and remove the parts."""
    parts = sorted(out.glob(PARTS))
    for part in parts:
        collected.restore(part)
    if parts:
        collected.save(out / SAMPLES_NAME)
    for part in parts:
        part.unlink()
