"""`wasserflow reproduce dgflow`: rows are the flows they name, the arithmetic is right, and it goes on if stopped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from models import feature_net, image_pair
from PIL import Image
from safetensors.torch import load_file, save_file

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.names import held_out
from wasserflow.cli.reproduce import dgflow_flows
from wasserflow.cli.settings.choices import MethodOptions
from wasserflow.data.images import LabelledImages, to_uint8
from wasserflow.models import zoo

pytestmark = pytest.mark.filterwarnings("ignore:a Fréchet distance:UserWarning")

SECOND = ("cifar10-wgan-gp", "cifar10-sndcgan-hinge", "cifar10-sndcgan", "cifar10-sn-resnet-gan")


@pytest.fixture
def pair(tmp_path: Path) -> str:
    """An untrained pair whose images and logits depend on the latents, as those of fresh networks hardly do."""
    folder = Path(image_pair(tmp_path / "pair", feature_net(tmp_path / "net"), tmp_path / "none"))
    for name in ("generator", "critic"):
        file = folder / f"{name}.safetensors"
        save_file({key: 10 * w if w.ndim > 1 else w for key, w in load_file(file).items()}, file)
    return str(folder)


@pytest.fixture
def words(tmp_path: Path, pair: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One untrained pair in the place of all four models of table 2, and other images of it as the real ones."""
    model = zoo.load(pair)
    real = to_uint8(model.generator(model.prior.sample(40, wf.seeds.sample_seeds(2, 40))).detach())
    monkeypatch.setattr(held_out, "images_of", lambda data, split: LabelledImages(real, torch.zeros(40).long()))
    models = json.dumps(dict.fromkeys(SECOND, pair))
    common = ["--features", str(tmp_path / "net"), "--progress", "false", "--settings.steps", "6", "--n", "6"]
    return ["reproduce", "dgflow", "--models", models, *common, "--settings.step_size", "50.0"]


def rows_of(out: Path, number: int) -> dict[str, dict]:
    return {row["row"]: row for row in json.loads((out / "table.json").read_text())["tables"][str(number)]}


def test_rows_are_the_flows_they_name(words: list[str], pair: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    main([*words, "--only", "[2, 13]", "--methods", "[js]", "--seeds", "2", "--seed", "3", "--out", str(out)])
    said = capsys.readouterr().out
    model, judge = zoo.load(pair), held_out.HeldOutDistance(zoo.load(tmp_path / "net"), "cifar10", "test")
    for number, temperature in ((2, 0.01), (13, 0.0)):
        after = []
        for seed in (3, 4):
            refined = wf.refine(
                model.critic,
                model.prior.sample(6, wf.seeds.sample_seeds(seed, 6)),
                model.generator,
                divergence=wf.JensenShannon(),
                integrator=wf.EulerMaruyama(50.0, temperature),
                steps=6,
                seed=seed,
            ).samples
            after.append(judge(to_uint8(refined)))
        row = rows_of(out, number)["SN-DCGAN (ns), JS"]
        assert row["after"]["mean"] == pytest.approx(sum(after) / 2, rel=1e-3), after
        unrefined = [
            judge(to_uint8(model.generator(model.prior.sample(6, wf.seeds.sample_seeds(s, 6))))) for s in (3, 4)
        ]
        change = row["change_percent"]
        expected = sum(100 * (b - a) / a for a, b in zip(unrefined, after, strict=True)) / 2
        assert change["mean"] == pytest.approx(expected, abs=0.2)
        assert abs(expected) > 1
        assert f"{change['mean']:+.1f} ± {change['std']:.1f} %" in said
    assert "-23.9 %" in said  # 15.90 of 20.90
    assert "6 samples is biased upwards" in said


def test_pictures_are_of_the_flow(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = ["--only", "[2]", "--rows", "[WGAN-GP, SN-DCGAN (ns), SN-ResNet-GAN]", "--methods", "[kl, dot]"]
    main([*words, *chosen, "--seeds", "1", "--out", str(out)])
    assert "SN-ResNet-GAN, DOT" not in rows_of(out, 2)
    assert "SN-DCGAN (hi), KL" not in rows_of(out, 2)
    assert "WGAN-GP, DOT" in rows_of(out, 2)
    with Image.open(out / "steps-cifar10-sndcgan.png") as picture:
        picture.verify()


def test_rows_without_a_model_are_left_out_and_told(words: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(zoo, "names", list)
    models = json.loads(words[words.index("--models") + 1])
    del models["cifar10-sndcgan-hinge"], models["cifar10-sn-resnet-gan"]
    words[words.index("--models") + 1] = json.dumps(models)
    main([*words, "--only", "[2]", "--methods", "[kl]", "--seeds", "1", "--out", str(tmp_path / "out")])
    assert list(rows_of(tmp_path / "out", 2)) == ["WGAN-GP, KL", "SN-DCGAN (ns), KL"]
    assert "SN-DCGAN (hi): cifar10-sndcgan-hinge is not shipped" in capsys.readouterr().err


def test_an_interrupted_run_goes_on(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    words = [*words, "--only", "[13]", "--methods", "[kl, logd]", "--seeds", "1"]
    main([*words, "--out", str(whole)])
    refined, calls = dgflow_flows.Base.refined, []

    def counted(self, *arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(arguments)
        return refined(self, *arguments)

    monkeypatch.setattr(dgflow_flows.Base, "refined", counted)
    with pytest.raises(SystemExit):
        main([*words, "--out", str(out)])
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"
    monkeypatch.setattr(dgflow_flows.Base, "refined", refined)
    main([*words, "--out", str(out), "--resume", "true"])
    assert rows_of(out, 13) == rows_of(whole, 13)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--only", "[3]"], r"only is \[3\]; give some of 2, 4, 13, 15"),
        (["--only", "[2]", "--rows", "[VAE]"], r"rows is \['VAE'\]; give some of WGAN-GP, "),
        (["--n", "1"], "n is 1"),
        (["--models", '{"cifar10-wgan-gp": "nowhere"}'], "no model 'nowhere'"),
    ],
)
def test_refusals(words: list[str], tmp_path: Path, wrong: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main([*words, *wrong, "--out", str(tmp_path / "out")])
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_critic_that_is_missing_is_named(pair: str) -> None:
    with pytest.raises(ValueError, match="critic is uncorrected, none of the model's own"):
        dgflow_flows.Base(pair, 4).critic("uncorrected")


def test_a_seed_is_that_of_the_latents_and_of_the_noise(pair: str) -> None:
    options = MethodOptions("dgflow", 5.0, 6, 0.05, "kl")
    base, model = dgflow_flows.Base(pair, 6), zoo.load(pair)
    for seed in (3, 4):
        seeds = wf.seeds.sample_seeds(seed, 6)
        rule = wf.EulerMaruyama(5.0, 0.05)
        latents = model.prior.sample(6, seeds)
        expected = wf.refine(model.critic, latents, model.generator, integrator=rule, steps=6, seed=seeds).samples
        images = base.refined("critic", options, seed)
        assert int((images.int() - to_uint8(expected).int()).abs().max()) <= 1
    other = wf.refine(model.critic, latents, model.generator, integrator=rule, steps=6, seed=0).samples
    assert int((images.int() - to_uint8(other).int()).abs().max()) > 5
