"""Train a Glow on images, from images to a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wasserflow.models.glow import Glow
from wasserflow.modes import evaluating
from wasserflow.spaces import Normal
from wasserflow.training.augment import flip
from wasserflow.training.batches import ValidatedIterationData, step_stream
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.settings import require_not_negative, require_positive
from wasserflow.training.snapshots import SampleGrid

_BINS = 256
_FIRST_BATCH = 256  # images that the activation norms are initialised with


def dequantise(images: UInt8[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
    """Spread every byte k over the width of its bin: (k + u) / 128 - 1 with u uniform on [0, 1).

    A density of the result bounds the probability of the bytes: E log p(x) - n log 128 ≤ log P(images).

    Args:
        images: uint8 tensor of any shape.
        generator: the random stream, on the CPU.

    Returns:
        float32 tensor of the same shape, on [-1, 1].

    Source:
        Theis et al., A note on the evaluation of generative models, ICLR 2016, section 3.1.

    Example:
        >>> import torch
        >>> from wasserflow.training.glow import dequantise
        >>> dequantise(torch.tensor([0, 255], dtype=torch.uint8), torch.Generator().manual_seed(0))
        tensor([-0.9961,  0.9982])
    """
    noise = torch.rand(images.shape, generator=generator).to(images.device)
    return (images + noise) / (_BINS / 2) - 1


def bits_per_dimension(log_density: Float[Tensor, " batch"], dimensions: int) -> Float[Tensor, " batch"]:
    """Turn log-densities of dequantised images on [-1, 1] into bits a number: 7 - log p / (n log 2).

    Args:
        log_density: (batch,), in nats.
        dimensions: numbers in an image.

    Returns:
        (batch,); 8 for uniform noise.

    Example:
        >>> import math, torch
        >>> from wasserflow.training.glow import bits_per_dimension
        >>> bits_per_dimension(torch.tensor([-3072 * math.log(2)]), 3072)
        tensor([8.])
    """
    return math.log2(_BINS / 2) - log_density / (dimensions * math.log(2))


class GlowTraining(lightning.LightningModule):
    """A Glow that raises the likelihood of dequantised images; the loss is in bits per dimension.

    Args:
        glow: trained in place.
        lr: the highest learning rate of Adam: it rises over the first tenth of the run and falls to zero over the rest.
        max_norm: gradients are scaled down to this norm.
        flips: mirror half of the training images.
        seed: seeds dequantisation and flips; a resumed run repeats an uninterrupted one.

    Source:
        Kingma and Dhariwal, Glow: generative flow with invertible 1x1 convolutions, NeurIPS 2018, section 2.
    """

    def __init__(
        self, glow: Glow, *, lr: float = 2e-3, max_norm: float = 1.0, flips: bool = True, seed: int = 0
    ) -> None:
        super().__init__()
        require_not_negative(lr=lr)
        require_positive(max_norm=max_norm)
        self.glow = glow
        self.lr, self.max_norm, self.flips, self.seed = lr, max_norm, flips, seed

    def configure_optimizers(self) -> Any:
        """Give the flow an Adam with one cycle of learning rates."""
        optimizer = torch.optim.Adam(self.parameters(), self.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=max(steps, 2), pct_start=0.1, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Lay convolution weights out as the fast kernels read them."""
        self.to(memory_format=torch.channels_last)

    def bits(
        self, images: UInt8[Tensor, "batch channels height width"], stream: torch.Generator
    ) -> Float[Tensor, " batch"]:
        """Return the bits per dimension of images at one draw of the noise of dequantisation."""
        return bits_per_dimension(self.glow.log_prob(dequantise(images, stream)), self.glow.latent_dim)

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Return the mean bits per dimension of randomly mirrored images.

        Raises:
            ValueError: they are not finite.
        """
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        loss = self.bits(flip(batch[0], stream) if self.flips else batch[0], stream).mean()
        if not loss.isfinite():
            raise ValueError(
                f"bits per dimension are {float(loss.detach())} at step {self.global_step}; take an lr below "
                f"{self.lr:g}, or a smaller max_norm"
            )
        self.log("bits", loss, prog_bar=True)
        return loss

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Scale gradients down, and log how long they were."""
        self.log("gradient_norm", torch.nn.utils.clip_grad_norm_(self.parameters(), self.max_norm))

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        """Measure images that are not learnt from, always with the same noise."""
        self.log("validation_bits", self.bits(batch[0], step_stream(self.seed, batch_idx)).mean(), prog_bar=True)


@torch.no_grad()
def measure_glow(glow: Glow, images: UInt8[Tensor, "n channels height width"], seed: int = 0) -> float:
    """Measure the mean bits per dimension of images, an upper bound by one draw of dequantisation.

    Args:
        glow: the flow; measured in evaluation mode.
        images: (n, channels, height, width) it has not learnt from.
        seed: seeds the noise of dequantisation.
    """
    stream, total = torch.Generator().manual_seed(seed), 0.0
    with evaluating(glow):
        for part in images.split(250):
            bits = bits_per_dimension(glow.log_prob(dequantise(part, stream)), glow.latent_dim)
            total += float(bits.sum(dtype=torch.float64))
    return total / len(images)


def train_glow(
    glow: Glow,
    images: UInt8[Tensor, "n channels height width"],
    validation: UInt8[Tensor, "held_out channels height width"],
    out: Path,
    *,
    iterations: int = 20_000,
    batch_size: int = 32,
    lr: float = 2e-3,
    max_norm: float = 1.0,
    flips: bool = True,
    checkpoint_every: int = 1000,
    snapshot_every: int = 5000,
    validate_every: int = 5000,
    seed: int = 0,
    **run: Any,
) -> Glow:
    """Train a Glow on images and leave a checkpoint, sample grids and a log in a folder.

    Leaves in `out`: `last.ckpt` (to resume from), `samples/` and `log/`. Activation norms are initialised with the
    first training images.

    Args:
        glow: trained in place.
        images: the training set.
        validation: images that bits per dimension are measured on.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: updates in the whole run.
        batch_size: images in a batch.
        lr: the highest learning rate of the cycle; see `GlowTraining`.
        max_norm: gradients are scaled down to this norm.
        flips: mirror half of the images; digits, say, must not be.
        checkpoint_every: iterations between two writings of `last.ckpt`.
        snapshot_every: iterations between two sample grids.
        validate_every: iterations between two measurements of the validation images.
        seed: seeds batches, dequantisation and flips.
        run: options of `fit_run`; a half `precision` blurs what the flow must invert.

    Returns:
        The flow, in evaluation mode.

    Raises:
        ValueError: images of another shape than the flow's, or settings out of range.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    check_run(out, run)
    for name, given in (("images", images), ("validation", validation)):
        if tuple(given.shape[1:]) != glow.shape:
            raise ValueError(f"the flow is of images of {glow.shape}, and {name} are {tuple(given.shape[1:])}")
    glow.initialise(dequantise(images[:_FIRST_BATCH], step_stream(seed)))
    training = GlowTraining(glow, lr=lr, max_norm=max_norm, flips=flips, seed=seed)
    data = ValidatedIterationData(
        images,
        batch_size=batch_size,
        iterations=iterations,
        seed=seed,
        validation=(validation,),
        validate_every=validate_every,
    )
    grid = SampleGrid(out / "samples", snapshot_every, Normal(glow.latent_dim), lambda: glow)
    fit_run(training, data, out, [grid], checkpoint_every=checkpoint_every, **run)
    return glow.eval()
