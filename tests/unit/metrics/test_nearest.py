"""Nearest neighbours against brute force, for any way of cutting the reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wasserflow.data.images import to_float
from wasserflow.metrics import nearest_neighbours


def brute_force(x: list[list[float]], y: list[list[float]], k: int) -> tuple[list[list[float]], list[list[int]]]:
    distances, indices = [], []
    for a in x:
        far = [(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5, j) for j, b in enumerate(y)]
        distances.append([distance for distance, _ in sorted(far)[:k]])
        indices.append([j for _, j in sorted(far)[:k]])
    return distances, indices


def images(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, 2, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("chunk_size", [1, 4, 7, 1000])
@pytest.mark.parametrize("k", [1, 6])
def test_neighbours_are_those_found_by_hand_for_any_chunk(k: int, chunk_size: int) -> None:
    x, y = 10 + torch.randn(9, 3, dtype=torch.float64), 10 + torch.randn(23, 3, dtype=torch.float64)
    distances, indices = brute_force(x.tolist(), y.tolist(), k)
    found = nearest_neighbours(x, y, k, chunk_size)
    assert found.indices.tolist() == indices
    torch.testing.assert_close(found.distances, torch.tensor(distances, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_images_one_batch_after_another() -> None:
    x, y = images(5, seed=0), images(30, seed=1)
    flat = [to_float(part).flatten(1).tolist() for part in (x, y)]
    distances, indices = brute_force(*flat, k=3)
    found = nearest_neighbours(to_float(x), map(to_float, y.split(8)), k=3)
    assert found.indices.tolist() == indices
    torch.testing.assert_close(found.distances.float(), torch.tensor(distances), rtol=1e-6, atol=1e-6)


def test_a_copy_is_at_distance_zero() -> None:
    y = to_float(images(30, seed=1))
    found = nearest_neighbours(y[[4, 17]], y, k=2)
    assert found.indices[:, 0].tolist() == [4, 17]
    assert found.distances[:, 0].max() < 1e-6
    assert found.distances[:, 1].min() > 0.1


def test_refusals() -> None:
    x = torch.randn(3, 2)
    with pytest.raises(ValueError, match="k is 0"):
        nearest_neighbours(x, x, k=0)
    with pytest.raises(ValueError, match="3 members for k = 4"):
        nearest_neighbours(x, x, k=4)
    with pytest.raises(ValueError, match=r"points have shape \(2,\) and the reference \(3,\)"):
        nearest_neighbours(x, iter([torch.randn(9, 3)]))
