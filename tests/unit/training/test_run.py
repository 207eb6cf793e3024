"""What every training run shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.training.corrector import train_corrector
from wasserflow.training.vae import train_vae


def never(n: int, seed: int) -> Tensor:
    raise AssertionError("samples were drawn for a run that is refused")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"presicion": "bf16-mixed"}, TypeError, "unexpected keyword argument 'presicion'"),
        ({"callbacks": ()}, TypeError, "'callbacks'"),
        ({}, FileExistsError, "is not empty"),
        ({"resume": True}, FileNotFoundError, "there is no checkpoint"),
    ],
)
def test_a_run_is_refused_before_any_work(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(error, match=message):
        train_corrector(nn.Linear(2, 1), never, never, tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_shorter_than_its_checkpoints_are_apart_leaves_one(tmp_path: Path) -> None:
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    shape = {"image_size": 8, "image_channels": 1}
    encoder, decoder = wf.models.ConvEncoder(outputs=4, **shape), wf.models.UpconvGenerator(latent_dim=2, **shape)
    settings = {"iterations": 3, "batch_size": 2, "accelerator": "cpu", "progress": False}
    train_vae(encoder, decoder, 2, images, tmp_path, **settings)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3
