"""`wasserflow train fdrl` and `wasserflow generate`: what they leave, what comes back, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import feature_net
from PIL import Image

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.train import fdrl as commands
from wasserflow.cli.train import monitors
from wasserflow.data.images import LabelledImages, to_float

pytestmark = pytest.mark.filterwarnings(r"ignore:Found \d+ module:UserWarning")

QUICK = "--iterations 3 --flow-steps 2 --batch-size 8 --width 4 --progress false --accelerator cpu"


def run(*words: object) -> None:
    main([str(word) for word in words])


def trained(folder: Path, *words: str) -> Path:
    run("train", "fdrl", "--out", folder, *QUICK.split(), *words)
    return folder / "model"


@pytest.fixture
def points(tmp_path: Path) -> Path:
    return trained(tmp_path / "run", "--data", "swissroll", "--longest-step", "0.7")


def test_points_leave_every_file_and_equal_the_library(points: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples"
    run("generate", "--model", points, "--out", out, "--n", 7, "--seed", 3, "--extra-steps", 4, "--progress", "false")
    samples = np.load(out / "samples.npz")["samples"]
    model = wf.zoo.load(points).model
    assert isinstance(model, wf.FlowGuidedRatio)
    np.testing.assert_allclose(samples, model.generate(7, extra_steps=4, seed=3), atol=1e-5)
    for name in ("grid.png", "trajectory.gif"):
        with Image.open(out / name) as picture:
            picture.verify()
    record = json.loads((out / "run.json").read_text())
    assert (record["status"], record["finished"], record["evaluations"]) == ("finished", 7, 7 * 6)


def test_the_shipped_model_is_the_average_and_its_settings(points: Path) -> None:
    state = torch.load(points.parent / "last.ckpt", weights_only=True)["state_dict"]
    model = wf.zoo.load(points).model
    assert model.average is None
    assert (model.flow_steps, model.step_size, model.data_noise, model.longest_step) == (2, 0.5, 0.0, 0.7)
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, state[f"average.module.{name}"])
    card = wf.zoo.load(points).card
    assert "iterations 3" in card.training
    assert "pairing lsif-pearson" in card.training


@pytest.mark.parametrize(("pairing", "source"), [("lsif-pearson", "gaussian"), ("lr-js", "uniform")])
def test_images_keep_their_fitted_source(
    pairing: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    few = LabelledImages(
        torch.randint(0, 200, (40, 1, 28, 28), dtype=torch.uint8, generator=generator), torch.zeros(40).long()
    )
    monkeypatch.setattr(commands, "images_of", lambda data, split: few)
    model = trained(tmp_path / "run", "--data", "mnist", "--pairing", pairing, "--source", source)
    loaded = wf.zoo.load(model).model
    kind = {"gaussian": wf.spaces.Gaussian, "uniform": wf.spaces.Box}[source]
    assert isinstance(loaded.source, kind)
    if source == "gaussian":
        expected = (few.images.float() / 127.5 - 1).mean(0).flatten()
        torch.testing.assert_close(loaded.source.mean, expected, rtol=1e-4, atol=1e-5)
        assert loaded.source.clamp == (-1.0, 1.0)
    assert type(loaded.loss).__name__ == ("LeastSquares" if pairing == "lsif-pearson" else "Logistic")
    run("generate", "--model", model, "--out", tmp_path / "g", "--n", 5, "--batch-size", 2, "--progress", "false")
    samples = np.load(tmp_path / "g" / "samples.npz")["samples"]
    assert (samples.shape, samples.dtype) == ((5, 28, 28, 1), np.uint8)


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    words = ["train", "fdrl", "--data", "swissroll", "--out", tmp_path / "run", *QUICK.split(), "--checkpoint-every", 2]
    run(*words)
    first = (tmp_path / "run" / "model").rename(tmp_path / "first")
    run(*words, "--resume", "true")
    one, two = (wf.zoo.load(folder).model.state_dict() for folder in (first, tmp_path / "run" / "model"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_resumed_for_longer_replaces_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "fdrl", "--data", "swissroll", "--out", tmp_path / "run", *QUICK.split()]
    model = Path(trained(tmp_path / "run", "--data", "swissroll"))
    before = wf.zoo.load(model).model.state_dict()
    capsys.readouterr()
    run(*words, "--iterations", 6, "--resume", "true")
    said = capsys.readouterr()
    after = wf.zoo.load(model)
    assert any(not torch.equal(before[name], value) for name, value in after.model.state_dict().items())
    assert "iterations 6" in after.card.training
    assert f"the model is in {model}: wasserflow generate --model {model} ..." in said.out
    assert sorted(path.name for path in model.parent.iterdir()) == ["last.ckpt", "log", "model"]
    assert "Checkpoint directory" not in said.err
    assert "resuming from a checkpoint" not in said.err


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_refusals(points: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "g"
    assert "does not generate by a flow" in refused(capsys, "generate", "--model", "cifar10-resnet", "--out", out)
    assert "n is 0; give at least 1" in refused(capsys, "generate", "--model", points, "--out", out, "--n", 0)
    assert "extra_steps is -1" in refused(capsys, "generate", "--model", points, "--out", out, "--extra-steps=-1")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.txt").write_text("mine")
    assert "choose another --out" in refused(capsys, "generate", "--model", points, "--out", tmp_path / "mine")
    assert "not empty" in refused(capsys, "train", "fdrl", "--out", points.parent, "--data", "swissroll")


def test_a_diverging_training_says_why_and_keeps_its_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*QUICK.split(), "--iterations", 40, "--lr", 1e4, "--checkpoint-every", 1, "--data", "swissroll"]
    with pytest.raises(SystemExit) as stop:
        run("train", "fdrl", "--out", tmp_path / "run", *words)
    assert "last good checkpoint" in str(stop.value)
    assert (tmp_path / "run" / "last.ckpt").is_file()
    assert not (tmp_path / "run" / "model").exists()


def test_a_training_that_diverges_at_once_names_no_checkpoint(tmp_path: Path) -> None:
    words = [*QUICK.split(), "--iterations", 40, "--lr", 10, "--step-size", 100, "--data", "swissroll"]
    with pytest.raises(SystemExit) as stop:
        run("train", "fdrl", "--out", tmp_path / "run", *words)
    assert f"no checkpoint was written yet in {tmp_path / 'run'}" in str(stop.value)


def some_images(data: str, split: str) -> LabelledImages:
    seed = {"train": 0, "validation": 1, "test": 2}[split]
    bytes_ = torch.randint(0, 200, (40, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return LabelledImages(bytes_, torch.arange(40) % 2)


def test_a_training_of_images_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "images_of", some_images)
    monkeypatch.setattr(monitors, "images_of", some_images)
    judge = feature_net(tmp_path / "net", image_channels=1)
    words = ["--measure-every", "2", "--measure-samples", "5", "--measure-extra-steps", "1", "--judge", str(judge)]
    model = trained(tmp_path / "run", "--data", "mnist", *words)
    for name in ("samples/2.png", "curve.png"):
        with Image.open(tmp_path / "run" / name) as picture:
            picture.verify()
    log = next((tmp_path / "run" / "log").rglob("metrics.csv")).read_text()
    assert "frechet_distance" in log.splitlines()[0]
    ((told, distance),) = wf.zoo.card(model).metrics.items()
    assert told.startswith("Fréchet distance at step 2: 5 samples, 40 validation images of mnist, features of")
    assert distance > 0
    plain = trained(tmp_path / "plain", "--data", "mnist", "--measure-every", "0")
    one, two = (wf.zoo.load(folder).model.state_dict() for folder in (model, plain))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not (tmp_path / "plain" / "curve.png").exists()


def test_a_translation_is_measured_against_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitors, "images_of", some_images)
    judge = str(feature_net(tmp_path / "net", image_channels=1))
    (watch,) = monitors.monitors("mnist", tmp_path, 10, 5, 8, 0, judge, target_class=1)
    seen = watch.feature_net(to_float(some_images("mnist", "validation").of_class(1)))
    torch.testing.assert_close(watch.reference.moments.mean.float(), seen.mean(dim=0), rtol=1e-4, atol=1e-5)
    assert watch.reference.name == "20 validation images of mnist, class 1"
    assert monitors.monitors("mnist", tmp_path, 10, None, 8, 0, judge) == []
    with pytest.raises(ValueError, match="swissroll has no images to judge"):
        monitors.monitors("swissroll", tmp_path, 10, 5, 8, 0, None)
