"""Small networks and laws whose answers are known on paper."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from wasserflow.seeds import Noise


class QuadraticCritic(nn.Module):
    """d(x) = -curvature / 2 ||x - centre||^2, so grad d = curvature (centre - x)."""

    def __init__(self, centre: list[float], curvature: float = 1.0, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.tensor(centre, dtype=dtype))
        self.curvature = nn.Parameter(torch.tensor(curvature, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return -self.curvature / 2 * (x - self.centre).square().flatten(1).sum(1)


class GaussianLogRatio(nn.Module):
    """log N(x; mean_data, cov_data) - log N(x; mean_model, cov_model), up to a constant."""

    def __init__(self, mean_data: Tensor, cov_data: Tensor, mean_model: Tensor, cov_model: Tensor) -> None:
        super().__init__()
        self.mean_data, self.mean_model = mean_data, mean_model
        self.precision_data, self.precision_model = torch.linalg.inv(cov_data), torch.linalg.inv(cov_model)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x - self.mean_data, x - self.mean_model
        return (b @ self.precision_model * b).sum(1) / 2 - (a @ self.precision_data * a).sum(1) / 2


class LinearGenerator(nn.Module):
    """g(z) = matrix z + shift."""

    def __init__(self, matrix: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.matrix, self.shift = nn.Parameter(matrix), nn.Parameter(shift)

    def forward(self, z: Tensor) -> Tensor:
        return z @ self.matrix.T + self.shift


def mlp_critic(width: int = 2, dtype: torch.dtype = torch.float64, column: bool = False) -> nn.Module:
    """A smooth nonlinear critic; `column` returns (batch, 1) as many published critics do."""
    layers: list[nn.Module] = [nn.Flatten(1), nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, 1)]
    if not column:
        layers.append(nn.Flatten(0))
    return initialised(nn.Sequential(*layers).to(dtype), seed=1, gain=1.5)


def mlp_generator(latent: int = 2, width: int = 2, dtype: torch.dtype = torch.float64) -> nn.Module:
    layers = [nn.Linear(latent, 16), nn.Tanh(), nn.Linear(16, width)]
    return initialised(nn.Sequential(*layers).to(dtype), seed=2, gain=1.5)


def initialised(module: nn.Module, seed: int, gain: float) -> nn.Module:
    """The same weights whatever ran before, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter.shape[-1] if parameter.ndim > 1 else 4
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * gain / math.sqrt(fan_in)
            parameter.copy_(values)
    return module.eval()


class BlowsUp(nn.Module):
    """A quadratic critic which answers `value` for one sample at one of its calls (counted from 1)."""

    def __init__(self, sample: int, call: int, value: float = math.nan) -> None:
        super().__init__()
        self.sample, self.call, self.value, self.calls = sample, call, value, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        energy = -x.square().flatten(1).sum(1) / 2
        if self.calls == self.call:
            spike = torch.zeros_like(energy)
            spike[self.sample] = self.value
            energy = energy + spike
        return energy


class FixedPath(Noise):
    """Noise read from a list, one tensor a step, in place of the random streams."""

    def __init__(self, values: Tensor) -> None:
        super().__init__(torch.zeros(len(values), dtype=torch.int64), 0)
        object.__setattr__(self, "values", values)

    def normal(self, like: Tensor, stream: int = 0) -> Tensor:
        return self.values  # type: ignore[attr-defined,no-any-return]


def drift_of(energy: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The (velocity, energy) callable that integrators ask for, by plain autograd."""

    def drift(x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            value = energy(leaf)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return -gradient, value.detach()

    return drift


def numeric_cdf(
    energy: Callable[[np.ndarray], np.ndarray], low: float, high: float
) -> Callable[[np.ndarray], np.ndarray]:
    """The distribution function of the density exp(-energy) on [low, high], by quadrature."""
    grid = np.linspace(low, high, 200_001)
    density = np.exp(-energy(grid))
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return lambda x: np.interp(x, grid, mass / mass[-1])


def draw_from(cdf: Callable[[np.ndarray], np.ndarray], low: float, high: float, n: int, seed: int) -> Tensor:
    """n exact draws, (n, 1) float64, by inverting the distribution function."""
    grid = np.linspace(low, high, 200_001)
    uniform = np.random.default_rng(seed).random(n)
    return torch.from_numpy(np.interp(uniform, cdf(grid), grid))[:, None]
