"""`wasserflow evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

from wasserflow.cli.names.arrays import read_samples
from wasserflow.cli.names.measures import check_samples, measure_for
from wasserflow.reports import before_after_table, format_table


def evaluate(
    samples: Path, reference: str, features: str | None = None, seed: int = 0, json_file: Path | None = None
) -> None:
    """Measure stored samples against a reference set.

    Args:
        samples: An .npz file with `before` and `after`, one of them, or `samples`: uint8 images NHWC, points (n, 2) or
            strings.
        reference: cifar10 or mnist (their test images), cifar10-validation or mnist-validation (for choosing settings),
            25gaussians, swissroll, billion-words, or a folder, .parquet or .npz file.
        features: For images: a classifier such as cifar10-resnet whose features are used, or inception.
        seed: Draws the random subsets of the metrics.
        json_file: Also write the numbers to this file.
    """
    if json_file is not None and not json_file.parent.is_dir():
        raise ValueError(f"json_file is {json_file}, but there is no folder {json_file.parent}; make it first")
    arrays = read_samples(samples)
    for array in arrays.values():
        check_samples(array, reference)
    measure = measure_for(reference, features, seed)
    numbers = {name: measure(array) for name, array in arrays.items()}
    if {"before", "after"} <= set(numbers):
        print(before_after_table(numbers["before"], numbers["after"], measure.labels))
    else:
        rows = [[label, *(each.get(name) for each in numbers.values())] for name, label in measure.labels.items()]
        print(format_table(["metric", *numbers], [row for row in rows if row[1] is not None]))
    shown = next(iter(numbers.values()))
    print(f"{shown['samples']} samples against {shown['reference']}" + (f", features {features}" if features else ""))
    if json_file is not None:
        json_file.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
