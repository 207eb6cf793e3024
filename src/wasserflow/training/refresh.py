"""Learn anew, and smoothly, the log-ratio of a cloud of samples that moves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts, require_sets
from wasserflow.freezing import copied, gradients_on
from wasserflow.ratios import log_ratio_of
from wasserflow.seeds import global_stream
from wasserflow.training.adversarial_losses import logistic_critic
from wasserflow.training.modes import train_what_learns
from wasserflow.training.penalties import weighted_slopes
from wasserflow.training.settings import require_adam, require_not_negative


@dataclass(frozen=True, eq=False)
class SmoothRefit:
    """A log-ratio so far and the samples as they are now -> log p_data - log p_samples, for `wf.methods.refreshed`.

    A copy of the network lowers mean(softplus(-d(real))) + mean(softplus(d(samples))) + r1 · mean(‖∇d(real)‖²) / 2 +
    r2 · mean(‖∇d(samples)‖²) / 2 by Adam. Without the penalties on the slope a ratio learnt from some thousand points
    is steep beside them, and samples that follow it run away.

    Args:
        real: (n, *event) samples of the data.
        updates: of the network at each call.
        lr: learning rate of Adam.
        r1: weight of the squared slope at real samples.
        r2: weight of the squared slope at the samples that move.
        batch_size: of each set in an update, drawn with replacement.
        seed: chooses the batches, the same at every call.

    Raises:
        TypeError: real samples that are not a floating-point tensor.
        ValueError: real samples that are empty or not finite, or settings out of range.

    Source: Goodfellow et al. (2014), eq. 1; Mescheder et al. (ICML 2018), eqs. 9 and 10, for the penalties.

    Example:
        >>> import torch, wasserflow as wf
        >>> real, x = wf.spaces.Normal(2).sample(500, seed=1) + 2, wf.spaces.Normal(2).sample(500, seed=2)
        >>> refit = wf.training.SmoothRefit(real, updates=50, lr=0.01)
        >>> first = refit(wf.models.mlp_ratio(width=16), x)
        >>> r = wf.methods.refreshed(first, x, refit, integrator=wf.EulerMaruyama(0.05), steps=20)
        >>> bool((r.samples.mean(dim=0) - 2).norm() < (x.mean(dim=0) - 2).norm())
        True
    """

    real: Float[Tensor, "n *event"]
    updates: int = 100
    lr: float = 1e-3
    r1: float = 0.05
    r2: float = 0.05
    batch_size: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        require_sets(real=self.real)
        require_counts(updates=self.updates)
        require_adam(self.lr, (0.9, 0.999))
        require_not_negative(r1=self.r1, r2=self.r2)
        require_counts(batch_size=self.batch_size)

    def __call__(self, log_ratio: nn.Module, samples: Float[Tensor, "m *event"]) -> nn.Module:
        """Return a network of the same kind, fitted and in eval mode; the one given stays as it is.

        Raises:
            TypeError: a log-ratio that is not a module.
            ValueError: no parameter requires a gradient, or samples that are not finite or unlike the real ones.
        """
        require_sets(samples=samples, real=self.real)
        if not isinstance(log_ratio, nn.Module):
            kind = type(log_ratio).__name__
            raise TypeError(f"the log-ratio is a {kind}; give an nn.Module, a copy of which can be trained")
        with gradients_on(), global_stream(self.seed):  # dropout draws from it
            return self._fitted(copied(log_ratio), samples)

    def _fitted(self, network: nn.Module, samples: Tensor) -> nn.Module:
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if not learning:
            raise ValueError("no parameter of the log-ratio requires a gradient; call .requires_grad_(True) on some")
        adam, stream = torch.optim.Adam(learning, lr=self.lr), torch.Generator().manual_seed(self.seed)
        train_what_learns(nn.ModuleList([network]), [adam])
        for _ in range(self.updates):
            real, moved = (
                x[torch.randint(len(x), (self.batch_size,), generator=stream).to(x.device)].detach().clone()
                for x in (self.real, samples)
            )
            loss = logistic_critic(log_ratio_of(network, real), log_ratio_of(network, moved))
            loss = loss + weighted_slopes(network, (self.r1, real), (self.r2, moved))
            adam.zero_grad()
            loss.backward()
            adam.step()
        return network.eval()
