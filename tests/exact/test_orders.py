"""Orders of convergence: Euler 1, Heun 2, against exact solutions and on one shared noise path."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from toys import FixedPath, drift_of

INTEGRATORS = [(wf.EulerMaruyama, 1.0), (wf.Heun, 2.0)]


def quartic(x: Tensor) -> Tensor:
    return (x**4).flatten(1).sum(1) / 4


def slope(errors: list[float]) -> float:
    """The order, from errors at step sizes that halve."""
    return math.log2(errors[-2] / errors[-1])


@pytest.mark.parametrize(("make", "order"), INTEGRATORS)
def test_order_on_an_equation_with_known_solution(make: type, order: float) -> None:
    """dx/dt = -x^3 has the solution x0 / sqrt(1 + 2 x0^2 t)."""
    x0 = torch.tensor([[0.5], [1.0], [-1.5]], dtype=torch.float64)
    exact = x0 / (1 + 2 * x0.square()).sqrt()
    errors = [
        float((wf.flow(x0, quartic, make(1 / n, 0.0), steps=n, seed=0).x - exact).abs().max())
        for n in (32, 64, 128, 256)
    ]
    assert slope(errors) == pytest.approx(order, abs=0.06)
    assert errors[-1] < 0.01


@pytest.mark.parametrize(("make", "order"), INTEGRATORS)
def test_order_on_a_shared_noise_path(make: type, order: float) -> None:
    """All step sizes see one polygonal path, x' = -x^3 + w'(t), so their errors can be compared.

    Heun keeps its second order only when its predictor moves with the same noise as its corrector.
    """
    corners, temperature = 4, 0.5
    increments = torch.randn(corners, 6, 1, dtype=torch.float64) * math.sqrt(1 / corners)
    x0 = torch.linspace(-1, 1, 6, dtype=torch.float64)[:, None]
    reference = runge_kutta(x0, increments, temperature, substeps=200)
    errors = []
    for substeps in (16, 32, 64, 128):
        h = 1 / (corners * substeps)
        integrator = make(h, temperature)
        drift, state = drift_of(quartic), integrator.init(x0)
        for increment in increments:
            # sqrt(2 h T) xi must be the polygon's rise over h, sqrt(2 T) increment / substeps.
            path = FixedPath(increment / substeps / math.sqrt(h))
            for _ in range(substeps):
                state = integrator.step(state, drift, path)
        errors.append(float((state.x - reference).abs().max()))
    assert slope(errors) == pytest.approx(order, abs=0.1)


def runge_kutta(x: Tensor, increments: Tensor, temperature: float, substeps: int) -> Tensor:
    """The classical fourth-order method on the same polygon: the reference solution."""
    corners = len(increments)
    h = 1 / (corners * substeps)
    for increment in increments:
        push = math.sqrt(2 * temperature) * increment * corners
        for _ in range(substeps):
            k1 = push - x**3
            k2 = push - (x + h / 2 * k1) ** 3
            k3 = push - (x + h / 2 * k2) ** 3
            k4 = push - (x + h * k3) ** 3
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x


def test_schedules_count_steps_from_zero() -> None:
    seen: list[int] = []

    def step_size(step: int) -> float:
        seen.append(step)
        return 0.1 / (step + 1)

    x = wf.flow(torch.ones(1, 1, dtype=torch.float64), line, wf.EulerMaruyama(step_size), steps=3).x
    assert sorted(set(seen)) == [0, 1, 2]
    # The line's velocity is -1 everywhere, so the particle moves by the sum of the step sizes.
    assert float(x) == pytest.approx(1 - 0.1 * (1 + 1 / 2 + 1 / 3), abs=1e-12)


def line(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)
