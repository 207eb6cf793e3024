"""Train a vector-quantised autoencoder of images, from images to a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import mse_loss

from wasserflow.checks import require_counts
from wasserflow.data.images import to_float
from wasserflow.models.vq import vq_autoencoder
from wasserflow.seeds import global_stream
from wasserflow.spaces import Codebook
from wasserflow.training.augment import flip
from wasserflow.training.batches import ValidatedIterationData, step_stream
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.settings import require_not_negative


class VQAutoencoder(lightning.LightningModule):
    """A `diffusers.VQModel` in training: mean squared error, a commitment loss, and codes that follow their vectors.

    loss = ‖decode(e) - x‖² + commitment ‖z - e‖² / Var(e) (means), gradients of the decoder passing straight from e to
    z. Each code e is the moving average of the latent vectors z nearest to it. Three things keep the codebook from
    collapsing: the first iterations do without it and end with white latents, or else the codes are put along the one
    direction, brightness, that is learnt first, and the others are never learnt; a code which hardly any vector
    chooses is put at a vector of the batch; and the commitment is relative, so that shrinking the latents gains
    nothing. The loss that the VQModel itself returns is not used: its quantiser weighs the commitment by 1 and the
    codes by 0.25, the wrong way round.

    Args:
        network: the VQModel; its codebook is no longer trained by gradients.
        lr: the learning rate that Adam starts with.
        commitment: weight of the commitment loss.
        continuous: iterations at the beginning without codes.
        decay: weight of the past in the codes' moving averages.
        dead_below: a code is dead when its share of vectors is below this part of an equal share.
        flips: mirror half of the training images.
        seed: seeds the mirroring and the restarts; a resumed run repeats an uninterrupted one.

    Source:
        van den Oord et al. 2017 (arXiv 1711.00937), eq. 3 and appendix A.1 (moving averages);
        Dhariwal et al. 2020 (arXiv 2005.00341), section 3.1 (restarts).
    """

    def __init__(
        self,
        network: Any,
        *,
        lr: float = 1e-3,
        commitment: float = 0.1,
        continuous: int = 500,
        decay: float = 0.99,
        dead_below: float = 0.1,
        flips: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_not_negative(lr=lr, commitment=commitment, dead_below=dead_below)
        require_counts(0, continuous=continuous)
        self.network = network
        self.network.quantize.requires_grad_(False)
        self.codebook = Codebook(network)
        self.lr, self.commitment, self.continuous = lr, commitment, continuous
        self.decay, self.dead_below = decay, dead_below
        self.flips, self.seed = flips, seed
        codes = self.codebook.codes
        # With no vectors counted yet every code is dead, so the first batch gives all codes their places.
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(len(codes)))
        self.sums: Tensor
        self.register_buffer("sums", torch.zeros_like(codes))
        self.chosen: Tensor
        self.register_buffer("chosen", torch.zeros(len(codes)), persistent=False)

    def configure_optimizers(self) -> Any:
        """Give encoder and decoder an Adam whose rate falls to zero along a cosine."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, self.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Return the loss on randomly mirrored images, after moving the codes."""
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        images = to_float(flip(batch[0], stream) if self.flips else batch[0])
        if self.global_step == self.continuous:
            self.whiten(self.network.encode(images).latents.detach().float())
        latents = self.network.encode(images).latents.float()
        if self.global_step < self.continuous:
            error = mse_loss(self.decode(latents), images)
            self.log("error", error, prog_bar=True)
            return error
        restarted = self.restart_dead_codes(latents.detach(), stream)
        quantised = self.codebook.quantise(latents)
        spread = self.codebook.codes.var(dim=0).mean()
        self.follow(latents.detach())
        error = mse_loss(self.decode(latents + (quantised - latents).detach()), images)
        commitment = mse_loss(latents, quantised) / spread
        self.log_dict({"error": error, "commitment": commitment, "restarted": float(restarted)}, prog_bar=True)
        self.log("spread", spread)
        return error + self.commitment * commitment

    def decode(
        self, latents: Float[Tensor, "batch latent rows columns"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Decode (batch, latent, rows, columns) vectors as they are, without quantising them."""
        return self.network.decode(latents, force_not_quantize=True).sample.float()

    @torch.no_grad()
    def whiten(self, latents: Float[Tensor, "batch channels *positions"]) -> None:
        """Give latents zero mean and unit covariance, and let the decoder undo it: nothing else changes.

        Args:
            latents: (batch, channels, *positions) to take mean and covariance of.
        """
        vectors = latents.movedim(1, -1).flatten(0, -2)
        mean, (variances, axes) = vectors.mean(dim=0), torch.linalg.eigh(vectors.T.cov())
        # Directions without variance are noise, which must not be blown up without bound.
        scales = variances.clamp_min(1e-4 * variances[-1]).sqrt()
        to_white, from_white = (axes / scales) @ axes.T, (axes * scales) @ axes.T
        first, last = self.network.quant_conv, self.network.post_quant_conv
        first.weight.copy_((to_white @ first.weight.flatten(1)).view_as(first.weight))
        first.bias.copy_(to_white @ (first.bias - mean))
        last.bias.add_(last.weight.flatten(1) @ mean)
        last.weight.copy_((last.weight.flatten(1) @ from_white).view_as(last.weight))

    @torch.no_grad()
    def restart_dead_codes(self, latents: Float[Tensor, "batch channels *positions"], stream: torch.Generator) -> int:
        """Put codes that hardly any vector chooses at random vectors of the batch.

        Args:
            latents: (batch, channels, *positions).
            stream: chooses the vectors, on the CPU.

        Returns:
            How many codes were dead.
        """
        vectors = latents.movedim(1, -1).flatten(0, -2)
        share = len(vectors) / len(self.counts)
        dead = (self.counts < self.dead_below * share).nonzero().flatten()
        # Fewer vectors than dead codes: some are taken twice.
        places = torch.randperm(len(vectors), generator=stream)[torch.arange(len(dead)) % len(vectors)]
        self.network.quantize.embedding.weight[dead] = vectors[places.to(vectors.device)]
        self.counts[dead] = share
        self.sums[dead] = share * self.codebook.codes[dead]
        return len(dead)

    @torch.no_grad()
    def follow(self, latents: Float[Tensor, "batch channels *positions"]) -> None:
        """Move every code towards the mean of the vectors nearest to it: sums and counts are moving averages."""
        nearest = self.codebook.nearest(latents).flatten()
        vectors = latents.movedim(1, -1).flatten(0, -2)
        counts = torch.zeros_like(self.counts).index_add_(0, nearest, torch.ones_like(vectors[:, 0]))
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, nearest, vectors), 1 - self.decay)
        self.network.quantize.embedding.weight.copy_(self.sums / self.counts[:, None].clamp_min(1e-6))

    def on_validation_epoch_start(self) -> None:
        """Forget which codes the last validation chose."""
        self.chosen.zero_()

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        """Measure the reconstructions, and count the codes they choose."""
        images = to_float(batch[0])
        latents = self.network.encode(images).latents.float()
        self.chosen += torch.bincount(self.codebook.nearest(latents).flatten(), minlength=len(self.chosen))
        self.log("validation_error", mse_loss(self.decode(self.codebook.quantise(latents)), images))

    def on_validation_epoch_end(self) -> None:
        """Log how many codes were used, and as how many equally likely ones they count."""
        self.log_dict({"validation_perplexity": perplexity(self.chosen), "used_codes": (self.chosen > 0).sum().float()})


def perplexity(counts: Float[Tensor, " codes"]) -> Float[Tensor, ""]:
    """exp(entropy) of how often each code is chosen: the number of equally likely codes that would be as uncertain.

    Args:
        counts: (codes,), not negative, not all zero.

    Returns:
        From 1 (one code does everything) to the number of codes.

    Example:
        >>> import torch
        >>> from wasserflow.training.vq import perplexity
        >>> round(float(perplexity(torch.tensor([5.0, 5.0, 0.0]))), 4)
        2.0
    """
    return torch.special.entr(counts / counts.sum()).sum().exp()


@torch.no_grad()
def measure_vq(network: Any, images: UInt8[Tensor, "n channels height width"]) -> dict[str, float]:
    """Measure a VQModel on images: reconstruction errors on [-1, 1], and how it uses its codes.

    Args:
        network: the VQModel, in evaluation mode.
        images: (n, channels, height, width).

    Returns:
        `mean squared error`, `PSNR, dB` (of the mean error), `perplexity` and `used codes`.
    """
    codebook, squares = Codebook(network), 0.0
    chosen = torch.zeros(len(codebook.codes))
    for part in map(to_float, images.split(250)):
        nearest = codebook.nearest(network.encode(part).latents)
        chosen += torch.bincount(nearest.flatten(), minlength=len(chosen))
        decoded = network.decode(codebook.lookup(nearest), force_not_quantize=True).sample
        squares += float((decoded - part).square().sum(dtype=torch.float64))
    error = squares / images.numel()
    return {
        "mean squared error": error,
        "PSNR, dB": 10 * math.log10(4 / error),
        "perplexity": float(perplexity(chosen)),
        "used codes": float((chosen > 0).sum()),
    }


def train_vq(
    train: UInt8[Tensor, "n channels height width"],
    validation: UInt8[Tensor, "held_out channels height width"],
    out: Path,
    *,
    codes: int = 512,
    latent_channels: int = 4,
    widths: Sequence[int] = (16, 32, 64),
    iterations: int = 4_000,
    batch_size: int = 32,
    lr: float = 1e-3,
    commitment: float = 0.1,
    continuous: int = 500,
    flips: bool = True,
    checkpoint_every: int | None = None,
    seed: int = 0,
    **run: Any,
) -> VQAutoencoder:
    """Train a `diffusers.VQModel` and leave `last.ckpt` and a log in a folder.

    Args:
        train: the images to learn from.
        validation: the images to measure on, twice a run.
        out: a folder which does not exist yet, unless `resume` is given.
        codes: vectors in the codebook.
        latent_channels: length of a code.
        widths: channels at each resolution; each resolution after the first is half the one before.
        iterations: how many batches.
        batch_size: images in a batch.
        lr: the learning rate that Adam starts with.
        commitment: weight of the commitment loss.
        continuous: iterations at the beginning without codes.
        flips: mirror half of the training images.
        checkpoint_every: iterations between two writings of `last.ckpt`; None for ten in a run.
        seed: seeds weights, batches, mirroring and restarts.
        run: options of `fit_run`.

    Returns:
        The trained module, in evaluation mode; its `.network` is the VQModel.

    Raises:
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
        ValueError: settings out of range.
        ImportError: diffusers is not installed.
    """
    check_run(out, run)
    with global_stream(seed):
        sizes = {"image_size": train.shape[-1], "image_channels": train.shape[1]}
        network = vq_autoencoder(codes, latent_channels, widths=widths, **sizes)
    autoencoder = VQAutoencoder(network, lr=lr, commitment=commitment, continuous=continuous, flips=flips, seed=seed)
    data = ValidatedIterationData(
        train,
        batch_size=batch_size,
        iterations=iterations,
        seed=seed,
        validation=(validation,),
        validate_every=max(1, iterations // 2),
    )
    if checkpoint_every is None:
        checkpoint_every = max(1, iterations // 10)
    fit_run(autoencoder, data, out, checkpoint_every=checkpoint_every, **run)
    return autoencoder.eval()
