"""What measures a training of images: which classifier's features, and against which images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wasserflow.cli.names.images import IMAGE_SETS, images_of
from wasserflow.cli.names.measures import POINTS, classifier_of
from wasserflow.data.images import to_float
from wasserflow.metrics import reference_set
from wasserflow.models import zoo
from wasserflow.training.frechet_monitor import FrechetMonitor

EVERY = 1_000


def monitors(
    data: str,
    out: Path,
    iterations: int,
    every: int | None,
    samples: int,
    extra_steps: int,
    judge: str | None,
    target_class: int | None = None,
) -> list[FrechetMonitor]:
    """Give the monitor that a training is asked to have; none where there is nothing to measure.

    Args:
        data: what is generated.
        out: the run's folder.
        iterations: training steps; a run that is over before the first measurement needs no monitor.
        every: training steps between measurements, 0 for none; 1,000 for images if None.
        samples: how many are drawn each time.
        extra_steps: of their flow.
        judge: the classifier whose features are compared; the one that ships with the data if None.
        target_class: compare with the validation images of this class only.

    Raises:
        ValueError: points, or numbers below their least.
    """
    if data in POINTS:
        if every or judge is not None:
            raise ValueError(f"{data} has no images to judge while it trains; leave out --measure-every and --judge")
        return []
    every = EVERY if every is None else every
    if every == 0 or every > iterations:
        return []
    judge = judge or IMAGE_SETS[data].judge
    net = classifier_of(zoo.load(judge)).features
    validation = images_of(data, "validation")
    images = validation.images if target_class is None else validation.of_class(target_class)
    said = f"{len(images)} validation images of {data}"
    if target_class is not None:
        said += f", class {target_class}"
    reference = reference_set(net, map(to_float, images.split(100)), said, judge)
    return [FrechetMonitor(net, reference, out, every=every, samples=samples, extra_steps=extra_steps)]


def measured(monitors: Sequence[FrechetMonitor]) -> dict[str, float]:
    """The last distance of each monitor that has measured one, as a card keeps it."""
    numbers = {}
    for monitor in monitors:
        for step, distance in [*monitor.curve.items()][-1:]:
            compared = (
                f"{monitor.samples} samples, {monitor.reference.name}, features of {monitor.reference.feature_net}"
            )
            numbers[f"Fréchet distance at step {step}: {compared}"] = distance
    return numbers
