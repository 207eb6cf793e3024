"""The contrastive loss, and a CLIP model that learns two kinds of stripes from their captions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

pytest.importorskip("transformers")

from wasserflow.data.captions import captions
from wasserflow.data.images import LabelledImages
from wasserflow.models import ClipEncoder
from wasserflow.training.clip import ClipFit, contrastive_loss, train_clip, zero_shot_accuracy

CAPTIONS = (("a photo of rows", "rows"), ("a photo of columns", "columns", "some columns"))
SMALL: dict[str, Any] = {"width": 16, "batch_size": 32, "progress": False, "accelerator": "cpu", "validate_every": 1}


def stripes(n: int) -> LabelledImages:
    """Stripes of two pixels under noise: shifts and mirrors do not change the class."""
    labels = torch.arange(n) % 2
    stripe = (torch.arange(8) // 2 % 2 * 120).float()
    rows, columns = stripe[:, None].expand(8, 8), stripe[None, :].expand(8, 8)
    images = torch.where(labels[:, None, None, None] == 0, rows, columns).expand(n, 3, 8, 8)
    return LabelledImages((images + 100 * torch.rand(n, 3, 8, 8)).to(torch.uint8), labels)


def weights(encoder: ClipEncoder) -> Tensor:
    return torch.cat([value.flatten() for value in encoder.state_dict().values()])


def test_without_equal_captions_the_loss_is_that_of_clip() -> None:
    logits = torch.randn(6, 6)
    own = torch.arange(6)
    expected = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(contrastive_loss(logits, torch.eye(6).bool()), expected)


def test_equal_captions_are_no_negatives() -> None:
    """Four images of two classes, perfectly told apart: nothing is left but the choice between equals, and no slope."""
    matches = torch.tensor([0, 1, 0, 1])[:, None] == torch.tensor([0, 1, 0, 1])
    logits = torch.where(matches, 30.0, -30.0).requires_grad_()
    loss = contrastive_loss(logits, matches)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-6)
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope.abs().max() < 1e-6


def test_rows_and_columns_weigh_the_same() -> None:
    logits, labels, kinds = torch.randn(5, 3), torch.tensor([0, 1, 0, 2, 1]), torch.tensor([2, 0, 1])
    matches = labels[:, None] == kinds
    by_row = [logits[i].log_softmax(0)[matches[i]].mean() for i in range(5)]
    by_column = [logits[:, j].log_softmax(0)[matches[:, j]].mean() for j in range(3)]
    expected = -(sum(by_row) / 5 + sum(by_column) / 3) / 2
    torch.testing.assert_close(contrastive_loss(logits, matches), expected)
    torch.testing.assert_close(contrastive_loss(logits.T, matches.T), expected)


def test_a_model_learns_its_captions(tmp_path: Path) -> None:
    train, held_out = stripes(256), stripes(100)
    settings = SMALL | {"validate_every": 40}
    encoder = train_clip(train, held_out, CAPTIONS, tmp_path / "run", iterations=80, lr=3e-3, **settings)
    assert not encoder.training
    assert zero_shot_accuracy(encoder, CAPTIONS, held_out) > 0.9
    # The prompt and not its place decides.
    assert zero_shot_accuracy(encoder, CAPTIONS[::-1], held_out) < 0.1
    other_words = tuple(own[::-1] for own in CAPTIONS)
    assert zero_shot_accuracy(encoder, other_words, held_out) > 0.9
    assert zero_shot_accuracy(encoder, CAPTIONS, held_out, batch_size=7) == zero_shot_accuracy(
        encoder, CAPTIONS, held_out
    )
    log = (tmp_path / "run" / "log" / "version_0" / "metrics.csv").read_text()
    assert "zero_shot_accuracy" in log.splitlines()[0]


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = stripes(64)
    options = {"iterations": 6, "checkpoint_every": 2, **SMALL}
    whole = weights(train_clip(data, data, CAPTIONS, tmp_path / "whole", **options))
    step = ClipFit.training_step

    def interrupted(self: ClipFit, batch: Any, batch_idx: int) -> Tensor:
        if self.global_step == 4:
            raise RuntimeError("the power went out")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(ClipFit, "training_step", interrupted)
        with pytest.raises(RuntimeError, match="the power went out"):
            train_clip(data, data, CAPTIONS, tmp_path / "parts", **options)
    resumed = train_clip(data, data, CAPTIONS, tmp_path / "parts", resume=True, **options)
    assert torch.equal(weights(resumed), whole)
    other = train_clip(data, data, CAPTIONS, tmp_path / "other", seed=1, **options)
    assert not torch.equal(weights(other), whole)


def test_bad_data_are_refused(tmp_path: Path) -> None:
    data = stripes(64)
    grey = LabelledImages(data.images[:, :1], data.labels)
    with pytest.raises(ValueError, match="in colour"):
        train_clip(grey, grey, CAPTIONS, tmp_path / "run", iterations=1)
    with pytest.raises(ValueError, match="2 classes and captions of 1"):
        train_clip(data, data, CAPTIONS[:1], tmp_path / "run", iterations=1)
    assert not (tmp_path / "run").exists()


def test_captions_of_cifar10() -> None:
    own = captions()
    assert [prompts[0] for prompts in own][3:6] == ["a photo of a cat", "a photo of a deer", "a photo of a dog"]
    assert "a blurry photo of a boat" in own[8]
    everything = [caption for prompts in own for caption in prompts]
    assert len(everything) == len(set(everything))
