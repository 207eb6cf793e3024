"""Tables in plain text and markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_ABSENT = "–"
_LONG = 1e8  # from here on numbers are of samples that blew up: their size counts, not their digits


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]], markdown: bool = False) -> str:
    """Align rows under a header: the first column to the left, the others to the right.

    Args:
        header: names of the columns.
        rows: a cell a column; floats are written with 4 significant digits, None as a dash.
        markdown: bars between the columns, as README files need them.

    Returns:
        The lines of the table, without a line break at the end.

    Raises:
        ValueError: a row with another number of cells than the header.

    Example:
        >>> print(format_table(["method", "W2"], [["DGflow", 0.12], ["DOT", None]]))
        method      W2
        ------  ------
        DGflow  0.1200
        DOT          –
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"the row {list(row)} has {len(row)} cells for {len(header)} columns")
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    # Markdown wants a hyphen beside the colon of a column that is aligned to the right.
    least = 2 if markdown else 1
    widths = [max(least, *map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        [_pad(text, width, first=i == 0) for i, (text, width) in enumerate(zip(row, widths, strict=True))]
        for row in cells
    ]
    if markdown:
        rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
        return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])
    rule = ["-" * width for width in widths]
    return "\n".join("  ".join(line).rstrip() for line in [lines[0], rule, *lines[1:]])


def before_after_table(
    before: Mapping[str, object], after: Mapping[str, object], labels: Mapping[str, str], markdown: bool = False
) -> str:
    """Put metrics before and after beside each other, with the relative change.

    Args:
        before: metric -> value; None or absent where it was not measured.
        after: the same after the flow.
        labels: metric -> name in the table; only these are shown, in this order.
        markdown: write a markdown table.

    Returns:
        The table, without metrics that were measured on neither side.

    Example:
        >>> print(before_after_table({"frechet": 20.0}, {"frechet": 15.0}, {"frechet": "Fréchet distance ↓"}))
        metric              before  after   change
        ------------------  ------  -----  -------
        Fréchet distance ↓   20.00  15.00  -25.0 %
    """
    rows = [[label, before.get(name), after.get(name)] for name, label in labels.items()]
    measured = [row for row in rows if row[1:] != [None, None]]
    return format_table(
        ["metric", "before", "after", "change"], [[*row, _change(row[1], row[2])] for row in measured], markdown
    )


def _change(before: object, after: object) -> str | None:
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)) or before == 0:
        return None
    percent = 100 * (after - before) / abs(before)
    return f"{percent:+.1f} %" if abs(percent) < _LONG else f"{percent:+.1e} %"


def _cell(value: object) -> str:
    if value is None:
        return _ABSENT
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return _ABSENT
    # Four significant digits, but never the exponent of a plain thousand.
    return f"{value:.0f}" if 1e3 <= abs(value) < _LONG else f"{value:#.4g}"


def _pad(text: str, width: int, first: bool) -> str:
    return text.ljust(width) if first else text.rjust(width)
