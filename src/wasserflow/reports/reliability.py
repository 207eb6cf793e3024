"""Reliability diagrams: how often a critic is right when it is this sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

_STYLES = ("o-", "s--", "^:", "v-.")


def save_reliability(path: str | Path, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """Plot the observed share of real samples against the predicted one, beside the diagonal of a calibrated critic.

    Args:
        path: the file; its suffix gives the format.
        curves: name of a critic -> (predicted, observed) shares, 0 to 1, bin by bin.

    Raises:
        ValueError: no curves.

    Example:
        >>> import tempfile
        >>> save_reliability(tempfile.mkdtemp() + "/reliability.png", {"critic": ([0.1, 0.9], [0.3, 0.7])})
    """
    if not curves:
        raise ValueError("there are no curves to plot; give at least one")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 4.8), dpi=130, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#9a9a9a", linewidth=1, label="calibrated")
    for number, (name, (predicted, observed)) in enumerate(curves.items()):
        axes.plot(predicted, observed, _STYLES[number % len(_STYLES)], markersize=4, label=name)
    axes.set(xlabel="sigmoid(log-ratio)", ylabel="share of real samples", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    figure.savefig(path)
