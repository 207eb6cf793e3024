"""Train a flow-guided density ratio from data to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Shaped
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from wasserflow.ratios import BregmanLoss
from wasserflow.spaces import Source
from wasserflow.training.batches import IterationData
from wasserflow.training.fdrl import FlowGuidedRatio
from wasserflow.training.run import check_run, fit_run


def train_fdrl(
    network: nn.Module,
    data: Shaped[Tensor, "n *event"],
    source: Source,
    divergence: Any,
    loss: BregmanLoss[Any],
    out: Path,
    callbacks: Sequence[Callback] = (),
    *,
    iterations: int = 100_000,
    batch_size: int = 64,
    flow_steps: int = 100,
    step_size: float = 3.0,
    noise_std: float = 1e-2,
    lr: float = 1e-4,
    ema: float = 0.998,
    data_noise: float = 3e-2,
    flips: bool = False,
    betas: tuple[float, float] = (0.9, 0.999),
    decay_at: Sequence[float] = (0.8, 0.9),
    longest_step: float | None = None,
    r1: float = 0.0,
    r2: float = 0.0,
    seed: int = 0,
    **run: Any,
) -> FlowGuidedRatio[Any]:
    """Train a `FlowGuidedRatio` and leave `last.ckpt` and a log in a folder.

    Args:
        network: what is trained, in place.
        data: (n, *event) floats, or uint8 images.
        source: where particles start.
        divergence: which f.
        loss: what makes the network a ratio or its logarithm.
        out: a folder which does not exist yet, unless `resume` is given.
        callbacks: further Lightning callbacks, such as `FrechetMonitor`.
        iterations: training steps; with `resume`, counted from the very start.
        batch_size: data, and as many particles, in a step.
        flow_steps: steps of the flow in a training step.
        step_size: of the flow, in units of x².
        noise_std: standard deviation of the noise of one step of the flow.
        lr: the learning rate that Adam starts with; it falls to a tenth at each of `decay_at`.
        ema: weight of the past in the moving average.
        data_noise: standard deviation of the noise added to data.
        flips: mirror half of the images.
        betas: decay rates of Adam.
        decay_at: shares of the iterations; 0.5 and 0.75 were published for translation.
        longest_step: the longest move of a particle in one step of the flow; None for no limit.
        r1: weight of the penalty on slopes at data.
        r2: weight of the penalty on slopes at particles.
        seed: seeds batches, starts, noise and mirroring.
        run: options of `fit_run`.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
        TrainingDiverged: the run came apart; `out/last.ckpt` is from before.
        TypeError: a divergence that does not go with the loss.
    """
    check_run(out, run)
    model = FlowGuidedRatio(
        network,
        source,
        divergence,
        loss,
        flow_steps=flow_steps,
        step_size=step_size,
        noise_std=noise_std,
        lr=lr,
        ema=ema,
        data_noise=data_noise,
        flips=flips,
        betas=betas,
        decay_at=decay_at,
        longest_step=longest_step,
        r1=r1,
        r2=r2,
        seed=seed,
    )
    fit_run(model, IterationData(data, batch_size=batch_size, iterations=iterations, seed=seed), out, callbacks, **run)
    return model.eval()
