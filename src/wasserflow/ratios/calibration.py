"""Calibrated critics: a slope and an offset that make a critic's output the log-ratio it is read as."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from wasserflow.checks import require_sets
from wasserflow.freezing import adopt, gradients_on, kinds_explained, modules_in, require_same_result
from wasserflow.modes import require_eval
from wasserflow.ratios.critic import LogRatio, log_ratio_of
from wasserflow.rows import in_batches


class Calibrated(nn.Module):
    """slope * critic(x) + offset, what `wf.calibrate` makes.

    Args:
        critic: maps samples to (batch,) or (batch, 1).
        slope: on the critic's output.
        offset: in nats.

    Example:
        >>> import torch
        >>> from wasserflow.ratios import Calibrated
        >>> Calibrated(torch.nn.Flatten(0), slope=2.0, offset=1.0)(torch.tensor([[3.0]]))
        tensor([7.])
    """

    slope: Tensor
    offset: Tensor

    def __init__(self, critic: LogRatio, slope: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.critic = critic
        self.register_buffer("slope", torch.tensor(slope, dtype=torch.float64))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float64))
        adopt(self, critic)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-ratio of each sample."""
        d = log_ratio_of(self.critic, x)
        return self.slope.to(d.dtype) * d + self.offset.to(d.dtype)


def calibrate(critic: LogRatio, real: Float[Tensor, "n *event"], fake: Float[Tensor, "m *event"]) -> Calibrated:
    """Make a critic's output a log-ratio by Platt scaling; its gradient in x keeps its direction.

        log p_data(x) - log p_model(x) ≈ slope * critic(x) + offset,

    by logistic regression of real against generated samples, both classes weighing the same. Accept/reject methods and
    MALA need a calibrated critic; a slope changes the step size of a flow, and an offset nothing in KL.

    Args:
        critic: maps samples to (batch,) or (batch, 1), in eval mode; higher is more real. It stays as it is.
        real: (n, *event) real samples, held out: on those that the critic was trained on it is surer than right.
        fake: (m, *event) generated samples.

    Returns:
        A module (batch, *event) -> (batch,) nats that calls the critic.

    Raises:
        TypeError: samples that are not floating-point tensors.
        ValueError: empty, NaN or unlike samples, a critic that ranks the wrong way round or not at all, one in train
            mode, or one of another dtype or device.

    Source: Platt 1999, with its softened targets.

    Example:
        >>> import torch, wasserflow as wf
        >>> real, fake = torch.randn(10_000, 1) + 1, torch.randn(10_000, 1) - 1  # the log-ratio is 2 x
        >>> log_ratio = wf.calibrate(lambda x: 5 * x + 3, real, fake)
        >>> bool((log_ratio(torch.ones(1, 1)) - 2).abs() < 0.2)
        True
    """
    d_real, d_fake = outputs_of(critic, real, fake)
    both = torch.cat([d_real, d_fake])
    centre, scale = both.mean(), both.std()
    if not scale > 0:
        raise ValueError(
            f"all {len(both)} samples have the logit {float(centre):.4g}; give a critic that tells them apart"
        )
    line = _logistic_regression((d_real - centre) / scale, (d_fake - centre) / scale)
    slope, offset = float(line[0] / scale), float(line[1] - line[0] * centre / scale)
    if slope <= 0:
        raise ValueError(
            f"the critic ranks the wrong way round: its slope would be {slope:.4g}, and must be positive; give "
            "lambda x: -critic(x), or swap real and fake, if that is what was meant"
        )
    with gradients_on():
        return Calibrated(critic, slope, offset)


def outputs_of(critic: LogRatio, real: Tensor, fake: Tensor) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Evaluate a critic on both sets, in batches and without gradients; refuses what `calibrate` refuses."""
    require_sets(real=real, fake=fake)
    modules = modules_in(critic)
    require_eval(modules)
    values = []
    for name, samples in (("real", real), ("fake", fake)):
        with torch.no_grad(), kinds_explained(samples, modules):
            values.append(in_batches(partial(log_ratio_of, critic), samples))
        require_same_result(samples, critic, values[-1])
        if not values[-1].isfinite().all():
            raise ValueError(f"the critic is NaN or infinite on {name}; give one that is finite there")
    return values[0].double(), values[1].double()


def _logistic_regression(real: Tensor, fake: Tensor) -> Float64[Tensor, "2"]:
    """Slope and offset; Platt's targets keep both finite where the classes do not overlap."""
    classes = ((len(real), (len(real) + 1) / (len(real) + 2)), (len(fake), 1 / (len(fake) + 2)))
    with gradients_on():
        x = torch.cat([real, fake])
        targets = torch.cat([x.new_full((size,), target) for size, target in classes])
        weights = torch.cat([x.new_full((size,), 0.5 / size) for size, _ in classes])
        line = x.new_zeros(2).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [line], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(line[0] * x + line[1], targets, weights, reduction="sum")
            loss.backward()
            return loss

        optimizer.step(closure)
    return line.detach()
