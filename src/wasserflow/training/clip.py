"""Train a CLIP model on captioned images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from wasserflow.data.images import LabelledImages, to_float
from wasserflow.models.clip import ClipEncoder
from wasserflow.models.small_clip import small_clip
from wasserflow.seeds import global_stream
from wasserflow.training.augment import crop, flip
from wasserflow.training.batches import ValidatedIterationData, step_stream
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.settings import require_not_negative

_LARGEST_SCALE = 100.0

Captions = Sequence[Sequence[str]]
"""The captions of each class; the first of each names the class in zero-shot classification."""


def contrastive_loss(
    logits: Float[Tensor, "images captions"], matches: Bool[Tensor, "images captions"]
) -> Float[Tensor, ""]:
    """Lower the cross-entropy of finding an image's captions, and a caption's images, among those of the batch.

    Each row and each column is a softmax, whose target is uniform over the matches: captions that mean the same are
    no negatives of each other. With one match a row and a column it is CLIP's loss.

    Args:
        logits: scaled similarities.
        matches: which caption is true of which image; at least one in each row and column.

    Returns:
        The mean of both cross-entropies, in nats.

    Source:
        Radford et al., ICML 2021, figure 3; several positives as in Khosla et al., NeurIPS 2020, eq. 2.

    Example:
        >>> import torch
        >>> from wasserflow.training.clip import contrastive_loss
        >>> contrastive_loss(torch.zeros(4, 4), torch.eye(4).bool()).item() == torch.tensor(4.0).log().item()
        True
    """
    losses = []
    for axis in (0, 1):
        target = matches / matches.sum(dim=axis, keepdim=True)
        losses.append(-(target * logits.log_softmax(dim=axis)).sum(dim=axis).mean())
    return torch.stack(losses).mean()


class ClipFit(lightning.LightningModule):
    """A CLIP model trained on images whose captions are drawn from those of their class.

    AdamW with a rate that rises over the first tenth of the run and falls to nothing over the rest.

    Args:
        encoder: trained in place.
        captions: of each class.
        lr: the highest learning rate.
        weight_decay: of matrices; vectors and the scale are left alone.
        padding: largest random shift of an image, in pixels.
        flips: mirror half of the training images.
        seed: seeds captions, shifts and mirrors; a resumed run repeats an uninterrupted one.

    Source:
        Radford et al., Learning transferable visual models from natural language supervision, ICML 2021, section 2.
    """

    def __init__(
        self,
        encoder: ClipEncoder,
        captions: Captions,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        padding: int = 2,
        flips: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_not_negative(lr=lr, weight_decay=weight_decay)
        self.encoder, self.captions = encoder, captions
        self.lr, self.weight_decay = lr, weight_decay
        self.padding, self.flips, self.seed = padding, flips, seed
        self.accuracy = MulticlassAccuracy(len(captions), average="micro")

    def configure_optimizers(self) -> Any:
        """Give the model an AdamW whose rate runs one cycle."""
        parameters = list(self.encoder.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, self.lr, betas=(0.9, 0.98))
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.lr, total_steps=int(self.trainer.estimated_stepping_batches), pct_start=0.1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Return the loss on randomly shifted and mirrored images with a caption each."""
        images, labels = batch
        stream = step_stream(self.seed, self.global_step, self.global_rank)
        images = crop(to_float(images), self.padding, stream)
        images = flip(images, stream) if self.flips else images
        prompts = self._draw_captions(labels, stream)
        distinct = sorted(set(prompts))
        place = torch.tensor([distinct.index(prompt) for prompt in prompts], device=labels.device)
        similarity = self.encoder(images).float() @ self.encoder.text_features(distinct).float().T
        logits = self.encoder.scale * similarity[:, place]
        loss = contrastive_loss(logits, labels[:, None] == labels)
        self.log_dict({"loss": loss, "scale": self.encoder.scale}, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Encode the prompts that name the classes."""
        self.named = self.encoder.text_features([own[0] for own in self.captions])

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        """Count the images whose own class has the closest prompt."""
        images, labels = batch
        self.accuracy(self.encoder(to_float(images)) @ self.named.T, labels)
        self.log("zero_shot_accuracy", self.accuracy, prog_bar=True)

    def optimizer_step(self, *args: Any, **options: Any) -> None:
        """Update the model and keep its scale within CLIP's bound."""
        super().optimizer_step(*args, **options)
        with torch.no_grad():
            self.encoder.clip.logit_scale.clamp_(max=math.log(_LARGEST_SCALE))

    def _draw_captions(self, labels: Tensor, stream: torch.Generator) -> list[str]:
        chances = torch.rand(len(labels), generator=stream).tolist()
        own = [self.captions[label] for label in labels.tolist()]
        return [choices[int(chance * len(choices))] for choices, chance in zip(own, chances, strict=True)]


@torch.no_grad()
def zero_shot_accuracy(encoder: ClipEncoder, captions: Captions, data: LabelledImages, batch_size: int = 500) -> float:
    """Measure how often the prompt of an image's own class is the closest.

    Args:
        encoder: in evaluation mode.
        captions: of each class; the first is the prompt.
        data: labelled images.
        batch_size: images in a batch; it changes nothing but the memory.

    Returns:
        The part of right answers, 0 to 1.
    """
    prompts = encoder.text_features([own[0] for own in captions])
    answers = [(encoder(to_float(part)) @ prompts.T).argmax(dim=1) for part in data.images.split(batch_size)]
    return float((torch.cat(answers) == data.labels).double().mean())


def train_clip(
    train: LabelledImages,
    validation: LabelledImages,
    captions: Captions,
    out: Path,
    *,
    iterations: int = 3500,
    batch_size: int = 128,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    width: int = 128,
    patch_size: int = 4,
    flips: bool = True,
    checkpoint_every: int = 250,
    validate_every: int = 500,
    seed: int = 0,
    **run: Any,
) -> ClipEncoder:
    """Train a `small_clip` on captioned images and leave checkpoints and a log in a folder.

    Leaves in `out`: `last.ckpt` (to resume from) and `log/`.

    Args:
        train: the images to learn from.
        validation: the images whose zero-shot accuracy goes to the log.
        captions: of each class, by label.
        out: a folder which does not exist yet, unless `resume` is given.
        iterations: updates in the whole run.
        batch_size: images in a batch.
        lr: the highest learning rate.
        weight_decay: of AdamW.
        width: channels of the vision transformer.
        patch_size: pixels of a patch's side.
        flips: mirror half of the training images; digits, say, must not be.
        checkpoint_every: iterations between two writings of `last.ckpt`.
        validate_every: iterations between two measurements on the validation images.
        seed: seeds weights, batches, captions and random changes.
        run: options of `fit_run`.

    Returns:
        The trained encoder, in evaluation mode, on the CPU.

    Raises:
        ValueError: the images are not square and in colour, a label has no captions, or settings out of range.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
        ImportError: `transformers` is not installed.
    """
    check_run(out, run)
    _, channels, height, size = train.images.shape
    if channels != 3 or height != size:
        raise ValueError(f"the images are {channels} x {height} x {size}; a CLIP model needs square ones in colour")
    classes = int(max(train.labels.max(), validation.labels.max())) + 1
    if classes > len(captions) or not all(captions):
        raise ValueError(f"there are {classes} classes and captions of {len(captions)}; give each class at least one")
    with global_stream(seed):
        words = {word for own in captions for caption in own for word in caption.split()}
        encoder = small_clip(words, size, patch_size, width)
    # Under mixed precision the plain attention is the faster one on CPUs.
    encoder.clip.set_attn_implementation("eager")
    fit = ClipFit(encoder, captions, lr=lr, weight_decay=weight_decay, flips=flips, seed=seed)
    data = ValidatedIterationData(
        train.images,
        train.labels,
        batch_size=batch_size,
        iterations=iterations,
        seed=seed,
        validation=(validation.images, validation.labels),
        validate_every=validate_every,
    )
    fit_run(fit, data, out, checkpoint_every=checkpoint_every, **run)
    return encoder.cpu().eval()
