"""Repeated measurements as a mean and a standard deviation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

Spread = Mapping[str, float | None]
"""`mean` and `std`, as a table's JSON file keeps them."""


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Give the mean, and the standard deviation of a sample; None of a single value.

    Example:
        >>> spread([1.0, 3.0])
        {'mean': 2.0, 'std': 1.4142135623730951}
    """
    return {"mean": statistics.fmean(values), "std": statistics.stdev(values) if len(values) > 1 else None}


def spread_text(measured: Spread | None, digits: int, sign: str = "", unit: str = "") -> str | None:
    """Write `mean ± std` for a cell of a table.

    Args:
        measured: what `spread` gave; None for nothing.
        digits: after the point.
        sign: `+` to write it before positive means too.
        unit: written behind.

    Example:
        >>> spread_text({"mean": -12.34, "std": 0.56}, 1, "+", " %")
        '-12.3 ± 0.6 %'
    """
    if measured is None:
        return None
    around = "" if measured["std"] is None else f" ± {measured['std']:.{digits}f}"
    return f"{measured['mean']:{sign}.{digits}f}{around}{unit}"


def sets_told(sets: int, n: int, samples: str = "samples") -> str:
    """Say what the numbers of a table are taken over.

    Args:
        sets: how many sets of samples, each of its own seed.
        n: samples a set.
        samples: what they are.

    Example:
        >>> sets_told(3, 500), sets_told(1, 500)
        ('mean ± standard deviation over 3 sets of 500 samples', 'one set of 500 samples')
    """
    return f"mean ± standard deviation over {sets} sets of {n} {samples}" if sets > 1 else f"one set of {n} {samples}"
