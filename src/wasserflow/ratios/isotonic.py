"""Isotonic calibration: any rising function of a critic's output, for methods that need no gradient."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from wasserflow.freezing import adopt
from wasserflow.ratios.calibration import outputs_of
from wasserflow.ratios.critic import LogRatio, log_ratio_of


class IsotonicLogRatio(nn.Module):
    """A rising function of a critic's output, given by points and linear between them; what `isotonic` makes.

    Args:
        critic: maps samples to (batch,) or (batch, 1).
        outputs: the critic's outputs at the points, rising.
        log_ratios: the log-ratios there, nats.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import IsotonicLogRatio
        >>> points = torch.tensor([0.0, 1.0], dtype=torch.float64)
        >>> IsotonicLogRatio(torch.nn.Flatten(0), points, 4 * points)(torch.tensor([[-1.0], [0.5], [2.0]]))
        tensor([0., 2., 4.])
    """

    outputs: Tensor
    log_ratios: Tensor

    def __init__(self, critic: LogRatio, outputs: Float64[Tensor, " points"], log_ratios: Float64[Tensor, " points"]):
        super().__init__()
        self.critic = critic
        self.register_buffer("outputs", outputs)
        self.register_buffer("log_ratios", log_ratios)
        adopt(self, critic)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-ratio of each sample, without a gradient.

        Raises:
            ValueError: a gradient in x is wanted.
        """
        if torch.is_grad_enabled() and x.requires_grad:
            raise ValueError("an isotonic log-ratio is flat in steps and has no gradient; flows need wf.calibrate")
        with torch.no_grad():
            d = log_ratio_of(self.critic, x)
        last = len(self.outputs) - 1
        above = torch.searchsorted(self.outputs, d.double()).clamp(min(1, last), last)
        below = (above - 1).clamp(min=0)
        width = (self.outputs[above] - self.outputs[below]).clamp(min=torch.finfo(torch.float64).tiny)
        share = ((d - self.outputs[below]) / width).clamp(0, 1)
        return torch.lerp(self.log_ratios[below], self.log_ratios[above], share).to(d.dtype)


def isotonic(critic: LogRatio, real: Float[Tensor, "n *event"], fake: Float[Tensor, "m *event"]) -> IsotonicLogRatio:
    """Make a critic's output a log-ratio by isotonic regression, for methods that accept and reject.

    The share of real samples, both classes weighing the same, is fitted by a rising function of the critic's output;
    its logit is the log-ratio. It is flat in steps and has no gradient, so flows refuse it: they need `wf.calibrate`.

    Args:
        critic: maps samples to (batch,) or (batch, 1), in eval mode; higher is more real. It stays as it is.
        real: (n, *event) real samples, held out.
        fake: (m, *event) generated samples.

    Returns:
        A module (batch, *event) -> (batch,) nats, within ± log(n + m).

    Raises:
        TypeError: samples that are not floating-point tensors.
        ValueError: what `wf.calibrate` refuses of the samples.

    Source: Zadrozny & Elkan 2002; the calibration of MH-GAN (arXiv 1811.11357).

    Example:
        >>> import torch
        >>> from wasserflow.ratios import isotonic
        >>> real, fake = torch.randn(10_000, 1) + 1, torch.randn(10_000, 1) - 1  # the log-ratio is 2 x
        >>> log_ratio = isotonic(lambda x: x**3, real, fake)
        >>> bool((log_ratio(torch.ones(1, 1)) - 2).abs() < 0.5)
        True
    """
    from sklearn.isotonic import IsotonicRegression

    d_real, d_fake = outputs_of(critic, real, fake)
    labels = torch.cat([torch.ones_like(d_real), torch.zeros_like(d_fake)])
    weights = torch.cat([torch.full_like(d, 0.5 / len(d)) for d in (d_real, d_fake)])
    fit = IsotonicRegression().fit(torch.cat([d_real, d_fake]).cpu(), labels.cpu(), weights.cpu())
    points, shares = (d_real.new_tensor(values) for values in (fit.X_thresholds_, fit.y_thresholds_))
    # Shares of 0 and 1 say only that one class was not met there.
    least = 1 / (len(labels) + 1)
    return IsotonicLogRatio(critic, points, shares.clamp(least, 1 - least).logit())
