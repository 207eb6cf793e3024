"""`wasserflow reproduce fdrl-images`: its numbers are those of `generate`, and nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from models import grey_classifier
from PIL import Image

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.names import held_out
from wasserflow.cli.names.held_out import HeldOutDistance
from wasserflow.cli.reproduce import fdrl_images, fdrl_images_quality
from wasserflow.cli.reproduce.fdrl_images_quality import printed, steps_to_measure, summary
from wasserflow.cli.train import fdrl
from wasserflow.data.images import LabelledImages, to_uint8

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:Found \d+ module:UserWarning"),
    pytest.mark.filterwarnings("ignore:a Fréchet distance:UserWarning"),
]


def some_images(data: str, split: str) -> LabelledImages:
    generator = torch.Generator().manual_seed({"train": 0, "validation": 1, "test": 2}[split])
    images = torch.randint(0, 256, (40, 1, 12, 12), dtype=torch.uint8, generator=generator)
    return LabelledImages(images, torch.zeros(40).long())


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(held_out, "images_of", some_images)
    monkeypatch.setattr(fdrl, "images_of", some_images)
    net = grey_classifier(tmp_path / "net")
    quick = "--iterations 5 --flow-steps 3 --batch-size 8 --width 2 --step-size 3 --accelerator cpu --progress false"
    return ["reproduce", "fdrl-images", "--features", net, *quick.split(), "--n", "6", "--seeds", "2"]


def table_of(out: Path) -> list[dict[str, Any]]:
    return json.loads((out / "table.json").read_text())["rows"]


def test_both_priors_are_trained_and_measured(words: list[str], tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    main([*words, "--offsets", "[-3, 0, 2]", "--out", str(out)])
    said = capsys.readouterr().out
    for text in ("22.28", "30.23", "K + 20", "data-dependent prior", "6 samples is biased upwards"):
        assert text in said
    record, rows = json.loads((out / "run.json").read_text()), table_of(out)
    assert (record["status"], record["evaluations"]) == ("finished", 2 * 2 * 6 * 5)
    # The uniform prior has a fifth more training.
    for prior, iterations in (("gaussian", 5), ("uniform", 6)):
        assert f"iterations {iterations}" in wf.zoo.card(out / prior / "model").training
    distance = HeldOutDistance(wf.zoo.load(words[3]), "mnist", "test")
    for row in rows:
        ratio = wf.zoo.load(out / row["prior"] / "model").model
        for extra in (-3, 0, 2):
            each = [distance(to_uint8(ratio.generate(6, extra_steps=extra, seed=seed))) for seed in (0, 1)]
            moments = row["by_steps"][str(3 + extra)]
            assert moments["mean"] == pytest.approx(sum(each) / 2, rel=1e-4)
            assert moments["std"] == pytest.approx(abs(each[0] - each[1]) / 2**0.5, rel=1e-3)
        best = min(row["by_steps"], key=lambda steps: row["by_steps"][steps]["mean"])
        assert row["best_offset"] == int(best) - 3
    for name in ("quality.png", "samples-gaussian.png", "samples-uniform.png"):
        with Image.open(out / name) as picture:
            picture.verify()


def test_an_interrupted_run_goes_on_and_nothing_is_done_twice(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    main([*words, "--offsets", "[0, 1]", "--out", str(whole)])
    measure, measured = fdrl_images.quality_by_steps, []

    def stopped(*arguments: Any) -> fdrl_images_quality.Quality:
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(arguments[-1])
        return measure(*arguments)

    monkeypatch.setattr(fdrl_images, "quality_by_steps", stopped)
    with pytest.raises(SystemExit):
        main([*words, "--offsets", "[0, 1]", "--out", str(out)])
    assert "3 sets of samples are measured and kept; go on with --resume" in capsys.readouterr().err
    measured.pop()
    monkeypatch.setattr(lightning.Trainer, "fit", None)
    main([*words, "--offsets", "[0, 1]", "--out", str(out), "--resume"])
    assert measured == [0, 1, 1]
    assert table_of(out) == table_of(whole)
    with pytest.raises(SystemExit):
        main([*words, "--n", "7", "--out", str(out), "--resume"])
    assert "choose another --out" in capsys.readouterr().err


def test_given_models_are_not_trained(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    main([*words, "--offsets", "[0, 1]", "--out", str(tmp_path / "first")])
    monkeypatch.setattr(lightning.Trainer, "fit", None)
    models = {prior: str(tmp_path / "first" / prior / "model") for prior in ("gaussian", "uniform")}
    given = [word for prior, folder in models.items() for word in (f"--{prior}-model", folder)]
    main([*words, *given, "--offsets", "[0, 1]", "--out", str(tmp_path / "second")])
    assert table_of(tmp_path / "first") == table_of(tmp_path / "second")
    swapped = ["--gaussian-model", models["uniform"], "--out", str(tmp_path / "third")]
    with pytest.raises(SystemExit) as stop:
        main([*words, *swapped])
    assert stop.value.code == 2
    assert "starts from Box; as gaussian_model give one of mnist that starts from Gaussian" in capsys.readouterr().err


def test_steps_and_tables() -> None:
    assert steps_to_measure(100, None) == [80, 90, 100, 110, 120, 130, 140]
    assert steps_to_measure(20, None) == [10, 20, 30, 40, 50, 60]
    assert steps_to_measure(20, [5, -20, 5]) == [0, 25]
    with pytest.raises(ValueError, match="none below -20"):
        steps_to_measure(20, [-21])
    row = summary("gaussian", 10, "lr-kl", [{10: 4.0, 20: 1.0, 30: 9.0}, {10: 6.0, 20: 3.0}])
    assert row["at_flow_steps"] == {"mean": 5.0, "std": pytest.approx(2**0.5)}
    assert (row["best"]["mean"], row["best_offset"], row["published"]) == (2.0, 10, 22.61)
    assert list(row["by_steps"]) == [10, 20]
    text = printed([row, summary("uniform", 10, "lr-js", [{}])])
    assert "2.00 ± 1.41" in text
    assert "K + 10" in text
