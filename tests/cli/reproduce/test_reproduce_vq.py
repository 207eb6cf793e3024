"""`wasserflow reproduce vq`: the stages are those of the method, and the numbers are of the stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.reproduce import vq as command
from wasserflow.data.images import LabelledImages
from wasserflow.models.pretrained import Card, Recipe, save_pretrained

pytest.importorskip("diffusers")

WORDS = ("--progress", "false", "--steps", 3, "--steps_per_code", 1, "--n", 2, "--step_size", 0.1, "--penalty", 2)


def run(*words: object) -> None:
    main(["reproduce", "vq", *(str(word) for word in words)])


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """An untrained autoencoder with 4 x 4 positions."""
    torch.manual_seed(0)
    sizes = {"codes": 32, "widths": [8, 8, 8, 8], "image_size": 32}
    vq = wf.models.vq_autoencoder(**sizes)
    with torch.no_grad():
        vq.quantize.embedding.weight.normal_()
    card = Card("tiny", "tiny", "cifar10", "none", "untrained", {"model": Recipe("vq_autoencoder", sizes)})
    save_pretrained(tmp_path / "tiny", card, {"model": vq})
    return str(tmp_path / "tiny")


def test_stages_numbers_and_files(tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    run(
        "--model",
        tiny,
        "--out",
        out,
        "--start",
        "random",
        "--guide",
        "cifar10-resnet",
        "--asked",
        "ship",
        "--seed",
        5,
        *WORDS,
    )
    table = json.loads((out / "table.json").read_text())
    rows = {row["stage"]: row for row in table["rows"]}
    vq = wf.zoo.load(tiny).model
    codebook, decoder = wf.spaces.Codebook(vq, shape=(4, 4)), wf.models.VQDecoder(vq)
    likelihood = wf.potentials.ClassLogProbability(wf.zoo.load("cifar10-resnet").model, 8)
    z0 = codebook.sample(2, seed=5)
    settings = {"log_likelihood": likelihood, "codebook": codebook, "integrator": wf.EulerMaruyama(0.1), "steps": 3}
    runs = {
        "(a) warm-up": wf.methods.vq_inference(decoder, z0, penalty=2.0, steps_per_code=0, **settings),
        "(b) fine-tune": wf.methods.vq_inference(decoder, z0, penalty=2.0, steps_per_code=1, **settings),
        "(c) no penalty": wf.methods.vq_inference(decoder, z0, penalty=0.0, steps_per_code=0, **settings),
    }
    for name, r in runs.items():
        assert rows[name]["distance_to_codebook"] == pytest.approx(float(codebook.distance(r.particles).mean()))
        with torch.no_grad():
            assert rows[name]["log_likelihood"] == pytest.approx(float(likelihood(r.samples).mean()), rel=1e-4)
    assert rows["start"]["distance_to_codebook"] == 0 == rows["(b) fine-tune"]["distance_to_codebook"]
    codes = codebook.codes
    gaps = torch.cdist(codes, codes) + torch.diag(torch.full((32,), torch.inf))
    assert table["spacing_of_codes"] == pytest.approx(float(gaps.min(1).values.mean()), rel=1e-5)
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["evaluations"] == sum(r.evaluations for name, r in runs.items() if name != "(a) warm-up")
    assert Image.open(out / "stages.png").width > 5 * 64
    assert "log p(ship | image)" in capsys.readouterr().out


def test_start_is_test_images_of_other_classes(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    asked = []

    def cifar10(split: str) -> LabelledImages:
        asked.append(split)
        return LabelledImages(images, torch.tensor([5, 1, 5, 2, 3, 4]))

    monkeypatch.setattr(command, "cifar10", cifar10)
    monkeypatch.setattr(command, "side_by_side", lambda grids, names: grids[0])
    run("--model", tiny, "--out", tmp_path / "run", "--guide", "cifar10-resnet", "--asked", "dog", *WORDS)
    assert asked == ["test"]
    vq = wf.zoo.load(tiny).model
    with torch.no_grad():
        decoded = vq(wf.data.images.to_float(images[[1, 3]])).sample.clamp(-1, 1)
    expected = wf.reports.image_grid(decoded, columns=2)
    assert Image.open(tmp_path / "run" / "stages.png").tobytes() == expected.tobytes()


@pytest.mark.parametrize(("words", "said"), [(("--n", 0), "n is 0"), (("--model", "cifar10-resnet"), "no codes")])
def test_refusals(words: tuple[object, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run("--start", "random", *words, "--out", tmp_path / "run")
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
