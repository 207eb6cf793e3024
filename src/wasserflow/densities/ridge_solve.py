"""Solve (K + η I) a = b for a kernel matrix that may only just be positive definite."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from wasserflow.densities.distances import squared_distances

_JITTERS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2, 1e-1, 1.0, 10.0)
_ROWS = 1024


def kernel_matrix(
    points: Float[Tensor, "m dim"], references: Float[Tensor, "draws n dim"], bandwidth: float
) -> Float[Tensor, "m n"]:
    """exp(-‖x_i - y_j‖² / bandwidth²), averaged over draws of the y_j, in double precision and filled row by row."""
    matrix = points.new_empty(len(points), references.shape[1], dtype=torch.float64)
    for start in range(0, len(points), _ROWS):
        rows = points[start : start + _ROWS]
        draws = (squared_distances(rows, y).mul_(-1 / bandwidth**2).exp_() for y in references)
        matrix[start : start + len(rows)] = sum(draws) / len(references)
    return matrix


def symmetric_kernel_matrix(
    points: Float[Tensor, "n dim"], references: Float[Tensor, "draws n dim"], bandwidth: float
) -> Float[Tensor, "n n"]:
    """The kernel matrix of references with themselves; a mollified one is symmetric in expectation only, so made so."""
    matrix = kernel_matrix(points, references, bandwidth)
    return matrix if references.data_ptr() == points.data_ptr() else (matrix + matrix.T) / 2


def cholesky_solve(
    matrix: Callable[[], Float[Tensor, "n n"]], right: Float[Tensor, "n columns"], ridge: float
) -> Float[Tensor, "n columns"]:
    """(matrix + ridge I)⁻¹ right by one Cholesky factorisation, in place.

    Rounding, or the Monte Carlo error of a mollified kernel, can leave the matrix with negative eigenvalues; then more
    is added to the diagonal, a hundred millionth at first, until it factorises.

    Args:
        matrix: makes the matrix; called again where a factorisation failed, which destroys it.
        right: (n, columns), in the matrix's precision.
        ridge: η.

    Raises:
        ValueError: not even 10 on the diagonal makes it positive definite.
    """
    for jitter in _JITTERS:
        a = matrix()
        a.diagonal().add_(ridge + jitter)
        info = torch.empty((), dtype=torch.int32, device=a.device)
        torch.linalg.cholesky_ex(a, out=(a, info))
        if int(info) == 0:
            return torch.cholesky_solve(right, a)
    raise ValueError(f"the kernel matrix is not positive definite at ridge {ridge}; take a larger ridge or more draws")
