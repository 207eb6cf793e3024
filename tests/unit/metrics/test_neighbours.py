"""Precision, recall, density and coverage against brute force and against sets that can be counted."""

from __future__ import annotations

import pytest
import torch

from wasserflow.metrics import NeighbourMetrics, neighbour_metrics


def brute_force(x: list[list[float]], y: list[list[float]], near: int, far: int) -> NeighbourMetrics:
    def distance(a: list[float], b: list[float]) -> float:
        return sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5

    def radius(points: list[list[float]], i: int, k: int) -> float:
        return sorted(distance(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]

    x_near = [radius(x, i, near) for i in range(len(x))]
    y_near, y_far = ([radius(y, i, k) for i in range(len(y))] for k in (near, far))
    d = [[distance(a, b) for b in y] for a in x]
    columns = range(len(y))
    return NeighbourMetrics(
        precision=sum(any(row[j] <= y_near[j] for j in columns) for row in d) / len(x),
        recall=sum(any(d[i][j] <= x_near[i] for i in range(len(x))) for j in columns) / len(y),
        density=sum(row[j] <= y_far[j] for row in d for j in columns) / (far * len(x)),
        coverage=sum(any(row[j] <= y_far[j] for row in d) for j in columns) / len(y),
    )


@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_values_are_those_counted_by_hand_for_any_chunk(chunk_size: int) -> None:
    x, y = 0.7 * torch.randn(40, 3) + 0.8, torch.randn(53, 3)
    ours = neighbour_metrics(x, y, chunk_size=chunk_size)
    expected = brute_force(x.tolist(), y.tolist(), near=3, far=5)
    for name, value in vars(expected).items():
        assert getattr(ours, name) == pytest.approx(value, abs=1e-12), name
    assert 0 < ours.recall < ours.precision < 1, "the case must tell precision from recall"
    assert len(set(vars(ours).values())) == 4


def test_the_numbers_of_neighbours_are_used() -> None:
    x, y = torch.randn(30, 2) + 1.0, torch.randn(30, 2)
    ours = neighbour_metrics(x, y, precision_neighbours=1, density_neighbours=2)
    expected = brute_force(x.tolist(), y.tolist(), near=1, far=2)
    assert vars(ours) == pytest.approx(vars(expected))


def test_a_set_equals_itself() -> None:
    x = 100 + torch.randn(200, 6)
    # Each point lies in its own ball and, the edge included, is the centre of balls around 5 others.
    assert vars(neighbour_metrics(x, x)) == pytest.approx(
        {"precision": 1.0, "recall": 1.0, "density": 6 / 5, "coverage": 1.0}
    )


def test_far_sets_share_nothing() -> None:
    x = torch.randn(50, 4)
    assert neighbour_metrics(x, x + 100) == NeighbourMetrics(0.0, 0.0, 0.0, 0.0)


def test_collapsed_samples_are_precise_and_recall_nothing() -> None:
    y = torch.randn(100, 4)
    ours = neighbour_metrics(y[:1].repeat(100, 1), y)
    assert ours.precision == 1
    assert ours.recall == pytest.approx(1 / 100)
    assert ours.coverage < 0.2


@pytest.mark.parametrize(
    ("n", "m", "options", "match"),
    [
        (3, 50, {}, "3 samples"),
        (50, 5, {}, "5 reference images"),
        (50, 50, {"chunk_size": 0}, "chunk_size 0"),
        (50, 50, {"precision_neighbours": 0}, "neighbours are 0 and 5"),
    ],
)
def test_bad_input_is_refused(n: int, m: int, options: dict[str, int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        neighbour_metrics(torch.randn(n, 2), torch.randn(m, 2), **options)


@pytest.mark.usefixtures("unchecked_annotations")
def test_features_of_different_nets_are_refused() -> None:
    with pytest.raises(ValueError, match="2 features and the reference 3"):
        neighbour_metrics(torch.randn(10, 2), torch.randn(10, 3))
