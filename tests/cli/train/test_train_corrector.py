"""`wasserflow train corrector`: a generator without a critic gets one that other commands use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.models import mlp_generator
from wasserflow.models.pretrained import Card, Recipe, save_pretrained


@pytest.fixture
def alone(tmp_path: Path) -> str:
    """A generator of another latent space, without a critic."""
    torch.manual_seed(5)
    sizes = {"width": 8, "layers": 2, "latent": 3}
    networks = {"generator": Recipe("mlp_generator", sizes)}
    card = Card("alone", "untrained", "25gaussians", "none", "none", networks, Recipe("Normal", {"shape": 3}))
    save_pretrained(tmp_path / "alone", card, {"generator": mlp_generator(**sizes)})
    return str(tmp_path / "alone")


def test_the_model_refines_with_the_telescoped_critic(
    toy: str, alone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["--model", toy, "--generator", alone, "--iterations", "3", "--lr", "0.1", "--progress", "false"]
    main(["train", "corrector", "--out", str(out), *words])
    report = json.loads((out / "assessment.json").read_text())
    assert f'"auc": {report["after"]["auc"]}' in capsys.readouterr().out
    pair, theta, made = wf.zoo.load(toy), wf.zoo.load(alone), wf.zoo.load(out / "model")
    x = made.generator(made.prior.sample(4, seed=0))
    assert torch.equal(x, theta.generator(theta.prior.sample(4, seed=0)))
    torch.testing.assert_close(made.critic(x), (pair.critic(x) + made.critic.corrector(x)).reshape(4))
    assert torch.equal(made.critic.critic(x), pair.critic(x))
    assert not torch.equal(made.critic.corrector(x), pair.critic(x))
    assert made.card.refine == pair.card.refine
    assert made.card.metrics["corrector, held-out AUC between the generators"] == round(report["after"]["auc"], 4)

    refined = tmp_path / "refined"
    main(["refine", "--model", str(out / "model"), "--out", str(refined), "--n", "4", "--progress", "false"])
    arrays = np.load(refined / "samples.npz")
    np.testing.assert_allclose(arrays["before"], _first(theta, 4), atol=1e-6)
    assert np.abs(arrays["after"] - arrays["before"]).max() > 0


def _first(model: object, n: int) -> np.ndarray:
    with torch.no_grad():
        return model.generator(model.prior.sample(n, wf.sample_seeds(0, n))).numpy()


def test_refusals(toy: str, alone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in [
        (["--model", toy, "--generator", "cifar10-sndcgan"], "25gaussians and cifar10-sndcgan on cifar10; give"),
        (["--model", toy, "--generator", alone, "--critic", "third"], "critic is third"),
        (["--model", alone, "--generator", toy], "critic is critic"),
    ]:
        with pytest.raises(SystemExit):
            main(["train", "corrector", "--out", str(tmp_path / "run"), *words])
        assert message in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
