"""`wasserflow refine --critic` and `--precision`: who judges, and in which numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.models import mlp_critic, mlp_generator
from wasserflow.models.pretrained import Card, Recipe, save_pretrained


def refined(out: Path, *words: object) -> np.ndarray:
    main(["refine", "--out", str(out), "--n", "6", "--progress", "false", *map(str, words)])
    return np.load(out / "samples.npz")["after"]


@pytest.fixture
def two_critics(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    sizes = {"width": 64, "layers": 2}
    critic = Recipe("mlp_critic", sizes)
    networks = {"generator": Recipe("mlp_generator", sizes), "critic": critic, "second": critic}
    card = Card("two", "untrained", "swissroll", "none", "none", networks, Recipe("Normal", {"shape": 2}))
    folder = tmp_path / "two"
    made = {"generator": mlp_generator(**sizes), "critic": mlp_critic(**sizes), "second": mlp_critic(**sizes)}
    save_pretrained(folder, card, made)
    return folder


def test_the_critic_asked_for_judges(two_critics: Path, toy: str, tmp_path: Path) -> None:
    pair, other = wf.zoo.load(two_critics), wf.zoo.load(toy)
    z = pair.prior.sample(6, wf.sample_seeds(0, 6))
    for name, critic in (("second", pair.networks["second"]), (toy, other.critic), (None, pair.critic)):
        words = [] if name is None else ["--critic", name]
        rule = wf.EulerMaruyama(0.3, 0.0)
        expected = wf.refine(critic, z, pair.generator, integrator=rule, steps=2).samples
        options = ["--model", two_critics, "--step-size", 0.3, "--temperature", 0, "--steps", 2, "--divergence", "kl"]
        out = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        np.testing.assert_allclose(refined(out, *options, *words), expected, atol=1e-5)
        assert json.loads((out / "run.json").read_text())["config"]["critic"] == (name or "critic")


def test_an_unknown_critic_names_those_there_are(
    two_critics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        refined(tmp_path / "run", "--model", two_critics, "--critic", "third")
    said = capsys.readouterr().err
    assert "critic is third, none of the model's own (critic, second)" in said
    assert "cifar10-sndcgan" in said
    assert not (tmp_path / "run").exists()


def test_half_precision_is_close_and_not_the_same(two_critics: Path, tmp_path: Path) -> None:
    exact = refined(tmp_path / "exact", "--model", two_critics, "--steps", 2)
    half = refined(tmp_path / "half", "--model", two_critics, "--steps", 2, "--precision", "bfloat16")
    assert 0 < np.abs(exact - half).max() < 0.05 * np.abs(exact).max()
