"""`wasserflow train clip`: a model that the zoo and transformers read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.train import clip as train_commands
from wasserflow.data.images import LabelledImages

transformers = pytest.importorskip("transformers")


def test_the_trained_model_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = LabelledImages(torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8), torch.arange(20) % 10)
    monkeypatch.setattr(train_commands, "images_of", lambda data, split: few)
    words = "--iterations 2 --checkpoint-every 1 --batch-size 10 --width 16 --progress false --accelerator cpu"
    main(["train", "clip", "--out", str(tmp_path / "run"), *words.split(" ")])
    metrics = json.loads(capsys.readouterr().out.split("the model is in")[0])
    loaded = wf.zoo.load(tmp_path / "run" / "model")
    assert loaded.card.metrics == metrics
    assert "iterations 2" in loaded.card.training
    x = torch.rand(3, 3, 8, 8) * 2 - 1
    similarity = wf.potentials.ClipSimilarity(loaded.model, ["a photo of a dog"])(x)
    assert similarity.shape == (3,)
    # What was trained, not what it started from; and what transformers itself reads is the same.
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    plain = transformers.CLIPModel.from_pretrained(tmp_path / "run" / "model" / "model")
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(loaded.model.clip.state_dict()[name], value)
        torch.testing.assert_close(state[f"encoder.clip.{name}"], value)


def test_without_the_extra_the_error_tells_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"wasserflow\[clip\]"):
        wf.models.load_clip(tmp_path)
    with pytest.raises(ImportError, match=r"wasserflow\[clip\]"):
        wf.models.small_clip(["a"])
