"""Solve (K + η I) a = b for a kernel matrix that may only just be positive definite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.densities.distances import squared_distances

_JITTERS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2)
_ROWS = 1024


def kernel_matrix(
    draws: Iterable[tuple[Float[Tensor, "m dim"], Float[Tensor, "n dim"]]], bandwidth: float
) -> Float[Tensor, "m n"]:
    """exp(-‖x_i - y_j‖² / bandwidth²), averaged over draws of (x, y), in double precision and filled row by row."""
    total, count = None, 0
    for points, references in draws:
        if total is None:
            total = points.new_zeros(len(points), len(references), dtype=torch.float64)
        for start in range(0, len(points), _ROWS):
            rows = points[start : start + _ROWS]
            total[start : start + len(rows)] += squared_distances(rows, references).mul_(-1 / bandwidth**2).exp_()
        count += 1
    assert total is not None
    return total.div_(count)


def half_shifted(features: Float[Tensor, "n dim"], shifted: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Features of references of which half of the shift's variance has gone to each side of a kernel.

    k(x_i - ε_i, x_j - ε_j) with independent shifts of variance σ² / 2 has the expectation of k(x_i, x_j - ε) with σ²,
    and unlike that one's average over some draws its matrix is positive definite. Exact where the features are the
    samples, and to first order in the shift elsewhere.
    """
    return torch.lerp(features, shifted, math.sqrt(0.5))


def cholesky_solve(
    matrix: Callable[[], Float[Tensor, "n n"]], right: Float[Tensor, "n columns"], ridge: float
) -> Float[Tensor, "n columns"]:
    """(matrix + ridge I)⁻¹ right by one Cholesky factorisation, in place.

    Rounding can leave the matrix with negative eigenvalues; then more is added to the diagonal, a hundred millionth at
    first, until it factorises.

    Args:
        matrix: makes the matrix; called again where a factorisation failed, which destroys it.
        right: (n, columns), in the matrix's precision.
        ridge: η.

    Raises:
        ValueError: not even 0.01 on the diagonal makes it positive definite.
    """
    for jitter in _JITTERS:
        a = matrix()
        a.diagonal().add_(ridge + jitter)
        info = torch.empty((), dtype=torch.int32, device=a.device)
        torch.linalg.cholesky_ex(a, out=(a, info))
        if int(info) == 0:
            return torch.cholesky_solve(right, a)
    raise ValueError(f"the kernel matrix is not positive definite at ridge {ridge}; take a larger ridge")
