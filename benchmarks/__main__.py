"""`make bench`: every ratio beside its target."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from benchmarks import densities, flow_guided, refinement, start
from benchmarks.timing import Row
from wasserflow.memory import keep_freed_memory
from wasserflow.reports import format_table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repeats of each rival")
    parser.add_argument("--keep-memory", action="store_true", help="for all rivals alike, as the command line does")
    options = parser.parse_args()
    repeats, kept = options.repeats, options.keep_memory and keep_freed_memory()
    torch.manual_seed(0)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, medians of {repeats} interleaved repeats"
        + ", freed memory kept" * kept
    )
    groups: list[Callable[[], list[Row]]] = [
        lambda: refinement.rows(refinement.cifar10_pair(), repeats),
        lambda: refinement.rows(refinement.toy_pair(), repeats),
        lambda: refinement.rows(refinement.toy_pair(points=500), repeats),
        lambda: refinement.rows(refinement.wide_toy_pair(), repeats),
        lambda: densities.rows(max(3, repeats // 3)),
        lambda: flow_guided.rows(max(3, repeats // 3)),
        lambda: start.rows(max(3, repeats // 3)),
    ]
    for measure in groups:
        rows = [(*row, "" if row[5] is None else "met" if row[2] <= row[5] else "missed") for row in measure()]
        print("\n" + format_table(["what", "ratio", "median", "min", "max", "target <=", ""], rows), flush=True)


if __name__ == "__main__":
    main()
