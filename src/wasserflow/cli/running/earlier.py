"""What an earlier run in the same folder has finished."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from wasserflow.cli.running.collected import Collected
from wasserflow.cli.running.streaming import PARTS, SAMPLES_NAME, take_parts
from wasserflow.reports import require_same_run


def restore(
    collected: Collected, out: Path, config: Mapping[str, Any], seeds: object, shown: int, free: Collection[str] = ()
) -> None:
    """Put the samples of an earlier run in their places, also those that killed processes left, and say what is there.

    Args:
        collected: empty room for the samples.
        out: the run directory.
        config: the resolved options.
        seeds: the seeds of the run.
        shown: the first samples, which are made again to be seen on their way.
        free: options on which no sample depends.

    Raises:
        ValueError: the earlier run has other options or more samples, or its files are damaged.
    """
    left = [*out.glob(SAMPLES_NAME), *out.glob(PARTS)]
    if left:
        require_same_run(out, config, seeds, free)
        if (out / SAMPLES_NAME).is_file():
            collected.restore(out / SAMPLES_NAME)
        take_parts(collected, out)
    n, there = len(collected.done), collected.finished
    told = f"going on with {there} of {n} samples" if there else f"{out} has no samples to go on with: all {n} are made"
    again = int(collected.done[:shown].sum())
    print(f"{told}; {again} of them are made again, for the animation" if again else told, file=sys.stderr)
