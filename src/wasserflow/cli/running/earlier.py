"""What an earlier run in the same folder has finished."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from wasserflow.cli.running.collected import Collected
from wasserflow.cli.running.streaming import SAMPLES_NAME, take_parts
from wasserflow.reports import require_same_run
from wasserflow.reports.record import RECORD_NAME


def restore(
    collected: Collected, out: Path, config: Mapping[str, Any], seeds: object, free: Collection[str] = ()
) -> None:
    """Put the samples of an earlier run in their places, also those that killed processes left; none if there is none.

    Args:
        collected: empty room for the samples.
        out: the run directory.
        config: the resolved options.
        seeds: the seeds of the run.
        free: options on which no sample depends.

    Raises:
        ValueError: the earlier run has other options or more samples, or its files are damaged.
    """
    if not (out / RECORD_NAME).is_file():
        return
    require_same_run(out, config, seeds, free)
    if (out / SAMPLES_NAME).is_file():
        collected.restore(out / SAMPLES_NAME)
    take_parts(collected, out)
    print(f"going on with {collected.finished} of {len(collected.done)} samples", file=sys.stderr)
