"""`wasserflow reproduce text-guidance`: equal likelihood, honest numbers, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from models import feature_net, image_pair
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.reproduce import text_guidance_flows
from wasserflow.data.captions import captions
from wasserflow.data.images import LabelledImages, to_float
from wasserflow.models import small_clip
from wasserflow.models.pretrained import Card, Pretrained, Recipe, save_pretrained

pytest.importorskip("transformers")


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An untrained pair, an untrained CLIP model, an untrained classifier, and noise for real images."""
    few = LabelledImages(torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8), torch.arange(40) % 2)
    monkeypatch.setattr(text_guidance_flows, "cifar10", lambda split: few)
    judge = feature_net(tmp_path / "judge")
    pair = image_pair(tmp_path / "pair", judge, tmp_path / "none")
    torch.manual_seed(1)
    clip = small_clip({word for own in captions() for text in own for word in text.split()}, 32, 16, 16)
    card = Card("tiny-clip", "untrained", "none", "none", "none", {"model": Recipe("load_clip")})
    save_pretrained(tmp_path / "clip", card, {"model": clip})
    models = ["--model", pair, "--clip", str(tmp_path / "clip"), "--judge", str(judge)]
    return ["reproduce", "text-guidance", *models, "--n", "12", "--steps", "4", "--labels", "[0, 1]"]


def test_table_and_pictures(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main([*words, "--out", str(out), "--likelihood", "0.7", "--progress", "false"])
    table = json.loads((out / "table.json").read_text())
    record = json.loads((out / "run.json").read_text())
    assert (table["n"], table["seed"], table["likelihood"]) == (12, 0, 0.7)
    assert list(table["rows"]) == ["a photo of an airplane", "a photo of an automobile", "mean"]
    assert record["metrics"] == table["rows"]
    spent = 0
    for prompt in list(table["rows"])[:2]:
        rows = table["rows"][prompt]
        assert rows["with repulsion"]["steps"] == 4
        spent += 12 * (4 + rows["CLIP alone"]["steps"])
        assert (out / f"{prompt.replace(' ', '-')}.png").read_bytes()[:4] == b"\x89PNG"
    assert record["evaluations"] == spent
    first, second = (table["rows"][prompt]["CLIP alone"]["coverage"] for prompt in list(table["rows"])[:2])
    assert table["rows"]["mean"]["CLIP alone"]["coverage"] == pytest.approx((first + second) / 2)
    said = capsys.readouterr().out
    assert "with repulsion" in said
    assert "seed 0" in said


def steering(repulsion: float = 0.5, steps: int = 4) -> text_guidance_flows.TextSteering:
    """A generator whose images differ, and an untrained CLIP model."""
    torch.manual_seed(1)
    generator = nn.Sequential(nn.Linear(4, 3 * 32 * 32), nn.Unflatten(1, (3, 32, 32)), nn.Tanh()).eval()
    nn.init.normal_(generator[0].weight, std=0.5)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU(), nn.Linear(8, 1)).eval()
    card = Card("tiny", "untrained", "none", "none", "none", {})
    pair = Pretrained(card, Path(), {"generator": generator, "critic": critic}, wf.spaces.Normal(4))
    clip = small_clip({word for own in captions() for text in own for word in text.split()}, 32, 16, 16).eval()
    guidance = text_guidance_flows.Guidance(likelihood=3.0, repulsion=repulsion, steps=steps)
    return text_guidance_flows.TextSteering(pair, clip, guidance, n=12, seed=3)


def test_rows_are_gmi_and_stop_at_the_same_likelihood() -> None:
    steered = steering()
    samples, steps = steered.samples(1)
    rivals = [prompt for prompt in text_guidance_flows.PROMPTS if "automobile" not in prompt]
    assert len(rivals) == 9
    likelihood = wf.potentials.ClipLogProbability(steered.clip, "a photo of an automobile", rivals)
    density = wf.KernelDensity(wf.densities.MedianBandwidth(1.0))
    latents = wf.spaces.Normal(4).sample(12, 3)

    def flow(weights: tuple[float, float, float], steps: int) -> Tensor:
        options = {"features": steered.features, "log_likelihood": likelihood, "batch_size": 12, "density": density}
        return wf.methods.gmi(steered.generator, latents, weights=weights, steps=steps, **options).samples

    torch.testing.assert_close(samples["no guidance"], steered.generator(latents))
    torch.testing.assert_close(samples["with repulsion"], flow((0.5, 0.0, 3.0), steps["with repulsion"]))
    torch.testing.assert_close(samples["CLIP alone"], flow((0.0, 0.0, 3.0), steps["CLIP alone"]))
    reached = {row: likelihood(images).mean().item() for row, images in samples.items()}
    assert reached["with repulsion"] > reached["no guidance"]
    assert steered.scores(samples["with repulsion"], 1)["log_probability"] == pytest.approx(
        reached["with repulsion"], abs=1e-5
    )
    # Closer than a step further or a step less.
    gap = abs(reached["CLIP alone"] - reached["with repulsion"])
    for other in {steps["CLIP alone"] - 1, steps["CLIP alone"] + 1} - {0, 13}:
        assert abs(likelihood(flow((0.0, 0.0, 3.0), other)).mean().item() - reached["with repulsion"]) >= gap


def test_without_repulsion_both_flows_are_the_same() -> None:
    samples, steps = steering(repulsion=0.0, steps=3).samples(2)
    assert steps["CLIP alone"] == 3
    torch.testing.assert_close(samples["CLIP alone"], samples["with repulsion"])


def test_the_judge_counts_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real = LabelledImages(torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8), torch.arange(40) % 2)
    monkeypatch.setattr(text_guidance_flows, "cifar10", lambda split: real)

    class Red(nn.Module):
        """Class 1 where the image is red; its features are the mean red and green."""

        def features(self, x: Tensor) -> Tensor:
            return x.mean(dim=(2, 3))[:, :2]

        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([-self.features(x)[:, 0], self.features(x)[:, 0]], dim=1)

    card = Card("red", "by hand", "none", "none", "none", {})
    judge = text_guidance_flows.Judge(Pretrained(card, Path(), {"model": Red()}))
    images = torch.zeros(8, 3, 32, 32)
    images[:6, 0] = 0.5
    images[6:, 0] = -0.5
    measured = judge(images, 1)
    assert measured["asked_percent"] == 75.0
    # 12 of the 28 pairs are at distance 1, the others at 0.
    assert measured["pairwise_distance"] == pytest.approx(12 / 28)
    assert measured["asked_distance"] == 0.0
    images[0, 1] = 1.0
    # 5 of the 15 pairs of the asked class are now at distance 1.
    assert judge(images, 1)["asked_distance"] == pytest.approx(1 / 3)
    own = to_float(real.images[real.labels == 1])
    assert judge(own, 1)["coverage"] == 1.0


def test_bad_input_is_refused(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, says in (
        (["--labels", "[10]"], "labels [10]"),
        (["--n", "3"], "n is 3"),
        (["--clip", words[7]], "no CLIP model"),
    ):
        with pytest.raises(SystemExit) as stop:
            main([*words, "--out", str(tmp_path / "out"), *more])
        assert stop.value.code == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
