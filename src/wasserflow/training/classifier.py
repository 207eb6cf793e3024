"""Train a classifier of images, from images to a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy

from wasserflow.checks import require_counts
from wasserflow.data.images import LabelledImages, to_float
from wasserflow.models.resnet import SmallResNet
from wasserflow.modes import evaluating
from wasserflow.seeds import global_stream
from wasserflow.training.attack import projected_gradient_attack
from wasserflow.training.augment import crop, flip
from wasserflow.training.batches import ValidatedIterationData, step_stream
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.settings import require_not_negative


class ImageClassifier(lightning.LightningModule):
    """A network trained to name the class of an image: label-smoothed cross-entropy, Nesterov SGD, one cycle.

    Args:
        network: maps images on [-1, 1] to logits (batch, classes).
        classes: number of classes.
        lr: the highest learning rate of the cycle.
        momentum: of the SGD.
        weight_decay: of the SGD.
        label_smoothing: probability spread evenly over the classes.
        padding: largest random shift in pixels.
        flips: mirror half of the training images.
        radius: of the ball around each image within which the network is to be right, in units of the range [-1, 1],
            L2 over all pixels; 0 for ordinary training. The gradients of a robust network look like the class.
        attack_steps: gradient steps that look for the worst point of the ball.
        seed: seeds the random changes; a resumed run repeats an uninterrupted one.

    Source:
        Smith and Topin, Super-convergence, 2018 (the cycle); Szegedy et al., CVPR 2016, section 7 (smoothing);
        Madry et al., ICLR 2018, eq. 2.1 (robust training).
    """

    def __init__(
        self,
        network: nn.Module,
        classes: int = 10,
        *,
        lr: float = 0.2,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        label_smoothing: float = 0.1,
        padding: int = 4,
        flips: bool = True,
        radius: float = 0.0,
        attack_steps: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay, radius=radius)
        require_counts(attack_steps=attack_steps)
        self.network = network
        self.radius, self.attack_steps = radius, attack_steps
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.label_smoothing = label_smoothing
        self.padding, self.flips, self.seed = padding, flips, seed
        self.accuracy = MulticlassAccuracy(classes, average="micro")

    def configure_optimizers(self) -> Any:
        """Give the network an SGD whose rate rises over the first quarter of the run and falls over the rest."""
        optimizer = torch.optim.SGD(
            self.parameters(), self.lr, momentum=self.momentum, nesterov=True, weight_decay=self.weight_decay
        )
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=int(self.trainer.estimated_stepping_batches), pct_start=0.25
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Lay convolution weights out as the fast kernels read them."""
        self.to(memory_format=torch.channels_last)

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Return the loss on randomly shifted and mirrored images."""
        images, labels = batch
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        images = crop(to_float(images), self.padding, stream)
        images = flip(images, stream) if self.flips else images
        images = self._attacked(images, labels, stream) if self.radius else images
        logits = self.network(images.contiguous(memory_format=torch.channels_last)).float()
        loss = cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        self.log("loss", loss, prog_bar=True)
        return loss

    def _attacked(self, images: Tensor, labels: Tensor, stream: torch.Generator) -> Tensor:
        # In evaluation mode, or the attack's images would enter the running statistics of the batch norms.
        with evaluating(self.network):
            return projected_gradient_attack(self.network, images, labels, self.radius, self.attack_steps, stream)

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        """Count the right answers."""
        images, labels = batch
        self.accuracy(self.network(to_float(images)), labels)
        self.log("validation_accuracy", self.accuracy, prog_bar=True)


def train_classifier(
    train: LabelledImages,
    validation: LabelledImages,
    out: Path,
    *,
    epochs: int = 15,
    batch_size: int = 128,
    lr: float = 0.2,
    flips: bool = True,
    widths: Sequence[int] = (32, 64, 128, 192),
    radius: float = 0.0,
    attack_steps: int = 2,
    checkpoint_every: int | None = None,
    seed: int = 0,
    **run: Any,
) -> SmallResNet:
    """Train a `SmallResNet` and leave checkpoints and a log in a folder.

    Leaves in `out`: `last.ckpt` (to resume from), `best.ckpt` (highest accuracy on the validation
    images) and `log/`.

    Args:
        train: the images to learn from.
        validation: the images that choose the checkpoint.
        out: a folder which does not exist yet, unless `resume` is given.
        epochs: passes over the training set.
        batch_size: images in a batch.
        lr: the highest learning rate of the cycle.
        flips: mirror half of the training images; digits, say, must not be.
        widths: channels of the network at each resolution.
        radius: of robust training; see `ImageClassifier`.
        attack_steps: of robust training.
        checkpoint_every: iterations between two writings of `last.ckpt`; None for a pass.
        seed: seeds weights, batches and random changes.
        run: options of `fit_run`.

    Returns:
        The network of `best.ckpt`, in evaluation mode.

    Raises:
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
        ValueError: settings out of range.
    """
    check_run(out, run)
    require_counts(epochs=epochs)
    if not 1 <= batch_size <= len(train):
        raise ValueError(f"batch_size is {batch_size}; it must lie between 1 and {len(train)}, the number of images")
    classes = int(train.labels.max()) + 1
    with global_stream(seed):
        network = SmallResNet(classes, widths=widths, image_channels=train.images.shape[1])
    classifier = ImageClassifier(
        network, classes, lr=lr, flips=flips, radius=radius, attack_steps=attack_steps, seed=seed
    )
    a_pass = len(train) // batch_size
    best = ModelCheckpoint(out, "best", monitor="validation_accuracy", mode="max", enable_version_counter=False)
    data = ValidatedIterationData(
        train.images,
        train.labels,
        batch_size=batch_size,
        iterations=epochs * a_pass,
        seed=seed,
        validation=(validation.images, validation.labels),
        validate_every=a_pass,
    )
    fit_run(
        classifier, data, out, [best], checkpoint_every=a_pass if checkpoint_every is None else checkpoint_every, **run
    )
    state = torch.load(best.best_model_path, weights_only=True, map_location="cpu")["state_dict"]
    network.load_state_dict({k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")})
    return network.eval()
