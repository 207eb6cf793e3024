"""What an animation keeps of the batches of a run."""

from __future__ import annotations

import torch

import wasserflow as wf
from wasserflow.cli.running.pictures import Trajectory


def seen(trajectory: Trajectory, size: int, steps: int) -> None:
    """A batch whose numbers say their step."""
    watch = trajectory.of_batch(size)
    for step in range(1, steps + 1):
        assert watch is not None
        watch(wf.State(torch.full((size, 1), float(step)), step=step))


def kept(trajectory: Trajectory) -> list[list[float]]:
    return [frame.flatten().tolist() for frame in trajectory.samples]


def test_batches_are_joined_until_there_are_enough() -> None:
    trajectory = Trajectory(None, steps=3, count=5)
    seen(trajectory, 2, 3), seen(trajectory, 2, 1), seen(trajectory, 2, 2)
    assert trajectory.of_batch(2) is None
    assert kept(trajectory) == [[1, 1, 1, 1, 1], [2, 2, 1, 1, 2], [3, 3, 1, 1, 2]]


def test_at_most_forty_steps_are_kept_evenly() -> None:
    tenfold = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(tenfold.weight, 10.0)
    trajectory = Trajectory(tenfold, steps=120, count=1)
    seen(trajectory, 1, 120)
    assert kept(trajectory) == [[10.0 * step] for step in range(3, 121, 3)]


def test_samples_that_stay_where_they_began_end_what_is_seen() -> None:
    first, second = (Trajectory(None, steps=2, count=4) for _ in range(2))
    seen(first, 2, 0), seen(first, 2, 2)
    assert kept(first) == []
    seen(second, 2, 2), seen(second, 2, 0)
    assert kept(second) == [[1, 1], [2, 2]]
