"""Train a variational autoencoder of images, from images to a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.data.images import to_float
from wasserflow.modes import evaluating
from wasserflow.spaces import Normal
from wasserflow.training.augment import flip
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.settings import require_not_negative
from wasserflow.training.snapshots import SampleGrid


def gaussian_kl(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, " batch"]:
    """KL(N(mean, variance) ‖ N(0, I)) = ½ Σ (mean² + variance - log variance - 1), in nats.

    Args:
        mean: (batch, latent).
        log_variance: (batch, latent).

    Returns:
        (batch,), at least 0.

    Source:
        Kingma and Welling, Auto-encoding variational Bayes, ICLR 2014, appendix B.

    Example:
        >>> import torch
        >>> from wasserflow.training.vae import gaussian_kl
        >>> gaussian_kl(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
        tensor([2.])
    """
    return (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2


def gaussian_negative_log_likelihood(
    x: Float[Tensor, "batch *event"], mean: Float[Tensor, "batch *event"], log_std: Float[Tensor, ""]
) -> Float[Tensor, " batch"]:
    """-log N(x; mean, std² I) = Σ ((x - mean)² / (2 std²) + log std + ½ log 2π), in nats.

    Args:
        x: (batch, *event).
        mean: (batch, *event).
        log_std: of all numbers, a scalar.

    Returns:
        (batch,).

    Example:
        >>> import torch
        >>> from wasserflow.training.vae import gaussian_negative_log_likelihood
        >>> gaussian_negative_log_likelihood(torch.ones(1, 2), torch.zeros(1, 2), torch.tensor(0.0))
        tensor([2.8379])
    """
    squares = (x - mean).square().flatten(1)
    return (squares * (-2 * log_std).exp() / 2 + log_std + math.log(2 * math.pi) / 2).sum(1)


class VAE(lightning.LightningModule):
    """An encoder and a decoder that raise the evidence lower bound of images, in nats an image:

    E_q(z|x) log N(x; decoder(z), std² I) - KL(q(z|x) ‖ N(0, I)), with q(z|x) = N(mean, variance) from the encoder.

    Args:
        encoder: maps images to (batch, 2 latent_dim), means and log variances.
        decoder: maps latents (batch, latent_dim) to the mean images, on [-1, 1].
        std: standard deviation of a pixel around the mean on [-1, 1], None to learn it. It says how much the
            reconstruction weighs: β of a β-VAE with unit variance is std².
        lr: the learning rate that Adam starts with; it falls to zero along a cosine.
        flips: mirror half of the images.
        seed: seeds the latents and flips; a resumed run repeats an uninterrupted one.

    Raises:
        ValueError: a std that is not positive.

    Source:
        Kingma and Welling, Auto-encoding variational Bayes, ICLR 2014, eq. 3; the learnt std of Rybkin et al., Simple
        and effective VAE training with calibrated decoders, ICML 2021, section 4.1.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        std: float | None = None,
        lr: float = 1e-3,
        flips: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if std is not None and not 0 < std < float("inf"):
            raise ValueError(f"std is {std}; it must be positive and finite, or None to be learnt")
        require_not_negative(lr=lr)
        self.encoder, self.decoder = encoder, decoder
        start = 0.25 if std is None else std  # where pixels end up, more or less
        self.log_std = nn.Parameter(torch.tensor(start).log(), requires_grad=std is None)
        self.lr, self.flips, self.seed = lr, flips, seed

    def configure_optimizers(self) -> Any:
        """Give encoder, decoder and a learnt std an Adam whose rate falls to zero along a cosine."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, self.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Lay convolution weights out as the fast kernels read them."""
        self.to(memory_format=torch.channels_last)

    def posterior(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Return the means and log variances of q(z|x), each (batch, latent), for images on [-1, 1]."""
        mean, log_variance = self.encoder(x.contiguous(memory_format=torch.channels_last)).float().chunk(2, dim=1)
        return mean, log_variance

    def bound(
        self, x: Float[Tensor, "batch channels height width"], stream: torch.Generator
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Return the two parts of the negative bound: minus log-likelihood at one latent of q(z|x), and KL.

        Args:
            x: (batch, channels, height, width) on [-1, 1].
            stream: draws the latents, on the CPU.

        Returns:
            Two (batch,) tensors, in nats an image.
        """
        mean, log_variance = self.posterior(x)
        noise = torch.randn(mean.shape, generator=stream).to(mean)
        latents = mean + (log_variance / 2).exp() * noise
        # Sums over thousands of pixels are taken in full precision, whatever the networks run in.
        reconstruction = self.decoder(latents).float()
        return gaussian_negative_log_likelihood(x, reconstruction, self.log_std), gaussian_kl(mean, log_variance)

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Return the negative bound on randomly mirrored images, in nats an image.

        Raises:
            ValueError: it is not finite.
        """
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        images = to_float(flip(batch[0], stream) if self.flips else batch[0])
        likelihood, kl = (part.mean() for part in self.bound(images, stream))
        loss = likelihood + kl
        if not loss.isfinite():
            raise ValueError(
                f"the bound is {float(loss.detach())} at step {self.global_step}; take an lr below {self.lr:g}"
            )
        self.log_dict({"loss": loss, "kl": kl, "std": self.log_std.exp()}, prog_bar=True)
        return loss


@torch.no_grad()
def measure_vae(vae: VAE, images: UInt8[Tensor, "n channels height width"], seed: int = 0) -> dict[str, float]:
    """Measure a VAE on images it has not learnt from.

    Args:
        vae: the autoencoder; measured in evaluation mode.
        images: (n, channels, height, width).
        seed: seeds one latent an image.

    Returns:
        `negative bound, nats` of the density on [-1, 1], `KL, nats`, and `mean squared error` of reconstructions from
        mean latents.
    """
    stream, totals = torch.Generator().manual_seed(seed), torch.zeros(3, dtype=torch.float64)
    with evaluating(vae):
        for part in map(to_float, images.split(250)):
            likelihood, kl = vae.bound(part, stream)
            squares = (vae.decoder(vae.posterior(part)[0]) - part).square().flatten(1).mean(1)
            totals += torch.stack([likelihood + kl, kl, squares]).sum(1, dtype=torch.float64)
    names = ("negative bound, nats", "KL, nats", "mean squared error")
    return dict(zip(names, (totals / len(images)).tolist(), strict=True))


def train_vae(
    encoder: nn.Module,
    decoder: nn.Module,
    latent_dim: int,
    images: UInt8[Tensor, "n channels height width"],
    out: Path,
    *,
    std: float | None = None,
    iterations: int = 20_000,
    batch_size: int = 64,
    lr: float = 1e-3,
    flips: bool = True,
    checkpoint_every: int = 1000,
    snapshot_every: int = 5000,
    seed: int = 0,
    **run: Any,
) -> VAE:
    """Train a variational autoencoder of images and leave a checkpoint, sample grids and a log in a folder.

    Leaves in `out`: `last.ckpt` (to resume from), `samples/` and `log/`.

    Args:
        encoder: maps images to (batch, 2 latent_dim), means and log variances; trained in place.
        decoder: maps latents (batch, latent_dim) to images on [-1, 1]; trained in place.
        latent_dim: length of a latent.
        images: the training set.
        out: a folder which does not exist yet, unless `resume` is given.
        std: of a pixel around the decoder's mean, None to learn it; see `VAE`.
        iterations: updates in the whole run.
        batch_size: images in a batch.
        lr: the learning rate that Adam starts with.
        flips: mirror half of the images; digits, say, must not be.
        checkpoint_every: iterations between two writings of `last.ckpt`.
        snapshot_every: iterations between two sample grids.
        seed: seeds batches, latents and flips.
        run: options of `fit_run`.

    Returns:
        The trained autoencoder, in evaluation mode; its `.decoder` is the generator.

    Raises:
        ValueError: encoder or decoder do not fit the images or latent_dim, or settings out of range.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    check_run(out, run)
    require_counts(latent_dim=latent_dim)
    prior = Normal(latent_dim)
    _require_fit(encoder, decoder, prior, images)
    vae = VAE(encoder, decoder, std=std, lr=lr, flips=flips, seed=seed)
    fit_run(
        vae,
        IterationData(images, batch_size=batch_size, iterations=iterations, seed=seed),
        out,
        [SampleGrid(out / "samples", snapshot_every, prior, lambda: vae.decoder)],
        checkpoint_every=checkpoint_every,
        **run,
    )
    return vae.eval()


@torch.no_grad()
def _require_fit(encoder: nn.Module, decoder: nn.Module, prior: Normal, images: Tensor) -> None:
    with evaluating(encoder), evaluating(decoder):
        made, encoded = decoder(prior.sample(1)), encoder(to_float(images[:1]))
    if made.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"the decoder makes images of {tuple(made.shape[1:])}, and these are {tuple(images.shape[1:])}"
        )
    means = 2 * prior.sample(1).shape[1]
    if encoded.shape != (1, means):
        raise ValueError(
            f"the encoder gives {tuple(encoded.shape[1:])} numbers an image; give one of {means}, "
            "a mean and a log variance for each number of a latent"
        )
