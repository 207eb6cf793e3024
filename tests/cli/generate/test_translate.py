"""`wasserflow train fdrl` between two classes and `wasserflow translate`: files, numbers, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import grey_classifier
from PIL import Image
from stopping import stopped_after
from torch import Tensor

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.generate import translate as translation
from wasserflow.cli.train import fdrl as training
from wasserflow.data.images import LabelledImages, to_float, to_uint8
from wasserflow.metrics import FeatureMoments, frechet_distance

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:Found \d+ module:UserWarning"),
    pytest.mark.filterwarnings("ignore:a Fréchet distance from:UserWarning"),
]

QUICK = "--iterations 3 --flow-steps 2 --batch-size 8 --width 2 --progress false --accelerator cpu"


def run(*words: object) -> None:
    main([str(word) for word in words])


def few(split: str, data: str = "mnist") -> LabelledImages:
    """Noise in two classes, 3 darker than 8."""
    shape = (24, 3, 32, 32) if data == "cifar10" else (24, 1, 28, 28)
    generator = torch.Generator().manual_seed(len(split))
    labels = torch.tensor([3, 8] * 12)
    images = torch.randint(0, 100, shape, generator=generator) + 100 * (labels == 8)[:, None, None, None]
    return LabelledImages(images.to(torch.uint8), labels)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training, translation):
        monkeypatch.setattr(module, "images_of", lambda data, split: few(split, data))


@pytest.fixture
def model(data: None, tmp_path: Path) -> Path:
    run(
        "train",
        "fdrl",
        "--data",
        "mnist",
        "--source-class",
        3,
        "--target-class",
        8,
        "--out",
        tmp_path / "m",
        *QUICK.split(),
    )
    return tmp_path / "m" / "model"


def test_training_starts_at_one_class_and_learns_the_other(
    data: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def fit(
        network: torch.nn.Module, target: Tensor, source: wf.spaces.Samples, *args: object, **options: object
    ) -> None:
        seen.update(target=target, source=source, options=options)
        raise ValueError("enough seen")

    monkeypatch.setattr(training, "fit_fdrl", fit)
    classes = ["--source-class", 3, "--target-class", 8]
    with pytest.raises(SystemExit):
        run("train", "fdrl", "--data", "cifar10", *classes, "--measure-every", 0, "--out", tmp_path / "m")
    images = few("train", "cifar10")
    assert torch.equal(seen["target"], images.images[images.labels == 8])
    assert torch.equal(seen["source"].x, to_float(images.images[images.labels == 3]))
    assert seen["options"]["iterations"] == 40_000
    assert seen["options"]["decay_at"] == (0.5, 0.75)


def test_the_model_holds_no_training_images(model: Path) -> None:
    loaded = wf.zoo.load(model)
    assert loaded.model.source is None
    assert loaded.card.translation == {"source_class": 3, "target_class": 8}
    assert {file.name for file in model.iterdir()} == {"card.json", "model.safetensors"}
    assert set(loaded.model.state_dict()) == {f"network.{name}" for name in loaded.model.network.state_dict()}
    with pytest.raises(ValueError, match="no source to begin from"):
        loaded.model.generate(1)


def test_files_and_equality_with_the_library(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    words = ["--n", 7, "--seed", 3, "--extra-steps", 4, "--batch-size", 3, "--progress", "false"]
    run("translate", "--model", model, "--out", out, *words)
    arrays = np.load(out / "samples.npz")
    test = few("test")
    origins = test.images[test.labels == 3][:7]
    np.testing.assert_array_equal(arrays["before"], origins.permute(0, 2, 3, 1))
    moved = wf.zoo.load(model).model.transport(to_float(origins), extra_steps=4, seed=3)
    expected = to_uint8(moved.clamp(-1, 1)).permute(0, 2, 3, 1).numpy().astype(int)
    assert np.abs(arrays["after"].astype(int) - expected).max() <= 1
    assert np.abs(arrays["after"].astype(int) - arrays["before"]).max() > 1
    for name in ("before.png", "after.png", "side_by_side.png", "trajectory.gif"):
        with Image.open(out / name) as picture:
            picture.verify()
    record = json.loads((out / "run.json").read_text())
    assert (record["status"], record["finished"], record["evaluations"]) == ("finished", 7, 7 * 6)
    assert set(record["metrics"]) == {"after", "unrelated"}
    before, after = (arrays[name].reshape(7, -1).astype(float) for name in ("before", "after"))
    own = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(before, after, strict=True)])
    other = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(np.roll(before, 1, axis=0), after, strict=True)])
    assert record["metrics"]["after"]["pixel_correlation"] == pytest.approx(own, abs=1e-6)
    assert record["metrics"]["unrelated"]["pixel_correlation"] == pytest.approx(other, abs=1e-6)
    assert record["metrics"]["after"]["feature_cosine"] is None


def test_a_stopped_run_is_gone_on_with(model: Path, tmp_path: Path) -> None:
    words = ["translate", "--model", model, "--n", 7, "--batch-size", 2, "--progress", "false"]
    stopped_after(3, *words, "--out", tmp_path / "t")
    run(*words, "--out", tmp_path / "t", "--resume")
    run(*words, "--out", tmp_path / "whole")
    one, other = (np.load(tmp_path / name / "samples.npz") for name in ("t", "whole"))
    assert set(one) == set(other) == {"before", "after", "evaluations"}
    np.testing.assert_array_equal(one["before"], other["before"])
    assert np.abs(one["after"].astype(int) - other["after"]).max() <= 1
    assert one["evaluations"] == other["evaluations"]


def test_the_judge_measures_against_held_out_images(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, judge = tmp_path / "t", grey_classifier(tmp_path / "judge")
    run("translate", "--model", model, "--out", out, "--n", 6, "--judge", judge, "--progress", "false")
    metrics = json.loads((out / "run.json").read_text())["metrics"]
    arrays, network, test = np.load(out / "samples.npz"), wf.zoo.load(judge).model, few("test")
    real = FeatureMoments.of(network.features(to_float(test.images[test.labels == 8])).detach())
    features = {}
    for name in ("before", "after"):
        images = to_float(torch.from_numpy(arrays[name]).permute(0, 3, 1, 2))
        features[name] = network.features(images).detach()
        share = (network(images).argmax(1) == 8).double().mean().item()
        assert metrics[name]["target_percent"] == pytest.approx(100 * share)
        assert metrics[name]["frechet"] == pytest.approx(frechet_distance(FeatureMoments.of(features[name]), real))
    cosine = torch.cosine_similarity(features["before"], features["after"]).mean().item()
    assert metrics["after"]["feature_cosine"] == pytest.approx(cosine, abs=1e-6)
    said = capsys.readouterr().out
    assert "seen as class 8" in said
    assert "12 images of class 8" in said


def test_a_classifier_leads_to_the_target_class(model: Path, tmp_path: Path) -> None:
    guide = grey_classifier(tmp_path / "guide")
    words = ["--n", 5, "--batch-size", 2, "--progress", "false", "--classifier", guide, "--guidance", 30.0]
    run("translate", "--model", model, "--out", tmp_path / "t", *words, "--guided-steps", 1)
    record = json.loads((tmp_path / "t" / "run.json").read_text())["config"]
    assert (record["guidance"], record["guided_steps"]) == (30.0, 1)
    arrays = np.load(tmp_path / "t" / "samples.npz")
    ratio, network = wf.zoo.load(model).model, wf.zoo.load(guide).model
    origins = to_float(torch.from_numpy(arrays["before"]).permute(0, 3, 1, 2))
    condition = wf.classifier_log_ratio(network, 8)
    led = ratio.transport(origins, 0, seed=0, condition=condition, guidance=30.0, guided_steps=1)
    expected = to_uint8(led.clamp(-1, 1)).permute(0, 2, 3, 1).numpy().astype(int)
    assert np.abs(arrays["after"].astype(int) - expected).max() <= 1
    free = to_uint8(ratio.transport(origins, 0, seed=0).clamp(-1, 1)).permute(0, 2, 3, 1).numpy().astype(int)
    assert np.abs(free - expected).max() > 1


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--source-class 3", "target_class is None; give two classes, or neither"),
        ("--source-class 3 --target-class 3", "target_class is 3; give two classes"),
        ("--source-class 5 --target-class 8", "no images of class 5; give one of the classes 3, 8"),
        (
            "--source-class 3 --target-class 8 --source uniform",
            "source is uniform and source_class is 3",
        ),
        ("--source-class 3 --target-class 8 --data swissroll", "swissroll has no classes"),
    ],
)
def test_trainings_that_cannot_be(
    words: str, said: str, data: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, "train", "fdrl", "--out", tmp_path / "m", *words.split())
    assert not (tmp_path / "m").exists()


def test_refusals(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["translate", "--out", tmp_path / "t", "--progress", "false"]
    assert "does not translate by a flow" in refused(capsys, *words, "--model", "cifar10-resnet")
    words += ["--model", model]
    assert "there are 12 images of class 3; give at most" in refused(capsys, *words, "--n", 13)
    assert "no images of class 4; give one of the classes 3, 8" in refused(capsys, *words, "--source-class", 4)
    words += ["--n", 4]
    assert "judge is cifar10-sndcgan, which is no classifier" in refused(capsys, *words, "--judge", "cifar10-sndcgan")
    assert "give a classifier of the same kind" in refused(capsys, *words, "--judge", "cifar10-resnet")
    assert "n is 1; give at least 2" in refused(capsys, *words, "--n", 1, "--judge", "cifar10-resnet")
    assert "but no classifier leads" in refused(capsys, *words, "--guidance", 0.1)
    assert "guidance is -1.0; give" in refused(capsys, *words, "--guidance=-1", "--classifier", "mnist-robust")
    assert not (tmp_path / "t").exists()


def test_a_model_that_was_trained_otherwise_is_told_the_classes(
    data: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("train", "fdrl", "--data", "mnist", "--source", "uniform", "--out", tmp_path / "m", *QUICK.split())
    words = ["translate", "--model", tmp_path / "m" / "model", "--out", tmp_path / "t", "--n", 2, "--progress", "false"]
    assert "has no source_class; give one" in refused(capsys, *words)
    run(*words, "--source-class", 8, "--target-class", 3)
    assert (tmp_path / "t" / "after.png").is_file()
