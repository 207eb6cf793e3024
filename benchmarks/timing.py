"""Interleaved repeats, so that a machine whose speed drifts slows every rival alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

from tqdm import tqdm

Row = tuple[str, str, float, float, float, float | None]
"""Subject, ratio, its median, smallest and largest, and what it shall not exceed; None where it is only told."""


def interleaved(rivals: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every rival in every repeat, after one warm-up each; the rivals run in turn."""
    for run in rivals.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in tqdm(range(repeats), desc=", ".join(rivals), leave=False, unit="repeat"):
        for name, run in rivals.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: Mapping[str, list[float]], name: str, to: str) -> tuple[float, float, float]:
    """Median, smallest and largest ratio of two rivals, repeat by repeat."""
    ratios = [a / b for a, b in zip(seconds[name], seconds[to], strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)
