"""`wasserflow generate --interpolate --neighbours`: rows between samples, copies told from fresh images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import grey_classifier, toy_ratio
from PIL import Image

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.generate import copies
from wasserflow.cli.running.pictures import save_generated_pictures
from wasserflow.data.images import LabelledImages, to_float
from wasserflow.models import RatioCNN
from wasserflow.models.pretrained import Card, Recipe, save_pretrained
from wasserflow.reports import image_grid


def run(*words: object) -> None:
    main([*[str(word) for word in words], "--progress", "false"])


def some_images(data: str, split: str) -> LabelledImages:
    generator = torch.Generator().manual_seed({"train": 0, "test": 2}[split])
    images = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8, generator=generator)
    return LabelledImages(images, torch.zeros(40).long())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An untrained model of grey images with a fitted source."""
    torch.manual_seed(1)
    source = wf.fit_gaussian(to_float(some_images("mnist", "train").images), clamp=(-1, 1))
    sizes = {"image_size": 16, "width": 2, "image_channels": 1}
    ratio = wf.FlowGuidedRatio(RatioCNN(**sizes), source, flow_steps=3, step_size=5.0, ema=0.0)
    shape = Recipe("Gaussian", {"shape": [1, 16, 16], "clamp": [-1.0, 1.0]})
    settings = {"network": Recipe("RatioCNN", sizes), "source": shape, "flow_steps": 3, "step_size": 5.0, "ema": 0.0}
    card = Card("tiny", "untrained", "mnist", "none", "none", {"model": Recipe("FlowGuidedRatio", settings)})
    save_pretrained(tmp_path / "model", card, {"model": ratio})
    return tmp_path / "model"


def test_rows_join_the_samples(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--n", 5, "--seed", 3, "--extra-steps", 2, "--batch-size", 4)
    run("generate", "--model", model, "--out", out, *words, "--interpolate", 6)
    loaded, seeds = wf.zoo.load(model).model, wf.sample_seeds(3, 5)
    samples = loaded.generate(5, extra_steps=2, seed=3)
    with Image.open(out / "interpolation.png") as picture:
        drawn = np.asarray(picture).astype(int)
    # Two paths of six; the fifth sample has no partner.
    assert drawn.shape == np.asarray(image_grid(torch.zeros(12, 1, 16, 16), columns=6)).shape
    # A row begins at its first sample; it ends where the second one began, moved by the first one's noise.
    ends = loaded.transport(loaded.start(2, seeds[1:4:2]), 2, seeds[0:3:2])
    for column, expected in ((0, samples[0:3:2]), (5, ends)):
        shown = np.asarray(image_grid(expected, columns=1)).astype(int)
        pitch = shown.shape[1] - 2
        part = drawn[:, column * pitch : column * pitch + shown.shape[1]]
        assert np.abs(part - shown).max() <= 1


def test_copies_are_told_from_fresh_images(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(copies, "images_of", some_images)
    net, out = grey_classifier(tmp_path / "net"), tmp_path / "out"
    words = ("--n", 10, "--extra-steps", 0, "--neighbours", 3, "--features", net)
    run("generate", "--model", model, "--out", out, *words)
    assert "nearest training image, in" in capsys.readouterr().out
    record = json.loads((out / "run.json").read_text())
    assert (record["status"], record["config"]["features"]) == ("finished", net)
    with Image.open(out / "neighbours.png") as picture:
        picture.verify()
    training, held_out = (some_images("mnist", split).images for split in ("train", "test"))
    samples = torch.from_numpy(np.load(out / "samples.npz")["samples"]).permute(0, 3, 1, 2)
    numbers = record["neighbours"]["pixels"]
    for name, images in (("samples", samples), ("held_out", held_out[:10])):
        apart = torch.cdist(to_float(images).flatten(1), to_float(training).flatten(1)).sort(dim=1).values
        assert numbers[name]["median"] == pytest.approx(float(apart[:, 0].quantile(0.5)), rel=1e-4)
        assert numbers[name]["least"] == pytest.approx(float(apart[:, 0].min()), rel=1e-4)
        if name == "samples":
            np.testing.assert_allclose(numbers["shown"], apart[:8, :3], rtol=1e-4)
    stolen = copies.find_copies(training[[7, 30]].permute(0, 2, 3, 1).numpy(), "mnist", net, 2)
    for space in ("pixels", "features"):
        assert stolen.found[space].indices[:2, 0].tolist() == [7, 30]
        assert stolen.metrics()[space]["samples"]["median"] < 1e-3 * stolen.metrics()[space]["held_out"]["least"]


def test_refusals(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points, out = toy_ratio(tmp_path / "points"), tmp_path / "out"
    cases = [
        (points, ["--interpolate", 4], "this model makes points"),
        (model, ["--interpolate", 1], "interpolate is 1"),
        (model, ["--interpolate", 4, "--n", 1], "n is 1"),
        (points, ["--neighbours", 4], "no training images of swissroll"),
        (model, ["--neighbours=-1"], "neighbours is -1"),
        (model, ["--features", "cifar10-resnet"], "no neighbours are asked for"),
        (model, ["--neighbours", 2, "--features", "cifar10-sndcgan"], "features is cifar10-sndcgan"),
    ]
    for given, words, match in cases:
        with pytest.raises(SystemExit) as stop:
            run("generate", "--model", given, "--out", out, *words)
        assert stop.value.code == 2
        assert match in capsys.readouterr().err
    assert not out.exists()


def test_only_whole_rows_of_many_classes_are_shown(tmp_path: Path) -> None:
    samples = np.zeros((70, 8, 8, 3), dtype=np.uint8)
    path = [torch.zeros(70, 3, 8, 8)]
    save_generated_pictures(tmp_path, samples, path, None, columns=10)
    with Image.open(tmp_path / "grid.png") as drawn:
        assert drawn.size == image_grid(torch.zeros(60, 3, 8, 8), columns=10).size
