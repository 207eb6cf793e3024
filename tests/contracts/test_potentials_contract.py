"""What every exported potential and divergence owes its caller."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from calls import BATCH, COUPLED, divergences, particles, potentials

POTENTIALS = potentials()
DIVERGENCES = divergences()
DTYPES = [torch.float32, torch.float64]


def test_the_contract_covers_the_promised_potentials() -> None:
    assert {"Divergence", "GaussianPrior", "Prior", "Proximal", "Pullback"} <= set(POTENTIALS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POTENTIALS)
def test_potential_is_one_number_a_sample(name: str, dtype: torch.dtype) -> None:
    x = particles(dtype)
    energy = potentials(dtype)[name](x)
    assert energy.shape == (BATCH,)
    assert energy.dtype == dtype


@pytest.mark.parametrize("name", [name for name in POTENTIALS if name not in COUPLED | {"Proximal"}])
def test_potential_of_one_sample_is_its_potential_in_the_batch(name: str) -> None:
    """Proximal has an anchor for each sample and is tested below."""
    x = particles()
    together = POTENTIALS[name](x)
    for i in range(BATCH):
        torch.testing.assert_close(POTENTIALS[name](x[i : i + 1])[0], together[i], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in POTENTIALS if name not in COUPLED])
def test_potential_gradient_is_that_of_its_values(name: str) -> None:
    """Central differences: a detached term or a swapped sample shows."""
    x = particles().requires_grad_()
    (gradient,) = torch.autograd.grad(POTENTIALS[name](x).sum(), x)
    width = 1e-6
    for column in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[column] = width
        with torch.no_grad():
            slope = (POTENTIALS[name](x + shift) - POTENTIALS[name](x - shift)) / (2 * width)
        torch.testing.assert_close(gradient[:, column], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", POTENTIALS)
def test_potentials_add_and_scale(name: str) -> None:
    x, other = particles(), wf.Proximal(torch.ones(BATCH, 2, dtype=torch.float64))
    a = POTENTIALS[name]
    value, more = a(x), other(x)
    plain = lambda x: x.square().sum(1)  # noqa: E731
    cases: list[tuple[object, Tensor]] = [
        (a + other, value + more),
        (2 * a, 2 * value),
        (a * 2, 2 * value),
        (a / 4, value / 4),
        (a - other, value - more),
        (-a, -value),
        (a + 0.5 * other - 3 * a, 0.5 * more - 2 * value),
        (2 * (a + 3 * other), 2 * value + 6 * more),
        (a + plain, value + plain(x)),
        (plain + a, value + plain(x)),
        (plain - a, plain(x) - value),
        (plain - (a + 3 * other), plain(x) - value - 3 * more),
        (torch.tensor(2.0) * a, 2 * value),
        (a * torch.tensor(2), 2 * value),
        (a / torch.tensor(4.0), value / 4),
        (0 * a, 0 * value),
        (other - 0 * a, more),
    ]
    for combined, expected in cases:
        assert isinstance(combined, wf.Potential)
        torch.testing.assert_close(combined(x), expected, rtol=1e-12, atol=1e-12)


def test_a_term_of_weight_zero_is_left_out_also_where_it_is_infinite() -> None:
    outside = torch.full((2, 2), 3.0)
    prior = wf.Prior(wf.spaces.Box(-1.0, 1.0))
    assert (0 * prior)(outside).tolist() == [0.0, 0.0]
    assert (wf.GaussianPrior() + 0.0 * prior)(outside).tolist() == [9.0, 9.0]
    assert torch.equal(wf.flow(outside, 0 * prior, wf.EulerMaruyama(0.5), steps=1).x, outside)


@pytest.mark.parametrize("factor", [torch.ones(2), torch.tensor(1j), "2", None])
def test_factors_that_are_no_numbers(factor: object) -> None:
    with pytest.raises(TypeError):
        factor * wf.GaussianPrior()


def test_sum_of_a_list() -> None:
    x, terms = particles(), [wf.GaussianPrior(), wf.GaussianPrior(), wf.GaussianPrior()]
    total = terms[0] + terms[1] + terms[2]
    torch.testing.assert_close(total(x), 1.5 * x.square().sum(1))


def test_known_values() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    assert wf.GaussianPrior()(x).tolist() == [12.5, 0.0]
    assert wf.Prior(wf.spaces.Normal(2))(x)[0] - wf.Prior(wf.spaces.Normal(2))(x)[1] == 12.5
    proximal = wf.Proximal(torch.zeros(2, 2, dtype=torch.float64))
    torch.testing.assert_close(proximal(x), torch.tensor([5.0, 0.0], dtype=torch.float64), rtol=0, atol=2e-6)
    torch.testing.assert_close(
        wf.Divergence(wf.KL(), lambda x: x.sum(1))(x), torch.tensor([-7.0, 0.0], dtype=torch.float64)
    )
    images = torch.full((2, 3, 4, 4), 2.0)
    assert wf.GaussianPrior()(images).tolist() == [96.0, 96.0]


def test_proximal_gradient_is_defined_at_its_anchor_and_a_unit_vector_away_from_it() -> None:
    anchor = torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    x = torch.tensor([[1.0, 2.0], [-3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(wf.Proximal(anchor)(x).sum(), x)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 0.0], [-0.6, 0.8]], dtype=torch.float64))


@pytest.mark.parametrize("name", POTENTIALS)
def test_potential_is_frozen(name: str) -> None:
    if names := [field.name for field in fields(POTENTIALS[name])]:
        with pytest.raises(FrozenInstanceError):
            setattr(POTENTIALS[name], names[0], None)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergence_keeps_shape_and_dtype(name: str, dtype: torch.dtype) -> None:
    d = torch.linspace(-3, 3, 7, dtype=dtype)
    for function in (DIVERGENCES[name].first_variation, DIVERGENCES[name].weight):
        assert function(d).shape == d.shape
        assert function(d).dtype == dtype
    assert DIVERGENCES[name].f(d.exp()).shape == d.shape
    assert DIVERGENCES[name].f(d.exp()).dtype == dtype


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergence_has_a_value_identity(name: str) -> None:
    """Frozen dataclasses: equal by value, hashable, printed by name."""
    assert DIVERGENCES[name] == type(DIVERGENCES[name])()
    assert hash(DIVERGENCES[name]) == hash(type(DIVERGENCES[name])())
    assert repr(DIVERGENCES[name]).startswith(name)
