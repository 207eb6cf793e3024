"""Run any number of samples in batches, in one process or several, keeping what is finished."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from torch import Tensor
from tqdm import tqdm

from wasserflow.cli.running.processes import Processes, merge_parts, part_path
from wasserflow.data.images import to_uint8
from wasserflow.reports import RunRecord


def equal_groups(seeds: Int64[Tensor, " n"], batch_size: int) -> tuple[Int64[Tensor, " _"], ...]:
    """Cut seeds into groups of at most batch_size, as equal as can be; none of no seeds."""
    return seeds.tensor_split(math.ceil(len(seeds) / batch_size)) if len(seeds) else ()


def stored(samples: Tensor) -> np.ndarray:
    """Images (n, channels, height, width) as uint8 NHWC; anything else as float32."""
    samples = samples.detach().cpu()
    if samples.ndim == 4:
        return to_uint8(samples).permute(0, 2, 3, 1).contiguous().numpy()
    return samples.float().numpy()


@dataclass(frozen=True, eq=False)
class Batch:
    """Arrays of as many rows as samples, as they are stored, and the gradient evaluations of all."""

    arrays: Mapping[str, np.ndarray]
    evaluations: int

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


class Collected:
    """Room for the samples of a run, filled batch by batch, written even when the run is stopped.

    Args:
        n: how many samples the run is to have.
    """

    def __init__(self, n: int) -> None:
        self.n, self.finished, self.evaluations = n, 0, 0
        self._arrays: dict[str, np.ndarray] = {}

    def add(self, batch: Batch) -> None:
        """Put a batch behind the ones before it."""
        for name, part in batch.arrays.items():
            if name not in self._arrays:
                self._arrays[name] = np.empty((self.n, *part.shape[1:]), part.dtype)
            self._arrays[name][self.finished : self.finished + len(part)] = part
        self.finished += len(batch)
        self.evaluations += batch.evaluations

    def arrays(self) -> dict[str, np.ndarray]:
        """The finished samples by the names of their arrays, each (finished, ...)."""
        return {name: array[: self.finished] for name, array in self._arrays.items()}

    def save(self, path: Path) -> None:
        """Write them as an npz file, in one stroke."""
        part = path.with_name(f".{path.name}")
        with part.open("wb") as file:
            np.savez(file, **self.arrays(), evaluations=np.int64(self.evaluations))  # type: ignore[arg-type]
        part.replace(path)


def collect(batches: Iterable[Batch], into: Collected, path: Path, doing: str, progress: bool) -> None:
    """Run all batches and write what is finished, also when interrupted.

    Args:
        batches: this process's, made one by one as they are asked for.
        into: keeps the finished ones.
        path: the npz file.
        doing: what the progress bar says.
        progress: show it.
    """
    try:
        with tqdm(total=into.n, desc=doing, unit="sample", disable=not progress) as bar:
            for batch in batches:
                into.add(batch)
                bar.update(len(batch))
    finally:
        if into.finished or not into.n:
            into.save(path)


def leave_part(processes: Processes, batches: Iterable[Batch], n: int, out: Path, doing: str) -> None:
    """Run the share of a process that is not the first, and leave it where the first one looks for it."""
    collect(batches, Collected(n), part_path(out, processes.rank), doing, progress=False)
    processes.wait()


def gather(
    processes: Processes,
    batches: Iterable[Batch],
    n: int,
    share: int,
    out: Path,
    record: RunRecord,
    doing: str,
    progress: bool,
) -> dict[str, np.ndarray]:
    """Run the first process's share, wait for the others', and write all of it as `samples.npz`.

    A run that is stopped leaves the first samples of every process's share.

    Args:
        processes: of the run.
        batches: the share, made one by one as they are asked for.
        n: samples of the run.
        share: samples in the share.
        out: the run directory.
        record: is told the finished samples and the gradient evaluations.
        doing: what the progress bar says.
        progress: show it.

    Returns:
        The arrays of all processes, in the order of the seeds.
    """
    samples, collected = out / "samples.npz", Collected(share)
    alone = processes.count == 1
    try:
        collect(batches, collected, samples if alone else part_path(out, 0), doing, progress)
        processes.wait()
    except BaseException:
        processes.stop()
        raise
    finally:
        arrays, evaluations, each = collected.arrays(), collected.evaluations, [collected.finished]
        if not alone:
            arrays, evaluations, each = merge_parts(out, processes.count, samples)
            record.update(finished_by_process=each)
        record.update(finished=sum(each), evaluations=evaluations)
        if 0 < sum(each) < n:
            shares = "" if alone else f", the first {' and '.join(map(str, each))} of the processes' shares"
            print(f"\n{sum(each)} of {n} samples were finished and are in {samples}{shares}", file=sys.stderr)
    return arrays
