from __future__ import annotations

import pytest
import torch

import wasserflow as wf


def test_penalty_is_the_squared_distance_and_its_gradient_twice_the_difference() -> None:
    book = torch.randn(6, 3, dtype=torch.float64)
    codebook, alpha = wf.spaces.Codebook(book), 0.7
    z = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    vectors = z.detach().movedim(1, -1).reshape(-1, 3)
    gaps = (vectors[:, None] - book).square().sum(2)
    energy = (alpha * wf.potentials.CodebookPenalty(codebook))(z)
    torch.testing.assert_close(energy.detach(), alpha * gaps.min(1).values.reshape(4, 4).sum(1))
    (gradient,) = torch.autograd.grad(energy.sum(), z)
    nearest = book[gaps.argmin(1)].reshape(4, 2, 2, 3).movedim(-1, 1)
    torch.testing.assert_close(gradient, 2 * alpha * (z.detach() - nearest))


def test_no_gradient_reaches_the_codes() -> None:
    weight = torch.nn.Embedding(6, 3)
    model = torch.nn.Module()
    model.quantize = torch.nn.Module()
    model.quantize.embedding = weight
    z = torch.randn(2, 3, requires_grad=True)
    wf.potentials.CodebookPenalty(wf.spaces.Codebook(model))(z).sum().backward()
    assert weight.weight.grad is None
    assert z.grad is not None


@pytest.mark.parametrize(("alpha", "left"), [(1.0, 0.8), (5.0, 0.0)])
def test_a_euler_step_goes_the_way_of_step_size_times_alpha(alpha: float, left: float) -> None:
    """z - e shrinks by 1 - 2 h alpha."""
    codebook = wf.spaces.Codebook(torch.tensor([[0.0], [10.0]]))
    energy = alpha * wf.potentials.CodebookPenalty(codebook)
    moved = wf.flow(torch.tensor([[9.0], [2.0]]), energy, wf.EulerMaruyama(0.1), steps=1).x
    torch.testing.assert_close(moved, torch.tensor([[10 - left], [2 * left]]))
