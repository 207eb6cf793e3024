"""Curves over the steps of flows: what is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from wasserflow.reports import save_curves


def test_lines_are_means_and_bands_are_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, bands = {}, []
    monkeypatch.setattr(Axes, "fill_between", lambda self, x, low, high, **_: bands.append((x, low, high)))
    plot = Axes.plot

    def seen(self: Axes, x: list[int], y: list[float], *rest: object, label: str, **options: object) -> object:
        lines[label] = (x, y)
        return plot(self, x, y, *rest, label=label, **options)

    monkeypatch.setattr(Axes, "plot", seen)
    path = tmp_path / "curves.png"
    save_curves(path, {"a": {5: [1.0, 3.0], 0: [4.0, 6.0]}, "b": {0: [2.0]}}, "distance ↓", "two flows")
    assert lines == {"a": ([0, 5], [5.0, 2.0]), "b": ([0], [2.0])}
    assert bands[0] == ([0, 5], [4.0, 1.0], [6.0, 3.0])
    with Image.open(path) as picture:
        picture.verify()


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no curves"):
        save_curves(tmp_path / "curves.png", {}, "distance")


@pytest.mark.parametrize(
    ("steps", "all_shown"), [([0, 3, 6, 9], True), ([0, 1, 2, 25], False), (list(range(0, 60, 3)), False)]
)
def test_few_even_steps_are_all_named(
    steps: list[int], all_shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path: seen.extend(self.axes[0].get_xticks()))
    save_curves(tmp_path / "curves.png", {"a": {step: [1.0] for step in steps}}, "distance")
    assert (seen == steps) == all_shown


@pytest.mark.parametrize(("logarithmic", "scale"), [(True, "log"), (False, "linear")])
def test_axes_are_as_asked(logarithmic: bool, scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        Figure, "savefig", lambda self, path: seen.extend((a.get_yscale(), a.get_xlabel()) for a in self.axes)
    )
    curves = {"a": {0: [100.0], 5: [1.0]}}
    save_curves(tmp_path / "curves.png", curves, "distance", along="training step", logarithmic=logarithmic)
    assert seen == [(scale, "training step")]
