"""`wasserflow generate --label`: the library's composition, labels in turn, the judge's count, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import grey_classifier
from PIL import Image

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.data.images import to_float, to_uint8
from wasserflow.models import RatioResNet
from wasserflow.models.pretrained import Card, Recipe, save_pretrained


def run(*words: object) -> None:
    main([str(word) for word in words])


def digit_ratio(folder: Path, pairing: str) -> Path:
    """An untrained model of grey images, 3 steps of flow."""
    torch.manual_seed(1)
    sizes = {"size": "32", "width": 1, "image_channels": 1}
    divergence, loss = {"lsif": ("Pearson", "LeastSquares"), "kl": ("KL", "Logistic")}[pairing]
    names = {"divergence": Recipe(divergence), "loss": Recipe(loss)}
    source = Recipe("Box", {"low": -1.0, "high": 1.0, "shape": [1, 28, 28]})
    settings = {"flow_steps": 3, "step_size": 2.0, "ema": 0.0}
    recipe = Recipe("FlowGuidedRatio", {"network": Recipe("RatioResNet", sizes), "source": source, **names, **settings})
    model = wf.FlowGuidedRatio(RatioResNet(**sizes), wf.spaces.Box(-1.0, 1.0, (1, 28, 28)), ema=0.0)
    save_pretrained(folder, Card("tiny", "untrained", "mnist", "none", "none", {"model": recipe}), {"model": model})
    return folder


@pytest.fixture
def classifier(tmp_path: Path) -> str:
    return grey_classifier(tmp_path / "classifier", classes=4)


@pytest.mark.parametrize("pairing", ["lsif", "kl"])
@pytest.mark.parametrize(("label", "turn"), [("2", [2]), ("all", [0, 1, 2, 3]), ("[3, 1]", [3, 1])])
def test_samples_are_those_of_the_library(
    label: str, turn: list[int], pairing: str, classifier: str, tmp_path: Path
) -> None:
    model, out = digit_ratio(tmp_path / "model", pairing), tmp_path / "out"
    words = [
        "--n",
        7,
        "--seed",
        3,
        "--extra-steps",
        2,
        "--batch-size",
        3,
        "--guidance",
        5,
        "--attempts",
        1,
        "--progress",
        "false",
    ]
    run(
        "generate",
        "--model",
        model,
        "--label",
        label,
        "--classifier",
        classifier,
        "--out",
        out,
        *words,
        "--progress",
        "false",
    )
    arrays = np.load(out / "samples.npz")
    labels = torch.tensor([turn[i % len(turn)] for i in range(7)])
    assert arrays["labels"].tolist() == labels.tolist()
    loaded = wf.zoo.load(model).model
    towards = wf.classifier_log_ratio(wf.zoo.load(classifier).model, labels, classes=4)
    # It acts for the 3 steps of training, unless told otherwise.
    guided = loaded.generate(7, extra_steps=2, seed=3, condition=towards, guidance=5, guided_steps=3)
    free = loaded.generate(7, extra_steps=2, seed=3)
    expected = to_uint8(guided.clamp(-1, 1)).permute(0, 2, 3, 1).numpy().astype(int)
    assert np.abs(arrays["samples"].astype(int) - expected).max() <= 1
    assert (guided - free).abs().max() > 0.02
    with Image.open(out / "grid.png") as picture:
        picture.verify()


def test_the_judge_counts_what_was_asked_for(classifier: str, tmp_path: Path) -> None:
    model, out = digit_ratio(tmp_path / "model", "kl"), tmp_path / "out"
    judge = grey_classifier(tmp_path / "judge")
    words = ["--classifier", classifier, "--judge", judge, "--n", 9, "--extra-steps", 1, "--progress", "false"]
    run("generate", "--model", model, "--label", "[0, 2]", "--out", out, *words)
    record, arrays = json.loads((out / "run.json").read_text()), np.load(out / "samples.npz")
    images = to_float(torch.from_numpy(arrays["samples"]).permute(0, 3, 1, 2))
    right = wf.zoo.load(judge).model(images).argmax(1).numpy() == arrays["labels"]
    metrics = record["metrics"]
    assert metrics["asked_percent"] == pytest.approx(100 * right.mean())
    for label in (0, 2):
        assert metrics["of_each_class"][str(label)] == pytest.approx(100 * right[arrays["labels"] == label].mean())
    assert (record["config"]["guidance"], record["config"]["label"]) == (0.1, [0, 2])


def test_samples_of_another_class_are_drawn_again_from_their_own_streams(classifier: str, tmp_path: Path) -> None:
    model, guide = digit_ratio(tmp_path / "model", "kl"), wf.zoo.load(classifier).model
    found, certainty = {}, 0.0
    for attempts, batch in ((1, 3), (2, 3), (6, 3), (6, 20)):
        out = tmp_path / f"{attempts}-{batch}"
        words = ["--label", 0, "--attempts", attempts, "--certainty", certainty, "--batch-size", batch, "--n", 20]
        words += ["--classifier", classifier, "--extra-steps", 0, "--progress", "false"]
        run("generate", "--model", model, "--out", out, *words)
        arrays = np.load(out / "samples.npz")
        with torch.no_grad():
            probability = guide(to_float(torch.from_numpy(arrays["samples"]).permute(0, 3, 1, 2))).softmax(1)[:, 0]
        # Between two of the samples, which an untrained classifier sees much alike.
        certainty = certainty or float(probability.sort().values[9:11].mean())
        found[attempts, batch] = arrays["samples"], probability, json.loads((out / "run.json").read_text())
    once, twice, more, whole = found.values()
    sure = once[1] >= certainty
    assert int(sure.sum()) == 10
    for later in (twice, more):
        kept = np.abs(later[0].astype(int) - once[0]).reshape(20, -1).max(1) <= 1
        assert kept.tolist() == sure.tolist(), "those accepted stay, the others are drawn again"
    assert int((more[1] >= certainty).sum()) > 10
    assert np.abs(more[0].astype(int) - whole[0]).max() <= 1, "whatever the batches"
    assert once[2]["evaluations"] == 20 * 3
    assert twice[2]["evaluations"] == 3 * (20 + int((~sure).sum()))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--label 4 --classifier CLASSIFIER", "label is 4; CLASSIFIER knows the classes 0 to 3"),
        ("--label=-1 --classifier CLASSIFIER", "label is -1; CLASSIFIER knows the classes 0 to 3"),
        ("--label [] --classifier CLASSIFIER", "label is []; CLASSIFIER knows"),
        ("--label 1", "label is 1 and classifier is None; give both, such as --classifier mnist-robust, or neither"),
        ("--classifier CLASSIFIER", "label is None and classifier is CLASSIFIER; give both"),
        ("--label 1 --classifier cifar10-resnet", "classifier is cifar10-resnet, but"),
        ("--label 1 --classifier cifar10-sndcgan", "classifier is cifar10-sndcgan, which is no classifier"),
        ("--label 1 --classifier CLASSIFIER --guidance=-1", "guidance is -1.0; give a number of 0 or more"),
        ("--label 1 --classifier CLASSIFIER --guided-steps 0", "guided_steps is 0; give at least 1"),
        ("--label 1 --classifier CLASSIFIER --attempts 0", "attempts is 0; give at least 1"),
        ("--label 1 --classifier CLASSIFIER --certainty 1", "certainty is 1.0; give a probability below 1"),
        ("--judge CLASSIFIER", "judge is CLASSIFIER, but no class is asked for"),
        ("--label 1 --classifier CLASSIFIER --judge cifar10-resnet", "judge is cifar10-resnet, but"),
    ],
)
def test_refusals(words: str, said: str, classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = digit_ratio(tmp_path / "model", "kl"), tmp_path / "out"
    with pytest.raises(SystemExit) as stop:
        run("generate", "--model", model, "--out", out, *words.replace("CLASSIFIER", classifier).split())
    assert stop.value.code == 2
    assert said.replace("CLASSIFIER", classifier) in capsys.readouterr().err
    assert not out.exists()


def test_a_translation_is_sent_to_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Recipe("FlowGuidedRatio", {"network": Recipe("mlp_ratio", {"width": 2}), "source": None, "ema": 0.0})
    model = wf.FlowGuidedRatio(wf.models.mlp_ratio(width=2), None, ema=0.0)
    card = Card("tiny", "untrained", "mnist", "none", "none", {"model": recipe})
    save_pretrained(tmp_path / "model", card, {"model": model})
    with pytest.raises(SystemExit):
        run("generate", "--model", tmp_path / "model", "--out", tmp_path / "out")
    assert "use `wasserflow translate`" in capsys.readouterr().err
