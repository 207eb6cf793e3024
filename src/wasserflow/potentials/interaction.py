"""Particles that repel each other and are drawn to references, in feature space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.densities import Density, Features, LogDensity, mollifier_at, shifted_features
from wasserflow.densities.features import flat_features
from wasserflow.densities.gather import gather_rows
from wasserflow.potentials.potential import Potential
from wasserflow.seeds import Noise


@dataclass(frozen=True, eq=False)
class Interaction(Potential):
    """repulsion · log q(x) - attraction · log p(x), with q estimated from the very particles it is evaluated at.

    q is fitted anew at every call, each particle leaving its own kernel out. The others stand still in the gradient,
    which is that of log q in the particle's own position: the velocity of a Wasserstein gradient flow.

    Args:
        features: φ, maps (batch, *event) to (batch, ...); None compares the samples themselves. Evaluated once.
        density: the estimator of q.
        real: log p on features; None leaves it out.
        repulsion: λ1, the weight of log q; 0 leaves it out.
        attraction: λ2, the weight of log p.
        step: the step of the flow, which a mollified kernel's shifts depend on.
        seeds: (batch,) one seed a particle, for the shifts of a mollified kernel; 0, 1, ... if None.
        across_processes: q is that of the particles of all processes of `torch.distributed`.

    Raises:
        ValueError: when called, fewer than 2 particles to estimate q from, or features of a wrong shape.

    Source: Zhou et al., the update with λ1 and λ2.

    Example:
        >>> import torch, wasserflow as wf
        >>> wf.potentials.Interaction(None, wf.KernelDensity(bandwidth=1.0))(torch.tensor([[0.0], [2.0]]))
        tensor([-4.6931, -4.6931])
    """

    features: Features | None
    density: Density
    real: LogDensity | None = None
    repulsion: float = 1.0
    attraction: float = 1.0
    step: int = 0
    seeds: Int64[Tensor, " batch"] | None = None
    across_processes: bool = False

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the energy of (batch, *event) samples."""
        if self.repulsion == 0 and self.real is None:
            return x.new_zeros(len(x))
        features = flat_features(self.features, x)
        energy = features.new_zeros(len(x))
        if self.repulsion != 0:
            energy = energy + self.repulsion * self._own_density(x.detach(), features)
        if self.real is not None:
            energy = energy - self.attraction * self.real(features)
        return energy

    def _own_density(self, x: Tensor, features: Tensor) -> Tensor:
        references, first, shifted = features.detach(), 0, None
        if scale := mollifier_at(self.density.mollifier, self.step):
            seeds = torch.arange(len(x)) if self.seeds is None else self.seeds
            noise = Noise(seeds.to(x.device), self.step)
            shifted = shifted_features(self.features, x, scale, self.density.draws, noise)
        if self.across_processes:
            references, first = gather_rows(references)
            shifted = None if shifted is None else gather_rows(shifted.transpose(0, 1))[0].transpose(0, 1)
        if len(references) < 2:
            raise ValueError(
                "a lone particle has no others to estimate log q from; move 2 or more together, or give log q weight 0"
            )
        own = torch.arange(first, first + len(x), device=x.device)
        return self.density.fit(references, shifted)(features, own)
